// Package storage remembers, in one bbolt file: what was answered when, what is
// known of every name, alerts, and the log of events with the place up to which
// each reader has read it.
//
// # Nouns
//
// An interval is a run of equal answers of one endpoint to one question; all
// intervals of such a pair are a series. The newest interval of each series is
// kept apart from the past ones: it is the one that is written again and again
// while it grows, and the list of the newest is also the list of all series.
//
// What was overheard lies beside it: each answer of an endpoint to a watched question,
// with when it came first and last; and of names that nobody watches, under keyed
// hashes, when they were answered and with how many addresses. The key is in a file of
// its own.
//
// A batch is what one commit writes: intervals, baselines, alerts and events,
// all or nothing, on disk when [DB.Commit] returns.
//
// An event is an entry of a log that is numbered from 1 without gaps, across
// restarts. [DB.Wait] wakes whoever waits for the next one.
//
// A cursor is the last event that an endpoint has dealt with. Events that a
// cursor has not passed stay.
//
// # Caveats
//
// Transactions run one at a time, reads too. A fault inside bbolt may leave its
// locks held; nobody else may then be waiting for them. So a read waits for a
// commit, and a commit for a read; both are bounded, but [DB.Check] is not.
//
// The file is mapped into memory. If it shrinks, or a page of it cannot be
// read, the access faults; every transaction turns that into [ErrCorrupt]. The
// next call opens the file again, and if it is damaged sets it aside as
// PATH.corrupt-TIME and starts a fresh one. What was in it is lost to this
// program until somebody looks; Stats and an error in the log say so. A fresh
// file that replaces one in use keeps its id and goes on with its sequence, so
// that readers of the log miss nothing that comes after. The damage that is not
// survived is a page tree with a cycle, in which bbolt recurses without end.
//
// The file never shrinks. Room that pruning frees is used again.
package storage

// Package capture overhears DNS. It reads packets from this host's interfaces
// or from capture files, pairs every query with all responses that claim to
// answer it, and hands what is worth judging to the monitor as samples.
//
// # Basics
//
// A Source gives frames, one after the other: Live from a ring shared with the
// kernel, Reader from a pcap or pcapng file. Everything behind a Source is the
// same for both and takes its time from the frames, so that a file gives what
// the wire gave. A Matcher owns the table of open transactions and is used by
// one goroutine. ListenFanout spreads an interface over several Lives, each for
// a Matcher of its own.
//
// A Tap hears what resolvers tell of by dnstap, ReadTap a file of it. That is not
// matched, but for contradictions: who tells of an answer has accepted it.
//
// # Caveats
//
// The data of a Frame is valid until the next call of Next. Nothing here sends
// a packet.
package capture

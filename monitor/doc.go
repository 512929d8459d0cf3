// Package monitor judges DNS answers: it is the vocabulary of this program and
// the judgement itself.
//
// A Watch is a name to look after. A Sample holds every answer to one question
// in one short window; it is the comparison that rules look at. Judge makes a
// Ruling of a Case, which is the samples of one question and what history, the
// Baseline, knows of it. A Monitor asks, has each sample judged, gathers
// Evidence where a ruling wants it, learns, and turns what it finds into a
// Verdict on each name and into Alerts. Everything that happens is an Event.
//
// Rules are pure functions of a case: they know time only from its samples, so
// that a recording gives the verdicts that the live daemon gave. One goroutine,
// that of Monitor.Run, owns all state.
//
// # Caveats
//
// Unknown is a verdict of its own. It never reads as clean, and it never
// resolves an alert.
//
// A verdict on a name and an alert are two things with two clocks: a name can
// be clean again while its alert stays open until the false record has left
// every cache.
//
// The package imports none of the others; they import it.
package monitor

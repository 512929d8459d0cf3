// Package report shows what was found: judgements, alerts, the state of the
// daemon, as text for people, and as JSON, SARIF, JUnit XML or annotations of
// GitHub for programs.
//
// The text is for somebody who was just woken: the verdict first, then what was
// seen, why it is held to be so, what is at risk and what to do. It has no
// colours and no control characters: see Printable for what becomes of others'
// text. Lines are folded at 120 columns, and times are in UTC. What was not
// measured is not claimed. The JSON is the schema dnstaster.report/v1.
//
// JUnit has one test case for each watched name and type; SARIF and GitHub have
// a result or annotation for each that is not clean. They never show unknown as
// clean, nor a report that could not judge all that it was given. What stands in
// names, certificates and errors is only text in them: no markup, no command, no
// link.
package report

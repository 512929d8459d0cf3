// Package report shows what was found: judgements, alerts, the state of the
// daemon, as text for people and as JSON for programs.
//
// The text is for somebody who was just woken: the verdict first, then what was
// seen, why it is held to be so, what is at risk and what to do. It has no
// colours and no control characters: see Printable for what becomes of others'
// text. Lines are folded at 120 columns, and times are in UTC. What was not
// measured is not claimed. The JSON is the schema dnstaster.report/v1.
package report

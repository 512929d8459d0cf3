// Package report shows what was found: judgements, alerts, the state of the
// daemon, as text for people and as JSON for programs.
//
// The text is for somebody who was just woken: the verdict first, then what was
// seen, why it is held to be so, what is at risk and what to do. It has no
// colours and no control characters; whatever comes from the network is shown
// as printable ASCII. The JSON is the schema dnstaster.report/v1.
package report

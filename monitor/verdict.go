package monitor

import "time"

// Verdict is what an application on this host would get for a name now.
type Verdict string

// The verdicts. Unknown is never shown as clean, and never resolves an alert.
const (
	Clean      Verdict = "clean"
	Suspicious Verdict = "suspect"
	Poisoned   Verdict = "poisoned"
	Unknown    Verdict = "unknown"
)

// Rank orders verdicts by how much a reader wants to see them first.
func (v Verdict) Rank() int {
	switch v {
	case Poisoned:
		return 3
	case Suspicious:
		return 2
	case Unknown:
		return 1
	}
	return 0
}

// Worse gives the verdict of two that a name with both must show.
func (v Verdict) Worse(w Verdict) Verdict {
	if w.Rank() > v.Rank() {
		return w
	}
	return v
}

// Cause is why a verdict is unknown. Each has a cure.
type Cause string

// The causes.
const (
	CauseNoWitness         Cause = "no_witness"         // nobody independent could be asked
	CauseNoProof           Cause = "no_proof"           // nothing can show whose the address is
	CauseFamilyUnreachable Cause = "family_unreachable" // no route to that address family from here
	CauseLearning          Cause = "learning"           // seen for the first time; not settled yet
	CauseStale             Cause = "stale"              // the last answer is too old
	CauseCaptive           Cause = "captive"            // a portal answers for everybody
	CauseTLSInspected      Cause = "tls_inspected"      // every certificate is re-signed on the way
	CauseClock             Cause = "clock"              // this host's clock is wrong
	CauseWithheld          Cause = "withheld"           // a resolver denies or blocks what others give
)

// Cure says what makes an unknown verdict known.
func (c Cause) Cure(name string) string {
	switch c {
	case CauseNoWitness:
		return "let this host reach a witness over TLS, or pin: tls.pins or expect.addresses"
	case CauseNoProof:
		return "pin it: tls.pins or expect.addresses of " + name
	case CauseFamilyUnreachable:
		return "none needed if applications cannot use that family either; else watch the other type only"
	case CauseLearning:
		return "wait for the first rounds, or pin"
	case CauseStale:
		return "look at resolvers and link: no answer came lately"
	case CauseCaptive:
		return "log in to the network's portal"
	case CauseTLSInspected:
		return "add the inspecting root to tls.roots"
	case CauseWithheld:
		return "ask whoever runs the resolver to let " + name + " pass, or declare the block: filtering: true on that resolver"
	case CauseClock:
		return "set this host's clock"
	}
	return ""
}

// Kind is what happened, in one word; the same word names its runbook.
type Kind string

// The kinds of alerts that exist so far, the worst first.
const (
	PathRewritten   Kind = "path_rewritten"
	LocalHost       Kind = "local_host"
	PathInjection   Kind = "path_injection"
	ResolverCache   Kind = "resolver_cache"
	LocalNet        Kind = "local_net"
	AuthorityHijack Kind = "authority_hijack_suspected"
	AttackAttempt   Kind = "attack_attempt"
	Rebinding       Kind = "rebinding"
	TLSIntercepted  Kind = "tls_mitm"
	PathRedirected  Kind = "path_redirected"
	LocalProxy      Kind = "local_proxy"
	PathRelayed     Kind = "path_relay"
	NXRewritten     Kind = "nxdomain_rewrite"
	Denial          Kind = "denial"
	PolicyBlock     Kind = "policy_block"
)

// What is told of in an event, and is no alert.
const (
	ChangeNotice Kind = "change_notice"
	ZoneBogus    Kind = "zone_bogus"
)

// notice reports whether the kind is an event only.
func (k Kind) notice() bool { return k == ChangeNotice || k == ZoneBogus }

// pathWide reports whether the kind is about the way to a resolver, and not about
// the name at which it was noticed: it is said once, for all names.
func (k Kind) pathWide() bool {
	return k == TLSIntercepted || k == PathRedirected || k == LocalProxy || k == PathRelayed
}

// paltry reports whether the kind is written down and calls nobody.
func (k Kind) paltry() bool { return k == Denial || k == PolicyBlock || k == NXRewritten }

// Attribution is where the lie is told.
type Attribution string

// The attributions.
const (
	AtHost         Attribution = "host"
	AtLAN          Attribution = "lan"
	AtPath         Attribution = "path"
	AtResolver     Attribution = "resolver"
	AtAllResolvers Attribution = "all_resolvers"
	AtAuthority    Attribution = "authority"
	AtThisLocation Attribution = "this_location"
)

// Confidence is how far a suspicion is proven.
type Confidence uint8

// The confidences, in rising order.
const (
	Unsuspected Confidence = iota
	Suspected
	Probable
	Confirmed
)

var confidenceNames = [...]string{"", "suspected", "probable", "confirmed"}

func (c Confidence) String() string { return confidenceNames[c] }

// MarshalText gives the word.
func (c Confidence) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (c *Confidence) UnmarshalText(b []byte) error { return unmarshalName(c, confidenceNames[:], b) }

// Severity is how much harm an alert stands for.
type Severity uint8

// The severities, in rising order.
const (
	Low Severity = iota
	Medium
	High
	Critical
)

var severityNames = [...]string{"low", "medium", "high", "critical"}

func (s Severity) String() string { return severityNames[s] }

// MarshalText gives the word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Severity) UnmarshalText(b []byte) error { return unmarshalName(s, severityNames[:], b) }

// Reason is one fact that a rule found, for or against the suspicion.
type Reason struct {
	Rule   string `json:"rule"`
	Fact   string `json:"fact"`
	Weight int    `json:"weight"` // decibans; see Fuse
}

// Judgement is what is made of one question at one moment, with its reasons.
type Judgement struct {
	Name        string        `json:"name"`
	Type        Type          `json:"type"`
	Verdict     Verdict       `json:"verdict"`
	Attribution Attribution   `json:"attribution"`
	Cause       Cause         `json:"cause"`
	Cure        string        `json:"cure,omitempty"`
	Proof       string        `json:"proof,omitempty"` // what makes it clean
	Kind        Kind          `json:"kind,omitempty"`
	Confidence  Confidence    `json:"confidence,omitempty"`
	Checking    bool          `json:"checking,omitempty"` // evidence is being gathered; the verdict may still change
	Resolver    string        `json:"resolver,omitempty"` // who is accused
	Observed    []string      `json:"observed,omitempty"` // what is held to be false
	Expected    []string      `json:"expected,omitempty"` // what is held to be true
	Reasons     []Reason      `json:"reasons"`
	Against     []string      `json:"against"`
	WouldChange string        `json:"would_change,omitempty"`
	Answers     []Observation `json:"answers"`
	Evidence    []Evidence    `json:"evidence,omitempty"`
	Voices      []Voice       `json:"voices,omitempty"`  // who said what, by which the lie is attributed
	Because     string        `json:"because,omitempty"` // why it is attributed so, in a line
	At          time.Time     `json:"at,omitzero"`
	Since       time.Time     `json:"since,omitzero"`        // the verdict stands since
	Maintenance *Window       `json:"maintenance,omitempty"` // a planned change that is under way
	Proven      bool          `json:"proven,omitempty"`      // of clean ones: every address here proved itself, or is declared
	Locked      bool          `json:"locked,omitempty"`      // and every one serves a key that a lock of the name has
	Breaches    []string      `json:"breaches,omitempty"`    // what is here, and a lock of the name does not have; whatever the verdict

	Score int `json:"-"` // decibans
}

// Question is what was judged.
func (j Judgement) Question() Question { return Question{j.Name, j.Type} }

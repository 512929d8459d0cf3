package monitor

import (
	"net/netip"
	"time"
)

// Timing is how long everything that waits waits. Time-outs of the network are
// not among it: they belong to whoever waits for the network.
type Timing struct {
	Interval        time.Duration   // between rounds of a name on the host's own path, unless its watch says otherwise
	WitnessInterval time.Duration   // between rounds that ask witnesses too; ±20 %
	ProofInterval   time.Duration   // how long a proven address stays unasked
	ProofSpacing    time.Duration   // between two proofs that no case waits for, over all names
	Repeat          time.Duration   // two observations count as two only so far apart
	Plan            []time.Duration // when a case takes its steps, from its opening; see plan.go
	Minority        time.Duration   // time over which a lone dissenter must hold its answer
	Recheck         time.Duration   // between steps of a case after its plan
	ResolveAfter    time.Duration   // an alert is resolved no earlier after the last bad answer
	ReopenWithin    time.Duration   // the same thing again is the same alert
	FlapQuiet       time.Duration   // and does not call again before this
	Learning        time.Duration   // how long a name without proof is learnt
	LearningRounds  int             // and in how many rounds with a quorum of witnesses
	HistorySpan     time.Duration   // an address is historical when witnessed over this
	MaxStale        time.Duration   // caches may hand out so long what has expired
	CommitInterval  time.Duration   // observations wait so long for their commit
	Factor          int             // what every wait is divided by; TTLs of answers and intervals of watches are as well
}

// DefaultTiming is for production.
func DefaultTiming() Timing {
	return Timing{
		Interval:        time.Minute,
		WitnessInterval: 15 * time.Minute,
		ProofInterval:   24 * time.Hour,
		ProofSpacing:    10 * time.Second,
		Repeat:          10 * time.Second,
		Plan:            []time.Duration{0, 0, 10 * time.Second, 20 * time.Second, 50 * time.Second},
		Minority:        45 * time.Second,
		Recheck:         time.Minute,
		ResolveAfter:    15 * time.Minute,
		ReopenWithin:    24 * time.Hour,
		FlapQuiet:       30 * time.Minute,
		Learning:        24 * time.Hour,
		LearningRounds:  20,
		HistorySpan:     time.Hour,
		MaxStale:        24 * time.Hour,
		CommitInterval:  time.Second,
		Factor:          1,
	}
}

// LabFactor divides every wait of the lab profile.
const LabFactor = 20

// LabTiming is DefaultTiming with every wait divided by LabFactor. Learning and
// MaxStale, which wait for days to pass, take 20 s, and commits are not hurried.
func LabTiming() Timing {
	t := DefaultTiming()
	for _, d := range []*time.Duration{
		&t.Interval, &t.WitnessInterval, &t.ProofInterval, &t.ProofSpacing, &t.Repeat, &t.Minority, &t.Recheck,
		&t.ResolveAfter, &t.ReopenWithin, &t.FlapQuiet, &t.HistorySpan,
	} {
		*d /= LabFactor
	}
	for i := range t.Plan {
		t.Plan[i] /= LabFactor
	}
	t.Learning = 20 * time.Second
	t.LearningRounds = 3
	t.HistorySpan = 20 * time.Second
	t.MaxStale = 20 * time.Second
	t.CommitInterval /= 4
	t.Factor = LabFactor
	return t
}

// Counts that the judge works with. They are numbers of rounds or groups, not
// times, and the same in every profile.
const (
	historyRounds  = 3                   // witnessed rounds that make an address historical
	minorityGroups = 3                   // groups that must agree before one is accused for being alone
	minorityHits   = 2                   // of its last answers, so many must dissent
	splitPairs     = 3                   // pairs of plain and encrypted answers that must all split
	uniformRounds  = 2                   // rounds in which the plain path must lie
	clashFor       = 2                   // rechecks for which a contradiction on the wire counts
	probedFor      = 5                   // rechecks for which a probe of the path counts
	uniformGroups  = 2                   // operators whose plain answers it must bend
	clearRounds    = 2                   // good rounds in a row before a bad verdict is taken back
	resolveRounds  = 5                   // and before an alert is resolved
	staleIntervals = 3                   // intervals without an answer before a verdict is stale
	certificateAge = 24 * time.Hour      // a certificate so much older than the divergence shows earlier control
	controlWithin  = time.Minute         // a control counts for suspects proven so close to it
	verifiedFor    = 30 * 24 * time.Hour // life of a proof
	historicalFor  = 30 * 24 * time.Hour // life of history
	badFor         = 7 * 24 * time.Hour  // life of a disproof
	envelopeFor    = 14 * 24 * time.Hour // life of a TTL that the zone showed
	maxPoisonedTTL = 24 * time.Hour      // longest wait for a poisoned record to leave caches
)

// Policy is what the judge goes by, the same for every case.
type Policy struct {
	Timing Timing
	Exempt []netip.Prefix  // special-purpose blocks that are ordinary here
	Off    map[string]bool // rules and clearing tests that are switched off; for drills and tests of the tests
}

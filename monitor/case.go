package monitor

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Case is all that is known about one question at the moment of its latest
// sample. The judge and its rules read it and change nothing.
type Case struct {
	Watch    Watch
	Question Question
	Base     *Baseline
	Policy   *Policy
	Opened   time.Time // when suspicion arose; zero in quiet times
	Samples  []Sample  // oldest first; the last one is being judged
}

// view is a case with what several rules need of it worked out once.
type view struct {
	*Case
	at      time.Time
	now     []*answer          // of the sample being judged
	all     []*answer          // every answer of the case, oldest first
	latest  map[string]*answer // by endpoint
	proofs  map[netip.Addr][]Evidence
	voices  map[string]string       // what groups of witnesses are known to be one, by each of them
	given   map[netip.Addr][]string // voices of witnesses that give the address now
	groups  []string                // voices of witnesses that answered healthily
	classes map[netip.Addr]classified
	first   map[netip.Addr]time.Time // first seen in this case
	facts   facts
	wire    []Sample    // overheard a moment ago, each transaction once, oldest first
	away    []Finding   // that questions are led elsewhere on this host
	clashes []overheard // answers on the wire that contradict each other, by transaction, oldest first
}

// answer is an observation with what it says worked out once.
type answer struct {
	Observation
	canon    Canon
	addrs    []netip.Addr
	standing standing
	judged   bool
}

type classified struct {
	class Class
	why   string
}

func newView(c *Case) *view {
	v := &view{
		Case: c, latest: map[string]*answer{}, proofs: map[netip.Addr][]Evidence{},
		given: map[netip.Addr][]string{}, classes: map[netip.Addr]classified{}, first: map[netip.Addr]time.Time{},
	}
	if len(c.Samples) > 0 {
		v.at = c.Samples[len(c.Samples)-1].At
	}
	settled := c.settledFrom()
	for i, s := range c.Samples {
		if i < settled {
			s = s.outlives()
		}
		for _, a := range v.answersIn(s) {
			v.all = append(v.all, a)
			if i == len(c.Samples)-1 {
				v.now = append(v.now, a)
			}
		}
		for _, e := range s.Evidence {
			if e.At.IsZero() {
				e.At = s.At
			}
			if e.Kind == EvidenceTLS {
				v.proofs[e.Address] = append(v.proofs[e.Address], e)
			} else {
				v.facts.take(e)
			}
		}
	}
	slices.SortStableFunc(v.all, func(a, b *answer) int { return a.At.Compare(b.At) })
	for _, ps := range v.proofs {
		slices.SortStableFunc(ps, byAge)
	}
	v.facts.settle()
	for _, o := range v.all {
		// An error does not take back what the endpoint said a moment ago.
		if old, ok := v.latest[o.Endpoint()]; !ok || o.Error == "" || old.Error != "" {
			v.latest[o.Endpoint()] = o
		}
		for _, a := range o.addrs {
			if _, ok := v.first[a]; !ok {
				v.first[a] = o.At
			}
		}
	}
	v.retire()
	v.join()
	for _, o := range v.latest {
		if !v.votes(o) {
			continue
		}
		voice := v.voice(o.Group())
		if !slices.Contains(v.groups, voice) {
			v.groups = append(v.groups, voice)
		}
		for _, a := range o.addrs {
			if !slices.Contains(v.given[a], voice) {
				v.given[a] = append(v.given[a], voice)
			}
		}
	}
	slices.Sort(v.groups)
	return v
}

// retire takes the voice of resolvers that this host no longer uses: all that it
// does use are asked in each round.
func (v *view) retire() {
	for _, s := range slices.Backward(v.Samples) {
		used := map[string]bool{}
		for _, o := range s.Answers {
			if o.Role == Local && s.Via == Probe {
				used[o.Endpoint()] = true
			}
		}
		if len(used) == 0 {
			continue
		}
		for endpoint, o := range v.latest {
			if o.Role == Local && o.Packet == nil && !used[endpoint] {
				delete(v.latest, endpoint)
			}
		}
		return
	}
}

// answersIn gives the answers of a sample that count: all of a round, and of an
// overheard query the one that was accepted.
func (v *view) answersIn(s Sample) []*answer {
	if s.Via == Wire {
		if a, ok := v.harken(s); ok {
			return []*answer{a}
		}
		return nil
	}
	var as []*answer
	for _, o := range s.Answers {
		as = append(as, v.answer(o, s.At))
	}
	return as
}

func (v *view) answer(o Observation, at time.Time) *answer {
	if o.At.IsZero() {
		o.At = at
	}
	return &answer{Observation: o, canon: o.Canon(v.Question), addrs: o.Addresses(v.Question)}
}

// votes reports whether o is a witness's healthy statement. What a filtering
// resolver denies is its policy, not the zone's content.
func (v *view) votes(o *answer) bool {
	if !o.Witness() && (!plain(o) || v.on("vote.plain_path")) {
		return false
	}
	switch o.canon.Content {
	case Data:
		return true
	case NoData, NXDomain:
		return !o.Filtering || !v.on("vote.filtering")
	}
	return false
}

// quorum is how many witness groups must give an address before it counts as
// witnessed: a majority of those that answered, two at least.
func (v *view) quorum() int { return max(2, len(v.groups)/2+1) }

// choose gives the latest answers that pass, in a stable order.
func (v *view) choose(pass func(*answer) bool) []*answer {
	var os []*answer
	for _, o := range v.latest {
		if pass(o) {
			os = append(os, o)
		}
	}
	slices.SortFunc(os, func(a, b *answer) int { return cmp.Compare(a.Endpoint(), b.Endpoint()) })
	return os
}

func local(o *answer) bool { return o.Role == Local }
func plain(o *answer) bool { return o.Role == Reference && !o.Encrypted }

// class gives the identity class of a, and why.
func (v *view) class(a netip.Addr) (Class, string) {
	c, ok := v.classes[a]
	if !ok {
		c.class, c.why = v.classify(a)
		v.classes[a] = c
	}
	return c.class, c.why
}

// worst gives the worst class among the addresses of o; Verified for none.
func (v *view) worst(o *answer) Class {
	w := Verified
	for _, a := range o.addrs {
		if c, _ := v.class(a); c > w {
			w = c
		}
	}
	return w
}

// worstOf gives the address of o, a suspicious answer, that makes it so: a
// forged record may stand behind good ones, which nobody is accused of.
func (v *view) worstOf(o *answer) netip.Addr {
	w := v.worst(o)
	for _, a := range o.addrs {
		if c, _ := v.class(a); c == w {
			return a
		}
	}
	return netip.Addr{}
}

// best gives the best class among the addresses of o; ProvenBad for none.
func (v *view) best(o *answer) Class {
	b := ProvenBad
	for _, a := range o.addrs {
		if c, _ := v.class(a); c < b {
			b = c
		}
	}
	return b
}

// standing is what an answer is worth.
type standing uint8

const (
	silent      standing = iota // an error: no statement
	good                        // every address is the name's, or the denial is the witnesses' too
	grey                        // kin of good addresses; to be proven in passing
	denied                      // it denies what witnesses give
	unwitnessed                 // it denies, and no witness was heard
	suspicious
)

// stands judges one answer by the classes of what it hands out.
func (v *view) stands(o *answer) standing {
	if !o.judged {
		o.standing, o.judged = v.assess(o), true
	}
	return o.standing
}

func (v *view) assess(o *answer) standing {
	c := o.canon
	if _, is := policy(o); is && o.Filtering && v.on("clear.filtering") {
		return silent // that of its operator, which is known
	}
	if _, is := v.blocked(o); is {
		return silent // it was declared
	}
	switch c.Content {
	case None:
		return silent
	case NoData, NXDomain:
		return v.standsDenial(o)
	}
	if !v.Question.Type.Address() {
		return v.standsRecords(c)
	}
	switch w := v.worst(o); {
	case w.Good():
		return good
	case w.Suspicious():
		return suspicious
	default:
		return grey
	}
}

func (v *view) standsDenial(o *answer) standing {
	deny, give := v.denials()
	switch {
	case v.zoneDenies() && v.on("clear.denial_zone"):
		return good
	case (o.Witness() && deny >= give || deny >= v.quorum()) && v.on("clear.denial"):
		return good
	case give > 0:
		return denied
	}
	if b := v.answered(); b != nil && b.Absent.Count > 0 && b.Absent.Last.After(b.Rounds.Last.Add(-time.Nanosecond)) && v.on("clear.denial_known") {
		return good // the last quorum denied it as well
	}
	return unwitnessed
}

// zoneDenies reports whether the zone itself says that there is no such record, or
// did so lately: for as long as caches may hold what it took away.
func (v *view) zoneDenies() bool {
	if es := v.facts.words(); len(es) > 0 {
		return slices.ContainsFunc(es, func(e *Evidence) bool { return e.Absent })
	}
	b := v.answered()
	return b != nil && !b.Denied.IsZero() && v.at.Sub(b.Denied) < max(b.envelope(), v.Policy.Timing.WitnessInterval)
}

// zoneGives reports whether the zone itself gives these records.
func (v *view) zoneGives(c Canon) bool {
	if !v.on("clear.records_zone") {
		return false
	}
	var asked []string
	mark := c.Tail + " " + v.Question.Type.String() + " "
	for _, r := range c.Records {
		if data, ok := strings.CutPrefix(r, mark); ok {
			asked = append(asked, data)
		}
	}
	return slices.ContainsFunc(v.facts.words(), func(e *Evidence) bool {
		var said []string
		for _, r := range e.Records {
			if r.Type == v.Question.Type {
				said = append(said, r.Data)
			}
		}
		slices.Sort(said)
		return len(said) > 0 && slices.Equal(slices.Compact(said), asked)
	})
}

// standsRecords judges types without addresses: clean only as a quorum of
// witnesses gives it, now or in history.
func (v *view) standsRecords(c Canon) standing {
	if v.zoneGives(c) {
		return good
	}
	n := map[string]bool{}
	for _, o := range v.latest {
		if v.votes(o) && o.canon.Equal(c) {
			n[v.voice(o.Group())] = true
		}
	}
	if len(n) >= v.quorum() && v.on("clear.records") {
		return good
	}
	if b := v.answered(); b != nil && b.Canon[c.key()] != nil && v.on("clear.records_known") {
		return good
	}
	if len(v.groups) == 0 {
		return unwitnessed
	}
	return grey
}

// denials counts witness groups that deny the record, and those that give it.
func (v *view) denials() (deny, give int) {
	for _, g := range v.groups {
		gives := false
		for _, o := range v.latest {
			if v.votes(o) && v.voice(o.Group()) == g && o.canon.Content == Data {
				gives = true
			}
		}
		if gives {
			give++
		} else {
			deny++
		}
	}
	return deny, give
}

// answered is what history knows of this question; nil for nothing.
func (v *view) answered() *Answered {
	return v.Base.answered(v.Question.Type)
}

// learnt reports whether history is long enough to hold a lone dissenter
// against a name that cannot prove itself.
func (v *view) learnt() bool {
	b := v.answered()
	return b != nil && b.Rounds.Count >= v.Policy.Timing.LearningRounds && v.at.Sub(v.Base.Since) >= v.Policy.Timing.Learning
}

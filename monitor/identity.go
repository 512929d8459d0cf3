package monitor

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Class is what an address is known to be for a name. The order is from best
// to worst: an answer is worth its worst address, so that one forged record
// among nine good ones is found.
type Class uint8

// The classes. The first four are good, Kin is grey, the rest is suspicious.
const (
	Verified      Class = iota // it proved the name, or the owner declares it
	Historical                 // witnesses gave it again and again
	Witnessed                  // a quorum of witnesses gives it now
	Authoritative              // the zone's own servers give it
	Kin                        // in the /24 or /48 of a good address
	Strange                    // nothing is known of it
	Special                    // from a special-purpose block
	ProvenBad                  // it is proven to be somebody else's
)

var classNames = [...]string{"verified", "historical", "witnessed", "authoritative", "kin", "unknown", "special", "proven_bad"}

func (c Class) String() string { return classNames[c] }

// Good reports whether an application may be sent there.
func (c Class) Good() bool { return c <= Authoritative }

// Suspicious reports whether the class opens a case.
func (c Class) Suspicious() bool { return c >= Strange }

// classify decides the class of a. What is declared or proven comes before what
// is merely known: a pin, then a handshake, then history and witnesses.
func (v *view) classify(a netip.Addr) (Class, string) {
	if allowed, ok := v.Watch.Allows(a); ok {
		switch {
		case !allowed && !v.maintained():
			return ProvenBad, "outside expect.addresses"
		case allowed && v.on("clear.addresses"):
			return Verified, "pinned by expect.addresses"
		}
	}
	// Declared as right, whatever CA the inside of the network has; a pinned key
	// is a stricter declaration.
	if v.allowedPrivate(a) && !v.keyPinned() {
		return Verified, "private, and expect.private allows it"
	}
	c, why, ok := v.classifyProofs(a)
	if ok && c.Good() {
		return c, why
	}
	if c, why, ok := v.classifyZone(a); ok {
		return c, why
	}
	if ok {
		return c, why
	}
	if c, why, ok := v.classifyHistory(a); ok {
		return c, why
	}
	what, special := SpecialPurpose(a, v.Policy.Exempt)
	// Whoever rebinds a name does so for everybody: that all say it clears nothing.
	rebound := special && v.wasPublic() && v.special()
	if n := len(v.given[a]); n >= v.quorum() && !v.doubted(a) && !v.keyPinned() && !rebound && v.on("clear.witnesses") {
		return Witnessed, fmt.Sprintf("given by %d of %d witnesses", n, len(v.groups))
	}
	if special {
		if v.allowedPrivate(a) {
			return Verified, "private, and expect.private allows it"
		}
		return Special, what
	}
	if kin, ok := v.kin(a); ok {
		return Kin, "in the network of " + kin.String()
	}
	return Strange, "never seen"
}

// allowedPrivate reports whether a is private and the owner of the watch allows
// that.
func (v *view) allowedPrivate(a netip.Addr) bool {
	return v.Watch.Expect.Private == PrivateAllow && privateAddress(a) && v.on("clear.private")
}

// classifyProofs judges by the handshakes of this case (detection CE-1).
func (v *view) classifyProofs(a netip.Addr) (Class, string, bool) {
	if v.Watch.TLS.Off {
		return 0, "", false
	}
	pinned := v.keyPinned()
	for _, p := range slices.Backward(v.proofs[a]) {
		switch {
		case v.Watch.HasPin(p.SPKI) && v.on("clear.pin"):
			return Verified, "serves the pinned key", true
		case pinned && p.SPKI != "":
			if v.spaced(v.keyed(a)) {
				return ProvenBad, "serves a key that is not pinned", true
			}
			return Strange, "serves a key that is not pinned, once so far", true
		case v.outOfLock(a):
			what, at := v.breaches(a)
			if v.spaced(at) {
				return ProvenBad, what, true
			}
			return Strange, what + ", once so far", true
		case p.Outcome == OutcomeOK && v.on("clear.certificate"):
			if why, ok := v.trusts(a, p); ok {
				return Verified, why, true
			}
			if p.NotBefore.IsZero() {
				return Strange, "certificate right, but of unknown age and seen nowhere else", true
			}
			return Strange, "certificate right, but fresh and seen nowhere else", true
		case p.Outcome.Wrong() && v.controlled(p):
			if v.spaced(v.wrong(a)) {
				return ProvenBad, "certificate wrong twice, the control's right", true
			}
			if why, bad := v.knownBad(a); bad {
				return ProvenBad, why, true
			}
			return Strange, "certificate wrong once, the control's right", true
		}
	}
	return 0, "", false
}

// trusts decides whether a right certificate shows who the address belongs to.
// Whoever controls only a path or a cache cannot get one; whoever controls the
// zone gets it during the hijack. So an older certificate, a key that was known
// before, or one that good addresses serve as well, shows earlier control.
func (v *view) trusts(a netip.Addr, p Evidence) (string, bool) {
	// What another type of the name showed in the same moment is not known from before.
	if k := v.Base; k != nil && k.Keys[p.SPKI] != nil && k.Keys[p.SPKI].First.Before(p.At) && v.on("clear.key_known") {
		return "certificate right, key known since " + k.Keys[p.SPKI].First.UTC().Format(time.DateOnly), true
	}
	if v.locks(p.SPKI) && v.on("clear.key_known") {
		return "certificate right, key in the lock", true
	}
	since, ok := v.first[a]
	if !ok {
		since = p.At
	}
	if !p.NotBefore.IsZero() && since.Sub(p.NotBefore) >= certificateAge && v.on("clear.certificate_age") {
		return fmt.Sprintf("certificate right, %s old", days(p.At.Sub(p.NotBefore))), true
	}
	if !v.on("clear.key_shared") {
		return "", false
	}
	groups := map[string]bool{}
	for b, ps := range v.proofs {
		for _, q := range ps {
			if q.Outcome != OutcomeOK || q.SPKI != p.SPKI {
				continue
			}
			for _, g := range v.given[b] {
				groups[g] = true
			}
			if b != a && v.isHistorical(b) {
				return "certificate right, same key as at " + b.String(), true
			}
		}
	}
	if len(groups) >= v.quorum() {
		return fmt.Sprintf("certificate right, same key at the addresses of %d witnesses", len(groups)), true
	}
	return "", false
}

// classifyZone judges by the word of the zone itself: its signatures (detection
// CE-2), or what its own servers say (CE-5). A special-purpose address in a public
// zone stays odd whoever says it.
func (v *view) classifyZone(a netip.Addr) (Class, string, bool) {
	if v.keyPinned() || v.outOfLock(a) {
		return 0, "", false // a pinned key is a stricter declaration, and so is a lock
	}
	if v4, ok := v.synthesized(a); ok && v.on("clear.nat64") {
		return Verified, "DNS64 for " + v4.String(), true
	}
	if _, special := SpecialPurpose(a, v.Policy.Exempt); special {
		return 0, "", false
	}
	if v.facts.signs(a) && v.on("clear.signed") {
		return Verified, "signed by the zone", true
	}
	gave, answered := v.facts.authority(a)
	switch {
	case gave == 0 || !v.on("clear.authority"):
		return 0, "", false
	// Who took over one server, or all of them, says so there too. A wrong
	// certificate at an address that the zone gives beside one that proves itself
	// is a node that was set up wrongly.
	case v.doubted(a) && (gave*2 <= answered || !v.provenBeside(a)):
		return 0, "", false
	}
	return Authoritative, fmt.Sprintf("given by %d of %d of the zone's own servers", gave, answered), true
}

// provenBeside reports whether the zone's servers give another address too that
// proves the name.
func (v *view) provenBeside(a netip.Addr) bool {
	return slices.ContainsFunc(v.facts.walk.Addresses, func(b netip.Addr) bool {
		c, _, ok := v.classifyProofs(b)
		if !ok {
			c, _, ok = v.classifyHistory(b)
		}
		return b != a && ok && c == Verified
	})
}

// classifyHistory judges by what was learnt.
func (v *view) classifyHistory(a netip.Addr) (Class, string, bool) {
	b := v.answered()
	if b == nil {
		return 0, "", false
	}
	id := b.Addresses[a]
	if why, bad := v.knownBad(a); bad {
		return ProvenBad, why, true
	}
	switch {
	case id == nil:
		return 0, "", false
	case v.doubted(a) || v.keyPinned() && !v.Watch.HasPin(id.SPKI) || v.forgotten(id):
		return 0, "", false // where a key is pinned, nothing less will do
	case !id.Verified.IsZero() && v.at.Sub(id.Verified) < verifiedFor && v.on("clear.verified"):
		return Verified, "proven by " + id.By + " on " + id.Verified.UTC().Format(time.DateOnly), true
	case !id.Authority.IsZero() && v.at.Sub(id.Authority) < historicalFor && v.on("clear.authority"):
		return Authoritative, "given by the zone's own servers on " + id.Authority.UTC().Format(time.DateOnly), true
	case v.isHistorical(a) && v.on("clear.history"):
		return Historical, fmt.Sprintf("given by %d witnesses since %s", len(id.Groups), id.Witnessed.First.UTC().Format(time.DateOnly)), true
	}
	return 0, "", false
}

// knownBad reports whether a was proven lately to be somebody else's.
func (v *view) knownBad(a netip.Addr) (why string, bad bool) {
	b := v.answered()
	if b == nil || b.Addresses[a] == nil {
		return "", false
	}
	id := b.Addresses[a]
	if id.Bad.IsZero() || !id.Bad.After(id.Verified) || v.at.Sub(id.Bad) >= badFor {
		return "", false
	}
	return "proven to be somebody else's on " + id.Bad.UTC().Format(time.DateOnly), true
}

func (v *view) isHistorical(a netip.Addr) bool {
	b := v.answered()
	if b == nil || b.Addresses[a] == nil {
		return false
	}
	id := b.Addresses[a]
	return len(id.Groups) >= 2 && id.Witnessed.Count >= historyRounds &&
		id.Witnessed.Last.Sub(id.Witnessed.First) >= v.Policy.Timing.HistorySpan && v.at.Sub(id.Witnessed.Last) < historicalFor
}

// doubted reports whether the latest handshake with a in this case was wrong
// while a control was right: then neither history nor witnesses clear it.
func (v *view) doubted(a netip.Addr) bool {
	ps := v.proofs[a]
	for _, p := range slices.Backward(ps) {
		if p.Outcome == OutcomeOK {
			return false
		}
		if p.Outcome.Wrong() && v.controlled(p) {
			return true
		}
	}
	return false
}

// wrong gives the times at which a showed a wrong certificate while a control was right.
func (v *view) wrong(a netip.Addr) []time.Time {
	var at []time.Time
	for _, p := range v.proofs[a] {
		if p.Outcome.Wrong() && v.controlled(p) {
			at = append(at, p.At)
		}
	}
	return at
}

// keyed gives the times at which a served a key that is not pinned.
func (v *view) keyed(a netip.Addr) []time.Time {
	var at []time.Time
	for _, p := range v.proofs[a] {
		if p.SPKI != "" && !v.Watch.HasPin(p.SPKI) {
			at = append(at, p.At)
		}
	}
	return at
}

// spaced reports whether two of the times lie far enough apart to count as two.
func (v *view) spaced(at []time.Time) bool {
	if !v.on("clear.transient") {
		return len(at) > 0
	}
	return len(at) >= 2 && at[len(at)-1].Sub(at[0]) >= v.Policy.Timing.Repeat
}

// controlled reports whether, close to p, another address proved the name: only
// then does p's failure say anything.
func (v *view) controlled(p Evidence) bool {
	if !v.on("clear.control") {
		return true
	}
	for b, ps := range v.proofs {
		if b == p.Address {
			continue
		}
		for _, q := range ps {
			if q.Outcome == OutcomeOK && q.At.Sub(p.At).Abs() <= controlWithin {
				return true
			}
		}
	}
	return false
}

// kin looks for a good address of history in the same /24 or /48.
func (v *view) kin(a netip.Addr) (netip.Addr, bool) {
	b := v.answered()
	if b == nil || !v.on("clear.kin") {
		return netip.Addr{}, false
	}
	bits := 24
	if a.Is6() {
		bits = 48
	}
	net, err := a.Prefix(bits)
	if err != nil {
		return netip.Addr{}, false
	}
	var best netip.Addr
	for known, id := range b.Addresses {
		if net.Contains(known) && id.Bad.IsZero() && (!id.Verified.IsZero() || v.isHistorical(known)) && (!best.IsValid() || known.Less(best)) {
			best = known
		}
	}
	return best, best.IsValid()
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

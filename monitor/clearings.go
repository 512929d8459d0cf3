package monitor

import "slices"

// clearings are the tests that speak for an answer, or keep a sign from counting.
// Each is consulted at one place, and can be switched off as a rule can: that
// shows what depends on it.
var clearings = []string{
	// What makes an address good.
	"clear.addresses",       // it is in expect.addresses
	"clear.private",         // it is private, and expect.private allows that
	"clear.pin",             // it serves a pinned key
	"clear.certificate",     // it shows a right certificate at all (detection CE-1), by one of the next three
	"clear.key_known",       // whose key the name proved itself with before
	"clear.certificate_age", // that is older than the doubt
	"clear.key_shared",      // whose key good addresses, or those of a quorum, serve too
	"clear.signed",          // the zone's signature holds for it (detection CE-2)
	"clear.authority",       // the zone's own servers give it, asked from the root downwards (CE-5)
	"clear.nat64",           // it is a good IPv4 address, as DNS64 writes it (CE-8)
	"clear.verified",        // it proved the name before
	"clear.history",         // witnesses gave it again and again
	"clear.witnesses",       // a quorum of witnesses gives it
	"clear.kin",             // it is in the network of a good one

	// Answers that hold no address.
	"clear.denial_zone",   // the zone denies the record, signed or by the word of its servers
	"clear.denial",        // a quorum of witnesses denies the record too
	"clear.denial_known",  // the last quorum did
	"clear.records_zone",  // the zone gives the records, signed or by the word of its servers
	"clear.records",       // a quorum gives the same records
	"clear.records_known", // a quorum or the zone did before
	"clear.other_type",    // there is no record of this type, and the other address type is clean

	// Who has a voice.
	"vote.plain_path", // plain answers are no votes: they share the fate of this host's path
	"vote.egress",     // witnesses that ask from one network are one voice
	"vote.filtering",  // what a filtering resolver denies is no vote
	"clear.filtering", // what it answers breaks no pin
	"clear.rpz",       // a policy that is declared blocks the name here (CE-7)

	// What keeps a sign from counting.
	"clear.captive",       // a portal answers for everybody
	"clear.tls_inspected", // all certificates are re-signed on the way
	"clear.clock",         // this host's clock is wrong
	"clear.transition",    // this host changed networks a moment ago
	"clear.control",       // a failed handshake says nothing where the control failed too
	"clear.transient",     // what was seen once may be chance
	"clear.learning",      // while a name is learnt, only what is proven stands against a lone voice
	"clear.lag",           // a lone voice has time to come round
	"clear.company",       // another witness gives the address too
	"clear.maintenance",   // the owner said that the name changes now
	"clear.never_public",  // the name never had a public address
	"clear.ttl_good",      // a good answer may be kept as long as the cache likes
	"clear.ttl_history",   // the zone allowed so long a TTL lately
	"clear.ttl_floor",     // the cache keeps everything for as long
	"clear.ttl_stale",     // it has expired, and is handed out all the same
	"clear.ttl_flush",     // the cache let go of other names too (detection CE-9)

	// Answers on the wire.
	"clear.both_good", // both of two contradicting answers are good
	"clear.near",      // they share an address, a network or a CNAME target
	"clear.surplus",   // there are no more responses than queries
	"clear.degraded",  // packets were lost, so a query may have been too
}

// Clearings lists the tests that speak for an answer by id.
func Clearings() []string { return slices.Clone(clearings) }

// on reports whether the rule or clearing test is not switched off. A nil Policy
// has everything on.
func (p *Policy) on(id string) bool { return p == nil || !p.Off[id] }

// on reports whether the rule or clearing test is not switched off.
func (v *view) on(id string) bool { return v.Policy.on(id) }

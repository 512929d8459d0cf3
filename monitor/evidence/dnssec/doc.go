// Package dnssec proves DNS answers by the signatures of the zones that they
// come from (RFC 4033 to 4035, RFC 5155, RFC 6840). It validates for itself what
// a resolver hands over, whatever that resolver thinks of it.
//
// # Basics
//
//   - [Validator] asks one resolver for one question and judges its answer. The
//     outcome is a monitor.Evidence with a status.
//   - [Exchanger] is what it asks through: any transport will do, as nothing
//     here relies on it.
//   - [Anchor] is a key that is trusted to begin with; [RootAnchors] are those
//     of the root, and [ReadAnchors] reads others.
//
// # The way of a proof
//
// The answer comes from the resolver in question. The keys that it is held
// against come from whoever has them: from the same resolver first, then from
// those in Config.Chain, as each step is proven by the one before, from the
// anchor downwards. So a resolver that strips signatures, or invents keys, cannot
// hide that its answer is bogus; without another path its answers are
// indeterminate.
//
// From the anchor to the name, a zone may begin at every label. Each is asked
// for its DS, until the zone is reached that claims to have signed the answer.
// What is proven on the way is remembered for the time that it is signed and
// lives, an hour at most; what could not be had, for seconds.
//
// An answer is bogus only if no key of its zone made it. A signature that is
// right but out of its time is no forgery, and neither is a chain that cannot be
// had, however wrong what came in its place.
//
// # Caveats
//
//   - Whoever replays signed records before their time is up, such as the proof
//     that a zone was unsigned last week, is believed (RFC 4033 §5 has no answer
//     to it).
//   - Ed448, GOST and RSA keys below 1,024 bits or with exponents of more than
//     31 bits are not verified: the first two make a zone insecure, the others
//     an answer indeterminate.
//   - Denials with more than 150 iterations of NSEC3 count as unsigned, with
//     more than 500 as not to be had (RFC 9276 §3.2).
//   - The response code is not signed: a denial that proves that a name has no
//     such record is enough for either code.
//   - Keys are not rolled over by RFC 5011; anchors change with the program or
//     its configuration.
package dnssec

// Package probe finds out what stands between this host and a resolver, and
// what the resolver is. A [Prober] asks questions whose right answer is known
// beforehand, and gives back what came of them as monitor.Evidence.
//
//   - dead_resolver: the name in question, asked of public addresses at which
//     nothing is. Whatever answers there answers in the place of others, on the
//     way of every question in plain.
//   - identity: whom one reaches by a resolver: the name of the server (NSID,
//     RFC 5001; id.server, RFC 4892), and the address that it asks from, which
//     servers on the internet give back to whoever asks (whoami).
//   - random_name: names that nobody ever registered. Who has an address for
//     them writes answers of its own in the place of denials.
//
// # Who learns what
//
// Whoever carries packets to a dead address sees the name in question; the other
// two kinds send no watched name. A resolver that is asked for a whoami passes
// the question on to whoever serves that name, who learns the resolver's
// address, and of this host's as much as the resolver tells (RFC 7871). The
// registries of the zones of random names learn those.
//
// # Caveats
//
//   - Nothing that answers is not nobody who forges: whoever answers only for
//     the addresses of known resolvers, or only over one transport, is not seen
//     by dead addresses; whoever passes questions about identity on has the
//     identity of the resolver behind.
//   - An ICMP error counts as silence. So does a name that cannot be sent, to an
//     address of a family that this host does not have.
//   - Evidence that could not be gathered has the outcome not_dialled, or how
//     the resolver failed: without one of those, what is not there is not so.
package probe

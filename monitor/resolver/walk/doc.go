// Package walk says what authority says of a name. A Walker asks from the root
// downwards, without any resolver between, until it knows the zone of the name;
// then it asks every address of every name server of that zone, several times
// and on behalf of clients elsewhere (RFC 7871), and follows aliases into other
// zones the same way. What comes of it is a monitor.Evidence of kind walk: an
// address that no authoritative server gives is not the name's (detection CE-5).
//
// # Trust
//
// A server is believed for names of the zone that it was asked for, and nothing
// else in its responses counts. A referral must lead downwards, towards the
// name. Addresses that come with it are used for servers below the zone that is
// delegated; the addresses of others are found by walks of their own. The root
// is excepted: the servers of com. and net. have names whose own walk would lead
// through those very servers, so what the root says of them is taken. It could
// name other servers as well.
//
// Responses over TCP are preferred, as whoever does not see the connection
// cannot forge them. Where a server has no TCP, letters of the name are in mixed
// case and must come back so, and there is a cookie (RFC 7873).
//
// Neither stops an attacker on the path, so the path is looked at in the same
// minute. It counts as proven when an address at which there is no resolver
// stays silent, the keys of the root and of the top-level zones on the way,
// fetched from their own servers, validate, and a server of a top-level zone
// does not answer for a name outside of it. Otherwise the answers are kept, with
// PathProven unset and the reason in Detail.
//
// # Caveats
//
//   - Whoever forges, with the AA flag set, only what the servers of one unsigned
//     zone say is not seen: the path is proven to the zone above.
//   - A server that has answers without being authoritative for them (AA is not
//     set) has said nothing, and neither has one that refuses or fails.
//   - Addresses of servers are written by strangers. Those from special-purpose
//     blocks are never asked, unless exempt.
//   - A zone is asked for at most 32 addresses of servers, and at most 8 names
//     are followed from alias to alias. The answer of one server keeps at most
//     512 records.
//   - Delegations from the root are remembered for an hour at most, and only
//     from walks whose path was proven.
package walk

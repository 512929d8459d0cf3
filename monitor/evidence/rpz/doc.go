// Package rpz reads response policy zones, the lists by which resolvers block names
// (draft-vixie-dnsop-dns-rpz), for what they say of a few names.
//
// Rules about names count: "CNAME ." and "CNAME *." deny, "CNAME rpz-drop." is
// silence, "CNAME rpz-passthru." and "CNAME rpz-tcp-only." let the name pass, other
// records are given in the place of the name's. A rule for a name goes before those
// for what is above it, and the nearest of these before the others. Rules that go by
// address, by client or by name server do not count: they are not about the name
// that was asked.
//
// Files are zone files (RFC 1035 §5) that begin with the SOA. $INCLUDE is refused.
package rpz

// Package traffic makes captures of DNS as a resolver's clients have it, with
// forged answers in it, and says what is in them. The same configuration gives
// the same octets.
//
// A tenth of the names gets most of the questions; they are for A, AAAA, HTTPS,
// PTR, MX and TXT. One answer in eight is NXDOMAIN, three in ten lead over
// CNAMEs, seven in ten carry EDNS. One transaction in 90 is over TCP, from its
// handshake to its end; 15 % are over IPv6, and 5 % have a VLAN tag. To one in
// 500 questions for A over UDP and IPv4 somebody else answers first, with another
// address, TTL and hop limit.
package traffic

// Package inject is the lab's attackers, where no existing tool does what a case
// needs: servers that lie, and forged packets on the wire.
//
// The servers answer queries that reach them: Serve with a Handler, and the
// relays, proxies and portals. The injectors forge what nobody asked them for:
// Race answers before the genuine server, Flood, Kaminsky and Birthday guess the
// ID of a query, Sweep looks for its port, Fragments plants the end of a
// response, Advertise poses as an IPv6 router, Send and Storm send frames as they
// are.
//
// Every function takes a Within, makes its sockets inside it, and reaches nothing
// outside: a socket belongs to the network namespace that it was made in. Every
// flood ends by itself, after a count of packets and after a time.
package inject

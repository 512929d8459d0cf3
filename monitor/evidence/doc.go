// Package evidence proves whose an address is. Its one kind of proof so far is
// the TLS certificate at an answered address: a Prover connects to the address,
// asks there for the name, and judges what it is shown by the name, the trusted
// roots and the time (RFC 9525, RFC 5280). The outcome is a monitor.Evidence.
//
// Nothing secret is sent. The name goes out in the clear (SNI, RFC 6066 §3);
// no HTTP byte and no client certificate ever follow. The server's key is
// checked as well as its certificate: a certificate is public, and whoever
// merely repeats it proves nothing.
//
// The address was written by somebody who may be an attacker, so three things
// stand between it and a connection:
//
//   - the guard never dials this host, its neighbours on the link, platform
//     metadata services or space that is nobody's, in any of the notations that
//     carry an IPv4 address inside an IPv6 one;
//   - the budget bounds the dials a minute to one address and to one network,
//     or forged answers would make us scan third parties;
//   - slots bound the connections that are open at a time.
//
// What a proof cannot see: a relay that passes the handshake on to the true
// server looks like the true server, and a certificate that an authority issued
// to the wrong party is right. The connection is direct; HTTPS_PROXY is not
// honoured yet. A server that leaves out its intermediate certificates is
// untrusted here even where browsers fill them in.
package evidence

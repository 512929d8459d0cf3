package monitor

import (
	"net/netip"
)

// Transport is how a question travels.
type Transport string

// UDP and TCP are Do53 (RFC 1035), DoT is RFC 7858, DoH RFC 8484. System is
// the C library's own lookup, which may use files as well. Nothing is asked over
// DoQ (RFC 9250) and DNSCrypt: others are heard to.
const (
	UDP      Transport = "udp"
	TCP      Transport = "tcp"
	DoT      Transport = "dot"
	DoH      Transport = "doh"
	DoQ      Transport = "doq"
	DNSCrypt Transport = "dnscrypt"
	System   Transport = "system"
)

// Role is what an answer counts for.
type Role string

const (
	// Local is a resolver that applications on this host use. What it says is
	// what is judged.
	Local Role = "local"
	// Reference is somebody else's resolver. Over an authenticated transport it
	// is a witness; over Do53 it shares the fate of this host's path.
	Reference Role = "reference"
	// Authority is an authoritative server of the zone.
	Authority Role = "authority"
)

// Resolver is one endpoint that can be asked. It is always reached by address,
// so that no lookup that could itself be poisoned comes before the question.
type Resolver struct {
	Name      string // unique together with Addr and Transport; the label in logs, metrics and alerts
	Operator  string // who runs it: endpoints of one operator are one voice
	Role      Role
	Transport Transport
	Addr      netip.AddrPort
	TLSName   string // the name that its certificate must carry; DoT and DoH
	Path      string // of the URL; DoH
	Filtering bool   // it blocks names by policy, so a denial from it says nothing
}

// Encrypted reports whether answers from r are authenticated: only such an
// endpoint can witness against this host's own path.
func (r Resolver) Encrypted() bool { return r.Transport == DoT || r.Transport == DoH }

func (r Resolver) String() string {
	if r.Addr.IsValid() {
		return r.Name + " " + r.Addr.Addr().String()
	}
	if r.Transport == System {
		return r.Name + " getent" // what it is asked by
	}
	return r.Name
}

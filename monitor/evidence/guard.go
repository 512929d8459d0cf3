package evidence

import (
	"net/netip"
	"slices"

	"github.com/dnstaster/dnstaster/monitor"
)

// guard knows what is never dialled.
type guard struct {
	allow []netip.Prefix
	own   func() ([]netip.Addr, error)
}

// platform lists where clouds answer their guests, outside the link-local range:
// metadata with credentials in it, agents, name and time service.
var platform = []netip.Prefix{
	netip.MustParsePrefix("168.63.129.16/32"),       // Azure
	netip.MustParsePrefix("100.100.100.200/32"),     // Alibaba Cloud
	netip.MustParsePrefix("192.0.0.192/32"),         // Oracle Cloud, classic
	netip.MustParsePrefix("fd00:ec2::/32"),          // Amazon EC2
	netip.MustParsePrefix("fd20:ce::254/128"),       // Google Cloud
	netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), // Oracle Cloud
	netip.MustParsePrefix("fd00:42::42/128"),        // Scaleway
	netip.MustParsePrefix("fd00:a9fe:a9fe::1/128"),  // Linode
	netip.MustParsePrefix("fd00:100::100:200/128"),  // Alibaba Cloud
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")      // all that IANA has given out (RFC 4291 §2.4)
	assignments   = netip.MustParsePrefix("2001::/23")     // protocols, not hosts (RFC 2928)
	sharedNAT     = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	nat64         = netip.MustParsePrefix("64:ff9b::/96")  // RFC 6052 §2.1
	sixToFour     = netip.MustParsePrefix("2002::/16")     // RFC 3056 §2
	teredo        = netip.MustParsePrefix("2001::/32")     // RFC 4380 §4
)

// refuses says why a must not be dialled; empty is leave to do so. Private
// networks are left out where private is set. Of an address that carries an IPv4
// address, the latter is judged too: a host or router may unwrap it.
func (g guard) refuses(a netip.Addr, private bool) (why string) {
	if !a.IsValid() {
		return "no address"
	}
	a = a.Unmap()
	for _, p := range g.allow {
		if p.Contains(a) {
			return ""
		}
	}
	reach := append(carried(a), a)
	for _, r := range reach {
		if why := reserved(r, private); why != "" {
			if r != a {
				why += ", inside an IPv6 address"
			}
			return why
		}
	}
	own, err := g.own()
	if err != nil {
		return "this host's own addresses cannot be read: " + cause(err)
	}
	for _, o := range own {
		if slices.Contains(reach, o.Unmap().WithZone("")) {
			return monitor.OwnAddress
		}
	}
	return ""
}

// carried gives the IPv4 addresses that packets to a may be unwrapped for. The
// local NAT64 prefix (RFC 8215) is not among its notations, because where in it
// the address stands is a site's own choice: it is reserved as a whole.
func carried(a netip.Addr) []netip.Addr {
	b := a.As16()
	switch {
	case a.Is4():
		return nil
	case nat64.Contains(a):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[12:]))}
	case sixToFour.Contains(a):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:]))}
	case teredo.Contains(a): // the server, and the client with its bits inverted
		return []netip.Addr{
			netip.AddrFrom4([4]byte(b[4:])),
			netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}),
		}
	}
	return nil
}

// reserved says what a, which is not IPv4-mapped, is set aside for, as far as
// that keeps it from being somebody's server; it does not look into a.
func reserved(a netip.Addr, private bool) string {
	for _, p := range platform {
		if p.Contains(a) {
			return "platform metadata"
		}
	}
	if private && (a.IsPrivate() || sharedNAT.Contains(a)) {
		return ""
	}
	switch {
	case a.Zone() != "" || a.IsLinkLocalUnicast():
		return "link-local"
	case nat64.Contains(a), sixToFour.Contains(a), teredo.Contains(a):
		return "" // it is what it carries
	}
	if what, ok := monitor.SpecialPurpose(a, nil); ok {
		return what
	}
	switch {
	case a.Is6() && !globalUnicast.Contains(a):
		return "reserved"
	case assignments.Contains(a):
		return "protocol assignments"
	}
	return ""
}

package resolver

import (
	"net/netip"
	"slices"

	"github.com/dnstaster/dnstaster/monitor"
)

const dotPort = 853 // RFC 7858 §3.1

// Operator is a public resolver service, as its operator describes it.
type Operator struct {
	Name      string       // of the service, as configuration names it
	Operator  string       // who runs it: services of one operator are one voice
	Plain     []netip.Addr // answer over UDP and TCP, IPv4 first; none where the service is encrypted only
	Encrypted []netip.Addr // answer over TLS and HTTPS, IPv4 first
	TLSName   string       // of the certificate over TLS
	DoH       string       // URI template, RFC 8484 §3
	Filtering bool         // it blocks names by policy
	Source    string       // where this was read, the operator's own page unless a comment says otherwise
	Read      string       // when, YYYY-MM-DD
}

// Catalogue lists the services that are known by name, as a copy. None is
// asked unless configuration names it.
//
// An entry is here only if its source says so. Services that filter are listed
// where people would look for them by that name: what they deny counts for
// nothing. The public service of Mullvad is missing since it ended on
// 2026-11-02.
func Catalogue() []Operator {
	return []Operator{
		{
			Name: "cloudflare", Operator: "cloudflare",
			Plain:     addrs("1.1.1.1", "1.0.0.1", "2606:4700:4700::1111", "2606:4700:4700::1001"),
			Encrypted: addrs("1.1.1.1", "1.0.0.1", "2606:4700:4700::1111", "2606:4700:4700::1001"),
			TLSName:   "one.one.one.one", DoH: "https://cloudflare-dns.com/dns-query{?dns}",
			Source: "https://developers.cloudflare.com/1.1.1.1/encryption/dns-over-tls/", Read: "2026-11-24",
		},
		{
			// The addresses are not on that page; AdGuard's list (see below) has them.
			Name: "google", Operator: "google",
			Plain:     addrs("8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"),
			Encrypted: addrs("8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"),
			TLSName:   "dns.google", DoH: "https://dns.google/dns-query{?dns}",
			Source: "https://developers.google.com/speed/public-dns/docs/secure-transports", Read: "2026-11-24",
		},
		{
			// The operator's main service, 9.9.9.9, blocks names; a witness must not.
			Name: "quad9", Operator: "quad9",
			Plain:     addrs("9.9.9.10", "149.112.112.10", "2620:fe::10", "2620:fe::fe:10"),
			Encrypted: addrs("9.9.9.10", "149.112.112.10", "2620:fe::10", "2620:fe::fe:10"),
			TLSName:   "dns10.quad9.net", DoH: "https://dns10.quad9.net/dns-query{?dns}",
			Source: "https://docs.quad9.net/services/", Read: "2026-11-24",
		},
		{
			Name: "quad9-filtered", Operator: "quad9",
			Plain:     addrs("9.9.9.9", "149.112.112.112", "2620:fe::fe", "2620:fe::9"),
			Encrypted: addrs("9.9.9.9", "149.112.112.112", "2620:fe::fe", "2620:fe::9"),
			TLSName:   "dns.quad9.net", DoH: "https://dns.quad9.net/dns-query{?dns}", Filtering: true,
			Source: "https://docs.quad9.net/services/", Read: "2026-11-24",
		},
		{
			// Cisco's page has the addresses; AdGuard's list (see below) has the names.
			Name: "opendns", Operator: "cisco",
			Plain:     addrs("208.67.222.222", "208.67.220.220", "2620:119:35::35", "2620:119:53::53"),
			Encrypted: addrs("208.67.222.222", "208.67.220.220", "2620:119:35::35", "2620:119:53::53"),
			TLSName:   "dns.opendns.com", DoH: "https://doh.opendns.com/dns-query{?dns}", Filtering: true,
			Source: "https://www.cisco.com/c/en/us/support/docs/security/umbrella/224705-configure-dns-over-https-doh-with.html", Read: "2026-11-24",
		},
		{
			Name: "adguard-unfiltered", Operator: "adguard",
			Plain:     addrs("94.140.14.140", "94.140.14.141", "2a10:50c0::1:ff", "2a10:50c0::2:ff"),
			Encrypted: addrs("94.140.14.140", "94.140.14.141", "2a10:50c0::1:ff", "2a10:50c0::2:ff"),
			TLSName:   "unfiltered.adguard-dns.com", DoH: "https://unfiltered.adguard-dns.com/dns-query{?dns}",
			Source: "https://adguard-dns.io/kb/general/dns-providers/", Read: "2026-11-24",
		},
		{
			Name: "dns.sb", Operator: "dns.sb",
			Plain:     addrs("185.222.222.222", "45.11.45.11", "2a09::", "2a11::"),
			Encrypted: addrs("185.222.222.222", "45.11.45.11", "2a09::", "2a11::"),
			TLSName:   "dot.sb", DoH: "https://doh.dns.sb/dns-query{?dns}",
			Source: "https://dns.sb/dot/", Read: "2026-11-24",
		},
		{
			// Over TLS the name chooses the service, at addresses of its own.
			Name: "controld-unfiltered", Operator: "controld",
			Plain:     addrs("76.76.2.0", "76.76.10.0", "2606:1a40::", "2606:1a40:1::"),
			Encrypted: addrs("76.76.2.11", "76.76.10.11", "2606:1a40::11", "2606:1a40:1::11"),
			TLSName:   "p0.freedns.controld.com", DoH: "https://freedns.controld.com/p0{?dns}",
			Source: "https://docs.controld.com/docs/control-d-ip-ranges", Read: "2026-11-24",
		},
		{
			// An article that quotes the operator's page, https://www.joindns4.eu/for-public.
			Name: "dns4eu-unfiltered", Operator: "dns4eu",
			Plain:     addrs("86.54.11.100", "86.54.11.200", "2a13:1001::86:54:11:100", "2a13:1001::86:54:11:200"),
			Encrypted: addrs("86.54.11.100", "86.54.11.200", "2a13:1001::86:54:11:100", "2a13:1001::86:54:11:200"),
			TLSName:   "unfiltered.joindns4.eu", DoH: "https://unfiltered.joindns4.eu/dns-query{?dns}",
			Source: "https://badcyber.com/dns4eu-a-bit-eu-a-bit-secure-a-bit-pointless/", Read: "2026-11-24",
		},
		{
			Name: "wikimedia", Operator: "wikimedia",
			Encrypted: addrs("185.71.138.138", "2001:67c:930::1"),
			TLSName:   "wikimedia-dns.org", DoH: "https://wikimedia-dns.org/dns-query{?dns}",
			Source: "https://meta.wikimedia.org/wiki/Wikimedia_DNS", Read: "2026-11-24",
		},
		{
			Name: "digitale-gesellschaft", Operator: "digitale-gesellschaft",
			Encrypted: addrs("185.95.218.42", "185.95.218.43", "2a05:fc84::42", "2a05:fc84::43"),
			TLSName:   "dns.digitale-gesellschaft.ch", DoH: "https://dns.digitale-gesellschaft.ch/dns-query{?dns}",
			Source: "https://github.com/DigitaleGesellschaft/DNS-Resolver", Read: "2026-11-24",
		},
	}
}

// aliases are other names that configuration may use.
var aliases = map[string]string{"quad9-unfiltered": "quad9"}

// Lookup finds a service by its name or an alias of it.
func Lookup(name string) (Operator, bool) {
	if to, ok := aliases[name]; ok {
		name = to
	}
	all := Catalogue()
	i := slices.IndexFunc(all, func(o Operator) bool { return o.Name == name })
	if i < 0 {
		return Operator{}, false
	}
	return all[i], true
}

// Resolvers gives the endpoints of the service over the given transports, or
// over all that it has and that can be asked: TLS, which can witness, then its
// plain twins over UDP and TCP. Within one transport IPv4 comes first, and the
// address that the operator names first.
func (o Operator) Resolvers(over ...monitor.Transport) []monitor.Resolver {
	if len(over) == 0 {
		over = []monitor.Transport{monitor.DoT, monitor.UDP, monitor.TCP}
	}
	var all []monitor.Resolver
	for _, t := range over {
		r := monitor.Resolver{
			Name: o.Name, Operator: o.Operator, Role: monitor.Reference, Transport: t, Filtering: o.Filtering,
		}
		at, port := o.Plain, uint16(dnsPort)
		switch t {
		case monitor.UDP, monitor.TCP:
		case monitor.DoT:
			at, port, r.TLSName = o.Encrypted, dotPort, o.TLSName
		default:
			continue
		}
		for _, a := range at {
			r.Addr = netip.AddrPortFrom(a, port)
			all = append(all, r)
		}
	}
	return all
}

func addrs(texts ...string) []netip.Addr {
	all := make([]netip.Addr, len(texts))
	for i, s := range texts {
		all[i] = netip.MustParseAddr(s)
	}
	return all
}

package resolver

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	dotPort   = 853 // RFC 7858 §3.1
	httpsPort = 443
)

// Operator is a public resolver service, as its operator describes it.
type Operator struct {
	Name      string       // of the service, as configuration names it
	Operator  string       // who runs it: services of one operator are one voice
	Plain     []netip.Addr // answer over UDP and TCP, IPv4 first; none where the service is encrypted only
	Encrypted []netip.Addr // answer over TLS, IPv4 first
	TLSName   string       // of the certificate over TLS
	DoH       string       // URI template, RFC 8484 §3
	Web       []netip.Addr // answer over HTTPS by the name of DoH, IPv4 first; none where no source says at which address
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
			// The name over HTTPS is that of the operator's example for curl, see
			// encryption/dns-over-https/make-api-requests/; cloudflare-dns.com, which
			// stands beside it, is looked up to other addresses.
			Name: "cloudflare", Operator: "cloudflare",
			Plain:     addrs("1.1.1.1", "1.0.0.1", "2606:4700:4700::1111", "2606:4700:4700::1001"),
			Encrypted: addrs("1.1.1.1", "1.0.0.1", "2606:4700:4700::1111", "2606:4700:4700::1001"),
			TLSName:   "one.one.one.one", DoH: "https://one.one.one.one/dns-query{?dns}",
			Web:    addrs("1.1.1.1", "1.0.0.1", "2606:4700:4700::1111", "2606:4700:4700::1001"),
			Source: "https://developers.cloudflare.com/1.1.1.1/encryption/dns-over-tls/", Read: "2026-11-24",
		},
		{
			// The addresses are not on that page; AdGuard's list (see below) has them.
			Name: "google", Operator: "google",
			Plain:     addrs("8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"),
			Encrypted: addrs("8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"),
			TLSName:   "dns.google", DoH: "https://dns.google/dns-query{?dns}",
			Web:    addrs("8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"),
			Source: "https://developers.google.com/speed/public-dns/docs/secure-transports", Read: "2026-11-24",
		},
		{
			// The operator's main service, 9.9.9.9, blocks names; a witness must not.
			Name: "quad9", Operator: "quad9",
			Plain:     addrs("9.9.9.10", "149.112.112.10", "2620:fe::10", "2620:fe::fe:10"),
			Encrypted: addrs("9.9.9.10", "149.112.112.10", "2620:fe::10", "2620:fe::fe:10"),
			TLSName:   "dns10.quad9.net", DoH: "https://dns10.quad9.net/dns-query{?dns}",
			Web:    addrs("9.9.9.10", "149.112.112.10", "2620:fe::10", "2620:fe::fe:10"),
			Source: "https://docs.quad9.net/services/", Read: "2026-11-24",
		},
		{
			Name: "quad9-filtered", Operator: "quad9",
			Plain:     addrs("9.9.9.9", "149.112.112.112", "2620:fe::fe", "2620:fe::9"),
			Encrypted: addrs("9.9.9.9", "149.112.112.112", "2620:fe::fe", "2620:fe::9"),
			TLSName:   "dns.quad9.net", DoH: "https://dns.quad9.net/dns-query{?dns}", Filtering: true,
			Web:    addrs("9.9.9.9", "149.112.112.112", "2620:fe::fe", "2620:fe::9"),
			Source: "https://docs.quad9.net/services/", Read: "2026-11-24",
		},
		{
			// Cisco's page has the addresses; AdGuard's list (see below) has the names.
			// Over HTTPS the name has addresses of its own, which neither gives.
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
			Web:    addrs("94.140.14.140", "94.140.14.141", "2a10:50c0::1:ff", "2a10:50c0::2:ff"),
			Source: "https://adguard-dns.io/kb/general/dns-providers/", Read: "2026-11-24",
		},
		{
			// The page does not say at which addresses the name over HTTPS is served.
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
			Web:    addrs("76.76.2.11", "76.76.10.11", "2606:1a40::11", "2606:1a40:1::11"),
			Source: "https://docs.controld.com/docs/control-d-ip-ranges", Read: "2026-11-24",
		},
		{
			// An article that quotes the operator's page, https://www.joindns4.eu/for-public.
			Name: "dns4eu-unfiltered", Operator: "dns4eu",
			Plain:     addrs("86.54.11.100", "86.54.11.200", "2a13:1001::86:54:11:100", "2a13:1001::86:54:11:200"),
			Encrypted: addrs("86.54.11.100", "86.54.11.200", "2a13:1001::86:54:11:100", "2a13:1001::86:54:11:200"),
			TLSName:   "unfiltered.joindns4.eu", DoH: "https://unfiltered.joindns4.eu/dns-query{?dns}",
			Web:    addrs("86.54.11.100", "86.54.11.200", "2a13:1001::86:54:11:100", "2a13:1001::86:54:11:200"),
			Source: "https://badcyber.com/dns4eu-a-bit-eu-a-bit-secure-a-bit-pointless/", Read: "2026-11-24",
		},
		{
			Name: "wikimedia", Operator: "wikimedia",
			Encrypted: addrs("185.71.138.138", "2001:67c:930::1"),
			TLSName:   "wikimedia-dns.org", DoH: "https://wikimedia-dns.org/dns-query{?dns}",
			Web:    addrs("185.71.138.138", "2001:67c:930::1"),
			Source: "https://meta.wikimedia.org/wiki/Wikimedia_DNS", Read: "2026-11-24",
		},
		{
			Name: "digitale-gesellschaft", Operator: "digitale-gesellschaft",
			Encrypted: addrs("185.95.218.42", "185.95.218.43", "2a05:fc84::42", "2a05:fc84::43"),
			TLSName:   "dns.digitale-gesellschaft.ch", DoH: "https://dns.digitale-gesellschaft.ch/dns-query{?dns}",
			Web:    addrs("185.95.218.42", "185.95.218.43", "2a05:fc84::42", "2a05:fc84::43"),
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
// over all that it has: HTTPS and TLS, which can witness, then its plain twins
// over UDP and TCP. Within one transport IPv4 comes first, and the address that
// the operator names first.
func (o Operator) Resolvers(over ...monitor.Transport) []monitor.Resolver {
	if len(over) == 0 {
		over = []monitor.Transport{monitor.DoH, monitor.DoT, monitor.UDP, monitor.TCP}
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
		case monitor.DoH:
			at, port = o.Web, httpsPort
			r.TLSName, r.Path = o.web()
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

// Witnesses gives the encrypted endpoints of the service in the order in which
// they are to be tried: over HTTPS, whose port most networks let out, then over
// TLS at the address next to it, so that a closed port costs one try and not as
// many as there are addresses.
func (o Operator) Witnesses() []monitor.Resolver {
	web, secure := o.Resolvers(monitor.DoH), o.Resolvers(monitor.DoT)
	var all []monitor.Resolver
	for i := range max(len(web), len(secure)) {
		all = append(all, web[min(i, len(web)):min(i+1, len(web))]...)
		all = append(all, secure[min(i, len(secure)):min(i+1, len(secure))]...)
	}
	return all
}

// web gives name and path of the DoH template. Questions are posted, so its
// variable stays empty (RFC 8484 §4.1).
func (o Operator) web() (name, path string) {
	text, _, _ := strings.Cut(o.DoH, "{")
	name, path, _ = strings.Cut(strings.TrimPrefix(text, "https://"), "/")
	return name, "/" + path
}

func addrs(texts ...string) []netip.Addr {
	all := make([]netip.Addr, len(texts))
	for i, s := range texts {
		all[i] = netip.MustParseAddr(s)
	}
	return all
}

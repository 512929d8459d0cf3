package monitor

import "net/netip"

// special lists the address blocks of the IANA special-purpose registries (RFC
// 6890 and updates) that a public name has no business answering with, and those
// that filters are known to answer with. NAT64
// (64:ff9b::/96) is not among them: DNS64 answers with it (RFC 6147).
var special = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this host"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared by a carrier's NAT (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{blockPages, "the block page of a filter"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private (RFC 1918)"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "retired 6to4 relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private (RFC 1918)"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking (RFC 2544)"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("::ffff:0:0/96"), "IPv4-mapped"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local NAT64 (RFC 8215)"},
	{netip.MustParsePrefix("100::/64"), "discard-only"},
	{netip.MustParsePrefix("2001::/32"), "Teredo"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("2002::/16"), "6to4"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
	{netip.MustParsePrefix("fc00::/7"), "private (RFC 4193)"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// SpecialPurpose says what a is reserved for, unless it is not, or lies in one
// of the exempt prefixes.
func SpecialPurpose(a netip.Addr, exempt []netip.Prefix) (what string, ok bool) {
	for _, p := range exempt {
		if p.Contains(a) {
			return "", false
		}
	}
	for _, s := range special {
		if s.prefix.Contains(a) {
			return s.what, true
		}
	}
	return "", false
}

// privateAddress reports whether a may rightly be an endpoint inside
// somebody's own network.
func privateAddress(a netip.Addr) bool { return a.Unmap().IsPrivate() }

// blockPages are the addresses with which a large filtering operator answers in
// place of a record (OpenDNS, now Cisco Umbrella: 146.112.61.104 to .110).
var blockPages = netip.MustParsePrefix("146.112.61.104/29")

// sink reports whether a is what policies answer with in place of a record.
func sink(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsUnspecified() || a.IsLoopback() || blockPages.Contains(a) && a.As4()[3] <= 110
}

package resolver

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestCatalogue(t *testing.T) {
	t.Parallel()
	names, owner := map[string]bool{}, map[netip.Addr]string{}
	for _, o := range Catalogue() {
		if names[o.Name] || o.Name != strings.ToLower(o.Name) || o.Operator == "" {
			t.Errorf("%q of %q: not a unique name in lower case with an operator", o.Name, o.Operator)
		}
		names[o.Name] = true
		for _, a := range slices.Concat(o.Plain, o.Encrypted, o.Web) {
			if other, taken := owner[a]; taken && other != o.Name {
				t.Errorf("%s: %v is of %s too", o.Name, a, other)
			}
			owner[a] = o.Name
			if !a.IsGlobalUnicast() || a.IsPrivate() {
				t.Errorf("%s: %v is no public address", o.Name, a)
			}
		}
		for _, list := range [][]netip.Addr{o.Plain, o.Encrypted, o.Web} {
			if !slices.IsSortedFunc(list, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() }) {
				t.Errorf("%s: %v: IPv4 must come first", o.Name, list)
			}
		}
		if !slices.ContainsFunc(o.Encrypted, netip.Addr.Is4) || !slices.ContainsFunc(o.Encrypted, netip.Addr.Is6) {
			t.Errorf("%s: %v: both families are needed", o.Name, o.Encrypted)
		}
		if got, err := monitor.ParseName(o.TLSName); err != nil || got != o.TLSName+"." {
			t.Errorf("%s: TLS name %q: %v", o.Name, o.TLSName, err)
		}
		doh, ok := strings.CutSuffix(o.DoH, "{?dns}")
		u, err := url.Parse(doh)
		if !ok || err != nil || u.Scheme != "https" || u.Host == "" || u.Path == "" {
			t.Errorf("%s: DoH template %q", o.Name, o.DoH)
			continue
		}
		for _, r := range o.Resolvers(monitor.DoH) {
			if r.TLSName != u.Host || r.Path != u.Path || r.Addr.Port() != 443 || !r.Encrypted() {
				t.Errorf("%s: over HTTPS %+v, want what the template %q says", o.Name, r, o.DoH)
			}
		}
		if u, err := url.Parse(o.Source); err != nil || u.Scheme != "https" {
			t.Errorf("%s: source %q", o.Name, o.Source)
		}
		if _, err := time.Parse(time.DateOnly, o.Read); err != nil {
			t.Errorf("%s: read %q", o.Name, o.Read)
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, is  string
		first     string
		filtering bool
	}{
		{"quad9", "quad9", "9.9.9.10", false},
		{"quad9-unfiltered", "quad9", "9.9.9.10", false},
		{"quad9-filtered", "quad9-filtered", "9.9.9.9", true},
		{"cloudflare", "cloudflare", "1.1.1.1", false},
		{"google", "google", "8.8.8.8", false},
		{"opendns", "opendns", "208.67.222.222", true},
	} {
		o, ok := Lookup(tt.name)
		if !ok || o.Name != tt.is || o.Plain[0].String() != tt.first || o.Filtering != tt.filtering {
			t.Errorf("Lookup(%q) = %+v, %t", tt.name, o, ok)
		}
	}
	for _, name := range []string{"", "Quad9", "mullvad", "system"} {
		if o, ok := Lookup(name); ok {
			t.Errorf("Lookup(%q) = %+v", name, o)
		}
	}
}

func TestOperatorResolvers(t *testing.T) {
	t.Parallel()
	controld, _ := Lookup("controld-unfiltered")
	var got []string
	for _, r := range controld.Resolvers() {
		got = append(got, string(r.Transport)+" "+r.Addr.String()+" "+r.TLSName+r.Path)
		if r.Name != "controld-unfiltered" || r.Operator != "controld" || r.Role != monitor.Reference || r.Filtering {
			t.Errorf("%+v", r)
		}
	}
	want := []string{
		"doh 76.76.2.11:443 freedns.controld.com/p0", "doh 76.76.10.11:443 freedns.controld.com/p0",
		"doh [2606:1a40::11]:443 freedns.controld.com/p0", "doh [2606:1a40:1::11]:443 freedns.controld.com/p0",
		"dot 76.76.2.11:853 p0.freedns.controld.com", "dot 76.76.10.11:853 p0.freedns.controld.com",
		"dot [2606:1a40::11]:853 p0.freedns.controld.com", "dot [2606:1a40:1::11]:853 p0.freedns.controld.com",
		"udp 76.76.2.0:53 ", "udp 76.76.10.0:53 ", "udp [2606:1a40::]:53 ", "udp [2606:1a40:1::]:53 ",
		"tcp 76.76.2.0:53 ", "tcp 76.76.10.0:53 ", "tcp [2606:1a40::]:53 ", "tcp [2606:1a40:1::]:53 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Resolvers() (-want +got):\n%s", diff)
	}

	filtered, _ := Lookup("quad9-filtered")
	if got := filtered.Resolvers(monitor.UDP); len(got) != 4 || !got[0].Filtering || got[0].Operator != "quad9" || got[0].Encrypted() {
		t.Errorf("Resolvers(UDP) = %+v", got)
	}
	encrypted, _ := Lookup("wikimedia")
	if got := encrypted.Resolvers(monitor.UDP, monitor.TCP, monitor.System); len(got) != 0 {
		t.Errorf("Resolvers() over what it has not = %+v", got)
	}
	if got := encrypted.Resolvers(monitor.DoT); len(got) != 2 || !got[0].Encrypted() {
		t.Errorf("Resolvers(DoT) = %+v", got)
	}
}

// TestWitnesses is about the order: HTTPS before TLS, and both at one address
// before the next.
func TestWitnesses(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"wikimedia": {"doh 185.71.138.138:443", "dot 185.71.138.138:853", "doh [2001:67c:930::1]:443", "dot [2001:67c:930::1]:853"},
		"opendns":   {"dot 208.67.222.222:853", "dot 208.67.220.220:853", "dot [2620:119:35::35]:853", "dot [2620:119:53::53]:853"},
	} {
		o, _ := Lookup(name)
		var got []string
		for _, r := range o.Witnesses() {
			got = append(got, string(r.Transport)+" "+r.Addr.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: Witnesses() (-want +got):\n%s", name, diff)
		}
	}
	uneven := Operator{DoH: "https://dns.example/{?dns}", Web: addrs("192.0.2.1", "192.0.2.2"), Encrypted: addrs("192.0.2.1")}
	if got := uneven.Witnesses(); len(got) != 3 || got[2].Transport != monitor.DoH || got[2].Path != "/" {
		t.Errorf("Witnesses() = %+v, want the second address over HTTPS last", got)
	}
}

package dnssec

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestHonest proves what an honest resolver says of zones of each kind.
func TestHonest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.validator()
	for _, zone := range []string{"rsa.test.", "ecdsa.test.", "ed25519.test.", "plain.test."} {
		for _, tt := range []struct {
			name   string
			kind   monitor.Type
			says   string // addresses, or data of records, or "absent"
			status monitor.DNSSECStatus
		}{
			{"www.", monitor.TypeA, "192.0.2.1 192.0.2.2", monitor.Secure},
			{"www.", monitor.TypeAAAA, "2001:db8::1", monitor.Secure},
			{"www.", monitor.TypeHTTPS, `1 cdn.example. alpn="h2"`, monitor.Secure},
			{"", monitor.TypeMX, "10 mail." + zone, monitor.Secure},
			{"", monitor.TypeNS, "ns.invalid.", monitor.Secure},
			{"", 48, "", monitor.Secure},
			{"", 43, "", monitor.Secure},
			{"alias.", monitor.TypeA, "192.0.2.1 192.0.2.2", monitor.Secure},
			{"alias.", monitor.TypeCNAME, "www." + zone, monitor.Secure},
			{"over.", monitor.TypeA, "192.0.2.1 192.0.2.2", monitor.Secure},
			{"away.", monitor.TypeA, "192.0.2.1 192.0.2.2", monitor.Insecure},
			{"www.old.", monitor.TypeA, "192.0.2.6", monitor.Secure},
			{"old.", monitor.TypeA, "absent", monitor.Secure},
			{"x.wild.", monitor.TypeA, "192.0.2.4", monitor.Secure},
			{"a.b.wild.", monitor.TypeA, "192.0.2.4", monitor.Secure},
			{"*.wild.", monitor.TypeA, "192.0.2.4", monitor.Secure},
			{"host.wild.", monitor.TypeA, "192.0.2.5", monitor.Secure},
			{"host.wild.", monitor.TypeAAAA, "absent", monitor.Secure},
			{"x.host.wild.", monitor.TypeA, "absent", monitor.Secure},
			{"x.wild.", monitor.TypeAAAA, "absent", monitor.Secure},
			{"x.many.", monitor.TypeA, "192.0.2.1 192.0.2.2", monitor.Secure},
			{"www.", monitor.TypeTXT, "absent", monitor.Secure},
			{"", monitor.TypeA, "absent", monitor.Secure},
			{"empty.", monitor.TypeA, "absent", monitor.Secure},
			{"gone.", monitor.TypeA, "absent", monitor.Secure},
			{"a.b.c.gone.", monitor.TypeA, "absent", monitor.Secure},
			{"x.www.", monitor.TypeA, "absent", monitor.Secure},
			{"dangling.", monitor.TypeA, "absent", monitor.Secure},
			{"www.open.", monitor.TypeA, "192.0.2.7", monitor.Insecure},
			{"gone.open.", monitor.TypeA, "absent", monitor.Insecure},
			{"loop.", monitor.TypeA, "", monitor.Indeterminate},
		} {
			want := tt.status
			switch {
			case zone == "plain.test." && want == monitor.Secure && tt.kind != 43:
				want = monitor.Insecure
			case zone == "plain.test." && tt.kind == 43:
				want = monitor.Insecure // opt-out
			case zone == "ed25519.test." && want == monitor.Secure && (tt.says == "absent" && strings.Contains(tt.name, "gone") ||
				strings.HasPrefix(tt.name, "dangling") || strings.HasPrefix(tt.name, "x.") || strings.HasPrefix(tt.name, "a.")):
				want = monitor.Insecure // opt-out, where a name does not exist
			}
			e := v.Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceDNSSEC, Name: tt.name + zone, Type: tt.kind, Via: testResolver("honest")})
			if e.Status != want {
				t.Errorf("%s%s %s: status %s (%s), want %s", tt.name, zone, tt.kind, e.Status, e.Detail, want)
			}
			if got := said(e); tt.says != "" && got != tt.says {
				t.Errorf("%s%s %s says %q, want %q", tt.name, zone, tt.kind, got, tt.says)
			}
			if e.Detail == "" || e.Kind != monitor.EvidenceDNSSEC || !e.At.Equal(now) || e.Resolver != "honest|192.0.2.53|udp" {
				t.Errorf("%s%s: %+v", tt.name, zone, e)
			}
		}
	}
	for _, asked := range w.asked {
		if !strings.HasPrefix(asked, "honest ") {
			t.Errorf("the resolver is honest, and yet another was asked: %s", asked)
		}
	}
}

// said gives what the evidence says as one text.
func said(e monitor.Evidence) string {
	var all []string
	for _, a := range e.Addresses {
		all = append(all, a.String())
	}
	for _, r := range e.Records {
		all = append(all, r.Data)
	}
	if e.Absent {
		all = append(all, "absent")
	}
	return strings.Join(all, " ")
}

// TestEvidence looks at all that a proof says.
func TestEvidence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	z := w.named("rsa.test.")
	e := w.validator().Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceDNSSEC, Name: "alias.rsa.test", Type: monitor.TypeA, Via: testResolver("honest"), Role: monitor.Suspect})
	want := monitor.Evidence{
		Kind: monitor.EvidenceDNSSEC, At: now, Role: monitor.Suspect, Resolver: "honest|192.0.2.53|udp", Status: monitor.Secure,
		Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")},
		Zone:      "rsa.test.", DS: []string{z.anchor().data()}, Nameservers: []string{"ns.invalid."},
		Detail: "www.rsa.test. A is signed by key " + itoa(z.key.KeyTag()) + " of rsa.test. until 2026-12-05T12:00:00Z",
	}
	if diff := cmp.Diff(want, e, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("Prove (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"honest alias.rsa.test. A",
		"honest . DNSKEY", "honest test. DS", "honest test. DNSKEY", "honest rsa.test. DS", "honest rsa.test. DNSKEY", "honest rsa.test. NS",
	}, slices.Compact(w.asked)); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
}

// Where a zone's servers are is asked of witnesses, and of the first few servers.
func TestServersOfAZone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	z := w.named("rsa.test.")
	for _, n := range []string{"1", "2", "3", "4", "5"} {
		z.add("rsa.test. 300 IN NS s"+n+".rsa.test.", "s"+n+".rsa.test. 300 IN A 192.0.2.10"+n)
	}
	via := testResolver("honest")
	prove := func() (got []string) {
		e := w.validator().Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceDNSSEC, Name: "www.rsa.test", Type: monitor.TypeA, Via: via})
		for _, s := range e.Servers {
			got = append(got, s.Name+" "+s.Address.String())
		}
		return got
	}
	if got := prove(); len(got) > 0 {
		t.Errorf("a plain resolver was asked for servers: %v", got)
	}
	via.Transport = monitor.DoT
	// ns.invalid. comes first, and has no address.
	want := []string{"s1.rsa.test. 192.0.2.101", "s2.rsa.test. 192.0.2.102", "s3.rsa.test. 192.0.2.103"}
	if diff := cmp.Diff(want, prove()); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
}

// TestUnsigned has the DS of a zone taken away while its keys are remembered: what
// is remembered is wrong then, and nobody lies.
func TestUnsigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.validator()
	if e := v.Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceDNSSEC, Name: "www.rsa.test", Type: monitor.TypeA, Via: testResolver("honest")}); e.Status != monitor.Secure {
		t.Fatalf("%s: %s", e.Status, e.Detail)
	}
	w.unsign("rsa.test.")
	e := v.Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceDNSSEC, Name: "www.rsa.test", Type: monitor.TypeA, Via: testResolver("honest")})
	if e.Status != monitor.Insecure || len(e.DS) > 0 || e.Stripped {
		t.Errorf("%s, DS %v, stripped %t: %s; want insecure", e.Status, e.DS, e.Stripped, e.Detail)
	}
}

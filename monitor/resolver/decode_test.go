package resolver

import (
	"encoding/hex"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// decoded packs and unpacks m, as a message from the network would be.
func decoded(t testing.TB, m *dns.Msg) monitor.Observation {
	t.Helper()
	m.Compress = true
	got := new(dns.Msg)
	if err := got.Unpack(pack(m)); err != nil {
		t.Fatal(err)
	}
	var o monitor.Observation
	decode(&o, got)
	return o
}

func TestDecodeRecords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ zone, want string }{
		{"WWW.Example. 60 IN A 192.0.2.1", "192.0.2.1"},
		{"www.example. 60 IN AAAA 2001:DB8:0:0::1", "2001:db8::1"},
		{"www.example. 60 IN AAAA ::ffff:192.0.2.1", "::ffff:192.0.2.1"},
		{"www.example. 60 IN CNAME Edge.CDN.Example.", "edge.cdn.example."},
		{"www.example. 60 IN DNAME Other.Example.", "other.example."},
		{"www.example. 60 IN NS NS1.Example.", "ns1.example."},
		{"www.example. 60 IN PTR Host.Example.", "host.example."},
		{"www.example. 60 IN MX 10 Mail.Example.", "10 mail.example."},
		{"www.example. 60 IN SRV 1 2 443 Host.Example.", "1 2 443 host.example."},
		{"www.example. 60 IN SOA NS1.Example. Admin.Example. 1 2 3 4 5", "ns1.example. admin.example. 1 2 3 4 5"},
		{`www.example. 60 IN TXT "v=spf1 -ALL" "second"`, `"v=spf1 -ALL" "second"`},
		{`www.example. 60 IN TXT "\007\"\\\200"`, `"\007\"\\\200"`},
		{`www.example. 60 IN HTTPS 1 Svc.Example. alpn="h2,h3" ipv4hint=192.0.2.1`, `1 svc.example. alpn="h2,h3" ipv4hint="192.0.2.1"`},
		{`www.example. 60 IN SVCB 0 Svc.Example.`, `0 svc.example.`},
		{`www.example. 60 IN CAA 0 issue "CA.Example"`, `0 issue "CA.Example"`},
		{`www.example. 60 IN TYPE65400 \# 3 0a0b0c`, `\# 3 0a0b0c`},
		{`www.example. 60 IN TYPE65400 \# 0`, `\# 0`},
		{`www.example. 60 IN TYPE10 \# 4 1b5b336d`, `\# 4 1b5b336d`},
		{`www.example. 60 IN CNAME a\.b\010\255.example.`, `a\.b\010\255.example.`},
	} {
		rr, err := dns.NewRR(tt.zone)
		if err != nil {
			t.Fatalf("%s: %v", tt.zone, err)
		}
		m := new(dns.Msg)
		m.Answer = []dns.RR{rr}
		want := []monitor.Record{{Name: "www.example.", Type: monitor.Type(rr.Header().Rrtype), Data: tt.want, TTL: 60}}
		if diff := cmp.Diff(want, decoded(t, m).Records); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.zone, diff)
		}
	}
}

func TestDecodeHeader(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{
		0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 9: "NOTAUTH",
		11: "DSOTYPENI", 12: "RCODE12", 16: "BADVERS", 23: "BADCOOKIE", 24: "RCODE24", 4095: "RCODE4095",
	} {
		m := new(dns.Msg)
		m.SetEdns0(udpSize, false)
		m.Rcode = code
		if got := decoded(t, m).Rcode; got != want {
			t.Errorf("rcode %d = %q, want %q", code, got, want)
		}
	}
	m := new(dns.Msg)
	m.Authoritative, m.Truncated, m.RecursionDesired, m.RecursionAvailable, m.AuthenticatedData, m.CheckingDisabled = true, true, true, true, true, true
	if diff := cmp.Diff([]string{"AA", "TC", "RD", "RA", "AD", "CD"}, decoded(t, m).Flags); diff != "" {
		t.Errorf("Flags (-want +got):\n%s", diff)
	}
	if got := decoded(t, new(dns.Msg)).Flags; got != nil {
		t.Errorf("Flags = %v, want none", got)
	}
}

func TestDecodeOptions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ id, want string }{
		{"fra1.example", "fra1.example"},
		{"", ""},
		{"a \"b\" \\c", "a \"b\" \\c"},
		{"\x00\x01resolver", `"\x00\x01resolver"`},
		{"r\u00e9solveur", `"r\u00e9solveur"`},
		{"\x1b[31m", `"\x1b[31m"`},
		{strings.Repeat("x", 200), strings.Repeat("x", maxNSID)},
	} {
		m := new(dns.Msg)
		m.SetEdns0(udpSize, false)
		opt := m.IsEdns0()
		opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: hex.EncodeToString([]byte(tt.id))})
		for code := range uint16(100) {
			opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: code, ExtraText: "\x1b"})
		}
		o := decoded(t, m)
		if o.NSID != tt.want {
			t.Errorf("NSID of %q = %q, want %q", tt.id, o.NSID, tt.want)
		}
		if len(o.EDE) != maxEDE || o.EDE[3] != 3 {
			t.Errorf("EDE = %v, want the first %d", o.EDE, maxEDE)
		}
	}
}

func TestDecodeBounds(t *testing.T) {
	t.Parallel()
	m := new(dns.Msg)
	for i := range 2 * maxRecords {
		rr := &dns.A{Hdr: dns.RR_Header{Name: "www.example.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(192, 0, byte(i>>8), byte(i))}
		m.Answer = append(m.Answer, rr)
	}
	m.Answer[1].Header().Class = dns.ClassCHAOS
	got := decoded(t, m).Records
	if len(got) != maxRecords-1 || got[1].Data != "192.0.0.2" {
		t.Errorf("%d records, the second %v; want %d, without the one of class CH", len(got), got[1], maxRecords-1)
	}
}

// TestDecodePrintable feeds every type that miekg/dns knows with octets that
// must not reach a terminal, and looks at its own text as well: presentation.Text is
// the second line of defence, not the first.
func TestDecodePrintable(t *testing.T) {
	t.Parallel()
	const hostile = "\x05\x1b[31m\x07bell\nline\ttab\x00nul\x7fdel\x80\xff\x04\"\\;\r"
	// What must come before free text in some types.
	heads := []string{"", "\x00\x01", "\x00\x01\x00\x02\x00\x03", "\x00\x00\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00", "\x01\x1b\x00", "\x08\x05issue"}
	records := 0
	for _, code := range append(slices.Collect(maps.Keys(dns.TypeToRR)), 65400) {
		for size := range len(hostile) {
			for _, head := range heads {
				data := head + hostile[:size]
				b := append([]byte{0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0}, "\x03\x1b\n\xff\x00"...)
				b = append(b, byte(code>>8), byte(code), 0, 1, 0, 0, 0, 1, byte(len(data)>>8), byte(len(data)))
				m := new(dns.Msg)
				if m.Unpack(append(b, data...)) != nil {
					continue
				}
				var o monitor.Observation
				decode(&o, m)
				for _, r := range o.Records {
					records++
					if !clean(r.Name) || !clean(r.Data) {
						t.Errorf("type %d: record %+q %+q", code, r.Name, r.Data)
					}
				}
				rr := m.Answer[0]
				if own, ok := strings.CutPrefix(rr.String(), rr.Header().String()); ok && code < 65400 && !clean(own) {
					t.Errorf("type %d: miekg/dns prints %+q", code, own)
				}
			}
		}
	}
	if records < 1000 {
		t.Errorf("only %d records could be read", records)
	}
}

func clean(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

package resolver

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestQuery(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat(strings.Repeat("a", 62)+".", 3) + strings.Repeat("b", 60) + "."
	for _, name := range []string{"api.partner.example.", "_dmarc.example.", "*.example.", `ex\.am\000ple.`, ".", longest} {
		for _, pad := range []bool{false, true} {
			q, err := newQuery(monitor.Question{Name: name, Type: monitor.TypeHTTPS}, pad)
			if err != nil {
				t.Errorf("%q: %v", name, err)
				continue
			}
			m := new(dns.Msg)
			if err := m.Unpack(q.message()); err != nil {
				t.Errorf("%q: %v", name, err)
				continue
			}
			if m.Response || m.Opcode != dns.OpcodeQuery || !m.RecursionDesired || !m.AuthenticatedData || m.CheckingDisabled || m.Id != q.id() {
				t.Errorf("%q: header %+v", name, m.MsgHdr)
			}
			if len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, name) || m.Question[0].Qtype != dns.TypeHTTPS || m.Question[0].Qclass != dns.ClassINET {
				t.Errorf("%q: question %+v", name, m.Question)
			}
			opt := m.IsEdns0()
			if opt == nil || opt.UDPSize() != 1232 || opt.Version() != 0 || opt.Do() {
				t.Errorf("%q: OPT %v", name, opt)
				continue
			}
			if c, ok := option[*dns.EDNS0_COOKIE](m); !ok || len(c.Cookie) != 16 || c.Cookie != q.cookie {
				t.Errorf("%q: cookie %v", name, c)
			}
			if id, ok := option[*dns.EDNS0_NSID](m); !ok || id.Nsid != "" {
				t.Errorf("%q: NSID %v", name, id)
			}
			if size := len(q.message()); pad && size%block != 0 {
				t.Errorf("%q: padded to %d octets", name, size)
			}
			if length := int(q.frame[0])<<8 | int(q.frame[1]); length != len(q.message()) {
				t.Errorf("%q: framed as %d octets, has %d", name, length, len(q.message()))
			}
		}
	}
	for _, name := range []string{"", "example", "a..example.", strings.Repeat("a", 64) + ".", strings.Repeat("a.", 128)} {
		if _, err := newQuery(monitor.Question{Name: name, Type: monitor.TypeA}, false); err == nil {
			t.Errorf("newQuery(%q) succeeds", name)
		}
	}
}

// TestCheckCase compares the wire against the names: equal regardless of case
// means the same answer, anything else none.
func TestCheckCase(t *testing.T) {
	t.Parallel()
	label := rapid.StringMatching(`[a-zA-Z0-9@\[\]{}_-]{1,12}`)
	rapid.Check(t, func(t *rapid.T) {
		name := strings.Join(rapid.SliceOfN(label, 1, 4).Draw(t, "name"), ".") + "."
		other := name
		if rapid.Bool().Draw(t, "changed") {
			other = strings.Join(rapid.SliceOfN(label, 1, 4).Draw(t, "other"), ".") + "."
		}
		other = rapid.SampledFrom([]string{other, strings.ToUpper(other), strings.ToLower(other), strings.Map(func(r rune) rune { return r ^ 0x20 }, other)}).Draw(t, "case")
		q, err := newQuery(monitor.Question{Name: name, Type: monitor.TypeA}, false)
		if err != nil {
			t.Fatal(err)
		}
		m := new(dns.Msg)
		if err := m.Unpack(q.message()); err != nil {
			t.Fatal(err)
		}
		m.Response = true
		m.Question[0].Name = other
		b, err := m.Pack()
		if err != nil {
			// The fuzzer writes what is no name at all: no response can be made of it.
			t.Skip("not a name")
		}
		_, err = q.check(b)
		if got, want := err == nil, strings.EqualFold(name, other); got != want {
			t.Fatalf("check of %q against %q = %v, want accepted: %t", other, name, err, want)
		}
	})
}

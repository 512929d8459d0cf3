package dnssec

import (
	"testing"

	"github.com/miekg/dns"
)

// TestReadReply reads what is no response to the question.
func TestReadReply(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*dns.Msg)
		octets func([]byte) []byte
		want   string
	}{
		{name: "right"},
		{name: "in another case", change: func(m *dns.Msg) { m.Question[0].Name = "WWW.Example." }},
		{name: "a query", change: func(m *dns.Msg) { m.Response = false }, want: "no response"},
		{name: "another opcode", change: func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }, want: "no response"},
		{name: "another name", change: func(m *dns.Msg) { m.Question[0].Name = "w.example." }, want: "a response to another question"},
		{name: "another class", change: func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, want: "a response to another question"},
		{name: "no question", change: func(m *dns.Msg) { m.Question = nil }, want: "a response to another question"},
		{name: "truncated", change: func(m *dns.Msg) { m.Truncated = true }, want: "a truncated response"},
		{name: "SERVFAIL", change: func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure }, want: "rcode SERVFAIL"},
		{name: "an unknown code", change: func(m *dns.Msg) { m.Rcode = 13 }, want: "rcode 13"},
		{name: "an answer more", octets: func(b []byte) []byte { b[7]++; return b }, want: "a response that is cut short"},
		{name: "a denial more", octets: func(b []byte) []byte { b[9]++; return b }, want: "a response that is cut short"},
		{name: "half", octets: func(b []byte) []byte { return b[:20] }, want: "a response that cannot be read"},
		{name: "nothing", octets: func([]byte) []byte { return nil }, want: "a response that cannot be read"},
	} {
		m := new(dns.Msg).SetQuestion("www.example.", dns.TypeA)
		m.Response = true
		if tt.change != nil {
			tt.change(m)
		}
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if tt.octets != nil {
			b = tt.octets(b)
		}
		text := ""
		if _, err := readReply(b, "www.example.", dns.TypeA); err != nil {
			text = err.Error()
		}
		if text != tt.want {
			t.Errorf("%s: error %q, want %q", tt.name, text, tt.want)
		}
	}
}

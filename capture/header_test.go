package capture

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// FuzzHeader holds what is read of a question against miekg/dns: wherever ours reads
// one, that has the same; and where that reads a message whose first question is
// there and not compressed, ours has it.
func FuzzHeader(f *testing.F) {
	for _, name := range []string{".", "example.com.", "wWw.ExAmPlE.cOm.", strings.Repeat("a.", 127), strings.Repeat("X", 63) + ".example."} {
		b, err := new(dns.Msg).SetQuestion(name, dns.TypeAAAA).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var buf [maxName]byte
		h, ok := parseHeader(b, &buf)
		if ok && h.question != nil {
			name, off, err := dns.UnpackDomainName(b, headerSize)
			if err != nil || off != h.end-4 || nameText(h.question) != strings.ToLower(name) {
				t.Fatalf("%q, ends at %d; want %q, %d, %v", nameText(h.question), h.end, name, off+4, err)
			}
		}
		var m dns.Msg
		if m.Unpack(b) != nil || len(m.Question) == 0 {
			return
		}
		if plain(b) && (h.question == nil || h.id != m.Id || h.qtype != m.Question[0].Qtype || h.qclass != m.Question[0].Qclass) {
			t.Fatalf("%+v, want %v", h, m.Question[0])
		}
	})
}

// plain reports whether the first question is there, and no pointer in its name.
func plain(b []byte) bool {
	at := headerSize
	for ; at < len(b) && b[at] != 0; at += 1 + int(b[at]) {
		if b[at] > 63 {
			return false
		}
	}
	return at+5 <= len(b)
}

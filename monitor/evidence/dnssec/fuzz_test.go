package dnssec

import (
	"context"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/presentation"
)

// scripted is a resolver that does what its script says to each response of the
// world: it can flip octets, leave out records, replay those of other questions
// under this name, and send anything at all.
type scripted struct {
	*world
	known  map[dns.Question]*dns.Msg // to be true; signing takes long
	script []byte
}

// honest is what the world says, as a copy to be spoiled.
func (s *scripted) honest(name string, kind uint16) *dns.Msg {
	q := new(dns.Msg).SetQuestion(name, kind)
	m := s.known[q.Question[0]]
	if m == nil {
		m = s.resolve(q)
		s.known[q.Question[0]] = m
	}
	return m.Copy()
}

func (s *scripted) next() byte {
	if len(s.script) == 0 {
		return 0
	}
	b := s.script[0]
	s.script = s.script[1:]
	return b
}

// fuzzQuestions are what is asked, and what is true of it.
var fuzzQuestions = []struct {
	name string
	kind uint16
	says string
}{
	{"www.a.test.", dns.TypeA, "192.0.2.1"},
	{"gone.a.test.", dns.TypeA, "absent"},
	{"x.wild.a.test.", dns.TypeA, "192.0.2.4"},
	{"host.wild.a.test.", dns.TypeA, "192.0.2.5"},
	{"alias.a.test.", dns.TypeA, "192.0.2.2"},
	{"empty.a.test.", dns.TypeTXT, "absent"},
	{"www.old.a.test.", dns.TypeA, "192.0.2.1"},
	{"www.b.test.", dns.TypeA, "192.0.2.2"},
	{"gone.b.test.", dns.TypeA, "absent"},
	{"x.wild.b.test.", dns.TypeA, "192.0.2.4"},
	{"host.wild.b.test.", dns.TypeA, "192.0.2.5"},
	{"x.wild.b.test.", dns.TypeTXT, "absent"},
	{"b.test.", dns.TypeTXT, "absent"},
	{"a.test.", dns.TypeDS, ""},
	{"plain.test.", dns.TypeDS, "absent"},
	{"none.test.", dns.TypeDS, "absent"},
}

func (s *scripted) Exchange(ctx context.Context, r monitor.Resolver, b []byte) ([]byte, error) {
	q := new(dns.Msg)
	if err := q.Unpack(b); err != nil {
		return nil, err
	}
	m := s.honest(q.Question[0].Name, q.Question[0].Qtype)
	m.Id = q.Id
	for range s.next() % 4 {
		section := &m.Answer
		if s.next()%2 == 1 {
			section = &m.Ns
		}
		switch s.next() % 8 {
		case 0: // nothing comes
			return nil, context.DeadlineExceeded
		case 1:
			*section = strip(*section)
		case 2:
			if i := int(s.next()); i < len(*section) {
				*section = slices.Delete(*section, i, i+1)
			}
		case 3: // replay, under this name
			other := fuzzQuestions[int(s.next())%len(fuzzQuestions)]
			also := s.honest(other.name, other.kind)
			for _, r := range also.Answer {
				if r.Header().Name == other.name {
					r.Header().Name = q.Question[0].Name
				}
			}
			m.Answer, m.Ns = append(m.Answer, also.Answer...), append(m.Ns, also.Ns...)
		case 4:
			m.Rcode = int(s.next() % 4)
		case 5:
			*section = nil
		case 6: // another owner
			if i := int(s.next()); i < len(*section) {
				(*section)[i].Header().Name = fuzzQuestions[int(s.next())%len(fuzzQuestions)].name
			}
		case 7:
			*section = append(*section, rr(q.Question[0].Name+" 300 IN A 203.0.113.66"))
		}
	}
	b, err := m.Pack()
	if err != nil {
		return nil, err
	}
	for range s.next() % 4 {
		at := int(s.next())<<8 | int(s.next())
		if at < len(b) {
			b[at] ^= s.next()
		}
	}
	if n := int(s.next()); n > 200 { // anything after the question
		head := 12 + len(q.Question[0].Name) + 5
		b = append(b[:min(head, len(b))], s.script[:min(4*n, len(s.script))]...)
	}
	return b, nil
}

// fuzzWorld has one zone with NSEC and one with NSEC3, nothing left out, and an
// unsigned one, whose proofs are there to be replayed.
func fuzzWorld() *world {
	root, tld := newZone(".", dns.ED25519), newZone("test.", dns.ED25519)
	tld.hashed = true
	w := &world{zones: []*testZone{root, tld}}
	for _, name := range []string{"a.test.", "b.test."} {
		z := newZone(name, dns.ED25519,
			"deep.empty."+name+" 300 IN A 192.0.2.3", "*.wild."+name+" 300 IN A 192.0.2.4", "host.wild."+name+" 300 IN A 192.0.2.5",
			"alias."+name+" 300 IN CNAME www.b.test.", "old."+name+" 300 IN DNAME "+name)
		z.hashed = name == "b.test."
		w.zones = append(w.zones, z)
		tld.delegate(z, dns.SHA256)
	}
	w.named("a.test.").add("www.a.test. 300 IN A 192.0.2.1")
	w.named("b.test.").add("www.b.test. 300 IN A 192.0.2.2")
	plain := newZone("plain.test.", 0, "www.plain.test. 300 IN A 192.0.2.9")
	w.zones = append(w.zones, plain)
	tld.delegate(plain, dns.SHA256)
	root.delegate(tld, dns.SHA256)
	return w
}

// FuzzProve lets a resolver do its worst. Whatever that is, what is called
// secure is true, and a zone that is signed is never called unsigned.
func FuzzProve(f *testing.F) {
	f.Add(byte(0), []byte(nil))
	f.Add(byte(0), []byte{1, 0, 7})
	f.Add(byte(3), []byte{1, 0, 3, 2, 0, 0, 1, 0, 1})
	f.Add(byte(8), []byte{1, 1, 3, 0, 1, 0, 40, 1})
	f.Add(byte(14), []byte{2, 1, 5, 0, 3, 4}) // an alias in place of the denial of a DS
	w, known := fuzzWorld(), map[dns.Question]*dns.Msg{}
	f.Fuzz(func(t *testing.T, which byte, script []byte) {
		ask := fuzzQuestions[int(which)%len(fuzzQuestions)]
		ex := &scripted{w, known, script}
		v := w.validator(func(c *Config) { c.Chain = nil })
		v.ex = ex
		e := v.Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceDNSSEC, Name: ask.name, Type: monitor.Type(ask.kind), Via: testResolver("scripted")})
		switch e.Status {
		case monitor.Secure:
			if got := said(e); ask.says != "" && got != ask.says || e.Absent != (ask.says == "absent") {
				t.Errorf("%s %s is secure, and says %q: %s", ask.name, dns.Type(ask.kind), got, e.Detail)
			}
		case monitor.Insecure:
			t.Errorf("%s is signed, and called insecure: %s", ask.name, e.Detail)
		case monitor.Bogus, monitor.Indeterminate:
		default:
			t.Errorf("status %q", e.Status)
		}
		if len(script) == 0 && e.Status != monitor.Secure {
			t.Errorf("%s is true, and %s: %s", ask.name, e.Status, e.Detail)
		}
		if e.Detail == "" || len(e.Detail) > maxDetail || presentation.Text(e.Detail, -1) != e.Detail {
			t.Errorf("Detail %q", e.Detail)
		}
	})
}

// TestFuzzQuestions has each of them be true where nobody lies.
func TestFuzzQuestions(t *testing.T) {
	t.Parallel()
	w := fuzzWorld()
	v := w.validator()
	for _, ask := range fuzzQuestions {
		e := v.Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceDNSSEC, Name: ask.name, Type: monitor.Type(ask.kind), Via: testResolver("honest")})
		if got := said(e); e.Status != monitor.Secure || ask.says != "" && got != ask.says {
			t.Errorf("%s %s: %s, %q: %s", ask.name, dns.Type(ask.kind), e.Status, got, e.Detail)
		}
	}
}

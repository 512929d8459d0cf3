package dnssec

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// tamper is what a liar does to a response.
type tamper = func(w *world, q dns.Question, m *dns.Msg) *dns.Msg

// strip takes all of DNSSEC out of a section.
func strip(section []dns.RR) []dns.RR {
	return slices.DeleteFunc(section, func(r dns.RR) bool {
		return slices.Contains([]uint16{dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3}, r.Header().Rrtype)
	})
}

func stripAll(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
	m.Answer, m.Ns = strip(m.Answer), strip(m.Ns)
	return m
}

// only lies about one name, whatever the type, or one type of it.
func only(name string, kind uint16, lie tamper) tamper {
	return func(w *world, q dns.Question, m *dns.Msg) *dns.Msg {
		if q.Name == name && (kind == 0 || q.Qtype == kind) {
			return lie(w, q, m)
		}
		return m
	}
}

// each changes the records of one type in the answer section.
func each[R dns.RR](change func(R)) tamper {
	return func(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
		for _, r := range m.Answer {
			if r, ok := r.(R); ok {
				change(r)
			}
		}
		return m
	}
}

// forge puts another address in place of those in an answer.
func forge(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
	m.Answer = slices.DeleteFunc(m.Answer, func(r dns.RR) bool { return r.Header().Rrtype == dns.TypeA })
	m.Answer = append(m.Answer, rr(m.Question[0].Name+" 300 IN A 203.0.113.66"))
	return m
}

// both does one thing after the other.
func both(lies ...tamper) tamper {
	return func(w *world, q dns.Question, m *dns.Msg) *dns.Msg {
		for _, lie := range lies {
			if m = lie(w, q, m); m == nil {
				return nil
			}
		}
		return m
	}
}

// instead answers with what the world says of another question.
func instead(name string, kind uint16, rename bool) tamper {
	return func(w *world, q dns.Question, m *dns.Msg) *dns.Msg {
		other := w.resolve(new(dns.Msg).SetQuestion(name, kind))
		m.Answer, m.Ns, m.Rcode = other.Answer, other.Ns, other.Rcode
		for _, r := range m.Answer {
			if h := r.Header(); rename && h.Name == name {
				h.Name = q.Name
			}
		}
		return m
	}
}

// empty takes the answer away, and with it everything else.
func empty(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
	m.Answer, m.Ns = nil, nil
	return m
}

// denied answers with what the zone says of some names.
func denied(zone string, names ...string) tamper {
	return func(w *world, _ dns.Question, m *dns.Msg) *dns.Msg {
		m.Answer, m.Ns, m.Rcode = nil, w.named(zone).deny(names...), dns.RcodeNameError
		return m
	}
}

// signedBy signs the answer with a key of the liar's own, under the name of zone.
func signedBy(zone string, tag uint16) tamper {
	return func(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
		liar := newZone(zone, dns.ECDSAP256SHA256)
		m.Answer = liar.sign(strip(m.Answer))
		if tag != 0 {
			m.Answer[len(m.Answer)-1].(*dns.RRSIG).KeyTag = tag
		}
		return m
	}
}

func refuse(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
	m.Rcode, m.Answer, m.Ns = dns.RcodeRefused, nil, nil
	return m
}

func TestAttacks(t *testing.T) {
	t.Parallel()
	const a, ds, dnskey = dns.TypeA, dns.TypeDS, dns.TypeDNSKEY
	www := func(lie tamper) tamper { return only("www.rsa.test.", a, lie) }
	for _, tt := range []struct {
		name   string
		ask    string
		kind   monitor.Type
		world  func(*world)  // changes the world
		config func(*Config) // and how it is validated
		lie    tamper        // of the resolver that is asked
		want   monitor.DNSSECStatus
		detail string // part of it
	}{
		// An answer that is changed.
		{name: "signatures stripped from the answer", ask: "www.rsa.test.", lie: www(stripAll),
			want: monitor.Bogus, detail: "signatures are stripped: www.rsa.test. A has none, and rsa.test. is signed"},
		{name: "signatures stripped from everything", ask: "www.rsa.test.", lie: stripAll,
			want: monitor.Bogus, detail: "signatures are stripped"},
		{name: "signatures stripped, hashed zone", ask: "www.ecdsa.test.", lie: stripAll,
			want: monitor.Bogus, detail: "signatures are stripped"},
		{name: "signatures stripped, and no other path", ask: "www.rsa.test.", lie: stripAll, config: func(c *Config) { c.Chain = nil },
			want: monitor.Indeterminate, detail: "the chain to . could not be had: signatures are stripped: . DNSKEY has none"},
		{name: "forged without signature", ask: "www.rsa.test.", lie: www(both(stripAll, forge)),
			want: monitor.Bogus, detail: "signatures are stripped"},
		{name: "forged beside the signature", ask: "www.rsa.test.", lie: www(forge),
			want: monitor.Bogus, detail: "of rsa.test. does not verify"},
		{name: "an address more", ask: "www.ed25519.test.", lie: only("www.ed25519.test.", a, func(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
			m.Answer = append(m.Answer, rr("www.ed25519.test. 300 IN A 203.0.113.66"))
			return m
		}), want: monitor.Bogus, detail: "does not verify"},
		{name: "an address less", ask: "www.ecdsa.test.", lie: only("www.ecdsa.test.", a, func(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
			m.Answer = m.Answer[1:]
			return m
		}), want: monitor.Bogus, detail: "does not verify"},
		{name: "signed by another key of that name", ask: "www.rsa.test.", lie: www(both(forge, signedBy("rsa.test.", 0))),
			want: monitor.Bogus, detail: "does not verify"},
		{name: "signed by another key with that tag", ask: "www.rsa.test.", lie: func(w *world, q dns.Question, m *dns.Msg) *dns.Msg {
			return www(both(forge, signedBy("rsa.test.", w.named("rsa.test.").key.KeyTag())))(w, q, m)
		}, want: monitor.Bogus, detail: "does not verify"},
		{name: "signed by another zone", ask: "www.rsa.test.", lie: www(both(forge, signedBy("ecdsa.test.", 0))),
			want: monitor.Bogus, detail: "no signature over www.rsa.test. A is of rsa.test."},
		{name: "signed by a zone that there is not", ask: "www.rsa.test.", lie: www(both(forge, signedBy("www.rsa.test.", 0))),
			want: monitor.Bogus, detail: "no signature over www.rsa.test. A is of rsa.test."},
		{name: "signed with the keys to it", ask: "www.rsa.test.", lie: func(w *world, q dns.Question, m *dns.Msg) *dns.Msg {
			liar := *w.named("rsa.test.")
			forged := newZone("rsa.test.", dns.RSASHA256)
			liar.key, liar.private = forged.key, forged.private
			switch {
			case q.Name == "rsa.test." && q.Qtype == dnskey:
				m.Answer = liar.sign([]dns.RR{liar.key})
			case q.Name == "www.rsa.test." && q.Qtype == a:
				m.Answer = liar.sign([]dns.RR{rr("www.rsa.test. 300 IN A 203.0.113.66")})
			}
			return m
		}, want: monitor.Bogus, detail: "does not verify"},
		{name: "the signature of another name", ask: "www.rsa.test.", lie: www(instead("host.wild.rsa.test.", a, true)),
			want: monitor.Bogus, detail: "no signature over www.rsa.test. A is of rsa.test."},
		{name: "the signature of another name with as many labels", ask: "www.new.rsa.test.", lie: only("www.new.rsa.test.", a, instead("host.wild.rsa.test.", a, true)),
			want: monitor.Bogus, detail: "does not verify"},
		{name: "the answer of another name", ask: "www.rsa.test.", lie: www(instead("host.wild.rsa.test.", a, false)),
			want: monitor.Bogus, detail: "signatures are stripped: nothing signed denies"},
		{name: "nothing at all", ask: "www.rsa.test.", lie: www(empty),
			want: monitor.Bogus, detail: "signatures are stripped: nothing signed denies"},
		{name: "an algorithm that nobody knows", ask: "www.rsa.test.", lie: www(both(forge, each(func(r *dns.RRSIG) { r.Algorithm = 200 }))),
			want: monitor.Bogus, detail: "does not verify"},
		{name: "more labels than the name has", ask: "www.rsa.test.", lie: www(each(func(r *dns.RRSIG) { r.Labels = 9 })),
			want: monitor.Bogus, detail: "no signature over www.rsa.test. A is of rsa.test."},

		// Time.
		{name: "expired", ask: "www.rsa.test.", world: func(w *world) {
			stale := *w.named("rsa.test.")
			stale.from, stale.until = now.Add(-48*time.Hour), now.Add(-time.Hour)
			w.tamper["stale"] = func(q dns.Question, m *dns.Msg) *dns.Msg {
				if q.Name == "www.rsa.test." {
					m.Answer = stale.sign(strip(m.Answer))
				}
				return m
			}
		}, want: monitor.Indeterminate, detail: "is right, but for 2026-11-26T12:00:00Z to 2026-11-28T11:00:00Z"},
		{name: "expired and forged", ask: "www.rsa.test.", lie: www(both(forge, each(func(r *dns.RRSIG) {
			r.Inception, r.Expiration = uint32(now.Unix()-7200), uint32(now.Unix()-3600)
		}))), want: monitor.Bogus, detail: "does not verify"},
		{name: "not yet valid", ask: "www.ed25519.test.", world: func(w *world) {
			early := *w.named("ed25519.test.")
			early.from = now.Add(time.Hour)
			w.tamper["stale"] = func(q dns.Question, m *dns.Msg) *dns.Msg {
				if q.Name == "www.ed25519.test." {
					m.Answer = early.sign(strip(m.Answer))
				}
				return m
			}
		}, want: monitor.Indeterminate, detail: "is right, but for 2026-11-28T13:00:00Z to"},
		{name: "the clock is a year behind", ask: "www.rsa.test.", config: func(c *Config) {
			c.Now = func() time.Time { return now.AddDate(-1, 0, 0) }
		}, want: monitor.Indeterminate, detail: "the clock here (2025-11-28T12:00:00Z) may be wrong: the signature over . DNSKEY"},
		{name: "the clock is a year ahead", ask: "www.rsa.test.", config: func(c *Config) {
			c.Now = func() time.Time { return now.AddDate(1, 0, 0) }
		}, want: monitor.Indeterminate, detail: "the clock here (2027-11-28T12:00:00Z) may be wrong"},
		{name: "an expired DS, and a fresh one elsewhere", ask: "www.rsa.test.", lie: only("rsa.test.", ds, func(w *world, _ dns.Question, m *dns.Msg) *dns.Msg {
			stale := *w.named("test.")
			stale.from, stale.until = now.Add(-48*time.Hour), now.Add(-time.Hour)
			m.Answer = stale.sign(strip(m.Answer))
			return m
		}), want: monitor.Secure},

		// Denials.
		{name: "forged NXDOMAIN", ask: "www.rsa.test.", lie: www(func(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
			m.Answer, m.Rcode = nil, dns.RcodeNameError
			return m
		}), want: monitor.Bogus, detail: "signatures are stripped: nothing signed denies"},
		{name: "NXDOMAIN of another name", ask: "www.rsa.test.", lie: www(instead("gone.rsa.test.", a, false)),
			want: monitor.Bogus, detail: "is not www.rsa.test. A"},
		{name: "NXDOMAIN of another name, hashed", ask: "www.ecdsa.test.", lie: only("www.ecdsa.test.", a, instead("gone.ecdsa.test.", a, false)),
			want: monitor.Bogus, detail: "is not www.ecdsa.test. A"},
		{name: "NODATA of another name", ask: "www.rsa.test.", lie: www(instead("rsa.test.", a, false)),
			want: monitor.Bogus, detail: "is not www.rsa.test. A"},
		{name: "NODATA of another name, hashed", ask: "www.ecdsa.test.", lie: only("www.ecdsa.test.", a, instead("ecdsa.test.", a, false)),
			want: monitor.Bogus, detail: "is not www.ecdsa.test. A"},
		{name: "NODATA of another type", ask: "www.rsa.test.", lie: www(instead("www.rsa.test.", dns.TypeTXT, false)),
			want: monitor.Bogus, detail: "is not www.rsa.test. A"},
		{name: "NODATA of another type, hashed", ask: "www.ecdsa.test.", lie: only("www.ecdsa.test.", a, instead("www.ecdsa.test.", dns.TypeTXT, false)),
			want: monitor.Bogus, detail: "is not www.ecdsa.test. A"},
		{name: "NODATA of an alias", ask: "alias.rsa.test.", lie: only("alias.rsa.test.", a, instead("alias.rsa.test.", dns.TypeTXT, false)),
			want: monitor.Bogus, detail: "is not www.rsa.test. A"}, // the alias is in it
		{name: "the alias denied by its own NSEC", ask: "alias.rsa.test.", lie: only("alias.rsa.test.", a, func(w *world, q dns.Question, m *dns.Msg) *dns.Msg {
			m.Answer, m.Ns = nil, w.named("rsa.test.").deny(q.Name)
			return m
		}), want: monitor.Bogus, detail: "is not alias.rsa.test. A"},
		{name: "the parent denies what is the child's", ask: "rsa.test.", kind: monitor.TypeMX, lie: only("rsa.test.", dns.TypeMX, func(w *world, q dns.Question, m *dns.Msg) *dns.Msg {
			m.Answer, m.Ns = nil, w.named("test.").deny(q.Name)
			return m
		}), want: monitor.Bogus, detail: "NSEC3 is of rsa.test."},
		{name: "the parent denies what is below the child", ask: "www.rsa.test.", lie: www(func(w *world, q dns.Question, m *dns.Msg) *dns.Msg {
			m.Answer, m.Ns = nil, w.named("test.").deny("rsa.test.", "www.rsa.test.", "*.rsa.test.", "test.", "*.test.")
			return m
		}), want: monitor.Bogus, detail: "NSEC3 is of rsa.test."},
		{name: "a zone without hashes denies what is below a delegation", ask: "www.test.", world: func(w *world) {
			w.named("test.").hashed = false
		}, kind: monitor.TypeTXT, want: monitor.Secure},
		{name: "its delegation", ask: "www.rsa.test.", world: func(w *world) { w.named("test.").hashed = false }, lie: www(func(w *world, q dns.Question, m *dns.Msg) *dns.Msg {
			m.Answer, m.Ns = nil, w.named("test.").deny("rsa.test.", q.Name, "*.rsa.test.", "*.test.")
			return m
		}), want: monitor.Bogus, detail: "NSEC is of rsa.test."},
		{name: "the wildcard's own NSEC under another name", ask: "host.wild.rsa.test.", kind: monitor.TypeTXT, lie: only("host.wild.rsa.test.", dns.TypeTXT, func(w *world, q dns.Question, m *dns.Msg) *dns.Msg {
			m.Ns = w.named("rsa.test.").deny("*.wild.rsa.test.")
			for _, r := range m.Ns {
				r.Header().Name = q.Name
			}
			return m
		}), want: monitor.Bogus},

		{name: "a wildcard hidden", ask: "x.wild.rsa.test.", lie: only("x.wild.rsa.test.", a, denied("rsa.test.", "x.wild.rsa.test.")),
			want: monitor.Bogus, detail: "is not x.wild.rsa.test. A"},
		{name: "a wildcard denied by its own NSEC", ask: "x.wild.rsa.test.", lie: only("x.wild.rsa.test.", a, denied("rsa.test.", "x.wild.rsa.test.", "*.wild.rsa.test.")),
			want: monitor.Bogus, detail: "is not x.wild.rsa.test. A"},
		{name: "a wildcard hidden, hashed", ask: "x.wild.ecdsa.test.", lie: only("x.wild.ecdsa.test.", a, denied("ecdsa.test.", "wild.ecdsa.test.", "x.wild.ecdsa.test.")),
			want: monitor.Bogus, detail: "is not x.wild.ecdsa.test. A"},
		{name: "a wildcard denied by its own NSEC3", ask: "x.wild.ecdsa.test.", lie: only("x.wild.ecdsa.test.", a, denied("ecdsa.test.", "wild.ecdsa.test.", "x.wild.ecdsa.test.", "*.wild.ecdsa.test.")),
			want: monitor.Bogus, detail: "is not x.wild.ecdsa.test. A"},

		// Wildcards.
		{name: "a wildcard replayed over a name", ask: "host.wild.rsa.test.", lie: only("host.wild.rsa.test.", a, instead("x.wild.rsa.test.", a, true)),
			want: monitor.Bogus, detail: "a wildcard is replayed"},
		{name: "a wildcard replayed over a name, hashed", ask: "host.wild.ecdsa.test.", lie: only("host.wild.ecdsa.test.", a, instead("x.wild.ecdsa.test.", a, true)),
			want: monitor.Bogus, detail: "a wildcard is replayed"},
		{name: "a wildcard replayed without any proof", ask: "host.wild.rsa.test.", lie: only("host.wild.rsa.test.", a, both(instead("x.wild.rsa.test.", a, true), func(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
			m.Ns = nil
			return m
		})), want: monitor.Bogus, detail: "signatures are stripped: nothing signed denies"},
		{name: "a wildcard replayed below a name", ask: "x.host.wild.rsa.test.", lie: only("x.host.wild.rsa.test.", a, instead("x.wild.rsa.test.", a, true)),
			want: monitor.Bogus, detail: "a wildcard is replayed"},
		{name: "a wildcard replayed below a name, hashed", ask: "x.host.wild.ecdsa.test.", lie: only("x.host.wild.ecdsa.test.", a, instead("x.wild.ecdsa.test.", a, true)),
			want: monitor.Bogus, detail: "a wildcard is replayed"},

		// Aliases.
		{name: "an alias to elsewhere", ask: "alias.rsa.test.", lie: only("alias.rsa.test.", a, func(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
			m.Answer = []dns.RR{rr("alias.rsa.test. 300 IN CNAME www.plain.test."), rr("www.plain.test. 300 IN A 203.0.113.66")}
			return m
		}), want: monitor.Bogus, detail: "signatures are stripped: alias.rsa.test. CNAME"},
		{name: "an alias where there is none", ask: "www.rsa.test.", lie: www(instead("alias.ecdsa.test.", a, true)),
			want: monitor.Bogus, detail: "no signature over www.rsa.test. CNAME is of rsa.test."},
		{name: "the second link forged", ask: "alias.rsa.test.", lie: only("alias.rsa.test.", a, func(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
			for _, r := range m.Answer {
				if r, ok := r.(*dns.A); ok {
					r.A[3] = 66
				}
			}
			return m
		}), want: monitor.Bogus, detail: "www.rsa.test. A by key"},
		{name: "from an unsigned zone to a forged answer", ask: "back.plain.test.", lie: func(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
			for _, r := range m.Answer {
				if r, ok := r.(*dns.A); ok {
					r.A[3] = 66
				}
			}
			return m
		}, want: monitor.Bogus, detail: "www.rsa.test. A by key"},
		{name: "the resolver does not follow", ask: "over.rsa.test.", lie: only("over.rsa.test.", a, func(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
			m.Answer = m.Answer[:2]
			return m
		}), want: monitor.Secure, detail: "www.ed25519.test. A is signed"},
		{name: "a DNAME that leads elsewhere", ask: "www.old.rsa.test.", lie: only("www.old.rsa.test.", a, both(each(func(r *dns.CNAME) { r.Target = "www.plain.test." }))),
			want: monitor.Bogus, detail: "the CNAME of www.old.rsa.test. leads to www.plain.test."},
		{name: "a DNAME forged", ask: "www.old.rsa.test.", lie: only("www.old.rsa.test.", a, each(func(r *dns.DNAME) { r.Target = "plain.test." })),
			want: monitor.Bogus, detail: "old.rsa.test. DNAME by key"},

		// Delegations.
		{name: "the DS taken away", ask: "www.rsa.test.", lie: both(www(both(stripAll, forge)), only("rsa.test.", ds, empty)),
			want: monitor.Bogus, detail: "signatures are stripped"},
		{name: "the DS taken away, with the proof of another name", ask: "www.rsa.test.", lie: both(www(both(stripAll, forge)), only("rsa.test.", ds, instead("plain.test.", ds, false))),
			want: monitor.Bogus, detail: "signatures are stripped"},
		{name: "the DS taken away, with the child's denial", ask: "www.rsa.test.", lie: both(www(both(stripAll, forge)), only("rsa.test.", ds, func(w *world, q dns.Question, m *dns.Msg) *dns.Msg {
			m.Answer, m.Ns = nil, w.named("rsa.test.").deny(q.Name)
			return m
		})), want: monitor.Bogus, detail: "signatures are stripped"},
		{name: "the DS taken away, and no other path", ask: "www.rsa.test.", lie: both(www(both(stripAll, forge)), only("rsa.test.", ds, empty)),
			config: func(c *Config) { c.Chain = nil }, want: monitor.Indeterminate, detail: "the chain to rsa.test. could not be had: signatures are stripped"},
		{name: "the DS denied by the record that has it", ask: "www.rsa.test.", world: func(w *world) { w.named("test.").hashed = false },
			lie:  both(www(both(stripAll, forge)), only("rsa.test.", ds, denied("test.", "rsa.test."))),
			want: monitor.Bogus, detail: "signatures are stripped"},
		{name: "the DS denied by the record that has it, hashed", ask: "www.rsa.test.",
			lie:  both(www(both(stripAll, forge)), only("rsa.test.", ds, denied("test.", "rsa.test."))),
			want: monitor.Bogus, detail: "signatures are stripped"},
		{name: "a DS from a wildcard", ask: "a.star.rsa.test.", world: func(w *world) {
			w.named("rsa.test.").add("*.star.rsa.test. 300 IN DS 1 13 2 " + strings.Repeat("00", 32))
		}, lie: only("a.star.rsa.test.", a, stripAll), want: monitor.Indeterminate, detail: "the DS of a.star.rsa.test. is made from a wildcard"},
		{name: "an alias from a wildcard in place of a DS, without proof", ask: "x.many.rsa.test.", kind: monitor.TypeCNAME, config: func(c *Config) { c.Chain = nil },
			lie: both(only("x.many.rsa.test.", dns.TypeCNAME, stripAll), only("x.many.rsa.test.", ds, func(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
				m.Ns = nil
				return m
			})), want: monitor.Indeterminate, detail: "nothing signed denies"},
		{name: "an alias from a wildcard in place of a DS, with another's proof", ask: "host.wild.rsa.test.", config: func(c *Config) { c.Chain = nil },
			world: func(w *world) { w.named("rsa.test.").add("*.wild.rsa.test. 300 IN CNAME www.rsa.test.") },
			lie:   both(only("host.wild.rsa.test.", a, stripAll), only("host.wild.rsa.test.", ds, instead("x.wild.rsa.test.", dns.TypeTXT, true))),
			want:  monitor.Indeterminate, detail: "a wildcard is replayed"},
		{name: "a DS of the liar's", ask: "www.rsa.test.", lie: both(www(forge), only("rsa.test.", ds, each(func(r *dns.DS) { r.KeyTag++ }))),
			want: monitor.Bogus, detail: "does not verify"},
		{name: "an unsigned child, without proof", ask: "www.plain.test.", lie: only("plain.test.", ds, empty), config: func(c *Config) { c.Chain = nil },
			want: monitor.Indeterminate, detail: "the chain to plain.test. could not be had"},
		{name: "an unsigned child, proven elsewhere", ask: "www.plain.test.", lie: only("plain.test.", ds, refuse),
			want: monitor.Insecure, detail: "plain.test. is unsigned: it may be without DS (opt-out); key"},
		{name: "an unsigned child, by NSEC", ask: "www.open.rsa.test.", want: monitor.Insecure, detail: "open.rsa.test. is unsigned: key"},
		{name: "junk signatures in an unsigned zone", ask: "www.open.rsa.test.", lie: only("www.open.rsa.test.", a, signedBy("rsa.test.", 0)),
			want: monitor.Insecure, detail: "open.rsa.test. is unsigned"},
		{name: "signatures of its own in an unsigned zone", ask: "www.open.rsa.test.", lie: only("www.open.rsa.test.", a, signedBy("open.rsa.test.", 0)),
			want: monitor.Insecure, detail: "open.rsa.test. is unsigned"},

		// Algorithms.
		{name: "a DS of an unknown algorithm only", ask: "www.rsa.test.", world: func(w *world) {
			w.named("test.").rrs["rsa.test."][ds][0].(*dns.DS).Algorithm = 200
		}, want: monitor.Insecure, detail: "has no algorithm and digest that are supported"},
		{name: "a DS of an unknown digest only", ask: "www.rsa.test.", world: func(w *world) {
			w.named("test.").rrs["rsa.test."][ds][0].(*dns.DS).DigestType = 77
		}, want: monitor.Insecure, detail: "has no algorithm and digest that are supported"},
		{name: "an unknown DS beside a known one", ask: "www.rsa.test.", world: func(w *world) {
			w.named("test.").add("rsa.test. 600 IN DS 1 200 2 00")
		}, want: monitor.Secure},
		{name: "an unknown DS beside a known one, and signed by the unknown", ask: "www.rsa.test.", world: func(w *world) {
			w.named("test.").add("rsa.test. 600 IN DS 1 200 2 00")
		}, lie: www(each(func(r *dns.RRSIG) { r.Algorithm, r.KeyTag = 200, 1 })), want: monitor.Bogus, detail: "does not verify"},
		{name: "SHA-1 beside better is not believed", ask: "www.rsa.test.", world: func(w *world) {
			tld, z := w.named("test."), w.named("rsa.test.")
			tld.rrs["rsa.test."][ds] = []dns.RR{rr("rsa.test. 600 IN DS 1 8 2 00")}
			tld.delegate(z, dns.SHA1)
		}, want: monitor.Indeterminate, detail: "no key of rsa.test. is what its DS (1) points to"},
		{name: "SHA-1 alone is", ask: "www.rsa.test.", world: func(w *world) {
			tld, z := w.named("test."), w.named("rsa.test.")
			tld.rrs["rsa.test."][ds] = nil
			tld.delegate(z, dns.SHA1)
		}, want: monitor.Secure},
		{name: "SHA-384", ask: "www.rsa.test.", world: func(w *world) {
			tld, z := w.named("test."), w.named("rsa.test.")
			tld.rrs["rsa.test."][ds] = nil
			tld.delegate(z, dns.SHA384)
		}, want: monitor.Secure},
		{name: "a revoked key", ask: "www.rsa.test.", world: func(w *world) {
			w.named("rsa.test.").key.Flags |= dns.REVOKE
		}, want: monitor.Indeterminate, detail: "no key of rsa.test. is what its DS"},
		{name: "a revoked key that a DS points to", ask: "www.rsa.test.", world: func(w *world) {
			tld, z := w.named("test."), w.named("rsa.test.")
			z.key.Flags |= dns.REVOKE
			tld.rrs["rsa.test."][ds] = nil
			tld.delegate(z, dns.SHA256)
		}, want: monitor.Indeterminate, detail: "no key of rsa.test. is what its DS"},
		{name: "iterations within bounds", ask: "gone.ecdsa.test.", world: func(w *world) { w.named("ecdsa.test.").iterations = 150 }, want: monitor.Secure},
		{name: "iterations beyond what is sane", ask: "gone.ecdsa.test.", world: func(w *world) { w.named("ecdsa.test.").iterations = 151 },
			want: monitor.Insecure, detail: "ecdsa.test. hashes names 151 times"},
		{name: "iterations beyond all bounds", ask: "gone.ecdsa.test.", world: func(w *world) { w.named("ecdsa.test.").iterations = 501 },
			want: monitor.Indeterminate, detail: "ecdsa.test. hashes names 501 times"},
		{name: "iterations forged", ask: "www.ecdsa.test.", lie: only("www.ecdsa.test.", a, func(w *world, _ dns.Question, m *dns.Msg) *dns.Msg {
			m.Answer, m.Ns, m.Rcode = nil, w.named("ecdsa.test.").deny("gone.ecdsa.test."), dns.RcodeNameError
			for _, r := range m.Ns {
				if r, ok := r.(*dns.NSEC3); ok {
					r.Iterations = 400
				}
			}
			return m
		}), want: monitor.Bogus, detail: "does not verify"},

		// Resolvers that say nothing.
		{name: "REFUSED", ask: "www.rsa.test.", lie: refuse, want: monitor.Indeterminate, detail: "liar 192.0.2.53 gives no www.rsa.test. A: rcode REFUSED"},
		{name: "no response", ask: "www.rsa.test.", lie: func(*world, dns.Question, *dns.Msg) *dns.Msg { return nil },
			want: monitor.Indeterminate, detail: "liar 192.0.2.53 gives no www.rsa.test. A: context deadline exceeded"},
		{name: "truncated", ask: "www.rsa.test.", lie: www(func(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
			m.Truncated = true
			return m
		}), want: monitor.Indeterminate, detail: "a truncated response"},
		{name: "another question", ask: "www.rsa.test.", lie: www(func(_ *world, _ dns.Question, m *dns.Msg) *dns.Msg {
			m.Question[0].Qtype = dns.TypeTXT
			return m
		}), want: monitor.Indeterminate, detail: "a response to another question"},
		{name: "all but the chain", ask: "www.rsa.test.", lie: func(_ *world, q dns.Question, m *dns.Msg) *dns.Msg {
			if q.Qtype == a {
				return m
			}
			return nil
		}, want: monitor.Secure},

		// What is asked.
		{name: "no name", ask: "not a name", want: monitor.Indeterminate, detail: "there is nothing to ask for"},
		{name: "a type that is never signed", ask: "www.rsa.test.", kind: 46, want: monitor.Indeterminate, detail: "records of type RRSIG are never signed"},
		{name: "no anchor above", ask: "www.rsa.test.", config: func(c *Config) { c.Anchors[0].Zone = "other." }, want: monitor.Indeterminate, detail: "no trust anchor is above www.rsa.test."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			via := testResolver("stale")
			if tt.lie != nil {
				via = testResolver("liar")
				w.tamper["liar"] = func(q dns.Question, m *dns.Msg) *dns.Msg { return tt.lie(w, q, m) }
			}
			if tt.world != nil {
				tt.world(w)
			}
			config := tt.config
			if config == nil {
				config = func(*Config) {}
			}
			if tt.kind == 0 {
				tt.kind = monitor.TypeA
			}
			v := w.validator(config)
			for _, again := range []string{"", ", again"} { // what is remembered changes nothing
				e := v.Prove(context.Background(), monitor.Proof{Kind: monitor.EvidenceDNSSEC, Name: tt.ask, Type: tt.kind, Via: via})
				if e.Status != tt.want || !strings.Contains(e.Detail, tt.detail) {
					t.Errorf("status %s%s, want %s with %q: %s", e.Status, again, tt.want, tt.detail, e.Detail)
				}
				if late := e.Status == monitor.Indeterminate && strings.Contains(e.Detail, "is right, but for"); e.Late != late {
					t.Errorf("late is %t%s: %s", e.Late, again, e.Detail)
				}
			}
		})
	}
}

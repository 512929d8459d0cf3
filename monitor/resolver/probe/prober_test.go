package probe

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

const name = "api.partner.example."

// TestDead asks dead addresses, on ways on which somebody answers for them and
// on others.
func TestDead(t *testing.T) {
	forged := func(q dns.Question) *dns.Msg { return with(q, dns.RcodeSuccess, q.Name+" 60 IN A 192.0.2.66") }
	var once sync.Map
	for _, tt := range []struct {
		name   string
		via    monitor.Resolver
		answer func(to monitor.Resolver, q dns.Question) *dns.Msg
		want   monitor.Evidence
		asked  int
	}{
		{"silence", isp, func(monitor.Resolver, dns.Question) *dns.Msg { return nil },
			monitor.Evidence{Detail: "3 dead addresses are silent"}, 6},
		{"one is answered", isp, func(to monitor.Resolver, q dns.Question) *dns.Msg {
			if to.Addr.Addr().String() == "198.51.100.53" && to.Transport == monitor.UDP {
				return forged(q)
			}
			return nil
		}, monitor.Evidence{
			Answered: true, Address: addrs("198.51.100.53")[0], Port: 53, Addresses: addrs("192.0.2.66"),
			Detail: "192.0.2.66 answered by 198.51.100.53 over udp NOERROR",
		}, 7},
		{"all are, without an address", isp, func(_ monitor.Resolver, q dns.Question) *dns.Msg { return with(q, dns.RcodeRefused) },
			monitor.Evidence{
				Answered: true, Address: addrs("192.0.2.53")[0], Port: 53,
				Detail: "answered by 192.0.2.53 over udp REFUSED, 198.51.100.53 over udp REFUSED, 2001:db8::53 over udp REFUSED, " +
					"192.0.2.53 over tcp REFUSED, 198.51.100.53 over tcp REFUSED, 2001:db8::53 over tcp REFUSED",
			}, 12},
		{"once", isp, func(to monitor.Resolver, q dns.Question) *dns.Msg {
			if to.Transport == monitor.TCP || to.Addr.Addr().Is6() {
				return nil
			}
			if _, again := once.LoadOrStore(to.Addr, true); again {
				return nil
			}
			return forged(q)
		}, monitor.Evidence{Detail: "answered once of twice by 192.0.2.53 over udp, 198.51.100.53 over udp"}, 8},
		{"over TCP alone", over(monitor.TCP), func(to monitor.Resolver, q dns.Question) *dns.Msg {
			if to.Transport != monitor.TCP {
				t.Errorf("asked over %s", to.Transport)
			}
			return with(q, dns.RcodeNameError)
		}, monitor.Evidence{
			Answered: true, Address: addrs("192.0.2.53")[0], Port: 53,
			Detail: "answered by 192.0.2.53 over tcp NXDOMAIN, 198.51.100.53 over tcp NXDOMAIN, 2001:db8::53 over tcp NXDOMAIN",
		}, 6},
		{"over TLS", over(monitor.DoT), nil, monitor.Evidence{
			Outcome: monitor.OutcomeNotDialled, Detail: "nobody can answer in the place of others over dot",
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &scripted{answer: tt.answer}
				began := time.Now()
				got := New(Config{}, a, nil).Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceDead, Name: name, Via: tt.via})
				if d := time.Since(began); d > 2*defaultTimeout {
					t.Errorf("it took %v", d)
				}
				tt.want.Kind, tt.want.Resolver = monitor.EvidenceDead, monitor.From(tt.via, began).Endpoint()
				if diff := cmp.Diff(tt.want, got, evidence); diff != "" {
					t.Errorf("Prove (-want +got):\n%s", diff)
				}
				if len(a.asked) != tt.asked {
					t.Errorf("%d questions, want %d: %q", len(a.asked), tt.asked, a.asked)
				}
			})
		})
	}
}

// TestDeadType asks for the type in question, and for nothing that is no name.
func TestDeadType(t *testing.T) {
	a := &scripted{answer: func(_ monitor.Resolver, q dns.Question) *dns.Msg {
		return with(q, dns.RcodeSuccess, q.Name+" 60 IN AAAA 2001:db8::66")
	}}
	p := New(Config{}, a, nil)
	e := p.Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceDead, Name: name, Type: monitor.TypeAAAA, Via: over(monitor.TCP)})
	if !e.Answered || !slices.Equal(e.Addresses, addrs("2001:db8::66")) || !slices.Contains(a.asked, "tcp 192.0.2.53 "+name+" AAAA IN") {
		t.Errorf("%+v, after %q", e, a.asked)
	}
	e = p.Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceDead, Name: "a..b", Via: isp})
	if e.Outcome != monitor.OutcomeNotDialled {
		t.Errorf("of no name: %+v", e)
	}
}

func TestIdentity(t *testing.T) {
	for _, tt := range []struct {
		name   string
		via    monitor.Resolver
		answer func(q dns.Question) *dns.Msg
		want   monitor.Evidence
	}{
		{"all of it", isp, func(q dns.Question) *dns.Msg {
			switch q.Name {
			case "id.server.":
				return named(with(q, dns.RcodeSuccess, `id.server. 0 CH TXT "fra1"`), "66726131") // fra1
			case "hostname.bind.":
				return with(q, dns.RcodeSuccess, `hostname.bind. 0 CH TXT "fra1.isp.example"`)
			case "o-o.myaddr.l.google.com.":
				return with(q, dns.RcodeSuccess, q.Name+` 60 IN TXT "198.51.100.7"`, q.Name+` 60 IN TXT "edns0-client-subnet 203.0.113.0/24"`)
			case "whoami.akamai.net.":
				if q.Qtype == dns.TypeA {
					return with(q, dns.RcodeSuccess, q.Name+" 60 IN A 198.51.100.9")
				}
				return with(q, dns.RcodeSuccess)
			}
			return with(q, dns.RcodeNameError)
		}, monitor.Evidence{
			NSID: "fra1", Egress: "198.51.100.7", Addresses: addrs("198.51.100.7", "198.51.100.9"),
			Detail: `id.server "fra1"; hostname.bind "fra1.isp.example"; asks from 198.51.100.7, 198.51.100.9`,
		}},
		{"text alone", over(monitor.DoT), func(q dns.Question) *dns.Msg {
			if q.Name == "hostname.bind." {
				return with(q, dns.RcodeSuccess, `hostname.bind. 0 CH TXT "\027[31m"`)
			}
			return with(q, dns.RcodeNotImplemented)
		}, monitor.Evidence{NSID: `\027[31m`, Detail: `hostname.bind "\\027[31m"`}},
		{"nothing", isp, func(q dns.Question) *dns.Msg { return with(q, dns.RcodeRefused) },
			monitor.Evidence{Detail: "says nothing of itself"}},
		{"silence", isp, func(dns.Question) *dns.Msg { return nil },
			monitor.Evidence{Outcome: monitor.OutcomeTimeout, Detail: `nothing learnt: "timeout"`}},
		{"the C library", over(monitor.System), nil,
			monitor.Evidence{Outcome: monitor.OutcomeNotDialled, Detail: "the C library does not say whom it asks"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &scripted{answer: func(_ monitor.Resolver, q dns.Question) *dns.Msg { return tt.answer(q) }}
				got := New(Config{}, a, nil).Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceIdentity, Name: name, Via: tt.via})
				tt.want.Kind, tt.want.Resolver = monitor.EvidenceIdentity, monitor.From(tt.via, time.Time{}).Endpoint()
				if diff := cmp.Diff(tt.want, got, evidence); diff != "" {
					t.Errorf("Prove (-want +got):\n%s", diff)
				}
				for _, q := range a.asked {
					if strings.Contains(q, name) {
						t.Errorf("the watched name was asked for: %s", q)
					}
				}
			})
		})
	}
}

func TestNAT64(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(q dns.Question) *dns.Msg
		want   monitor.Evidence
	}{
		{"the well-known prefix", func(q dns.Question) *dns.Msg {
			return with(q, dns.RcodeSuccess, q.Name+" 60 IN AAAA 64:ff9b::c000:aa", q.Name+" 60 IN AAAA 64:ff9b::c000:ab")
		}, monitor.Evidence{Answered: true, Prefix: netip.MustParsePrefix("64:ff9b::/96"), Addresses: addrs("64:ff9b::c000:aa", "64:ff9b::c000:ab"),
			Detail: "IPv4 addresses are written behind 64:ff9b::/96 here"}},
		{"an address that carries none", func(q dns.Question) *dns.Msg {
			return with(q, dns.RcodeSuccess, q.Name+" 60 IN AAAA 2001:db8::1")
		}, monitor.Evidence{Detail: "IPv4 addresses are written behind no prefix here"}},
		{"no record", func(q dns.Question) *dns.Msg { return with(q, dns.RcodeSuccess) }, monitor.Evidence{Detail: "IPv4 addresses are written behind no prefix here"}},
		{"silence", func(dns.Question) *dns.Msg { return nil }, monitor.Evidence{Outcome: monitor.OutcomeTimeout, Detail: `nothing learnt: "timeout"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &scripted{answer: func(_ monitor.Resolver, q dns.Question) *dns.Msg { return tt.answer(q) }}
				got := New(Config{}, a, nil).Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceNAT64, Name: name, Via: isp})
				tt.want.Kind, tt.want.Resolver = monitor.EvidenceNAT64, monitor.From(isp, time.Time{}).Endpoint()
				if diff := cmp.Diff(tt.want, got, evidence); diff != "" {
					t.Errorf("Prove (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestRandom(t *testing.T) {
	sink := func(q dns.Question) *dns.Msg { return with(q, dns.RcodeSuccess, q.Name+" 60 IN A 203.0.113.80") }
	denied := func(q dns.Question) *dns.Msg { return with(q, dns.RcodeNameError) }
	for _, tt := range []struct {
		name   string
		answer func(q dns.Question) *dns.Msg
		want   monitor.Evidence
		zones  []string // of the records
	}{
		{"honest", denied, monitor.Evidence{Detail: "3 of 3 names that nobody registered have no address"}, nil},
		{"rewritten", sink, monitor.Evidence{
			Answered: true, Addresses: addrs("203.0.113.80"), Detail: "3 of 3 names that nobody registered have addresses: 203.0.113.80",
		}, []string{"com.", "org.", "se."}},
		{"two are enough", func(q dns.Question) *dns.Msg {
			if strings.HasSuffix(q.Name, ".se.") {
				return denied(q)
			}
			return sink(q)
		}, monitor.Evidence{
			Answered: true, Addresses: addrs("203.0.113.80"), Detail: "2 of 3 names that nobody registered have addresses: 203.0.113.80",
		}, []string{"com.", "org."}},
		{"a wildcard is not", func(q dns.Question) *dns.Msg {
			if strings.HasSuffix(q.Name, ".com.") {
				return sink(q)
			}
			return denied(q)
		}, monitor.Evidence{Addresses: addrs("203.0.113.80"), Detail: "1 of 3 names that nobody registered have addresses: 203.0.113.80"}, []string{"com."}},
		{"what a browser asks for", func(q dns.Question) *dns.Msg {
			if strings.HasPrefix(q.Name, "www.") {
				return sink(q)
			}
			return denied(q)
		}, monitor.Evidence{Addresses: addrs("203.0.113.80"), Detail: "1 of 3 names that nobody registered have addresses: 203.0.113.80"}, []string{"org."}},
		{"refused", func(q dns.Question) *dns.Msg { return with(q, dns.RcodeRefused) },
			monitor.Evidence{Outcome: monitor.OutcomeTimeout, Detail: `nothing learnt: "REFUSED"`}, nil},
		{"silence", func(dns.Question) *dns.Msg { return nil },
			monitor.Evidence{Outcome: monitor.OutcomeTimeout, Detail: `nothing learnt: "timeout"`}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &scripted{answer: func(_ monitor.Resolver, q dns.Question) *dns.Msg { return tt.answer(q) }}
				got := New(Config{}, a, nil).Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceNX, Name: name, Via: isp})
				var zones []string
				for _, r := range got.Records {
					labels := strings.Split(r.Name, ".")
					zones = append(zones, labels[len(labels)-2]+".")
					if len(labels[len(labels)-3]) != randomLabel || r.Data != "203.0.113.80" || r.TTL != 60 {
						t.Errorf("record %+v", r)
					}
				}
				if diff := cmp.Diff(tt.zones, zones); diff != "" {
					t.Errorf("zones of the names that are answered (-want +got):\n%s", diff)
				}
				got.Records = nil
				tt.want.Kind, tt.want.Resolver = monitor.EvidenceNX, monitor.From(isp, time.Time{}).Endpoint()
				if diff := cmp.Diff(tt.want, got, evidence); diff != "" {
					t.Errorf("Prove (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestBudget spends what there is of it, has others wait their turn, and has it
// all again a minute later.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &scripted{answer: func(_ monitor.Resolver, q dns.Question) *dns.Msg { return with(q, dns.RcodeNameError) }}
		p := New(Config{PerTarget: 2, PerMinute: 5}, a, nil)
		ask := func(via monitor.Resolver) string {
			return p.Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceNX, Via: via}).Detail
		}
		const fine = "3 of 3 names that nobody registered have no address"
		other, third := over(monitor.TCP), over(monitor.DoT)
		for _, step := range []struct {
			via  monitor.Resolver
			want string
		}{
			{isp, fine},
			{isp, fine},
			{isp, "budget: 2 probes a minute of that kind and resolver are spent"},
			{other, fine},
			{other, fine},
			{third, fine},
			{third, "budget: 5 probes a minute are spent"},
		} {
			if got := ask(step.via); got != step.want {
				t.Errorf("over %s: %q, want %q", step.via.Transport, got, step.want)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute - 7*time.Second)
		if got := ask(isp); got != fine {
			t.Errorf("a minute later: %q", got)
		}
		if got := ask(over(monitor.DoH)); got != "budget: 5 probes a minute are spent" {
			t.Errorf("before its minute is over: %q", got)
		}
	})
}

// TestGivenUp ends with the caller: that is no silence.
func TestGivenUp(t *testing.T) {
	for _, kind := range Kinds() {
		if kind == monitor.EvidenceLimited {
			continue // it has sockets of its own: TestLimitedGivenUp
		}
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				a := &scripted{answer: func(monitor.Resolver, dns.Question) *dns.Msg { return nil }}
				began := time.Now()
				e := New(Config{}, a, nil).Prove(ctx, monitor.Proof{Kind: kind, Name: name, Via: isp})
				if e.Outcome != monitor.OutcomeNotDialled || e.Detail != "given up: context deadline exceeded" {
					t.Errorf("%+v", e)
				}
				if d := time.Since(began); d != time.Second {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}

// TestNothingToAsk is about proofs that a Prober does not have.
func TestNothingToAsk(t *testing.T) {
	p := New(Config{}, &scripted{}, nil)
	for _, proof := range []monitor.Proof{
		{}, {Kind: monitor.EvidenceTLS}, {Kind: monitor.EvidenceIdentity}, {Kind: monitor.EvidenceNX}, {Kind: monitor.EvidenceDead}, {Kind: monitor.EvidenceLimited},
	} {
		if e := p.Prove(t.Context(), proof); e.Outcome != monitor.OutcomeNotDialled || e.Detail == "" || e.Kind != proof.Kind {
			t.Errorf("Prove(%+v) = %+v", proof, e)
		}
	}
}

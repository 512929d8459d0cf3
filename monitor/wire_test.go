package monitor_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// packetLook is how a response looks below DNS.
type packetLook struct {
	hop  uint8
	mac  string
	edns bool
}

var (
	genuineLook = packetLook{64, "02:00:00:00:00:02", true}
	forgedLook  = packetLook{128, "02:00:00:00:00:66", false}
)

// said is one overheard answer: an address, or a response code.
type said struct {
	what string
	look packetLook
}

// transaction makes the sample of an overheard query with its answers, a few
// milliseconds apart. n tells transactions apart.
func transaction(n uint16, queries int, answers ...said) monitor.Sample {
	now := time.Now()
	client, server := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.9"), 40000+n), netip.MustParseAddrPort("10.0.0.2:53")
	s := monitor.Sample{Via: monitor.Wire, Question: apiA}
	for range queries {
		s.Queries = append(s.Queries, monitor.Packet{At: now, Src: client, Dst: server, TXID: n, EDNS: true, HopLimit: 64})
	}
	for i, a := range answers {
		at := now.Add(time.Duration(i+1) * 4 * time.Millisecond)
		o := monitor.Observation{
			At: at, Resolver: "wire", Server: server.Addr(), Role: monitor.Local, Transport: monitor.UDP, Rcode: "NOERROR", Flags: []string{"RD", "RA"}, Records: []monitor.Record{},
			Packet: &monitor.Packet{At: at, Src: server, Dst: client, TXID: n, HopLimit: a.look.hop, MAC: a.look.mac, EDNS: a.look.edns},
		}
		if _, err := netip.ParseAddr(a.what); err == nil {
			o.Records = append(o.Records, monitor.Record{Name: apiA.Name, Type: monitor.TypeA, Data: a.what, TTL: 60})
		} else {
			o.Rcode = a.what
		}
		s.At = at
		s.Answers = append(s.Answers, o)
	}
	return s
}

func good(what string) said { return said{what, genuineLook} }
func evil(what string) said { return said{what, forgedLook} }

// perfect is a forgery that copies all that a packet shows.
func perfect(what string) said { return said{what, genuineLook} }

// TestOverheard lets the wire be heard after ten quiet minutes, and looks at
// the alerts, the verdict, and how soon both are there.
func TestOverheard(t *testing.T) {
	tests := []struct {
		name    string
		config  func(*monitor.Config)
		story   func(w *world, hear func(monitor.Sample))
		want    []string
		verdict monitor.Verdict
	}{
		{
			name:    "what is known is nothing new",
			story:   func(w *world, hear func(monitor.Sample)) { hear(transaction(1, 1, good(goodAddr))) },
			verdict: monitor.Clean,
		},
		{
			name: "ids are guessed, and the answer is right",
			story: func(w *world, hear func(monitor.Sample)) {
				hear(overheard(func(s *monitor.Sample) { s.Strays = &monitor.Strays{WrongID: 5, IDs: 5} }, good(goodAddr)))
			},
			want:    []string{"alert.opened attack_attempt confirmed high path system 10.0.0.2"},
			verdict: monitor.Clean,
		},
		{
			name: "ports are searched again and again",
			story: func(w *world, hear func(monitor.Sample)) {
				hear(overheard(func(s *monitor.Sample) { s.Noise = &monitor.Noise{Sweeps: 3, SweptPorts: 50} }, good(goodAddr)))
			},
			want:    []string{"alert.opened attack_attempt suspected medium path system 10.0.0.2"},
			verdict: monitor.Clean,
		},
		{
			name: "an answer that is right and as odd as can be",
			story: func(w *world, hear func(monitor.Sample)) {
				for range 10 {
					hear(overheard(func(s *monitor.Sample) {
						s.Answers[0].Manner = usual()
						everythingOdd(s, &s.Answers[0])
						s.Noise = &monitor.Noise{Unsolicited: 1000, Orphans: 100, Fallbacks: 50, Labels: 500, Domain: "example.", Sweeps: 1, SweptPorts: 60, PathMTU: 576}
					}, good(goodAddr)))
				}
				wait(5 * time.Minute)
			},
			verdict: monitor.Clean,
		},
		{
			name:    "a forgery that comes too late",
			story:   func(w *world, hear func(monitor.Sample)) { hear(transaction(1, 1, good(goodAddr), evil(evilAddr))) },
			want:    []string{"alert.opened attack_attempt confirmed high lan system 10.0.0.2"},
			verdict: monitor.Clean,
		},
		{
			name: "a perfect copy, once, too late",
			story: func(w *world, hear func(monitor.Sample)) {
				hear(transaction(1, 1, good(goodAddr), perfect(evilAddr)))
			},
			want:    []string{"alert.opened attack_attempt suspected medium path system 10.0.0.2"},
			verdict: monitor.Clean,
		},
		{
			name: "and once more",
			story: func(w *world, hear func(monitor.Sample)) {
				hear(transaction(1, 1, good(goodAddr), perfect(evilAddr)))
				wait(5 * time.Second)
				hear(transaction(2, 1, good(goodAddr), perfect(evilAddr)))
			},
			want: []string{
				"alert.opened attack_attempt suspected medium path system 10.0.0.2",
				"alert.updated attack_attempt confirmed high path system 10.0.0.2",
			},
			verdict: monitor.Clean,
		},
		{
			name:    "a forgery that wins",
			story:   func(w *world, hear func(monitor.Sample)) { hear(transaction(1, 1, evil(evilAddr), good(goodAddr))) },
			want:    []string{"alert.opened path_injection probable high lan system 10.0.0.2"},
			verdict: monitor.Suspicious,
		},
		{
			name: "and is proven to be false",
			story: func(w *world, hear func(monitor.Sample)) {
				hear(transaction(1, 1, evil(evilAddr), good(goodAddr)))
				wait(20 * time.Second)
			},
			want: []string{
				"alert.opened path_injection probable high lan system 10.0.0.2",
				"alert.updated path_injection confirmed critical lan system 10.0.0.2",
			},
			verdict: monitor.Poisoned,
		},
		{
			name: "an attempt that wins in the end",
			story: func(w *world, hear func(monitor.Sample)) {
				hear(transaction(1, 1, good(goodAddr), evil(evilAddr)))
				wait(15 * time.Second)
				hear(transaction(2, 1, evil(evilAddr), good(goodAddr)))
				wait(15 * time.Second)
			},
			want: []string{
				"alert.opened attack_attempt confirmed high lan system 10.0.0.2",
				"alert.updated path_injection confirmed critical lan system 10.0.0.2",
			},
			verdict: monitor.Poisoned,
		},
		{
			name: "a private address wins",
			story: func(w *world, hear func(monitor.Sample)) {
				hear(transaction(1, 1, evil("10.6.6.6"), good(goodAddr)))
				wait(time.Second)
			},
			want:    []string{"alert.opened path_injection confirmed critical lan system 10.0.0.2"},
			verdict: monitor.Poisoned,
		},
		{
			name:    "a denial wins",
			story:   func(w *world, hear func(monitor.Sample)) { hear(transaction(1, 1, evil("NXDOMAIN"), good(goodAddr))) },
			want:    []string{"alert.opened path_injection probable high lan system 10.0.0.2"},
			verdict: monitor.Suspicious,
		},
		{
			name: "the network doubles a query, and the zone rotates to an address never seen",
			story: func(w *world, hear func(monitor.Sample)) {
				w.cert("192.0.90.1", monitor.OutcomeOK, goodKey, 41*24*time.Hour)
				hear(transaction(1, 1, good(goodAddr), good("192.0.90.1")))
				wait(time.Minute)
				hear(transaction(2, 1, good("192.0.90.1"), good(goodAddr)))
				wait(time.Minute)
			},
			verdict: monitor.Clean,
		},
		{
			name: "a retransmit is answered twice",
			story: func(w *world, hear func(monitor.Sample)) {
				w.cert("192.0.90.1", monitor.OutcomeOK, goodKey, 41*24*time.Hour)
				hear(transaction(1, 2, good(goodAddr), good("192.0.90.1")))
				wait(time.Minute)
			},
			verdict: monitor.Clean,
		},
		{
			name: "an application gets what our own questions do not",
			story: func(w *world, hear func(monitor.Sample)) {
				hear(transaction(1, 1, evil(evilAddr)))
				wait(time.Minute)
			},
			want:    []string{"alert.opened resolver_cache probable high resolver system 10.0.0.2"},
			verdict: monitor.Suspicious,
		},
		{
			name: "it ends when it is over",
			story: func(w *world, hear func(monitor.Sample)) {
				hear(transaction(1, 1, good(goodAddr), evil(evilAddr)))
				wait(time.Hour)
			},
			want: []string{
				"alert.opened attack_attempt confirmed high lan system 10.0.0.2",
				"alert.resolved attack_attempt confirmed high lan system 10.0.0.2",
			},
			verdict: monitor.Clean,
		},
		{
			name: "a flood of forgeries",
			story: func(w *world, hear func(monitor.Sample)) {
				for i := range 2000 {
					hear(transaction(uint16(i), 1, good(goodAddr), evil(fmt.Sprintf("192.0.%d.%d", 100+i/250, i%250))))
					wait(time.Millisecond)
				}
				wait(time.Minute)
			},
			want:    []string{"alert.opened attack_attempt confirmed high lan system 10.0.0.2"},
			verdict: monitor.Clean,
		},
		{
			name:   "the name has no TLS to prove itself by",
			config: func(c *monitor.Config) { c.Watches[0].TLS.Off = true },
			story: func(w *world, hear func(monitor.Sample)) {
				hear(transaction(1, 1, evil(otherEvil), good(goodAddr)))
				wait(time.Minute)
			},
			want:    []string{"alert.opened path_injection probable high lan system 10.0.0.2"},
			verdict: monitor.Suspicious,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := newWorld(), config()
				if tt.config != nil {
					tt.config(&c)
				}
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(10 * time.Minute)
					asked := w.questions("")
					tt.story(w, func(s monitor.Sample) {
						m.Offer(s)
						wait(time.Second)
					})
					wantAlerts(t, w, tt.want...)
					wantVerdict(t, m, tt.verdict)
					if n := w.questions("") - asked; n > 3000 {
						t.Errorf("%d questions were asked", n)
					}
				})
			})
		})
	}
}

// Names that are not watched leave nothing behind but a count.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := newWorld(), config()
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(time.Minute)
			asked := w.questions("")
			s := transaction(1, 1, good(goodAddr), evil(evilAddr))
			s.Question.Name = "other.example."
			for i := range s.Answers {
				for j := range s.Answers[i].Records {
					s.Answers[i].Records[j].Name = s.Question.Name
				}
			}
			m.Offer(s)
			wait(time.Second)
			st, err := m.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if st.Counts.Strangers != 1 || w.questions("") != asked || len(w.seen()) != 0 {
				t.Errorf("strangers %d, questions %d, events %v", st.Counts.Strangers, w.questions("")-asked, w.seen())
			}
		})
	})
}

// What is odd in the packets of a false answer is among the reasons, also where the
// answer was known and asked about before they were overheard.
func TestOddPacketsCorroborate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := newWorld(), config()
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			w.lie(apiA, evilAddr, 60, "system/udp")
			wait(70 * time.Second)
			m.Offer(overheard(func(s *monitor.Sample) {
				s.Answers[0].Manner = usual()
				everythingOdd(s, &s.Answers[0])
			}, good(evilAddr)))
			wait(time.Second)
			e, err := m.Explain(t.Context(), apiA.Name)
			if err != nil || len(e.Judgements) == 0 {
				t.Fatal(err)
			}
			var rules []string
			for _, r := range e.Judgements[0].Reasons {
				rules = append(rules, r.Rule)
			}
			for _, want := range []string{"resp.ip_ttl", "resp.too_fast", "resp.header_profile", "l2.source_changed", "resp.malformed"} {
				if !slices.Contains(rules, want) {
					t.Errorf("%s is not among the reasons: %q", want, rules)
				}
			}
		})
	})
}

// What an alert from the wire carries, and what is kept of it.
func TestOverheardAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := newWorld(), config()
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			s := transaction(1, 1, good(goodAddr), evil(evilAddr))
			s.Answers[1].Packet.Raw = []byte("frame")
			m.Offer(s)
			wait(5 * time.Second)
			m.Offer(transaction(2, 1, good(goodAddr), evil(evilAddr)))
			wait(5 * time.Second)
			e, err := m.Explain(t.Context(), apiA.Name)
			if err != nil || len(e.Alerts) != 1 {
				t.Fatal(err, e.Alerts)
			}
			a := e.Alerts[0]
			var rules []string
			for _, r := range a.Reasons {
				rules = append(rules, fmt.Sprint(r.Rule, " ", r.Weight))
			}
			if diff := cmp.Diff([]string{"dup.conflict 60", "resp.ip_ttl 30", "l2.source_changed 30", "resp.header_profile 15"}, rules); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{evilAddr}, a.Observed); diff != "" {
				t.Errorf("observed (-want +got):\n%s", diff)
			}
			if len(a.Transactions) != 2 || a.Count != 2 || a.Exposure.Leak != monitor.LeakNo {
				t.Errorf("transactions %+v, count %d, leak %s", a.Transactions, a.Count, a.Exposure.Leak)
			}
		})
		// Judged again from what was kept, it is the same.
		r := monitor.NewReplay(c)
		for _, ss := range w.kept {
			for _, s := range ss {
				r.Take(s)
			}
		}
		as := r.Report(time.Now()).Alerts
		if len(as) != 1 || as[0].Kind != monitor.AttackAttempt || as[0].Confidence != monitor.Confirmed {
			t.Errorf("replayed: %+v", as)
		}
	})
}

// A name that programs ask for fifty times a second, and that a forger answers first each
// time, has its proof all the same: handshakes ten seconds apart are not pushed out by
// what is overheard between them.
func TestBusyNameIsConfirmed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		w.cert(evilAddr, monitor.OutcomeSelfSigned, evilKey, time.Hour)
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(30 * time.Minute)
			for n := range uint16(9000) {
				m.Offer(transaction(n, 1, evil(evilAddr), good(goodAddr)))
				wait(20 * time.Millisecond)
			}
			wantVerdict(t, m, monitor.Poisoned)
		})
	})
}

package monitor_test

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// systemAddr is where this host's resolver is.
var systemAddr = voice("system", monitor.UDP).Addr.Addr()

// diverted adds that n answers of this host's resolver came over the loopback
// interface, or without a packet.
func (m *matter) diverted(kind string, n int) *matter {
	return m.fact(monitor.Evidence{Kind: kind, Address: systemAddr, Count: n})
}

var diversionTests = []ruleTest{
	{"resp.lo_nonlocal", "twice", learntMatter().sys(goodAddr).diverted(monitor.EvidenceLooped, 2), []string{"60 local invalid IP"}},
	{"resp.lo_nonlocal", "once", learntMatter().sys(goodAddr).diverted(monitor.EvidenceLooped, 1), nil},
	{"resp.lo_nonlocal", "in the name of somebody else", learntMatter().sys(goodAddr).
		fact(monitor.Evidence{Kind: monitor.EvidenceLooped, Address: netip.MustParseAddr("192.0.2.1"), Count: 2}), nil},
	{"resp.lo_nonlocal", "long ago", learntMatter().sys(goodAddr).diverted(monitor.EvidenceLooped, 2).then(10 * time.Minute).sys(goodAddr), nil},
	{"probe.no_wire", "three answers", learntMatter().sys(goodAddr).diverted(monitor.EvidenceNoWire, 3), []string{"60 local invalid IP"}},
	{"probe.no_wire", "two", learntMatter().sys(goodAddr).diverted(monitor.EvidenceNoWire, 2), nil},
	{"probe.no_wire", "and then it was seen", learntMatter().sys(goodAddr).diverted(monitor.EvidenceNoWire, 3).then(time.Minute).sys(goodAddr).diverted(monitor.EvidenceNoWire, 0), nil},
}

// That questions are led elsewhere says nothing of what is answered there: only false
// content makes it a lie.
func TestDiverted(t *testing.T) {
	lied := func() *matter { return learntMatter().wrong(nil).dot(goodAddr, four...) }
	for _, tt := range []struct {
		name  string
		given *matter
		want  []string
	}{
		{"honest", learntMatter().sys(goodAddr).dot(goodAddr, four...).diverted(monitor.EvidenceLooped, 2), []string{"clean", "local_proxy probable host harmless"}},
		{"both signs", learntMatter().sys(goodAddr).dot(goodAddr, four...).diverted(monitor.EvidenceLooped, 2).diverted(monitor.EvidenceNoWire, 3),
			[]string{"clean", "local_proxy probable host harmless"}},
		{"a wrong certificate", lied().diverted(monitor.EvidenceLooped, 2), []string{"poisoned", "local_host confirmed host"}},
		{"without a packet", lied().diverted(monitor.EvidenceNoWire, 3), []string{"poisoned", "local_host confirmed host"}},
		{"another address, which nothing disproves", learntMatter().sys(evilAddr).dot(goodAddr, four...).diverted(monitor.EvidenceLooped, 2),
			[]string{"unknown", "resolver_cache  resolver", "local_proxy probable host harmless"}},
		{"the name is denied", learntMatter().denies("system", monitor.UDP).dot(goodAddr, four...).diverted(monitor.EvidenceLooped, 2),
			[]string{"unknown", "denial  resolver harmless", "local_proxy probable host harmless"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := monitor.Judge(&tt.given.Case)
			got := []string{string(r.Verdict)}
			for _, a := range r.Accusations {
				line := fmt.Sprintf("%s %s %s", a.Kind, a.Confidence, a.Attribution)
				if a.Harmless {
					line += " harmless"
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ruling (-want +got):\n%s", diff)
			}
		})
	}
}

// sniffer says of every exchange the same.
type sniffer struct{ passed, sure bool }

// sniffing is a sniffer that may become another while it is asked.
type sniffing struct{ now atomic.Pointer[sniffer] }

func (s *sniffing) Follow(monitor.Observation) func() (passed, sure bool) {
	return func() (bool, bool) { is := s.now.Load(); return is.passed, is.sure }
}

// Where questions are answered without leaving this host that is told once, for all
// names, costs no questions beyond the usual ones, and ends when they leave again.
func TestDiversionIsTold(t *testing.T) {
	for _, tt := range []struct {
		name    string
		sniffer sniffer
		want    []string
	}{
		{"no packet is seen", sniffer{false, true}, []string{monitor.AlertOpened, monitor.AlertResolved}},
		{"whoever listens is not sure", sniffer{false, false}, nil},
		{"they are seen", sniffer{true, true}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				var s sniffing
				s.now.Store(&sniffer{true, true})
				c.Sniffer = &s
				other := monitor.Question{Name: "www.partner.example.", Type: monitor.TypeA}
				c.Watches = append(c.Watches, watchOf(other))
				w.publish(other, reply{addrs: []string{goodAddr}, ttl: 300})
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(30 * time.Minute)
					usual := w.questions("system/udp")
					wait(30 * time.Minute)
					usual = w.questions("system/udp") - usual
					s.now.Store(&tt.sniffer)
					before := w.questions("system/udp")
					wait(30 * time.Minute)
					if n := w.questions("system/udp") - before; n > usual+2 {
						t.Errorf("%d questions in half an hour, and %d as a rule", n, usual)
					}
					wantVerdict(t, m, monitor.Clean)
					s.now.Store(&sniffer{true, true})
					wait(30 * time.Minute)
				})
				wantCalls(t, w, tt.want...)
				if len(tt.want) == 0 {
					return
				}
				a := w.only(t)
				got := fmt.Sprintf("%s %s %s %s", a.Kind, a.Confidence, a.Severity, a.Attribution)
				if diff := cmp.Diff("local_proxy probable medium host", got); diff != "" {
					t.Errorf("alert (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What came over the loopback interface counts in the name of this host's resolvers
// alone.
func TestLoopedIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			for n := range uint16(4) {
				s := transaction(n, 1, good(goodAddr))
				s.Answers[0].Packet.Nonlocal = true
				if n < 2 {
					s.Answers[0].Server = netip.MustParseAddr("192.0.2.77")
				}
				m.Offer(s)
				wait(time.Minute)
				if open := len(w.calls()); open != 0 && n < 3 || open == 0 && n == 3 {
					t.Errorf("after %d packets %d alerts were told of", n+1, open)
				}
			}
		})
		if a := w.only(t); a.Kind != monitor.LocalProxy || !slices.ContainsFunc(a.Reasons, func(r monitor.Reason) bool { return r.Rule == "resp.lo_nonlocal" }) {
			t.Errorf("alert %s with reasons %v", a.Kind, a.Reasons)
		}
	})
}

package walk

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// judge is a Validator that knows what it will say.
type judge struct {
	status map[string]monitor.DNSSECStatus // by name and type; Secure where there is none
	asked  []string
}

func (v *judge) Prove(_ context.Context, p monitor.Proof) monitor.Evidence {
	what := p.Name + " " + dns.TypeToString[uint16(p.Type)]
	v.asked = append(v.asked, what+" "+p.Via.Addr.Addr().String()+" "+string(p.Via.Transport))
	s, ok := v.status[what]
	if !ok {
		s = monitor.Secure
	}
	return monitor.Evidence{Status: s}
}

// TestPath has somebody on the path.
func TestPath(t *testing.T) {
	// resolver answers as one does that got a query meant for somebody else.
	resolver := func(q *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{must(q.Question[0].Name + " 60 A 198.41.0.66")}
		}
		return m
	}
	at := func(where ...string) func(w *world) {
		return func(w *world) {
			w.meddler = func(to netip.Addr, q *dns.Msg) *dns.Msg {
				for _, a := range where {
					if to.String() == a {
						return resolver(q)
					}
				}
				return nil
			}
		}
	}
	for _, tt := range []struct {
		name   string
		set    func(*world)
		status map[string]monitor.DNSSECStatus
		why    string // empty: the path is proven
	}{
		{name: "nobody"},
		{name: "an unsigned top-level zone", status: map[string]monitor.DNSSECStatus{"example. DNSKEY": monitor.Insecure}},
		{name: "somebody where there is nobody", set: at(deadOne), why: "something answers at 192.0.2.53:53, where there is no resolver"},
		{name: "a proxy for connections", set: func(w *world) { w.accepts = deadOne }, why: "something accepts connections at 192.0.2.53:53, where there is no server"},
		{name: "in place of the root", set: at(rootA, rootB), why: "somebody answers as a resolver does at "},
		{name: "in place of a top-level zone", set: at(tldA), why: "somebody answers as a resolver does at 193.1.0.1, a server of example."},
		{name: "in place of a top-level zone, for names outside only", set: func(w *world) {
			w.meddler = func(to netip.Addr, q *dns.Msg) *dns.Msg {
				if to.String() == tldA && !under(q.Question[0].Name, "example.") {
					return resolver(q)
				}
				return nil
			}
		}, why: "193.1.0.1, a server of example., answers for www.example.com."},
		{name: "another root", status: map[string]monitor.DNSSECStatus{". DNSKEY": monitor.Bogus}, why: "the keys of ., as "},
		{name: "a root without keys", status: map[string]monitor.DNSSECStatus{". DNSKEY": monitor.Insecure}, why: "the keys of ., from its own servers, are insecure"},
		{name: "other keys", status: map[string]monitor.DNSSECStatus{"example. DNSKEY": monitor.Bogus}, why: "the keys of example., as 193.1.0.1 has them, are bogus"},
		{name: "no keys", status: map[string]monitor.DNSSECStatus{"example. DNSKEY": monitor.Indeterminate}, why: "the keys of example., from its own servers, are indeterminate"},
		{name: "another delegation", status: map[string]monitor.DNSSECStatus{"example. DS": monitor.Bogus}, why: "the delegation of example., as "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if tt.set != nil {
					tt.set(w)
				}
				v := &judge{status: tt.status}
				e := w.walker(Config{}, v).Prove(t.Context(), monitor.Proof{Name: "api.partner.example", Type: monitor.TypeA})
				_, got, _ := strings.Cut(e.Detail, "; the path is ")
				want := "proven"
				if tt.why != "" {
					want = "not proven: " + tt.why
				}
				if e.PathProven != (tt.why == "") || !strings.HasPrefix(got, want) {
					t.Errorf("PathProven = %t, Detail = %q, want %q\nvalidated: %q", e.PathProven, e.Detail, want, v.asked)
				}
				if strings.HasPrefix(tt.name, "in place of") && len(e.Addresses) > 0 && e.PathProven {
					t.Errorf("addresses %v", e.Addresses)
				}
			})
		})
	}
}

// TestPathServers has the keys fetched from who hands out the delegations, over
// the transport that goes.
func TestPathServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.servers[tldA].noTCP = true
		v := new(judge)
		walker := w.walker(Config{Hints: []Server{{"a.root.", netip.MustParseAddr(rootA)}}}, v)
		walker.Prove(t.Context(), monitor.Proof{Name: "far.partner.example", Type: monitor.TypeA})
		want := []string{
			". DNSKEY 193.0.14.1 tcp", "example. DS 193.0.14.1 tcp", "example. DNSKEY 193.1.0.1 udp",
			"other. DS 193.0.14.1 tcp", "other. DNSKEY 193.1.0.2 tcp",
		}
		if got := strings.Join(v.asked, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("validated:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
		}
	})
}

package walk

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

var sameAddr = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

const ds5 = "5 13 2 0202020202020202020202020202020202020202020202020202020202020202"

// partner is what a walk to a name in partner.example. finds of its zone.
func partner(change func(*monitor.Evidence)) monitor.Evidence {
	ns := []string{"ns1.partner.example.", "ns2.partner.example."}
	e := monitor.Evidence{
		Kind: monitor.EvidenceWalk, PathProven: true,
		Zone: "partner.example.", Nameservers: ns, Delegation: ns, DS: []string{ds5},
		Addresses: addrs("203.0.113.1", "203.0.113.2"), TTL: 60,
		Servers: []monitor.AuthoritativeServer{
			{Name: ns[0], Address: netip.MustParseAddr(childA), Addresses: addrs("203.0.113.1", "203.0.113.2"), Serial: 42},
			{Name: ns[1], Address: netip.MustParseAddr(childB), Addresses: addrs("203.0.113.1", "203.0.113.2"), Serial: 42},
		},
		Detail: "2 of 2 servers of partner.example. made a statement; the path is proven",
	}
	if change != nil {
		change(&e)
	}
	return e
}

func TestProve(t *testing.T) {
	cname := func(from, to string) []monitor.Record {
		return []monitor.Record{{Name: from, Type: monitor.TypeCNAME, Data: to, TTL: 300}}
	}
	edge := func(e *monitor.Evidence) {
		e.Zone, e.DS, e.TTL = "edge.other.", nil, 20
		e.Nameservers, e.Delegation = []string{"ns.edge.other."}, []string{"ns.edge.other."}
		e.Addresses = addrs("203.0.113.7")
		e.Servers[0].Addresses, e.Servers[1].Addresses = nil, nil
		e.Servers = append(e.Servers, monitor.AuthoritativeServer{
			Name: "ns.edge.other.", Address: netip.MustParseAddr(hoster), Addresses: addrs("203.0.113.7"), Serial: 9,
		})
		e.Detail = "1 of 1 servers of edge.other. made a statement; the path is proven"
	}
	half := func(why string) func(*monitor.Evidence) {
		return func(e *monitor.Evidence) {
			e.Servers[1].Addresses, e.Servers[1].Serial, e.Servers[1].Error = nil, 0, why
			e.Detail = "1 of 2 servers of partner.example. made a statement; the path is proven"
		}
	}
	rcode := func(code int) func(q, r *dns.Msg, over monitor.Transport) {
		return func(q, r *dns.Msg, _ monitor.Transport) { r.Rcode, r.Answer, r.Authoritative = code, nil, false }
	}
	for _, tt := range []struct {
		name string
		ask  string
		kind monitor.Type
		set  func(*world)
		want monitor.Evidence
	}{
		{name: "plain", want: partner(nil)},
		{name: "no address of that family", kind: monitor.TypeAAAA, want: partner(func(e *monitor.Evidence) {
			e.Addresses, e.TTL, e.Absent = nil, 0, true
			for i := range e.Servers {
				e.Servers[i].Addresses, e.Servers[i].Absent = nil, true
			}
		})},
		{name: "no such name", ask: "none.partner.example.", want: partner(func(e *monitor.Evidence) {
			e.Addresses, e.TTL, e.Absent = nil, 0, true
			for i := range e.Servers {
				e.Servers[i].Addresses, e.Servers[i].Absent = nil, true
			}
		})},
		{name: "another type", ask: "mx.partner.example.", kind: monitor.TypeMX, want: partner(func(e *monitor.Evidence) {
			e.Addresses, e.TTL = nil, 30
			e.Records = []monitor.Record{{Name: "mx.partner.example.", Type: monitor.TypeMX, Data: "10 mail.partner.example.", TTL: 30}}
			for i := range e.Servers {
				e.Servers[i].Addresses, e.Servers[i].Records = nil, e.Records
			}
		})},
		{name: "below empty names", ask: "a.b.deep.partner.example.", want: partner(func(e *monitor.Evidence) {
			e.Addresses, e.TTL = addrs("203.0.113.9"), 30
			e.Servers[0].Addresses, e.Servers[1].Addresses = e.Addresses, e.Addresses
		})},
		{name: "an alias in the zone", ask: "www.partner.example.", want: partner(func(e *monitor.Evidence) {
			e.Servers[0].Records = cname("www.partner.example.", "api.partner.example.")
			e.Servers[1].Records = e.Servers[0].Records
		})},
		{name: "an alias into another zone", ask: "far.partner.example.", want: partner(func(e *monitor.Evidence) {
			edge(e)
			e.Servers[0].Records = cname("far.partner.example.", "front.edge.other.")
			e.Servers[1].Records = e.Servers[0].Records
		})},
		{name: "a whole tree moved", ask: "front.moved.partner.example.", want: partner(func(e *monitor.Evidence) {
			edge(e)
			e.Servers[0].Records = []monitor.Record{{Name: "moved.partner.example.", Type: monitor.TypeDNAME, Data: "edge.other.", TTL: 300}}
			e.Servers[1].Records = e.Servers[0].Records
		})},
		{name: "aliases in a loop", ask: "loop.partner.example.", want: partner(func(e *monitor.Evidence) {
			e.Addresses, e.TTL = nil, 0
			for i := range e.Servers {
				e.Servers[i].Addresses = nil
				e.Servers[i].Records = append(cname("loop.partner.example.", "pool.partner.example."), cname("pool.partner.example.", "loop.partner.example.")...)
			}
		})},
		{name: "an alias with records of the other zone beside it", ask: "far.partner.example.",
			set: func(w *world) {
				for _, a := range [...]string{childA, childB} {
					w.servers[a].mangle = func(q, r *dns.Msg, _ monitor.Transport) {
						r.Answer = append(r.Answer, must("front.edge.other. 9000 A 198.41.0.66"))
					}
				}
			}, want: partner(func(e *monitor.Evidence) {
				edge(e)
				e.Servers[0].Records = cname("far.partner.example.", "front.edge.other.")
				e.Servers[1].Records = e.Servers[0].Records
			})},
		{name: "one server lies", set: func(w *world) {
			w.servers[childB].mangle = func(q, r *dns.Msg, _ monitor.Transport) {
				if q.Question[0].Qtype == dns.TypeA && strings.HasPrefix(strings.ToLower(q.Question[0].Name), "api.") {
					r.Answer = []dns.RR{must("api.partner.example. 7200 A 198.41.0.66")}
				}
			}
		}, want: partner(func(e *monitor.Evidence) {
			e.Servers[1].Addresses, e.TTL = addrs("198.41.0.66"), 7200
			e.Addresses = addrs("198.41.0.66", "203.0.113.1", "203.0.113.2")
		})},
		{name: "one server refuses", set: func(w *world) { w.servers[childB].mangle = rcode(dns.RcodeRefused) },
			want: partner(half("bad_response: REFUSED"))},
		{name: "one server fails", set: func(w *world) { w.servers[childB].mangle = rcode(dns.RcodeServerFailure) },
			want: partner(half("bad_response: SERVFAIL"))},
		{name: "one server is lame", set: func(w *world) { w.servers[childB] = serve(rootZone) },
			want: partner(half("bad_response: not authoritative"))},
		{name: "one server answers from a cache", set: func(w *world) {
			w.servers[childB].mangle = func(q, r *dns.Msg, _ monitor.Transport) { r.Authoritative, r.RecursionAvailable = false, true }
		}, want: partner(half("bad_response: an answer without authority"))},
		{name: "one server is silent", set: func(w *world) { w.servers[childB].silent = true },
			want: partner(half("timeout"))},
		{name: "one server loses the case over UDP", set: func(w *world) {
			w.servers[childB].noTCP = true
			w.servers[childB].mangle = func(q, r *dns.Msg, _ monitor.Transport) {
				r.Question[0].Name = swapCase(r.Question[0].Name)
			}
		}, want: partner(half("bad_response: the case of the name is lost"))},
		{name: "one server has another cookie", set: func(w *world) {
			w.servers[childB].mangle = func(q, r *dns.Msg, _ monitor.Transport) {
				r.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "00112233445566778899aabbccddeeff"}}
			}
		}, want: partner(half("bad_response: another cookie"))},
		{name: "servers of one transport each", set: func(w *world) {
			w.servers[childA].noTCP, w.servers[childB].noUDP = true, true
		}, want: partner(nil)},
		{name: "no EDNS", set: func(w *world) {
			w.servers[childB].mangle = func(q, r *dns.Msg, _ monitor.Transport) {
				if q.IsEdns0() != nil {
					r.Rcode, r.Answer, r.Extra, r.Authoritative = dns.RcodeFormatError, nil, nil, false
				}
			}
		}, want: partner(nil)},
		{name: "names denied although there are names below", ask: "a.b.deep.partner.example.", set: func(w *world) {
			for _, a := range [...]string{childA, childB} {
				w.servers[a].mangle = func(q, r *dns.Msg, _ monitor.Transport) {
					if q.Question[0].Qtype == dns.TypeNS && len(r.Answer) == 0 {
						r.Rcode = dns.RcodeNameError
					}
				}
			}
		}, want: partner(func(e *monitor.Evidence) {
			e.Addresses, e.TTL = addrs("203.0.113.9"), 30
			e.Servers[0].Addresses, e.Servers[1].Addresses = e.Addresses, e.Addresses
		})},
		{name: "a server inside", set: func(w *world) {
			w.servers[tldA] = serve(strings.ReplaceAll(tldZone, childB, "127.0.0.1"))
			for _, a := range [...]string{childA, childB} {
				w.servers[a] = serve(strings.ReplaceAll(partnerZone, childB, "127.0.0.1"))
			}
		}, want: partner(func(e *monitor.Evidence) {
			half("error: never asked: loopback")(e)
			e.Servers[1].Address = netip.MustParseAddr("127.0.0.1")
			e.Servers[0], e.Servers[1] = e.Servers[1], e.Servers[0]
		})},
		{name: "glue beside the delegation is not believed", ask: "www.hosted.example.", want: monitor.Evidence{
			Kind: monitor.EvidenceWalk, PathProven: true, Zone: "hosted.example.", TTL: 20, Addresses: addrs("203.0.113.8"),
			Nameservers: []string{"ns.edge.other."}, Delegation: []string{"ns.edge.other."},
			Servers: []monitor.AuthoritativeServer{{Name: "ns.edge.other.", Address: netip.MustParseAddr(hoster), Addresses: addrs("203.0.113.8"), Serial: 11}},
			Detail:  "1 of 1 servers of hosted.example. made a statement; the path is proven",
		}},
		{name: "the zone has a server more than its parent knows", set: func(w *world) {
			w.servers[tldA] = serve(strings.ReplaceAll(tldZone, "partner.example. 3600 NS ns2.partner.example.\n", ""))
		}, want: partner(func(e *monitor.Evidence) { e.Delegation = e.Nameservers[:1] })},
		{name: "no IPv6", set: func(w *world) {
			w.noIPv6 = true
			for _, a := range [...]string{childA, childB} {
				w.servers[a] = serve(partnerZone + "ns2.partner.example. 300 AAAA 2a01:2::2\n")
			}
		}, want: partner(nil)},
		{name: "no DS to be had", set: func(w *world) {
			w.servers[tldA].mangle = func(q, r *dns.Msg, over monitor.Transport) {
				if q.Question[0].Qtype == dns.TypeDS {
					rcode(dns.RcodeServerFailure)(q, r, over)
				}
			}
		}, want: partner(func(e *monitor.Evidence) { e.Zone, e.Nameservers, e.Delegation, e.DS = "", nil, nil, nil })},
		{name: "no root", set: func(w *world) { w.servers = nil }, want: monitor.Evidence{
			Kind: monitor.EvidenceWalk, Partial: true,
			Detail: "no authoritative server was reached: timeout: servers of .; the path is not proven: no server spoke",
		}},
		{name: "no such name in the root", ask: "nowhere.", want: monitor.Evidence{
			Kind: monitor.EvidenceWalk, PathProven: true, Absent: true, Zone: ".", Nameservers: []string{"a.root."},
			Servers: []monitor.AuthoritativeServer{
				{Name: "a.root.", Address: netip.MustParseAddr(rootA), Absent: true, Serial: 1},
				{Name: "b.root.", Address: netip.MustParseAddr(rootB), Absent: true, Serial: 1},
			},
			Detail: "2 of 2 servers of . made a statement; the path is proven",
		}},
		{name: "not a name", ask: "a..b", want: monitor.Evidence{
			Kind: monitor.EvidenceWalk, Detail: `not a name: not a domain name: "a..b" has a label that is empty or longer than 63 characters`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if tt.set != nil {
					tt.set(w)
				}
				p := monitor.Proof{Kind: monitor.EvidenceWalk, Name: "api.partner.example", Type: monitor.TypeA}
				if tt.ask != "" {
					p.Name = tt.ask
				}
				if tt.kind != 0 {
					p.Type = tt.kind
				}
				got := w.walker(Config{}, nil).Prove(t.Context(), p)
				if diff := cmp.Diff(tt.want, got, sameAddr, cmpopts.IgnoreFields(monitor.Evidence{}, "At")); diff != "" {
					t.Errorf("-want +got:\n%s\n%s", diff, strings.Join(w.log, "\n"))
				}
			})
		})
	}
}

func must(s string) dns.RR {
	rr, err := dns.NewRR(s)
	if err != nil {
		panic(err)
	}
	return rr
}

func swapCase(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c|0x20 && c|0x20 <= 'z' {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}

// TestSweep has a server that tells clients apart by their network, and by chance.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var mu sync.Mutex
		times := 0
		w.servers[childA].mangle = func(q, r *dns.Msg, _ monitor.Transport) {
			if q.Question[0].Qtype != dns.TypeA || len(r.Answer) != 2 {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			r.Answer = r.Answer[:1]
			for _, o := range q.IsEdns0().Option {
				if e, ok := o.(*dns.EDNS0_SUBNET); ok {
					r.IsEdns0().Option = append(r.IsEdns0().Option, e)
					a := netip.AddrFrom4([4]byte(e.Address.To4())).As4()
					a[3] = 77
					r.Answer[0].(*dns.A).A = a[:]
					return
				}
			}
			times++
			r.Answer[0].(*dns.A).A = []byte{203, 0, 113, byte(times)}
		}
		cfg := Default()
		got := w.walker(cfg, nil).Prove(t.Context(), monitor.Proof{
			Name: "api.partner.example", Type: monitor.TypeA, Address: netip.MustParseAddr("185.1.2.3"),
		})
		want := addrs("0.0.0.77", "128.31.0.77", "129.132.0.77", "133.11.0.77", "143.107.0.77", "185.1.2.77",
			"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "203.0.113.5")
		if diff := cmp.Diff(want, got.Servers[0].Addresses, sameAddr); diff != "" {
			t.Errorf("addresses (-want +got):\n%s", diff)
		}
		// The other does not tell them apart, so it is asked for one client only.
		asked := 0
		for _, l := range w.log {
			if l == childB+" api.partner.example. A" {
				asked++
			}
		}
		if asked != 6 {
			t.Errorf("the other server was asked %d times, want 5 and once for a client", asked)
		}
	})
}

// TestFlight asks for the same at the same time; who comes second gets the
// evidence of the first, and walks himself when that one gives up.
func TestFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		walker := w.walker(Config{}, nil)
		p := monitor.Proof{Name: "api.partner.example", Type: monitor.TypeA}
		var wg sync.WaitGroup
		var first, second monitor.Evidence
		wg.Go(func() { first = walker.Prove(t.Context(), p) })
		wg.Go(func() { second = walker.Prove(t.Context(), p) })
		wg.Wait()
		if diff := cmp.Diff(first, second, sameAddr); diff != "" || !first.PathProven {
			t.Errorf("first and second differ:\n%s", diff)
		}
		if n := w.asked[deadOne]; n != 1 {
			t.Errorf("the dead address was asked %d times, want 1", n)
		}

		w.servers[childA].silent = true
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() { first = walker.Prove(ctx, p) })
		synctest.Wait()
		wg.Go(func() { second = walker.Prove(t.Context(), p) })
		synctest.Wait()
		cancel()
		wg.Wait()
		if first.Detail != "given up: context canceled" || first.PathProven || !second.PathProven || len(second.Addresses) != 2 {
			t.Errorf("first %+v\nsecond %+v", first, second)
		}
	})
}

// TestBounds gives a walk few queries, or little time.
func TestBounds(t *testing.T) {
	for _, tt := range []struct {
		name    string
		cfg     Config
		set     func(*world)
		partial bool
		detail  string
	}{
		{"few queries", Config{Queries: 3}, nil, true, "0 of 2 servers of partner.example. made a statement, asked less often than wanted because the queries of this walk are spent; the path is not proven: the servers of example. were not asked for other names"},
		{"some queries", Config{Queries: 20}, nil, true, "2 of 2 servers of partner.example. made a statement, asked less often than wanted because the queries of this walk are spent; the path is not proven: the servers of example. were not asked for other names"},
		{"no time for the path", Config{Total: 2 * time.Second}, nil, false,
			"2 of 2 servers of partner.example. made a statement; the path is not proven: there was no time left to look at it"},
		{"little time", Config{Total: 2 * time.Second}, func(w *world) { w.servers[childA].silent, w.servers[childB].silent = true, true }, true,
			"no authoritative server was reached: timeout: servers of partner.example.; the path is not proven: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if tt.set != nil {
					tt.set(w)
				}
				began := time.Now()
				walker := w.walker(tt.cfg, nil)
				e := walker.Prove(t.Context(), monitor.Proof{Name: "api.partner.example", Type: monitor.TypeA})
				if !strings.HasPrefix(e.Detail, tt.detail) || e.PathProven || e.Partial != tt.partial {
					t.Errorf("Partial = %t, Detail = %q, want %t, %q", e.Partial, e.Detail, tt.partial, tt.detail)
				}
				if took := time.Since(began); tt.cfg.Total > 0 && took > tt.cfg.Total {
					t.Errorf("took %v", took)
				}
				total := 0
				for a, n := range w.asked {
					if a != deadOne {
						total += n
					}
				}
				if total > walker.cfg.Queries {
					t.Errorf("%d queries, want at most %d", total, walker.cfg.Queries)
				}
			})
		})
	}
}

// TestDelegations remembers what the root delegated, for as long as it may and
// only where the path was proven.
func TestDelegations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		walker := w.walker(Config{}, nil)
		p := monitor.Proof{Name: "api.partner.example", Type: monitor.TypeA}
		roots := func() int { return w.asked[rootA] + w.asked[rootB] }
		w.accepts = deadOne
		walker.Prove(t.Context(), p)
		before := roots()
		w.accepts = ""
		walker.Prove(t.Context(), p)
		if roots() == before {
			t.Error("a delegation was remembered although the path was not proven")
		}
		before = roots()
		time.Sleep(59 * time.Minute)
		if e := walker.Prove(t.Context(), p); roots() != before || !e.PathProven {
			t.Errorf("the root was asked again: %s", e.Detail)
		}
		time.Sleep(2 * time.Minute)
		if walker.Prove(t.Context(), p); roots() == before {
			t.Error("a delegation outlived its hour")
		}
	})
}

// TestSplit has one server of two that points the name to servers of its own:
// whichever is asked first on the way down, all are heard.
func TestSplit(t *testing.T) {
	const own = `api.partner.example. 60 SOA ns.api.partner.example. x. 1 1 1 1 1
api.partner.example. 60 NS ns.api.partner.example.
ns.api.partner.example. 60 A 198.41.0.66
api.partner.example. 9000 A 198.41.0.67
`
	steal := func(w *world) {
		w.servers[childB].mangle = func(q, r *dns.Msg, _ monitor.Transport) {
			if strings.HasPrefix(strings.ToLower(q.Question[0].Name), "api.") {
				r.Authoritative, r.Answer, r.Rcode = false, nil, dns.RcodeSuccess
				r.Ns = []dns.RR{must("api.partner.example. 60 NS ns.api.partner.example.")}
				r.Extra = append(r.Extra, must("ns.api.partner.example. 60 A 198.41.0.66"))
			}
		}
		w.servers["198.41.0.66"] = serve(own)
	}
	for _, tt := range []struct {
		name string
		set  func(*world)
		want []netip.Addr
	}{
		{"where there is no zone", steal, addrs("198.41.0.67", "203.0.113.1", "203.0.113.2")},
		{"where there is one", func(w *world) {
			steal(w)
			w.servers[childA] = serve(partnerZone + "api.partner.example. 60 NS ns.api.partner.example.\nns.api.partner.example. 60 A 193.2.0.9\n")
			w.servers["193.2.0.9"] = serve(strings.ReplaceAll(strings.ReplaceAll(own, "198.41.0.66", "193.2.0.9"), "198.41.0.67", "203.0.113.9"))
		}, addrs("198.41.0.67", "203.0.113.9")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 8 {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					tt.set(w)
					e := w.walker(Config{}, nil).Prove(t.Context(), monitor.Proof{Name: "api.partner.example", Type: monitor.TypeA})
					if diff := cmp.Diff(tt.want, e.Addresses, sameAddr); diff != "" {
						t.Errorf("addresses (-want +got):\n%s", diff)
					}
					if e.Zone != "api.partner.example." {
						t.Errorf("Zone = %q, want the one that is new", e.Zone)
					}
				})
			}
		})
	}
}

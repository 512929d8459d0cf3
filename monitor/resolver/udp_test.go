package resolver

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestUDPAnswer(t *testing.T) {
	t.Parallel()
	ids := make(chan uint16, 1)
	addr := udpServer(t, func(_ []byte, q *dns.Msg, _ netip.AddrPort, send func([]byte)) {
		ids <- q.Id
		m := answer(q, "API.partner.example. 60 IN CNAME Edge.CDN.example.", "edge.cdn.example. 20 IN A 192.0.2.7")
		m.AuthenticatedData = true
		m.SetEdns0(udpSize, false)
		opt := m.IsEdns0()
		opt.Option = append(opt.Option,
			&dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: hex.EncodeToString([]byte("fra1.example"))},
			&dns.EDNS0_EDE{InfoCode: 3, ExtraText: "stale"})
		send(pack(m))
	})
	asker := newAsker(t, Config{Linger: -1})
	r := at(monitor.UDP, addr)
	r.Filtering = true
	before := time.Now()
	got := asker.Ask(t.Context(), r, question)
	want := monitor.Observation{
		Resolver: "test", Server: netip.MustParseAddr("127.0.0.1"), Operator: "tester", Role: monitor.Reference,
		Transport: monitor.UDP, Filtering: true, Rcode: "NOERROR", Flags: []string{"RD", "RA", "AD"},
		Records: []monitor.Record{
			{Name: "api.partner.example.", Type: monitor.TypeCNAME, Data: "edge.cdn.example.", TTL: 60},
			{Name: "edge.cdn.example.", Type: monitor.TypeA, Data: "192.0.2.7", TTL: 20},
		},
		EDE: []uint16{3}, NSID: "fra1.example",
	}
	if diff := cmp.Diff(want, got, ignoreTimes); diff != "" {
		t.Errorf("Ask (-want +got):\n%s", diff)
	}
	if id := <-ids; got.TXID != id {
		t.Errorf("id %d, want that of the query, %d", got.TXID, id)
	}
	if got.At.Before(before) || got.RTT <= 0 || time.Duration(got.RTT) > time.Since(before) {
		t.Errorf("At = %v, RTT = %v: not within the call", got.At, time.Duration(got.RTT))
	}
	if s := only(t, asker); s.Queries != 1 || s.Answers["noerror"] != 1 || s.Ignored != 0 || s.OtherCase != 0 {
		t.Errorf("Stats() = %+v", s)
	}
}

// TestUDPGuesses checks that what an attacker off the path must guess is fresh
// in each query.
func TestUDPGuesses(t *testing.T) {
	t.Parallel()
	const queries = 64
	var (
		mu                         sync.Mutex
		ports, ids, cookies, cases = map[uint16]bool{}, map[uint16]bool{}, map[string]bool{}, map[string]bool{}
	)
	addr := udpServer(t, func(_ []byte, q *dns.Msg, from netip.AddrPort, send func([]byte)) {
		cookie, _ := option[*dns.EDNS0_COOKIE](q)
		mu.Lock()
		ports[from.Port()], ids[q.Id], cookies[cookie.Cookie], cases[q.Question[0].Name] = true, true, true, true
		mu.Unlock()
		send(pack(a(q, "192.0.2.1")))
	})
	asker := newAsker(t, Config{}) // the sockets linger, so that no port can come twice
	for range queries {
		wantAnswer(t, asker.Ask(t.Context(), at(monitor.UDP, addr), question), "192.0.2.1")
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ports) != queries || len(ids) < queries-2 || len(cookies) != queries || len(cases) < queries-2 {
		t.Errorf("of %d queries: %d ports, %d ids, %d cookies, %d cases", queries, len(ports), len(ids), len(cookies), len(cases))
	}
}

// forgeries are messages that claim, more or less, to be the answer.
var forgeries = []struct {
	name  string
	forge func(q *dns.Msg) []byte
	alone string // the error if nothing better comes
}{
	{"other id", func(q *dns.Msg) []byte { m := a(q, "203.0.113.66"); m.Id++; return pack(m) }, "timeout"},
	{"a query", func(q *dns.Msg) []byte { m := a(q, "203.0.113.66"); m.Response = false; return pack(m) }, "timeout"},
	{"five octets", func(q *dns.Msg) []byte { return pack(q)[:5] }, "timeout"},
	{"empty", func(*dns.Msg) []byte { return nil }, "timeout"},
	{"other name", func(q *dns.Msg) []byte {
		m := a(q, "203.0.113.66")
		m.Question[0].Name = "apj.partner.example."
		return pack(m)
	}, "bad_response: another question"},
	{"other type", func(q *dns.Msg) []byte {
		m := a(q, "203.0.113.66")
		m.Question[0].Qtype = dns.TypeAAAA
		return pack(m)
	}, "bad_response: another question"},
	{"other class", func(q *dns.Msg) []byte {
		m := a(q, "203.0.113.66")
		m.Question[0].Qclass = dns.ClassCHAOS
		return pack(m)
	}, "bad_response: another question"},
	{"no question", func(q *dns.Msg) []byte {
		m := a(q, "203.0.113.66")
		m.Question = nil
		return pack(m)
	}, "bad_response: NOERROR without the question"},
	{"header only", func(q *dns.Msg) []byte {
		m := new(dns.Msg).SetRcode(q, dns.RcodeRefused)
		return pack(m)[:headerLen]
	}, "bad_response: REFUSED without the question"},
	{"two questions", func(q *dns.Msg) []byte {
		m := a(q, "203.0.113.66")
		m.Question = append(m.Question, m.Question[0])
		return pack(m)
	}, "bad_response: NOERROR without the question"},
	{"other opcode", func(q *dns.Msg) []byte {
		m := a(q, "203.0.113.66")
		m.Opcode = dns.OpcodeNotify
		return pack(m)
	}, "bad_response: another opcode than QUERY"},
	{"other cookie", func(q *dns.Msg) []byte {
		m := a(q, "203.0.113.66")
		m.SetEdns0(udpSize, false)
		opt := m.IsEdns0()
		opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "00112233445566778899aabbccddeeff"})
		return pack(m)
	}, "bad_response: another cookie"},
	{"cut within a record", func(q *dns.Msg) []byte {
		b := pack(a(q, "203.0.113.66"))
		return b[:len(b)-2]
	}, "bad_response: unreadable: dns: overflowing header size"},
	{"cut between records", func(q *dns.Msg) []byte {
		b := pack(a(q, "203.0.113.66"))
		binary.BigEndian.PutUint16(b[6:], 2)
		return b
	}, "bad_response: unreadable: the answer section is cut short"},
}

func TestUDPForgery(t *testing.T) {
	t.Parallel()
	for _, f := range forgeries {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			t.Run("before the answer", func(t *testing.T) {
				t.Parallel()
				addr := udpServer(t, func(_ []byte, q *dns.Msg, _ netip.AddrPort, send func([]byte)) {
					send(f.forge(q))
					send(pack(a(q, "192.0.2.1")))
				})
				asker := newAsker(t, Config{Linger: -1})
				wantAnswer(t, asker.Ask(t.Context(), at(monitor.UDP, addr), question), "192.0.2.1")
				if s := only(t, asker); s.Ignored != 1 || s.Queries != 1 {
					t.Errorf("Ignored = %d, Queries = %d, want 1, 1", s.Ignored, s.Queries)
				}
			})
			t.Run("alone", func(t *testing.T) {
				t.Parallel()
				addr := udpServer(t, func(_ []byte, q *dns.Msg, _ netip.AddrPort, send func([]byte)) { send(f.forge(q)) })
				asker := newAsker(t, Config{Timeout: 300 * time.Millisecond})
				o := asker.Ask(t.Context(), at(monitor.UDP, addr), question)
				wantError(t, o, f.alone)
				if o.Rcode != "" || len(o.Records) != 0 || o.RTT != 0 {
					t.Errorf("a failure with content: %+v", o)
				}
				if s := only(t, asker); s.Ignored != 2 || s.Queries != 2 {
					t.Errorf("Ignored = %d, Queries = %d, want 2, 2", s.Ignored, s.Queries)
				}
			})
		})
	}
}

// TestUDPOtherPort has a forgery that is right in all but where it comes from:
// the kernel keeps it away.
func TestUDPOtherPort(t *testing.T) {
	t.Parallel()
	other, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	addr := udpServer(t, func(_ []byte, q *dns.Msg, from netip.AddrPort, send func([]byte)) {
		other.WriteToUDPAddrPort(pack(a(q, "203.0.113.66")), from)
		send(pack(a(q, "192.0.2.1")))
	})
	var late lateList
	asker := newAsker(t, Config{Linger: 50 * time.Millisecond, Late: late.add})
	wantAnswer(t, asker.Ask(t.Context(), at(monitor.UDP, addr), question), "192.0.2.1")
	time.Sleep(100 * time.Millisecond)
	if got := late.take(); len(got) != 0 {
		t.Errorf("late: %v", got)
	}
}

func TestUDPOtherCase(t *testing.T) {
	t.Parallel()
	addr := udpServer(t, func(_ []byte, q *dns.Msg, _ netip.AddrPort, send func([]byte)) {
		m := a(q, "192.0.2.1")
		m.Question[0].Name = strings.ToLower(m.Question[0].Name)
		send(pack(m))
	})
	asker := newAsker(t, Config{Linger: -1})
	wantAnswer(t, asker.Ask(t.Context(), at(monitor.UDP, addr), question), "192.0.2.1")
	if s := only(t, asker); s.OtherCase != 1 || s.Ignored != 0 {
		t.Errorf("OtherCase = %d, Ignored = %d, want 1, 0", s.OtherCase, s.Ignored)
	}
}

// lateList collects what Config.Late is called with.
type lateList struct {
	mu  sync.Mutex
	all []monitor.Observation
}

func (l *lateList) add(_ monitor.Question, _, later monitor.Observation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, later)
}

func (l *lateList) take() []monitor.Observation {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

func TestLate(t *testing.T) {
	t.Parallel()
	genuine := func(q *dns.Msg) *dns.Msg { return a(q, "192.0.2.1") }
	forged := func(q *dns.Msg) *dns.Msg { return a(q, "203.0.113.66") }
	denied := func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeNameError) }
	failing := func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeServerFailure) }
	older := func(q *dns.Msg) *dns.Msg {
		m := genuine(q)
		m.Answer[0].Header().Ttl = 1
		m.Authoritative = true
		return m
	}
	foreign := func(q *dns.Msg) *dns.Msg { m := forged(q); m.Id++; return m }
	for _, tt := range []struct {
		name  string
		after time.Duration
		first func(*dns.Msg) *dns.Msg
		then  []func(*dns.Msg) *dns.Msg
		want  []string // rcode and data of what is reported
	}{
		{"forgery 5 ms later", 5 * time.Millisecond, genuine, []func(*dns.Msg) *dns.Msg{forged}, []string{"NOERROR 203.0.113.66"}},
		{"genuine 5 ms later", 5 * time.Millisecond, forged, []func(*dns.Msg) *dns.Msg{genuine}, []string{"NOERROR 192.0.2.1"}},
		{"forgery 500 ms later", 500 * time.Millisecond, genuine, []func(*dns.Msg) *dns.Msg{forged}, []string{"NOERROR 203.0.113.66"}},
		{"the same twice", 5 * time.Millisecond, genuine, []func(*dns.Msg) *dns.Msg{genuine, genuine}, nil},
		{"the same content", 5 * time.Millisecond, genuine, []func(*dns.Msg) *dns.Msg{older}, nil},
		{"the same forgery twice", 5 * time.Millisecond, genuine, []func(*dns.Msg) *dns.Msg{forged, forged, genuine}, []string{"NOERROR 203.0.113.66"}},
		{"another denial", 5 * time.Millisecond, failing, []func(*dns.Msg) *dns.Msg{denied, failing}, []string{"NXDOMAIN "}},
		{"of another id", 5 * time.Millisecond, genuine, []func(*dns.Msg) *dns.Msg{foreign}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr := udpServer(t, func(_ []byte, q *dns.Msg, _ netip.AddrPort, send func([]byte)) {
				send(pack(tt.first(q)))
				time.Sleep(tt.after)
				for _, then := range tt.then {
					send(pack(then(q)))
				}
			})
			var late lateList
			asker := newAsker(t, Config{Linger: tt.after + 200*time.Millisecond, Late: late.add})
			start := time.Now()
			o := asker.Ask(t.Context(), at(monitor.UDP, addr), question)
			if o.Error != "" {
				t.Fatal(o.Error)
			}
			if took := time.Since(start); took > tt.after/2+time.Second {
				t.Errorf("Ask took %v: it waited for more than the first answer", took)
			}
			waitFor(t, "the socket to close", func() bool { return sockets(asker) == 0 })
			var got []string
			for _, l := range late.take() {
				got = append(got, l.Rcode+" "+strings.Join(addresses(l), ","))
				if l.RTT <= o.RTT || l.Resolver != "test" || l.At.Before(o.At) {
					t.Errorf("late observation %+v is not later than %+v", l, o)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("late (-want +got):\n%s", diff)
			}
			if s := only(t, asker); s.Late != uint64(len(tt.want)) {
				t.Errorf("Late = %d, want %d", s.Late, len(tt.want))
			}
		})
	}
}

func TestLateBounded(t *testing.T) {
	t.Parallel()
	addr := udpServer(t, func(_ []byte, q *dns.Msg, _ netip.AddrPort, send func([]byte)) {
		for i := range 100 {
			send(pack(a(q, netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String())))
		}
	})
	var late lateList
	asker := newAsker(t, Config{Linger: time.Minute, Late: late.add})
	wantAnswer(t, asker.Ask(t.Context(), at(monitor.UDP, addr), question), "203.0.113.0")
	waitFor(t, "the socket to close before its time", func() bool { return sockets(asker) == 0 })
	if got := late.take(); len(got) != maxLate {
		t.Errorf("%d late answers reported, want %d", len(got), maxLate)
	}
}

// TestLingerBounded asks more than can linger: the oldest make room.
func TestLingerBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("opens 4,100 sockets")
	}
	addr := udpServer(t, func(raw []byte, _ *dns.Msg, _ netip.AddrPort, send func([]byte)) { send(respond(raw)) })
	asker := newAsker(t, Config{Linger: time.Minute})
	for range maxLingering + 10 {
		if o := asker.Ask(t.Context(), at(monitor.UDP, addr), question); strings.Contains(o.Error, "too many open files") {
			t.Skip("the limit of open files is too low here")
		} else if o.Error != "" {
			t.Fatal(o.Error)
		}
	}
	waitFor(t, "the oldest to close", func() bool { return sockets(asker) == maxLingering })
	if s := only(t, asker); s.CutShort != 10 {
		t.Errorf("CutShort = %d, want 10", s.CutShort)
	}
}

func TestTruncated(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 100 {
		many = append(many, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String())
	}
	whole := func(q *dns.Msg) *dns.Msg {
		var records []string
		for _, s := range many {
			records = append(records, q.Question[0].Name+" 300 IN A "+s)
		}
		return answer(q, records...)
	}
	for _, tt := range []struct {
		name string
		udp  func(q *dns.Msg) []byte
	}{
		{"no records", func(q *dns.Msg) []byte { m := answer(q); m.Truncated = true; return pack(m) }},
		{"some records", func(q *dns.Msg) []byte { m := a(q, many[0]); m.Truncated = true; return pack(m) }},
		{"cut anywhere", func(q *dns.Msg) []byte { m := whole(q); m.Truncated = true; return pack(m)[:500] }},
		{"wants a cookie", func(q *dns.Msg) []byte {
			m := new(dns.Msg).SetRcode(q, dns.RcodeBadCookie)
			m.SetEdns0(udpSize, false)
			return pack(m)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr := udpServer(t, func(_ []byte, q *dns.Msg, _ netip.AddrPort, send func([]byte)) {
				send(tt.udp(q))
				time.Sleep(50 * time.Millisecond)
				send(pack(a(q, "203.0.113.66"))) // to be held against the answer over TCP
			})
			ln, err := net.Listen("tcp4", addr.String())
			if err != nil {
				t.Skipf("the port is taken for TCP: %v", err)
			}
			srv := &dns.Server{Listener: ln, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { w.WriteMsg(whole(q)) })}
			go srv.ActivateAndServe()
			defer srv.Shutdown()

			var late lateList
			asker := newAsker(t, Config{Linger: 300 * time.Millisecond, Late: late.add})
			o := asker.Ask(t.Context(), at(monitor.UDP, addr), question)
			wantAnswer(t, o, many...)
			if o.Transport != monitor.UDP || o.Has("TC") || o.TXID != 0 {
				t.Errorf("Transport = %s, Flags = %v, TXID = %d, want udp without TC, and no id, since it came over TCP", o.Transport, o.Flags, o.TXID)
			}
			waitFor(t, "a late answer", func() bool { return len(late.take()) == 1 })
			if s := only(t, asker); s.Truncated != 1 || s.Queries != 2 || s.Opened != 1 || s.Answers["noerror"] != 1 {
				t.Errorf("Stats() = %+v", s)
			}
		})
	}
}

func TestTruncatedNoTCP(t *testing.T) {
	t.Parallel()
	addr := udpServer(t, func(_ []byte, q *dns.Msg, _ netip.AddrPort, send func([]byte)) {
		m := a(q, "192.0.2.1")
		m.Truncated = true
		send(pack(m))
	})
	asker := newAsker(t, Config{Linger: -1})
	o := asker.Ask(t.Context(), at(monitor.UDP, addr), question)
	wantError(t, o, "refused: truncated, and over tcp: connection refused")
	if o.Rcode != "NOERROR" || !o.Has("TC") || o.Canon(question).Content != monitor.None {
		t.Errorf("Rcode = %q, Flags = %v: the truncated answer is not seen", o.Rcode, o.Flags)
	}
}

func TestUDPTimeout(t *testing.T) {
	t.Parallel()
	var (
		mu    sync.Mutex
		ports []uint16
	)
	addr := udpServer(t, func(_ []byte, _ *dns.Msg, from netip.AddrPort, _ func([]byte)) {
		mu.Lock()
		defer mu.Unlock()
		ports = append(ports, from.Port())
	})
	asker := newAsker(t, Config{Timeout: 50 * time.Millisecond, Tries: 3})
	start := time.Now()
	wantError(t, asker.Ask(t.Context(), at(monitor.UDP, addr), question), "timeout")
	if took := time.Since(start); took < 150*time.Millisecond || took > 3*time.Second {
		t.Errorf("Ask took %v, want 3 times 50 ms", took)
	}
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(ports)
	if len(slices.Compact(ports)) != 3 {
		t.Errorf("ports = %v, want 3 different ones", ports)
	}
	if s := only(t, asker); s.Errors["timeout"] != 1 || s.Queries != 3 {
		t.Errorf("Stats() = %+v", s)
	}
}

func TestUDPSecondTry(t *testing.T) {
	t.Parallel()
	first := true
	addr := udpServer(t, func(_ []byte, q *dns.Msg, _ netip.AddrPort, send func([]byte)) {
		if !first {
			send(pack(a(q, "192.0.2.1")))
		}
		first = false
	})
	asker := newAsker(t, Config{Timeout: 300 * time.Millisecond})
	o := asker.Ask(t.Context(), at(monitor.UDP, addr), question)
	wantAnswer(t, o, "192.0.2.1")
	if time.Duration(o.RTT) > 290*time.Millisecond {
		t.Errorf("RTT = %v: it has the first try in it", time.Duration(o.RTT))
	}
}

func TestUDPCancel(t *testing.T) {
	t.Parallel()
	addr := udpServer(t, func([]byte, *dns.Msg, netip.AddrPort, func([]byte)) {})
	asker := newAsker(t, Config{Timeout: time.Minute})
	for _, tt := range []struct {
		name string
		ctx  func() (context.Context, context.CancelFunc)
		want string
	}{
		{"canceled", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			return ctx, cancel
		}, "canceled"},
		{"canceled before", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx, cancel
		}, "canceled"},
		{"deadline", func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 20*time.Millisecond)
		}, "timeout"},
	} {
		ctx, cancel := tt.ctx()
		start := time.Now()
		wantError(t, asker.Ask(ctx, at(monitor.UDP, addr), question), tt.want)
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s: Ask took %v", tt.name, took)
		}
		cancel()
	}
	if n := sockets(asker); n != 0 {
		t.Errorf("%d sockets left", n)
	}
}

func TestUDPRefused(t *testing.T) {
	t.Parallel()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	addr := c.LocalAddr()
	c.Close()
	asker := newAsker(t, Config{Timeout: time.Minute})
	wantError(t, asker.Ask(t.Context(), at(monitor.UDP, addr), question), "refused")
}

func TestUDPOverIPv6(t *testing.T) {
	t.Parallel()
	pc, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 on loopback: %v", err)
	}
	srv := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { w.WriteMsg(a(q, "192.0.2.1")) })}
	go srv.ActivateAndServe()
	defer srv.Shutdown()
	asker := newAsker(t, Config{})
	wantAnswer(t, asker.Ask(t.Context(), at(monitor.UDP, pc.LocalAddr()), question), "192.0.2.1")
}

func sockets(a *Asker) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lingering.Len() > len(a.sockets) {
		return -1
	}
	return len(a.sockets)
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// respond turns a query into an answer of one address, in place where it can:
// fast enough not to be what a benchmark measures.
func respond(b []byte) []byte {
	end := headerLen
	for b[end] != 0 {
		end += int(b[end]) + 1
	}
	end += 5
	b[2], b[3] = b[2]|0x80, 0x80
	binary.BigEndian.PutUint16(b[6:], 1)  // one answer
	binary.BigEndian.PutUint16(b[10:], 0) // no OPT
	return append(b[:end], 0xc0, headerLen, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1)
}

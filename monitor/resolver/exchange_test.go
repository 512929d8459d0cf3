package resolver

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/servertest"
)

// written is a query as a caller of Exchange writes it.
func written(name string) *dns.Msg {
	m := new(dns.Msg).SetQuestion(name, dns.TypeA)
	m.Id, m.CheckingDisabled = 4711, true
	return m.SetEdns0(1232, true)
}

// TestExchange asks a real resolver over each transport.
func TestExchange(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	unbound := servertest.Need(t, "unbound")[0]
	plain, secure, web := startUnbound(t, unbound, ca)
	asker := newAsker(t, Config{Roots: ca.pool})
	for _, r := range []monitor.Resolver{
		at(monitor.UDP, net.TCPAddrFromAddrPort(plain)), at(monitor.TCP, net.TCPAddrFromAddrPort(plain)),
		at(monitor.DoT, net.TCPAddrFromAddrPort(secure)), at(monitor.DoH, net.TCPAddrFromAddrPort(web)),
	} {
		for name, want := range map[string]int{"API.partner.example.": 1, "many.example.": 100, "none.partner.example.": 0} {
			query := pack(written(name))
			b, err := asker.Exchange(t.Context(), r, query)
			if err != nil {
				t.Errorf("%s over %s: %v", name, r.Transport, err)
				continue
			}
			var m dns.Msg
			if err := m.Unpack(b); err != nil {
				t.Fatal(err)
			}
			if m.Id != 4711 || m.Question[0].Name != name || len(m.Answer) != want || m.Truncated || !m.CheckingDisabled || !m.IsEdns0().Do() {
				t.Errorf("%s over %s:\n%v", name, r.Transport, &m)
			}
			if diff := cmp.Diff(pack(written(name)), query); diff != "" {
				t.Errorf("%s over %s: the caller's query was changed:\n%s", name, r.Transport, diff)
			}
		}
	}
	for _, s := range asker.Stats() {
		truncated := uint64(0)
		if s.Transport == monitor.UDP {
			truncated = 1
		}
		if s.Answers["noerror"] != 2 || s.Answers["nxdomain"] != 1 || s.Ignored != 0 || s.Truncated != truncated {
			t.Errorf("%+v", s)
		}
	}
}

// TestExchangeForged has a forger answer first, who knows all but the id, then
// all but the question, then all but the cookie.
func TestExchangeForged(t *testing.T) {
	t.Parallel()
	addr := udpServer(t, func(raw []byte, q *dns.Msg, _ netip.AddrPort, send func([]byte)) {
		forged := a(q, "203.0.113.66")
		forged.Id++
		send(pack(forged))
		forged.Id, forged.Question[0].Name = q.Id, "another.example."
		send(pack(forged))
		forged.Question = q.Question
		send(pack(withCookie(forged, "ffffffffffffffff")))
		send(pack(withCookie(a(q, "192.0.2.1"), "0123456789abcdef")))
		send(pack(a(q, "203.0.113.67"))) // too late
	})
	asker := newAsker(t, Config{Late: func(monitor.Question, monitor.Observation, monitor.Observation) {
		t.Error("a socket lingers")
	}})
	query := pack(withCookie(written("api.example."), "0123456789abcdef"))
	b, err := asker.Exchange(t.Context(), at(monitor.UDP, addr), query)
	if err != nil {
		t.Fatal(err)
	}
	var m dns.Msg
	if err := m.Unpack(b); err != nil || len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != "192.0.2.1" || m.Id != 4711 {
		t.Errorf("%v\n%v", err, &m)
	}
	if s := only(t, asker); s.Ignored != 3 || s.Queries != 1 {
		t.Errorf("%+v", s)
	}
	asker.mu.Lock()
	defer asker.mu.Unlock()
	if len(asker.sockets) != 0 {
		t.Errorf("%d sockets are open", len(asker.sockets))
	}
}

// withCookie adds a cookie to the options of m, which gets some if it has none.
func withCookie(m *dns.Msg, cookie string) *dns.Msg {
	if m.IsEdns0() == nil {
		m.SetEdns0(1232, true)
	}
	opt := m.IsEdns0()
	opt.Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie}}
	return m
}

func TestExchangeFails(t *testing.T) {
	t.Parallel()
	silent := udpServer(t, func([]byte, *dns.Msg, netip.AddrPort, func([]byte)) {})
	closed, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	// Truncated, and nothing listens on TCP.
	truncates := udpServer(t, func(_ []byte, q *dns.Msg, _ netip.AddrPort, send func([]byte)) {
		m := a(q, "192.0.2.1")
		m.Truncated = true
		send(pack(m))
	})
	good := pack(written("api.example."))
	none := monitor.Resolver{Name: "none", Transport: monitor.UDP}
	system := monitor.Resolver{Name: "system", Transport: monitor.System}
	twice := written("api.example.")
	twice.Question = append(twice.Question, twice.Question[0])
	asker := newAsker(t, Config{Timeout: 50 * time.Millisecond})
	for _, tt := range []struct {
		name  string
		r     monitor.Resolver
		query []byte
		want  string
	}{
		{"silence", at(monitor.UDP, silent), good, "timeout"},
		{"nobody", at(monitor.UDP, closed.LocalAddr()), good, "refused"},
		{"truncated", at(monitor.UDP, truncates), good, "refused: truncated, and over tcp: connection refused"},
		{"no address", none, good, "error: the resolver has no address"},
		{"the C library", system, good, "error: the C library takes names, not messages"},
		{"nothing", at(monitor.UDP, silent), nil, "error: not a query with one question: it has 0 octets"},
		{"a header", at(monitor.UDP, silent), good[:12], "error: not a query with one question: it has 12 octets"},
		{"half a question", at(monitor.UDP, silent), good[:20], "error: not a query with one question: bad question name: "},
		{"two questions", at(monitor.UDP, silent), pack(twice), "error: not a query with one question"},
		{"a response", at(monitor.UDP, silent), pack(a(written("api.example."), "192.0.2.1")), "error: not a query with one question"},
	} {
		b, err := asker.Exchange(t.Context(), tt.r, tt.query)
		if b != nil || err == nil || !strings.HasPrefix(err.Error(), tt.want) || !strings.HasSuffix(tt.want, ": ") && err.Error() != tt.want {
			t.Errorf("%s: Exchange() = %x, %v, want %q", tt.name, b, err, tt.want)
		}
		if tt.name == "two questions" && !errors.Is(err, errQuery) {
			t.Errorf("%s: %v does not unwrap", tt.name, err)
		}
	}
	asker.Close()
	if _, err := asker.Exchange(t.Context(), at(monitor.UDP, silent), good); err == nil || err.Error() != "canceled: the asker is closed" {
		t.Errorf("closed: %v", err)
	}
}

// FuzzWrittenQuery writes queries that are none: what is taken goes out as it
// is, but for its id.
func FuzzWrittenQuery(f *testing.F) {
	f.Add(pack(written("api.example.")))
	f.Add(pack(withCookie(written("."), "0123456789abcdef")))
	f.Add(pack(written("api.example."))[:20])
	f.Add([]byte("00\x13\x00\x00\x01000000\x00")) // the question without type and class
	f.Fuzz(func(t *testing.T, message []byte) {
		q, err := writtenQuery(message)
		if err != nil {
			return
		}
		if string(q.message()[2:]) != string(message[2:]) {
			t.Errorf("%x became %x", message, q.message())
		}
		if headerLen+q.asked > len(message) {
			t.Errorf("%x: %d octets asked", message, q.asked)
		}
		response := append([]byte(nil), q.message()...)
		response[2] |= 0x80
		if exact, err := q.check(response); !exact || err != nil {
			t.Errorf("%x: an echo of the query is no response to it: %v", message, err)
		}
	})
}

//go:build lab

package inject

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

// here is a Within that stays where it is: these tests use loopback alone.
func here(f func() error) error { return f() }

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// serve starts a server on loopback, and stops it at the end of the test.
func serve(t *testing.T, h Handler, opts ...Option) *Server {
	t.Helper()
	before := goleak.IgnoreCurrent()
	s, err := Serve(here, loopback, h, opts...)
	if err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, before, s.Stop)
	return s
}

// stopAtEnd stops twice, and then finds only the goroutines there were before.
func stopAtEnd(t *testing.T, before goleak.Option, stop func()) {
	t.Cleanup(func() {
		stop()
		stop()
		goleak.VerifyNone(t, before)
	})
}

// zone answers from records in presentation format; a name without any does not
// exist.
func zone(t *testing.T, lines ...string) Handler {
	t.Helper()
	var rrs []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	return func(q *Query) *dns.Msg {
		m := q.Answer()
		m.Rcode = dns.RcodeNameError
		opt := q.IsEdns0()
		for _, rr := range copies(rrs) {
			h := rr.Header()
			if !strings.EqualFold(h.Name, q.Name()) {
				continue
			}
			m.Rcode = dns.RcodeSuccess
			sig, isSig := rr.(*dns.RRSIG)
			if h.Rrtype == q.Type() || isSig && sig.TypeCovered == q.Type() && opt != nil && opt.Do() {
				h.Name = q.Name()
				m.Answer = append(m.Answer, rr)
			}
		}
		return m
	}
}

// asks sends one query over "udp", "tcp" or "tcp-tls".
func asks(t *testing.T, network string, to netip.AddrPort, q *dns.Msg) *dns.Msg {
	t.Helper()
	m, _, err := (&dns.Client{Net: network, Timeout: 5 * time.Second}).Exchange(q, to.String())
	if err != nil {
		t.Fatalf("%s %s: %v", network, q.Question[0].String(), err)
	}
	return m
}

func question(name string, qtype uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, qtype) }

// with0 adds an OPT record.
func with0(m *dns.Msg, do bool, options ...dns.EDNS0) *dns.Msg {
	m.SetEdns0(1400, do)
	m.IsEdns0().Option = options
	return m
}

// lines are records in presentation format, with one blank between fields.
func lines(rrs []dns.RR) []string {
	var out []string
	for _, rr := range rrs {
		if rr.Header().Rrtype != dns.TypeOPT {
			out = append(out, strings.Join(strings.Fields(rr.String()), " "))
		}
	}
	return out
}

func same[T any](t *testing.T, what string, want, got T, opts ...cmp.Option) {
	t.Helper()
	if d := cmp.Diff(want, got, opts...); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func addrs(s ...string) (as []netip.Addr) {
	for _, a := range s {
		as = append(as, netip.MustParseAddr(a))
	}
	return as
}

func TestServeTransports(t *testing.T) {
	ca := newCA(t)
	cert, key := ca.files(t, "dns.lab")
	over := make(chan Transport, 3)
	genuine := zone(t, "www.bank.lab. 300 IN A 198.18.60.10")
	s := serve(t, func(q *Query) *dns.Msg {
		over <- q.Transport
		if q.Client.Addr() != loopback.Addr() {
			t.Errorf("client is %v", q.Client)
		}
		return genuine(q)
	}, WithTLS(cert, key, 0))

	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	for _, c := range []struct {
		network string
		addr    netip.AddrPort
		want    Transport
	}{
		{"udp", s.Addr(), UDP},
		{"tcp", s.Addr(), TCP},
		{"tcp-tls", s.TLSAddr(), TLS},
	} {
		t.Run(c.network, func(t *testing.T) {
			client := &dns.Client{Net: c.network, TLSConfig: &tls.Config{RootCAs: pool, ServerName: "dns.lab"}}
			m, _, err := client.Exchange(question("WWW.bank.lab.", dns.TypeA), c.addr.String())
			if err != nil {
				t.Fatal(err)
			}
			same(t, "answer", []string{"WWW.bank.lab. 300 IN A 198.18.60.10"}, lines(m.Answer))
			same(t, "transport", c.want, <-over)
			if !m.RecursionAvailable || m.IsEdns0() != nil {
				t.Errorf("RA and no OPT wanted: %v", m)
			}
		})
	}
	same(t, "count", 3, s.Count())
	same(t, "first lie", time.Time{}, s.First())
}

// An answer too large for a datagram comes with TC, and whole over TCP.
func TestServeCuts(t *testing.T) {
	var many []string
	for range 100 {
		many = append(many, "many.shop.lab. 60 IN TXT \""+strings.Repeat("x", 20)+"\"")
	}
	s := serve(t, zone(t, many...))
	m := asks(t, "udp", s.Addr(), with0(question("many.shop.lab.", dns.TypeTXT), false))
	m.Compress = true // as it came
	if !m.Truncated || len(m.Answer) == 100 || m.Len() > 1400 {
		t.Errorf("TC %v, %d records, %d octets", m.Truncated, len(m.Answer), m.Len())
	}
	m = asks(t, "tcp", s.Addr(), question("many.shop.lab.", dns.TypeTXT))
	same(t, "whole", 100, len(m.Answer))
}

// Stop does not wait for a delay to pass, and frees the port.
func TestServeStop(t *testing.T) {
	arrived := make(chan bool, 1)
	s := serve(t, func(q *Query) *dns.Msg {
		arrived <- true
		return Delay(time.Hour, Servfail)(q)
	})
	conn, err := dns.Dial("udp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.WriteMsg(question("x.lab.", dns.TypeA))
	<-arrived
	s.Stop()
	again, err := Serve(here, s.Addr(), Servfail)
	if err != nil {
		t.Fatal(err)
	}
	again.Stop()
	same(t, "count", 0, s.Count())
}

func TestServeTaken(t *testing.T) {
	s := serve(t, Silent)
	if twin, err := Serve(here, s.Addr(), Silent); err == nil {
		twin.Stop()
		t.Error("two servers on one address")
	}
}

// A server that cannot start leaves nothing behind.
func TestServeNoCertificate(t *testing.T) {
	addr := serve(t, Silent).Addr()
	addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), addr.Port())
	if _, err := Serve(here, addr, Silent, WithTLS("none.pem", "none.pem", 0)); err == nil {
		t.Fatal("started without a certificate")
	}
	again, err := Serve(here, addr, Silent)
	if err != nil {
		t.Fatal(err)
	}
	again.Stop()
}

// Sockets stay inside: a client there is answered, by way of two servers, and
// dig, which is not ours, finds nothing malformed.
func TestServeWithin(t *testing.T) {
	within := namespace(t)
	run(t, within, "ip link set lo up; ip addr add 198.18.12.1/32 dev lo; ip addr add 198.18.12.2/32 dev lo")
	start := func(addr string, h Handler) netip.AddrPort {
		before := goleak.IgnoreCurrent()
		s, err := Serve(within, netip.MustParseAddrPort(addr), h)
		if err != nil {
			t.Fatal(err)
		}
		stopAtEnd(t, before, s.Stop)
		return s.Addr()
	}
	up := start("198.18.12.2:53", zone(t, "www.shop.lab. 300 IN A 198.18.60.20"))
	ede := &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeBlocked}
	start("198.18.12.1:53", WithProfile(Profile{Size: 1232, NSID: "pub2", Cookie: "s"},
		Deny("ads.lab", Denial{Addrs: addrs("0.0.0.0"), EDE: ede, SOA: "mark.lab"}, Lie("www.bank.lab", addrs("198.18.66.66"), 60, Forward(up)))))
	for _, c := range []struct{ args, want string }{
		{"+short www.bank.lab", "198.18.66.66\n"},
		{"+short +tcp www.shop.lab", "198.18.60.20\n"},
		{"+short ads.lab", "0.0.0.0\n"},
	} {
		same(t, c.args, c.want, run(t, within, "dig @198.18.12.1 "+c.args))
	}
	out := run(t, within, "dig @198.18.12.1 +nsid ads.lab")
	for _, want := range []string{"status: NOERROR", "(good)", `("pub2")`, "mark.lab. hostmaster.mark.lab."} {
		if !strings.Contains(out, want) {
			t.Errorf("dig does not show %q:\n%s", want, out)
		}
	}
	for _, bad := range []string{"WARNING", "Warning", "malformed"} {
		if strings.Contains(out, bad) {
			t.Errorf("dig says %q:\n%s", bad, out)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "x.", true},
		{"bank.lab", "BANK.lab.", true},
		{"bank.lab.", "www.bank.lab.", false},
		{"*.bank.lab", "a.b.Bank.lab.", true},
		{"*.bank.lab", "bank.lab.", false},
		{"*.bank.lab", "notbank.lab.", false},
	} {
		same(t, c.pattern+" "+c.name, c.want, matches(c.pattern, c.name))
	}
}

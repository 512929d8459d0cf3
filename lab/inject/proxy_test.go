//go:build lab

package inject

import (
	"crypto"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

// through asks, over UDP, a proxy whose upstream is another server of ours.
func through(t *testing.T, upstream Handler, wrap func(Handler) Handler, q *dns.Msg) (*dns.Msg, *Server) {
	t.Helper()
	up := serve(t, upstream)
	s := serve(t, wrap(Forward(up.Addr())))
	return asks(t, "udp", s.Addr(), q), s
}

// Forward keeps the client's OPT as it is, and the case of the name, and asks over
// the client's transport.
func TestForward(t *testing.T) {
	type seen struct {
		Name, Option string
		Size         uint16
		Do           bool
		Transport    Transport
	}
	got := make(chan seen, 1)
	up := serve(t, func(q *Query) *dns.Msg {
		opt := q.IsEdns0()
		got <- seen{q.Name(), opt.Option[0].String(), opt.UDPSize(), opt.Do(), q.Transport}
		return q.Answer()
	})
	s := serve(t, Forward(up.Addr()))
	for _, tr := range []Transport{UDP, TCP} {
		q := with0(question("wWw.bank.lab.", dns.TypeA), true, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0011223344556677"})
		m := asks(t, string(tr), s.Addr(), q)
		same(t, "upstream saw", seen{"wWw.bank.lab.", "0011223344556677", 1400, true, tr}, <-got)
		same(t, "id", q.Id, m.Id)
	}
}

func TestForwardDead(t *testing.T) {
	up := serve(t, Silent)
	s := serve(t, Forward(up.Addr()))
	same(t, "rcode", dns.RcodeServerFailure, asks(t, "udp", s.Addr(), question("x.lab.", dns.TypeA)).Rcode)
}

// A wrong ID from upstream is not taken for the answer.
func TestForwardID(t *testing.T) {
	m, _ := through(t, func(q *Query) *dns.Msg {
		forged := q.Answer()
		forged.Id++
		forged.Rcode = dns.RcodeRefused
		q.Send(forged)
		return q.Answer()
	}, func(h Handler) Handler { return h }, question("x.lab.", dns.TypeA))
	same(t, "rcode", dns.RcodeSuccess, m.Rcode)
}

// A zone key signs the genuine data, so that the forged data can be shown to fail.
func signedZone(t *testing.T) (Handler, *dns.DNSKEY) {
	t.Helper()
	key := &dns.DNSKEY{
		Hdr:   dns.RR_Header{Name: "bank.lab.", Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 300},
		Flags: 256, Protocol: 3, Algorithm: dns.ECDSAP256SHA256,
	}
	private, err := key.Generate(256)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := dns.NewRR("www.bank.lab. 300 IN A 198.18.60.10")
	now := time.Now()
	sig := &dns.RRSIG{
		Hdr: dns.RR_Header{Ttl: 300}, Algorithm: key.Algorithm, KeyTag: key.KeyTag(), SignerName: "bank.lab.",
		Inception: uint32(now.Add(-time.Hour).Unix()), Expiration: uint32(now.Add(time.Hour).Unix()),
	}
	if err := sig.Sign(private.(crypto.Signer), []dns.RR{a}); err != nil {
		t.Fatal(err)
	}
	return Edit(func(_ *Query, m *dns.Msg) { m.AuthenticatedData = true }, zone(t, a.String(), sig.String())), key
}

func TestDNSSEC(t *testing.T) {
	genuine, key := signedZone(t)
	verifies := func(m *dns.Msg) error {
		if len(m.Answer) < 2 {
			return errors.New("no signature")
		}
		return m.Answer[len(m.Answer)-1].(*dns.RRSIG).Verify(key, m.Answer[:len(m.Answer)-1])
	}
	ask := func() *dns.Msg { return with0(question("www.bank.lab.", dns.TypeA), true) }

	m, s := through(t, genuine, func(h Handler) Handler { return h }, ask())
	if err := verifies(m); err != nil || !m.AuthenticatedData {
		t.Errorf("genuine: AD %v, %v", m.AuthenticatedData, err)
	}
	same(t, "genuine first lie", true, s.First().IsZero())

	m, s = through(t, genuine, func(h Handler) Handler { return WrongRRSIG("www.bank.lab", addrs("198.18.66.66"), h) }, ask())
	same(t, "forged", "www.bank.lab. 300 IN A 198.18.66.66", lines(m.Answer)[0])
	same(t, "wrong signature", dns.ErrSig, verifies(m), cmpopts.EquateErrors())
	same(t, "key tag", key.KeyTag(), m.Answer[1].(*dns.RRSIG).KeyTag)
	same(t, "AD", false, m.AuthenticatedData)
	same(t, "no lie marked", false, s.First().IsZero())

	m, _ = through(t, genuine, StripDNSSEC, ask())
	same(t, "stripped", []string{"www.bank.lab. 300 IN A 198.18.60.10"}, lines(m.Answer))
	same(t, "AD and DO", [2]bool{}, [2]bool{m.AuthenticatedData, m.IsEdns0().Do()})
}

func TestRotateFixedTTLLowercase(t *testing.T) {
	s := serve(t, Lowercase(FixedTTL(7, Rotate("cdn.lab", addrs("198.18.10.1", "192.168.1.1"), 1, Servfail))))
	for _, want := range []string{"198.18.10.1", "192.168.1.1", "198.18.10.1"} {
		m := asks(t, "tcp", s.Addr(), question("CDN.lab.", dns.TypeA))
		same(t, "answer", []string{"cdn.lab. 7 IN A " + want}, lines(m.Answer))
		same(t, "echo", "cdn.lab.", m.Question[0].Name)
	}
	same(t, "other family", dns.RcodeServerFailure, asks(t, "udp", s.Addr(), question("cdn.lab.", dns.TypeAAAA)).Rcode)
}

func TestTruncate(t *testing.T) {
	s := serve(t, Truncate(zone(t, "x.lab. 5 IN A 198.18.60.1")))
	m := asks(t, "udp", s.Addr(), question("x.lab.", dns.TypeA))
	same(t, "UDP", [2]int{0, 1}, [2]int{len(m.Answer), btoi(m.Truncated)})
	m = asks(t, "tcp", s.Addr(), question("x.lab.", dns.TypeA))
	same(t, "TCP", [2]int{1, 0}, [2]int{len(m.Answer), btoi(m.Truncated)})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Two responses to one datagram, in order and apart; silence after them.
func TestDual(t *testing.T) {
	s := serve(t, Dual(Servfail, 30*time.Millisecond, Lying(zone(t, "x.lab. 5 IN A 198.18.60.1"))))
	conn, err := dns.Dial("udp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.WriteMsg(question("x.lab.", dns.TypeA))
	conn.SetReadDeadline(time.Now().Add(time.Second))
	var rcodes []int
	var at []time.Time
	for {
		m, err := conn.ReadMsg()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rcodes, at = append(rcodes, m.Rcode), append(at, time.Now())
	}
	same(t, "rcodes", []int{dns.RcodeServerFailure, dns.RcodeSuccess}, rcodes)
	if len(at) == 2 && (at[1].Sub(at[0]) < 20*time.Millisecond || s.First().Before(at[0])) {
		t.Errorf("arrived at %v, the lie was sent at %v", at, s.First())
	}
	same(t, "count", 1, s.Count())
	same(t, "TCP", dns.RcodeSuccess, asks(t, "tcp", s.Addr(), question("x.lab.", dns.TypeA)).Rcode)
}

func TestSometimes(t *testing.T) {
	good := zone(t, "x.lab. 5 IN A 198.18.60.1")
	fail := func() (failed int) {
		s := serve(t, Sometimes(0.3, 1, Servfail, good))
		for range 200 {
			failed += btoi(asks(t, "udp", s.Addr(), question("x.lab.", dns.TypeA)).Rcode == dns.RcodeServerFailure)
		}
		return failed
	}
	n := fail()
	if n < 40 || n > 80 {
		t.Errorf("%d of 200 failed, about 60 wanted", n)
	}
	same(t, "same seed", n, fail())
}

func TestWithProfile(t *testing.T) {
	nsid := &dns.EDNS0_NSID{Code: dns.EDNS0NSID}
	cookie := &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0011223344556677"}
	good := zone(t, "x.lab. 5 IN A 198.18.60.1")
	old := serve(t, WithProfile(Profile{Size: 1232, NSID: "old1", Cookie: "secret"}, good))
	bare := serve(t, WithProfile(Profile{NoEDNS: true}, good))

	m := asks(t, "udp", old.Addr(), with0(question("x.lab.", dns.TypeA), false, nsid, cookie))
	opt := m.IsEdns0()
	same(t, "size", 1232, opt.UDPSize())
	same(t, "NSID", hex.EncodeToString([]byte("old1")), opt.Option[0].(*dns.EDNS0_NSID).Nsid)
	first := opt.Option[1].(*dns.EDNS0_COOKIE).Cookie
	same(t, "client cookie", "0011223344556677", first[:16])
	same(t, "cookie's length", 32, len(first))

	m = asks(t, "udp", old.Addr(), with0(question("x.lab.", dns.TypeA), false, cookie))
	same(t, "one option, the same cookie", first, m.IsEdns0().Option[0].(*dns.EDNS0_COOKIE).Cookie)
	if m := asks(t, "udp", old.Addr(), question("x.lab.", dns.TypeA)); m.IsEdns0() != nil {
		t.Error("OPT for a query without")
	}
	if m := asks(t, "udp", bare.Addr(), with0(question("x.lab.", dns.TypeA), false, nsid)); m.IsEdns0() != nil || len(m.Answer) != 1 {
		t.Errorf("a server without EDNS: %v", m)
	}
}

func TestAuthoritative(t *testing.T) {
	for _, c := range []struct {
		what string
		h    Handler
		aa   bool
	}{
		{"data", zone(t, "x.lab. 5 IN A 198.18.60.1"), true},
		{"NXDOMAIN", zone(t), true},
		{"referral", Extra("*", nil, []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: "lab.", Rrtype: dns.TypeNS, Class: dns.ClassINET}, Ns: "ns.lab."}}, nil, zone(t, "x.lab. 5 IN TXT x")), false},
	} {
		m := asks(t, "udp", serve(t, Authoritative(c.h)).Addr(), question("x.lab.", dns.TypeA))
		same(t, c.what+": AA, RA", [2]bool{c.aa, false}, [2]bool{m.Authoritative, m.RecursionAvailable})
	}
}

// unbound, which is not ours, takes what an Authoritative server says, lies and
// records off the chain left aside.
func TestAuthoritativeUnbound(t *testing.T) {
	within := namespace(t)
	run(t, within, "ip link set lo up")
	before := goleak.IgnoreCurrent()
	off := []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "bank.lab.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(198, 18, 66, 66)}}
	s, err := Serve(within, netip.MustParseAddrPort("127.0.0.2:53"), Authoritative(
		Extra("www.shop.lab", off, nil, nil, Lie("www.shop.lab", addrs("198.18.66.66"), 60, zone(t)))))
	if err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, before, s.Stop)
	conf := filepath.Join(t.TempDir(), "unbound.conf")
	if err := os.WriteFile(conf, []byte(`server:
  interface: 127.0.0.3
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  module-config: "iterator"
stub-zone:
  name: "lab"
  stub-addr: 127.0.0.2
`), 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(t, within, `unbound -d -c `+conf+` 2>/dev/null & trap "kill $!; wait" EXIT
		until dig +short +tries=1 +time=1 @127.0.0.3 id.server CH TXT >/dev/null; do sleep 0.05; done
		dig +short @127.0.0.3 www.shop.lab; dig @127.0.0.3 bank.lab | grep -o NXDOMAIN`)
	same(t, "unbound says", "198.18.66.66\nNXDOMAIN\n", out)
}

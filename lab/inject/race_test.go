//go:build lab

package inject

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"
)

// query is a query with an OPT record, as a validating stub sends it.
func query(name string, qtype uint16, options ...dns.EDNS0) *dns.Msg {
	m := new(dns.Msg).SetQuestion(name, qtype).SetEdns0(1400, true)
	m.IsEdns0().Option = options
	return m
}

// ask sends a query and reads so many responses.
func (h hub) ask(t *testing.T, server string, q *dns.Msg, responses int) (ms []*dns.Msg) {
	t.Helper()
	conn := h.client(t, 0, net.JoinHostPort(server, "53"))
	if err := conn.WriteMsg(q); err != nil {
		t.Fatal(err)
	}
	for n := range responses {
		m, err := conn.ReadMsg()
		if err != nil {
			t.Fatalf("response %d of %d: %v", n+1, responses, err)
		}
		same(t, "ID", q.Id, m.Id)
		ms = append(ms, m)
	}
	return ms
}

// says are the addresses of a response.
func says(m *dns.Msg) (s []string) {
	for _, rr := range m.Answer {
		f := strings.Fields(rr.String())
		s = append(s, f[len(f)-1])
	}
	return s
}

func TestRaceWins(t *testing.T) {
	leaves(t)
	h := newHub(t)
	for _, v := range []struct {
		server          string
		qtype           uint16
		genuine, forged string
	}{
		{serverAddr, dns.TypeA, "198.18.60.10", "198.18.66.66"},
		{serverAddr6, dns.TypeAAAA, "2001:db8:60::10", "2001:db8:66::66"},
	} {
		t.Run(v.server, func(t *testing.T) {
			genuine := func(q *Query) *dns.Msg {
				return q.Answer(addresses(q.Name(), q.Type(), addrs(v.genuine), 60)...)
			}
			s, err := Serve(h.server, netip.AddrPortFrom(netip.MustParseAddr(v.server), 53), Delay(200*time.Millisecond, genuine))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Stop)
			i, err := Race(h.attacker, "eth0", RaceConfig{Names: []string{"WWW.bank.lab"}, Answers: addrs(v.forged), TTL: 300})
			i = end(t, i, err)

			ms := h.ask(t, v.server, query("wWw.bAnk.lab.", v.qtype), 2)
			same(t, "forged first", [][]string{{v.forged}, {v.genuine}}, [][]string{says(ms[0]), says(ms[1])})
			same(t, "case of the name", "wWw.bAnk.lab.", ms[0].Question[0].Name)
			same(t, "TTL", 300, ms[0].Answer[0].Header().Ttl)
			same(t, "flags", dns.MsgHdr{Id: ms[0].Id, Response: true, RecursionDesired: true, RecursionAvailable: true}, ms[0].MsgHdr)
			same(t, "OPT", true, ms[0].IsEdns0() == nil)
			same(t, "another name", []string{v.genuine}, says(h.ask(t, v.server, query("www.shop.lab.", v.qtype), 1)[0]))
			same(t, "another type", dns.TypeMX, h.ask(t, v.server, query("www.bank.lab.", dns.TypeMX), 1)[0].Question[0].Qtype)
			same(t, "stop", nil, i.Stop())
			same(t, "count", 1, i.Count())
			same(t, "first", false, i.First().IsZero())
		})
	}
}

// Nothing tells a perfect copy from the genuine response but what it says.
func TestRaceCopy(t *testing.T) {
	leaves(t)
	h := newHub(t)
	run(t, h.server, "sysctl -qw net.ipv4.ip_default_ttl=57")
	genuine := func(q *Query) *dns.Msg {
		m := q.Answer(addresses(q.Name(), q.Type(), addrs("198.18.60.10"), 300)...)
		opt := m.IsEdns0()
		opt.SetUDPSize(1452)
		for _, o := range q.IsEdns0().Option {
			switch o := o.(type) {
			case *dns.EDNS0_COOKIE:
				opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: o.Cookie[:clientCookie] + "0102030405060708"})
			case *dns.EDNS0_NSID:
				opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: "616d73"})
			}
		}
		return m
	}
	s, err := Serve(h.server, netip.MustParseAddrPort(serverAddr+":53"), Delay(200*time.Millisecond, genuine))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	i, err := Race(h.attacker, "eth0", RaceConfig{Names: []string{"www.bank.lab"}, Answers: addrs("198.18.66.66"), TTL: 300, Copy: true})
	end(t, i, err)

	options := []dns.EDNS0{
		&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "00112233445566ff"},
		&dns.EDNS0_NSID{Code: dns.EDNS0NSID},
	}
	h.ask(t, serverAddr, query("learn.lab.", dns.TypeA, options...), 1)
	tap := h.tap(t)
	h.ask(t, serverAddr, query("www.bank.lab.", dns.TypeA, options...), 2)
	forged, truth := tap.next("forged", from(53)), tap.next("genuine", from(53))

	same(t, "Ethernet", truth.LinkLayer().LayerContents(), forged.LinkLayer().LayerContents())
	ip, ip0 := forged.NetworkLayer().(*layers.IPv4), truth.NetworkLayer().(*layers.IPv4)
	same(t, "IP TTL", 57, ip.TTL)
	same(t, "DF", ip0.Flags, ip.Flags)
	m, m0 := message(t, forged), message(t, truth)
	same(t, "forged", []string{"198.18.66.66"}, says(m))
	m.Answer = m0.Answer
	if d := cmp.Diff(m0.String(), m.String()); d != "" {
		t.Error(d)
	}
}

// What the two injectors of the Great Firewall send, for a server that is none.
func TestRaceGreatFirewall(t *testing.T) {
	leaves(t)
	h := newHub(t)
	pool := addrs("203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "203.0.113.5", "203.0.113.6")
	i, err := Race(h.attacker, "eth0", RaceConfig{Contains: "Bank.lab", Answers: pool, TTL: 100, ForgedBy: GreatFirewall})
	i = end(t, i, err)
	tap := h.tap(t)
	var all []string
	for range 3 {
		for n, m := range h.ask(t, "198.18.99.99", query("mybank.lab.example.", dns.TypeA), 2) {
			same(t, "authoritative", n == 0, m.Authoritative)
			same(t, "recursion", n == 1, m.RecursionAvailable && m.RecursionDesired)
			same(t, "records", [3]int{1, 0, 0}, [3]int{len(m.Answer), len(m.Ns), len(m.Extra)})
			all = append(all, says(m)...)
			p := tap.next("forged", from(53))
			same(t, "IP TTL", 234, p.NetworkLayer().(*layers.IPv4).TTL)
			same(t, "source", serverMAC, p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet).SrcMAC.String())
		}
	}
	same(t, "rotation", []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "203.0.113.5", "203.0.113.6"}, all)
	same(t, "stop", nil, i.Stop())
	same(t, "count", 6, i.Count())
}

// The query comes back with an answer behind its OPT record.
func TestRaceAppend(t *testing.T) {
	leaves(t)
	h := newHub(t)
	i, err := Race(h.attacker, "eth0", RaceConfig{Names: []string{"www.bank.lab"}, Answers: addrs("127.0.0.1"), TTL: 300, Append: true})
	end(t, i, err)
	tap := h.tap(t)
	q := query("www.bank.lab.", dns.TypeA)
	h.ask(t, "198.18.99.99", q, 1)
	asked, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	asked[2] |= 0x80
	asked[7] = 1
	want := append(asked, "\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\x7f\x00\x00\x01"...)
	same(t, "message", want, tap.next("forged", from(53)).Layer(layers.LayerTypeUDP).LayerPayload())
}

// Everything that a caller may choose.
func TestRaceChoices(t *testing.T) {
	leaves(t)
	h := newHub(t)
	for _, v := range []struct {
		name  string
		c     RaceConfig
		qtype uint16
		check func(p gopacket.Packet, m *dns.Msg) []any
		want  []any
	}{
		{
			"header", RaceConfig{Answers: addrs("192.0.2.1"), IPTTL: 9, IPID: 1, Flags: 0x8583, SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 9}, Copies: 1}, dns.TypeA,
			func(p gopacket.Packet, m *dns.Msg) []any {
				ip := p.NetworkLayer().(*layers.IPv4)
				return []any{ip.TTL, ip.Id, m.Authoritative, m.Rcode, p.LinkLayer().LinkFlow().Src().String()}
			},
			[]any{uint8(9), uint16(1), true, dns.RcodeNameError, "02:00:00:00:00:09"},
		},
		{
			"denial", RaceConfig{Rcode: dns.RcodeNameError}, dns.TypeAAAA,
			func(p gopacket.Packet, m *dns.Msg) []any {
				return []any{m.Rcode, len(m.Answer), p.NetworkLayer().(*layers.IPv4).TTL}
			},
			[]any{dns.RcodeNameError, 0, uint8(64)},
		},
		{
			"no data", RaceConfig{Answers: addrs("192.0.2.1"), Types: []uint16{dns.TypeHTTPS}}, dns.TypeHTTPS,
			func(p gopacket.Packet, m *dns.Msg) []any { return []any{m.Rcode, len(m.Answer)} },
			[]any{dns.RcodeSuccess, 0},
		},
		{
			"late", RaceConfig{Answers: addrs("192.0.2.1"), Delay: 50 * time.Millisecond}, dns.TypeA,
			func(p gopacket.Packet, m *dns.Msg) []any { return []any{says(m)[0]} }, []any{"192.0.2.1"},
		},
	} {
		t.Run(v.name, func(t *testing.T) {
			v.c.Names, v.c.Client = []string{"www.bank.lab"}, netip.MustParseAddr(victimAddr)
			i, err := Race(h.attacker, "eth0", v.c)
			end(t, i, err)
			other := v.c
			other.Client, other.Rcode = netip.MustParseAddr("10.9.0.77"), dns.RcodeRefused
			none, err := Race(h.attacker, "eth0", other)
			end(t, none, err)
			tap := h.tap(t)
			begin := time.Now()
			h.ask(t, "198.18.99.99", query("www.bank.lab.", v.qtype), 1)
			if took := time.Since(begin); took < v.c.Delay {
				t.Errorf("forged after %v", took)
			}
			p := tap.next("forged", from(53))
			same(t, "forgery", v.want, v.check(p, message(t, p)))
			same(t, "of another client", 0, none.Count())
		})
	}
}

func TestRaceNoInterface(t *testing.T) {
	if _, err := Race(newHub(t).attacker, "eth9", RaceConfig{}); err == nil {
		t.Error("no error")
	}
}

//go:build lab

package inject

import (
	"net/http"
	"testing"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestLie(t *testing.T) {
	wrap := func(h Handler) Handler { return Lie("*.bank.lab", addrs("198.18.66.66", "2001:db8::66"), 60, h) }
	upstream := zone(t, "www.bank.lab. 300 IN A 198.18.60.10", "www.bank.lab. 300 IN TXT \"ours\"", "www.shop.lab. 300 IN A 198.18.60.20")
	for _, c := range []struct {
		name  string
		qtype uint16
		want  string
		lie   bool
	}{
		{"wWw.bank.lab.", dns.TypeA, "wWw.bank.lab. 60 IN A 198.18.66.66", true},
		{"www.bank.lab.", dns.TypeAAAA, "www.bank.lab. 60 IN AAAA 2001:db8::66", true},
		{"www.bank.lab.", dns.TypeTXT, "www.bank.lab. 300 IN TXT \"ours\"", false},
		{"www.shop.lab.", dns.TypeA, "www.shop.lab. 300 IN A 198.18.60.20", false},
	} {
		m, s := through(t, upstream, wrap, with0(question(c.name, c.qtype), true))
		same(t, c.name, []string{c.want}, lines(m.Answer))
		same(t, c.name+" is a lie", c.lie, !s.First().IsZero())
		same(t, c.name+" DO", true, m.IsEdns0().Do())
	}
}

func TestRewriteNX(t *testing.T) {
	// A name of the signed half of this zone does not exist, with proof.
	proof, err := dns.NewRR("bank.lab. 60 IN RRSIG SOA 13 2 60 20400101000000 20200101000000 1 bank.lab. c2ln")
	if err != nil {
		t.Fatal(err)
	}
	upstream := Edit(func(q *Query, m *dns.Msg) {
		if opt := q.IsEdns0(); matches("*.bank.lab", q.Name()) && opt != nil && opt.Do() {
			m.Ns = append(m.Ns, dns.Copy(proof))
		}
	}, zone(t, "www.bank.lab. 300 IN A 198.18.60.10"))
	for _, c := range []struct {
		name  string
		keep  bool
		rcode int
		want  []string
	}{
		{"no.shop.lab.", true, dns.RcodeSuccess, []string{"no.shop.lab. 60 IN A 198.18.66.80"}},
		{"no.bank.lab.", true, dns.RcodeNameError, nil},
		{"no.bank.lab.", false, dns.RcodeSuccess, []string{"no.bank.lab. 60 IN A 198.18.66.80"}},
		{"www.bank.lab.", false, dns.RcodeSuccess, []string{"www.bank.lab. 300 IN A 198.18.60.10"}},
	} {
		m, _ := through(t, upstream, func(h Handler) Handler { return RewriteNX(addrs("198.18.66.80")[0], 60, c.keep, h) },
			question(c.name, dns.TypeA))
		same(t, c.name, c.rcode, m.Rcode)
		same(t, c.name, c.want, lines(m.Answer))
	}
}

func TestDeny(t *testing.T) {
	blocked := &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeBlocked, ExtraText: "policy"}
	upstream := zone(t, "ads.lab. 300 IN A 198.18.60.10")
	for _, c := range []struct {
		what      string
		denial    Denial
		qtype     uint16
		rcode     int
		answer    []string
		authority []string
		ra        bool
	}{
		{"NXDOMAIN without RA", Denial{Rcode: dns.RcodeNameError, NoRA: true}, dns.TypeA, dns.RcodeNameError, nil, nil, false},
		{"null address", Denial{Addrs: addrs("0.0.0.0", "::"), EDE: blocked, TTL: 10}, dns.TypeA, 0, []string{"ads.lab. 10 IN A 0.0.0.0"}, nil, true},
		{"null address", Denial{Addrs: addrs("0.0.0.0", "::"), EDE: blocked, TTL: 10}, dns.TypeAAAA, 0, []string{"ads.lab. 10 IN AAAA ::"}, nil, true},
		{"IPv4-mapped", Denial{Addrs: addrs("::ffff:0.0.0.0")}, dns.TypeAAAA, 0, []string{"ads.lab. 0 IN AAAA ::ffff:0.0.0.0"}, nil, true},
		{"NODATA with a mark", Denial{SOA: "filter.lab", TTL: 5}, dns.TypeTXT, 0, nil,
			[]string{"ads.lab. 5 IN SOA filter.lab. hostmaster.filter.lab. 1 3600 600 86400 5"}, true},
	} {
		m, s := through(t, upstream, func(h Handler) Handler { return Deny("ads.lab", c.denial, h) }, with0(question("ads.lab.", c.qtype), false))
		same(t, c.what+": rcode", c.rcode, m.Rcode)
		same(t, c.what+": answer", c.answer, lines(m.Answer))
		same(t, c.what+": authority", c.authority, lines(m.Ns))
		same(t, c.what+": RA", c.ra, m.RecursionAvailable)
		same(t, c.what+": EDE", c.denial.EDE != nil, len(m.IsEdns0().Option) == 1)
		if s.First().IsZero() {
			t.Error(c.what + ": not marked")
		}
	}
}

func TestFilter(t *testing.T) {
	s := serve(t, Filter(func(name string) (Denial, bool) {
		return Denial{Rcode: dns.RcodeRefused, EDE: &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeFiltered}}, name == "ads.lab."
	}, zone(t, "x.lab. 5 IN A 198.18.60.1")))
	m := asks(t, "udp", s.Addr(), with0(question("ADS.lab.", dns.TypeA), false))
	same(t, "denied", dns.RcodeRefused, m.Rcode)
	same(t, "EDE", dns.ExtendedErrorCodeFiltered, m.IsEdns0().Option[0].(*dns.EDNS0_EDE).InfoCode)
	m = asks(t, "udp", s.Addr(), question("ADS.lab.", dns.TypeA))
	same(t, "denied without EDNS", dns.RcodeRefused, m.Rcode)
	same(t, "passed", 1, len(asks(t, "udp", s.Addr(), question("x.lab.", dns.TypeA)).Answer))
}

func TestExtra(t *testing.T) {
	rr := func(s string) []dns.RR { r, _ := dns.NewRR(s); return []dns.RR{r} }
	m, s := through(t, zone(t, "x.lab. 5 IN A 198.18.60.1"), func(h Handler) Handler {
		return FixedTTL(9, Extra("*.lab", rr("bank.lab. 60 IN A 198.18.66.66"), rr("lab. 60 IN NS ns.evil.lab."), rr("ns.evil.lab. 60 IN A 198.18.66.66"), h))
	}, with0(question("x.lab.", dns.TypeA), false))
	same(t, "answer", []string{"x.lab. 9 IN A 198.18.60.1", "bank.lab. 9 IN A 198.18.66.66"}, lines(m.Answer))
	same(t, "authority", []string{"lab. 9 IN NS ns.evil.lab."}, lines(m.Ns))
	same(t, "additional", []string{"ns.evil.lab. 9 IN A 198.18.66.66"}, lines(m.Extra))
	same(t, "no lie marked", false, s.First().IsZero())
}

func TestPortal(t *testing.T) {
	before := goleak.IgnoreCurrent()
	p, err := Portal(here, loopback)
	if err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, before, p.Stop)
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	login := "http://" + p.Addr().String() + "/login"
	for _, c := range []struct {
		method, path, host string
		status             int
		location           string
	}{
		{"GET", "/generate_204", "connectivity.lab", http.StatusFound, login},
		{"POST", "/", "www.bank.lab", http.StatusFound, login},
		{"GET", "/login", "", http.StatusOK, ""},
		{"POST", "/login", "", http.StatusOK, ""},
	} {
		req, err := http.NewRequest(c.method, "http://"+p.Addr().String()+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		same(t, c.path+": status", c.status, resp.StatusCode)
		same(t, c.path+": location", c.location, resp.Header.Get("Location"))
	}
	same(t, "caught and logged in", [2]int{2, 1}, [2]int{p.Count(), p.Logins()})
}

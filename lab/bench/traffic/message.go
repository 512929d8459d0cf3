package traffic

import (
	"fmt"
	"math/rand"
	"net"

	"github.com/miekg/dns"
)

// Known is how many names are asked for.
const Known = 50_000

var (
	words   = []string{"api", "cdn", "mail", "img", "static", "login", "edge", "assets", "video", "news", "shop", "data", "cloud", "app", "web", "auth", "s3", "telemetry", "update", "push"}
	domains = []string{"com", "net", "org", "io", "de", "co.uk", "dev", "info", "cn", "ru"}
)

// Names gives the first n of the names that are asked for, the most popular
// before the others.
func Names(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = nameOf(i)
	}
	return names
}

// nameOf gives the name of that number. It depends on nothing else, and so does
// the answer to it: who asks twice is told the same.
func nameOf(number int) string {
	r := rand.New(rand.NewSource(int64(number) * 7919))
	name := ""
	for range 1 + r.Intn(3) {
		name += words[r.Intn(len(words))] + "."
	}
	label := make([]byte, 4+r.Intn(9))
	for i := range label {
		label[i] = byte('a' + r.Intn(26))
	}
	return name + string(label) + "." + domains[r.Intn(len(domains))] + "."
}

// question makes a query, for the name or, in 4 % of all, for that of an address.
func (m *maker) question(name string) *dns.Msg {
	kind := dns.TypeTXT
	switch p := m.rng.Intn(100); {
	case p < 55:
		kind = dns.TypeA
	case p < 80:
		kind = dns.TypeAAAA
	case p < 90:
		kind = dns.TypeHTTPS
	case p < 94:
		kind = dns.TypePTR
		name = fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa.", m.rng.Intn(256), m.rng.Intn(256), m.rng.Intn(256), 1+m.rng.Intn(220))
	case p < 97:
		kind = dns.TypeMX
	}
	q := new(dns.Msg).SetQuestion(name, kind)
	q.Id = uint16(m.rng.Intn(1 << 16))
	if m.rng.Intn(100) < 70 {
		q.SetEdns0(1232, m.rng.Intn(2) == 0)
	}
	return q
}

// reply makes an answer without records.
func reply(q *dns.Msg) *dns.Msg {
	r := new(dns.Msg).SetReply(q)
	r.RecursionAvailable, r.Compress = true, true
	if o := q.IsEdns0(); o != nil {
		r.SetEdns0(1232, o.Do())
	}
	return r
}

// forgery makes the answer of somebody who wants the client elsewhere. The
// addresses are of those that injectors have been seen to use.
func forgery(q *dns.Msg, last byte) *dns.Msg {
	r := reply(q)
	r.Answer = []dns.RR{&dns.A{Hdr: header(q.Question[0].Name, dns.TypeA, 300), A: net.IPv4(8, 7, 198, last).To4()}}
	return r
}

// answer makes the genuine answer about the name of that number.
func answer(q *dns.Msg, number int) *dns.Msg {
	m, name, kind := reply(q), q.Question[0].Name, q.Question[0].Qtype
	r := rand.New(rand.NewSource(int64(number)*31 + int64(kind)))
	ttl := uint32(30 + r.Intn(3600))
	if r.Intn(100) < 12 {
		m.Rcode = dns.RcodeNameError
		m.Ns = []dns.RR{&dns.SOA{Hdr: header("example.net.", dns.TypeSOA, 900), Ns: "ns1.example.net.", Mbox: "host.example.net.",
			Serial: 2026, Refresh: 7200, Retry: 900, Expire: 86400, Minttl: 900}}
		return m
	}
	owner := name
	switch kind {
	case dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS:
		if r.Intn(100) >= 30 {
			break
		}
		for i := range 1 + r.Intn(3) {
			target := fmt.Sprintf("e%d.%s.akamai%d.net.", r.Intn(9999), words[r.Intn(len(words))], i)
			m.Answer = append(m.Answer, &dns.CNAME{Hdr: header(owner, dns.TypeCNAME, ttl), Target: target})
			owner = target
		}
	}
	m.Answer = append(m.Answer, records(r, owner, kind, ttl, number)...)
	return m
}

func records(r *rand.Rand, owner string, kind uint16, ttl uint32, number int) []dns.RR {
	h := header(owner, kind, ttl)
	var rrs []dns.RR
	switch kind {
	case dns.TypeA:
		for range 1 + r.Intn(4) {
			rrs = append(rrs, &dns.A{Hdr: h, A: net.IPv4(byte(1+r.Intn(220)), byte(r.Intn(256)), byte(r.Intn(256)), byte(r.Intn(256))).To4()})
		}
	case dns.TypeAAAA:
		for range 1 + r.Intn(4) {
			a := make(net.IP, net.IPv6len)
			r.Read(a)
			a[0], a[1] = 0x26, 0x06
			rrs = append(rrs, &dns.AAAA{Hdr: h, AAAA: a})
		}
	case dns.TypeHTTPS:
		hint := net.IPv4(104, 16, byte(r.Intn(256)), byte(r.Intn(256))).To4()
		rrs = append(rrs, &dns.HTTPS{SVCB: dns.SVCB{Hdr: h, Priority: 1, Target: ".", Value: []dns.SVCBKeyValue{
			&dns.SVCBAlpn{Alpn: []string{"h2", "h3"}}, &dns.SVCBIPv4Hint{Hint: []net.IP{hint}},
		}}})
	case dns.TypePTR:
		rrs = append(rrs, &dns.PTR{Hdr: h, Ptr: nameOf(number + 1)})
	case dns.TypeMX:
		rrs = append(rrs, &dns.MX{Hdr: h, Preference: 10, Mx: "mx1." + owner})
	case dns.TypeTXT:
		rrs = append(rrs, &dns.TXT{Hdr: h, Txt: []string{"v=spf1 include:_spf." + owner + " ip4:192.0.2.0/24 ~all"}})
	}
	return rrs
}

func header(owner string, kind uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

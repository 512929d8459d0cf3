package probe

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is an Asker that answers as it is told, and remembers what it was
// asked as "transport address name TYPE class".
type scripted struct {
	answer func(to monitor.Resolver, q dns.Question) *dns.Msg // nil is silence

	mu    sync.Mutex // guards asked
	asked []string
}

func (s *scripted) serve(to monitor.Resolver, m *dns.Msg) *dns.Msg {
	q := m.Question[0]
	s.mu.Lock()
	s.asked = append(s.asked, strings.Join([]string{string(to.Transport), to.Addr.Addr().String(), q.Name, dns.TypeToString[q.Qtype], dns.ClassToString[q.Qclass]}, " "))
	s.mu.Unlock()
	return s.answer(to, q)
}

func (s *scripted) Exchange(ctx context.Context, to monitor.Resolver, query []byte) ([]byte, error) {
	m := new(dns.Msg)
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	r := s.serve(to, m)
	if r == nil {
		<-ctx.Done()
		return nil, timeout{}
	}
	return r.Pack()
}

type timeout struct{}

func (timeout) Error() string { return monitor.ErrTimeout }

func (s *scripted) Ask(ctx context.Context, to monitor.Resolver, q monitor.Question) monitor.Observation {
	m := new(dns.Msg).SetQuestion(q.Name, uint16(q.Type))
	o := monitor.From(to, time.Now())
	r := s.serve(to, m)
	if r == nil {
		<-ctx.Done()
		o.Error = monitor.ErrTimeout
		return o
	}
	return observed(o, r)
}

// observed fills an observation with a response, as far as a probe looks at it.
func observed(o monitor.Observation, r *dns.Msg) monitor.Observation {
	o.Rcode, o.NSID = rcode(r.Rcode), nsidIn(r)
	for _, rr := range r.Answer {
		data := strings.TrimPrefix(rr.String(), rr.Header().String())
		o.Records = append(o.Records, monitor.Record{Name: strings.ToLower(rr.Header().Name), Type: monitor.Type(rr.Header().Rrtype), Data: data, TTL: rr.Header().Ttl})
	}
	return o
}

// reply to a question with records in zone file form, or with a code alone.
func with(q dns.Question, code int, records ...string) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(q.Name, q.Qtype)
	m.Question[0] = q
	m.Response, m.Rcode = true, code
	for _, s := range records {
		rr, err := dns.NewRR(s)
		if err != nil {
			panic(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	return m
}

func named(m *dns.Msg, nsid string) *dns.Msg {
	m.SetEdns0(udpSize, false)
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: nsid})
	return m
}

var (
	isp  = monitor.Resolver{Name: "isp", Operator: "isp", Role: monitor.Local, Transport: monitor.UDP, Addr: netip.MustParseAddrPort("198.18.0.53:53")}
	over = func(t monitor.Transport) monitor.Resolver { r := isp; r.Transport = t; return r }
)

var evidence = cmp.Options{
	cmpopts.IgnoreFields(monitor.Evidence{}, "At"),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

func addrs(ss ...string) (as []netip.Addr) {
	for _, s := range ss {
		as = append(as, netip.MustParseAddr(s))
	}
	return as
}

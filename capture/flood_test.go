package capture_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// mould is a frame of which others are made by writing over a few octets, as
// fast as they are wanted. It has no UDP checksum.
type mould struct{ frame capture.Frame }

// The name has eight octets to write over.
const mouldName = "n0000000.www.example.com."

func newMould(t testing.TB, name string, answers ...string) mould {
	d := query(0, 7, name, dns.TypeA)
	if len(answers) > 0 {
		d = d.reply(0, answers...)
	}
	f := d.frame(t, 1)
	f.Data[40], f.Data[41] = 0, 0
	return mould{f}
}

// Where in a frame of Ethernet and IPv4 things are.
const (
	atIP      = 14
	atSource  = atIP + 12
	atDest    = atIP + 16
	atPorts   = atIP + 20
	atID      = atIP + 28
	atName    = atID + 12 + 1
	nameOctet = "0123456789abcdef"
)

func (m mould) id(id uint16) mould {
	binary.BigEndian.PutUint16(m.frame.Data[atID:], id)
	return m
}

func (m mould) port(at int, port uint16) mould {
	binary.BigEndian.PutUint16(m.frame.Data[at:], port)
	return m
}

func (m mould) address(at int, a uint32) mould {
	binary.BigEndian.PutUint32(m.frame.Data[at:], a)
	return m
}

func (m mould) name(n uint32) mould {
	for i := range 7 {
		m.frame.Data[atName+1+i] = nameOctet[n>>(4*i)&15]
	}
	return m
}

// data sets the address that the last record leads to.
func (m mould) data(a uint32) mould { return m.address(len(m.frame.Data)-4, a) }

// at gives the frame as it comes after a while.
func (m mould) at(after time.Duration) capture.Frame {
	ip := m.frame.Data[atIP:atPorts]
	ip[10], ip[11] = 0, 0
	sum := uint32(0)
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum+sum>>16))
	m.frame.At = began.Add(after)
	return m.frame
}

// held is how much the heap holds.
func held() int {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int(s.HeapAlloc)
}

// TestFloods has 200,000 packets a second come, of every sort that costs a matcher
// something to keep, for a second. It takes no more than was set aside for it,
// nothing at all for each once it is full, and hears what others say meanwhile.
func TestFloods(t *testing.T) {
	const (
		packets      = 200_000
		step         = 5 * time.Microsecond
		transactions = 1 << 13
		memory       = 1 << 20
		// 128 octets a transaction, the memory, tables of fixed size, and what the
		// names of a test and its frames take.
		most = transactions*128 + memory + 512<<10
	)
	ask, answer := newMould(t, mouldName), newMould(t, mouldName, "198.51.100.66")
	watched, known := newMould(t, "api.partner.example."), newMould(t, "api.partner.example.", "198.51.100.66")
	tests := []struct {
		name  string
		frame func(i uint32) mould
		lost  bool // what was open is lost in it, which is said
	}{
		{name: "one name and id", frame: func(i uint32) mould { return ask }},
		{name: "random names of one client", frame: func(i uint32) mould { return ask.name(i).id(uint16(i)).port(atPorts, uint16(i>>16)) }},
		{name: "random names, spoofed clients", frame: func(i uint32) mould { return ask.name(i).address(atSource, i*2654435761) }},
		{name: "one name, ports and ids", frame: func(i uint32) mould { return ask.id(uint16(i)).port(atPorts, uint16(i>>3)) }},
		{name: "the watched name, spoofed clients", lost: true, frame: func(i uint32) mould { return watched.address(atSource, i*2654435761) }},
		{name: "responses to nothing", frame: func(i uint32) mould { return answer.name(i).address(atDest, i*2654435761) }},
		{name: "ids for an open port", frame: func(i uint32) mould { return known.id(uint16(i)).data(i) }},
		{name: "answers to one query", frame: func(i uint32) mould { return answer.data(i) }},
		{name: "answers to nothing that differ", frame: func(i uint32) mould { return answer.id(uint16(i/2)).port(atPorts+2, uint16(i>>17)).data(i) }},
		{name: "spoofed servers", frame: func(i uint32) mould { return known.address(atSource, i/2).data(i) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := held()
			m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example.", "quiet.example."}, Transactions: transactions, Memory: memory})
			at, samples := time.Duration(0), 0
			next := func(i uint32) {
				at += step
				if _, ok := m.Take(tt.frame(i).at(at)); ok {
					samples++
				}
			}
			for i := range uint32(packets / 2) {
				next(i)
			}
			q := query(at, 9, "quiet.example.", dns.TypeA)
			q.src = netip.MustParseAddrPort("10.0.0.77:41000")
			m.Take(q.frame(t, 1))
			for i := range uint32(packets / 4) {
				next(packets/2 + i)
			}
			_, first := m.Take(q.reply(at, "203.0.113.10").frame(t, 2))
			s, second := m.Take(q.reply(at, "198.51.100.66").frame(t, 3))
			if !tt.lost && !(first && second && len(s.Queries) == 1) {
				t.Errorf("the watched name of another is not heard: %t %t", first, second)
			}
			i := uint32(packets / 4 * 3)
			allocs := testing.AllocsPerRun(packets/4-1, func() { next(i); i++ })
			if allocs != 0 {
				t.Errorf("%v allocations for a packet", allocs)
			}
			st := m.Stats()
			if took := held() - before; took > most {
				t.Errorf("it took %d octets, want at most %d", took, most)
			}
			if st.Open > transactions || tt.lost && st.Blind == 0 {
				t.Errorf("%+v", st)
			}
			if samples > 150 { // what the budgets allow in a second
				t.Errorf("%d samples: %+v", samples, st)
			}
			runtime.KeepAlive(m)
		})
	}
}

// Samples wait for the judge, and frames may be large: of one transaction no more
// go with it than the largest has.
func TestSampleFrames(t *testing.T) {
	q := query(0, 7, "api.partner.example.", dns.TypeA)
	m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}})
	m.Take(q.frame(t, 1))
	var last monitor.Sample
	for i := range 10 {
		a := q.reply(ms, fmt.Sprintf("198.51.100.%d", i))
		for range 60 {
			a.msg.Extra = append(a.msg.Extra, &dns.TXT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{string(make([]byte, 200))}})
		}
		if s, ok := m.Take(a.frame(t, i+2)); ok {
			last = s
		}
	}
	octets, with := 0, 0
	for _, o := range last.Answers {
		octets += len(o.Packet.Raw)
		if o.Packet.Raw != nil {
			with++
		}
	}
	if len(last.Answers) != 10 || with < 4 || with > 6 || octets > 72<<10 {
		t.Errorf("%d answers, %d with %d octets of frames", len(last.Answers), with, octets)
	}
}

// A response that hits an open port with the wrong id is counted, and one that
// comes to a port where nobody asked is not.
func TestStrays(t *testing.T) {
	q := query(0, 7, "www.example.com.", dns.TypeA)
	other := func(id uint16) datagram { return query(0, id, "www.example.com.", dns.TypeA) }
	m := capture.NewMatcher(capture.Config{})
	take := func(ds ...datagram) {
		for i, d := range ds {
			m.Take(d.frame(t, i+1))
		}
	}
	take(q, other(8).reply(1*ms, "198.51.100.66"), other(9).reply(2*ms, "198.51.100.66"), q.reply(3*ms, "203.0.113.10"))
	elsewhere := other(10).reply(4*ms, "198.51.100.66")
	elsewhere.dst = netip.MustParseAddrPort("10.0.0.9:40001")
	server := other(11).reply(4*ms, "198.51.100.66")
	server.src = netip.MustParseAddrPort("10.0.0.3:53")
	take(elsewhere, server, other(12).reply(20*time.Second, "198.51.100.66"))
	got := m.Stats()
	if diff := cmp.Diff([]uint64{2, 5, 0}, []uint64{got.Strays, got.Unsolicited, got.Late}); diff != "" {
		t.Errorf("strays, unsolicited, late (-want +got):\n%s", diff)
	}
}

// busy has queries of as many clients come for a second, with their responses.
func busy(m *capture.Matcher, q, a mould, second, each int) {
	for i := range each {
		at := time.Duration(second)*time.Second + time.Duration(i)*time.Second/time.Duration(each)
		n := uint32(second*each + i)
		m.Take(q.name(n).id(uint16(n)).address(atSource, n).at(at))
		m.Take(a.name(n).id(uint16(n)).address(atDest, n).at(at))
	}
}

// Under pressure the hold shrinks, to a second, and only then transactions are
// lost; each is said. When it is over the hold is what it was.
func TestHoldShrinks(t *testing.T) {
	type said struct {
		Hold             time.Duration
		Shortened, Blind bool
	}
	q, a := newMould(t, mouldName), newMould(t, mouldName, "203.0.113.10")
	m := capture.NewMatcher(capture.Config{Transactions: 1000})
	second := 0
	var last capture.Stats
	phase := func(each int) said {
		for range 12 {
			busy(m, q, a, second, each)
			second++
		}
		st := m.Stats()
		s := said{st.Hold.Round(50 * ms), st.Shortened > last.Shortened, st.Blind > last.Blind}
		last = st
		return s
	}
	got := []said{phase(150), phase(500), phase(4000)}
	phase(150) // what was open makes room for this
	got = append(got, phase(150))
	want := []said{
		{5 * time.Second, false, false}, {2 * time.Second, true, false}, {250 * ms, true, true}, {5 * time.Second, false, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is read in a quiet moment costs nothing either.
func TestMatcherAllocates(t *testing.T) {
	q, a := newMould(t, mouldName), newMould(t, mouldName, "203.0.113.10")
	m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}})
	for second := range 20 {
		busy(m, q, a, second, 2000)
	}
	i := uint32(0)
	if n := testing.AllocsPerRun(20_000, func() {
		at := 20*time.Second + time.Duration(i)*500*time.Microsecond
		m.Take(q.name(i).id(uint16(i)).at(at))
		m.Take(a.name(i).id(uint16(i)).at(at))
		i++
	}); n != 0 {
		t.Errorf("%v allocations for a query and its response", n)
	}
}

func BenchmarkMatcher(b *testing.B) {
	q, a := newMould(b, mouldName), newMould(b, mouldName, "203.0.113.10", "203.0.113.11")
	for _, rate := range []int{1_000, 10_000, 50_000} {
		b.Run(fmt.Sprintf("queries/s=%d", rate), func(b *testing.B) {
			m := capture.NewMatcher(capture.Config{Transactions: 1 << 18})
			step := time.Second / time.Duration(rate)
			i := uint32(0)
			next := func() {
				at := time.Duration(i) * step
				m.Take(q.name(i).id(uint16(i)).at(at))
				m.Take(a.name(i).id(uint16(i)).at(at))
				i++
			}
			for range rate * 6 {
				next()
			}
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/packet")
		})
	}
	b.Run("forged ids", func(b *testing.B) {
		m := capture.NewMatcher(capture.Config{})
		m.Take(q.at(0))
		b.ReportAllocs()
		i := uint32(0)
		for b.Loop() {
			m.Take(a.id(uint16(i)).data(i).at(time.Duration(i) * 5 * time.Microsecond))
			i++
		}
	})
}

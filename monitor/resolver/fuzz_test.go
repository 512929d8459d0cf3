package resolver

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// FuzzDecode makes an observation of any message: it must not panic, neither
// then nor in what is done with it next, stay within its bounds and be printable.
func FuzzDecode(f *testing.F) {
	query, err := newQuery(question, true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(query.message())
	q := new(dns.Msg)
	if err := q.Unpack(query.message()); err != nil {
		f.Fatal(err)
	}
	for _, forgery := range forgeries {
		f.Add(forgery.forge(q))
	}
	for _, zone := range []string{
		"api.partner.example. 60 IN CNAME api.partner.example.", `a. 60 IN TXT "\027[31m"`, "a. 60 IN MX 10 B.",
		`a. 60 IN HTTPS 1 Svc.Example. alpn="h2,h3" ech="AAAA" ipv6hint=2001:db8::1`, `a. 60 IN TYPE65400 \# 3 0a0b0c`,
		"a. 60 IN LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m", `a. 60 IN NAPTR 100 50 "s" "z3950+I2L+I2C" "" _z3950._tcp.A.`,
	} {
		m := answer(q, zone)
		m.SetEdns0(udpSize, true)
		m.Compress = true
		f.Add(pack(m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		query.check(b)
		m := new(dns.Msg)
		if m.Unpack(b) != nil {
			return
		}
		var o monitor.Observation
		decode(&o, m)
		for _, r := range o.Records {
			if !clean(r.Name) || !clean(r.Data) || r.Data == "" {
				t.Errorf("record %+q %+q", r.Name, r.Data)
			}
			if r.Name != strings.ToLower(r.Name) {
				t.Errorf("owner %q", r.Name)
			}
		}
		if !clean(o.NSID) || !clean(o.Rcode) || o.Rcode == "" {
			t.Errorf("NSID %+q, rcode %+q", o.NSID, o.Rcode)
		}
		if len(o.Records) > maxRecords || len(o.EDE) > maxEDE || len(o.NSID) > 4*maxNSID+2 {
			t.Errorf("%d records, %d EDE, NSID of %d", len(o.Records), len(o.EDE), len(o.NSID))
		}
		asked := question
		if len(m.Question) > 0 {
			asked = monitor.Question{Name: strings.ToLower(m.Question[0].Name), Type: monitor.Type(m.Question[0].Qtype)}
		}
		if !o.Canon(asked).Equal(o.Canon(asked)) {
			t.Error("an answer differs from itself")
		}
		o.Addresses(asked)
	})
}

// FuzzResponse holds any datagram against a query: what is accepted is an
// answer to it, and what is not is refused with a reason that can be shown.
func FuzzResponse(f *testing.F) {
	query, err := newQuery(question, false)
	if err != nil {
		f.Fatal(err)
	}
	q := new(dns.Msg)
	if err := q.Unpack(query.message()); err != nil {
		f.Fatal(err)
	}
	for _, forgery := range forgeries {
		f.Add(forgery.forge(q)[min(2, len(forgery.forge(q))):])
	}
	f.Add(pack(a(q, "192.0.2.1"))[2:])
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append(binary.BigEndian.AppendUint16(nil, query.id()), b...) // the id is random, the rest is the fuzzer's
		var m *dns.Msg
		_, err := query.check(b)
		if err == nil {
			m, err = query.read(b)
		}
		if err != nil {
			var bad badResponse
			if text := describe(err); !clean(text) || !errors.As(err, &bad) && !errors.Is(err, errForeign) {
				t.Errorf("error %+q", text)
			}
			return
		}
		if !m.Response || !m.Truncated && (len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, question.Name)) {
			t.Errorf("accepted: %v", m)
		}
	})
}

func FuzzResolvConf(f *testing.F) {
	for _, s := range []string{
		"nameserver 192.0.2.1\n", "nameserver fe80::1%eth0\r\n# no\n;no\n", "nameserver\t::1\noptions edns0\n",
		"search example\nnameserver 192.0.2.1 192.0.2.2\n", "nameserver fe80::1%\x1b[31m\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		servers, err := ParseResolvConf(strings.NewReader(s))
		if err != nil {
			return
		}
		if len(servers) == 0 || len(servers) > maxServers {
			t.Errorf("%d servers", len(servers))
		}
		var again strings.Builder
		for _, a := range servers {
			if !a.IsValid() {
				t.Errorf("server %v", a)
			}
			again.WriteString("nameserver " + a.String() + "\n")
		}
		if got, err := ParseResolvConf(strings.NewReader(again.String())); err != nil || !equalAddrs(got, servers) {
			t.Errorf("%q is read as %v, %v", again.String(), got, err)
		}
	})
}

func equalAddrs(a, b []netip.Addr) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// FuzzFrames splits any octets into messages: they are the stream without its
// lengths, as far as it is whole.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 1, 7})
	f.Add([]byte{0xff, 0xff, 1, 2, 3})
	f.Fuzz(func(t *testing.T, stream []byte) {
		fr := frames{r: bufio.NewReaderSize(bytes.NewReader(stream), 16)}
		left := stream
		for {
			b, err := fr.next()
			if err != nil {
				if whole := len(left) == 0; whole != errors.Is(err, io.EOF) || !whole && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%d octets left: %v", len(left), err)
				}
				return
			}
			if len(left) < 2 || int(binary.BigEndian.Uint16(left)) != len(b) || !bytes.HasPrefix(left[2:], b) {
				t.Fatalf("message %x of %x", b, left)
			}
			left = left[2+len(b):]
		}
	})
}

// FuzzStream feeds a connection with questions under way with any octets: every
// question must come back, and nothing be left behind. As it is not the same
// twice, run it with -fuzzminimizetime 1x.
func FuzzStream(f *testing.F) {
	f.Add([]byte{}, uint8(1))
	f.Add([]byte{0, 0, 0, 0}, uint8(2))
	f.Add([]byte{0xff, 0xff, 1, 2, 3}, uint8(3))
	f.Add(bytes.Repeat([]byte{0, 1, 7}, 2*maxStrays), uint8(1))
	f.Add(bytes.Repeat(append([]byte{0, 12}, make([]byte, 12)...), 3), uint8(7))
	f.Fuzz(func(t *testing.T, stream []byte, n uint8) {
		asker, c, server := pipe(Config{Timeout: time.Minute, IdleTimeout: time.Minute})
		var wg sync.WaitGroup
		for range n % 16 {
			wg.Go(func() {
				query, err := newQuery(question, false)
				if err != nil {
					t.Error(err)
					return
				}
				x := c.ask(t.Context(), query, c.n)
				if (x.msg == nil) == (x.err == nil) || x.err != nil && !clean(describe(x.err)) {
					t.Errorf("outcome %+v", x)
				}
			})
		}
		for range n % 16 {
			_, b := receive(server)
			if b[1]&1 == 0 { // half of them are answered before the noise
				server.Write(framed(respond(b)))
			}
		}
		server.SetWriteDeadline(time.Now().Add(10 * time.Second))
		server.Write(stream) // fails where the connection is closed for what it says
		server.Close()
		wg.Wait()
		asker.Close()
		if len(asker.conns) != 0 || len(c.pending) != 0 {
			t.Errorf("%d connections, %d questions left", len(asker.conns), len(c.pending))
		}
	})
}

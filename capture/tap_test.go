package capture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// Kinds and protocols of dnstap.proto.
const (
	clientQuery, clientResponse       = 5, 6
	resolverQuery, resolverResponse   = 3, 4
	forwarderQuery, forwarderResponse = 7, 8

	tapUDP, tapTCP, tapDoT, tapDoH, tapDNSCrypt, tapDoQ = 1, 2, 3, 4, 5, 7
)

// tapped is a message of dnstap before it is one.
type tapped struct {
	kind, protocol uint64
	at             time.Duration // since began
	client, server netip.AddrPort
	msg            *dns.Msg
	query          *dns.Msg // told of beside a response
	asked          time.Duration
	untimed        bool
}

var upstream = netip.MustParseAddrPort("192.0.2.53:853")

// pack makes the frame of a message.
func (m tapped) pack(t testing.TB) []byte {
	t.Helper()
	var b []byte
	number := func(field protowire.Number, v uint64) {
		b = protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
	}
	octets := func(field protowire.Number, v []byte) {
		b = protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
	}
	nanos := func(field protowire.Number, at time.Time) {
		b = protowire.AppendFixed32(protowire.AppendTag(b, field, protowire.Fixed32Type), uint32(at.Nanosecond()))
	}
	message := func(field protowire.Number, msg *dns.Msg) {
		wire, err := msg.Pack()
		if err != nil {
			t.Fatal(err)
		}
		octets(field, wire)
	}
	number(1, m.kind)
	number(2, 1)
	number(3, m.protocol)
	if m.client.IsValid() {
		octets(4, m.client.Addr().AsSlice())
		number(6, uint64(m.client.Port()))
	}
	if m.server.IsValid() {
		octets(5, m.server.Addr().AsSlice())
		number(7, uint64(m.server.Port()))
	}
	at := began.Add(m.at)
	sec, nano, field := protowire.Number(8), protowire.Number(9), protowire.Number(10)
	if m.kind%2 == 0 {
		sec, nano, field = 12, 13, 14
	}
	if !m.untimed {
		number(sec, uint64(at.Unix()))
		nanos(nano, at)
	}
	message(field, m.msg)
	if m.query != nil {
		asked := began.Add(m.asked)
		number(8, uint64(asked.Unix()))
		nanos(9, asked)
		message(10, m.query)
	}
	out := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte("ns.example"))
	out = protowire.AppendBytes(protowire.AppendTag(out, 14, protowire.BytesType), b)
	return protowire.AppendVarint(protowire.AppendTag(out, 15, protowire.VarintType), 1)
}

// tapStream writes frames as fstrm does, with what comes before and behind them.
func tapStream(frames ...[]byte) []byte {
	b := tapControl(2, tapContent)
	for _, f := range frames {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...)
	}
	return append(b, tapControl(3, "")...)
}

const tapContent = "protobuf:dnstap.Dnstap"

func tapControl(kind uint32, content string) []byte {
	body := binary.BigEndian.AppendUint32(nil, kind)
	if content != "" {
		body = binary.BigEndian.AppendUint32(body, 1)
		body = binary.BigEndian.AppendUint32(body, uint32(len(content)))
		body = append(body, content...)
	}
	return append(binary.BigEndian.AppendUint32(make([]byte, 4), uint32(len(body))), body...)
}

// datagrams has an exchange over UDP.
func datagrams(ms ...*tapped) {
	for _, m := range ms {
		m.protocol = tapUDP
	}
}

// answered is a forwarder's exchange over TLS.
func answered(at time.Duration, id uint16, name string, data ...string) (q, r tapped) {
	d := query(at, id, name, dns.TypeA)
	q = tapped{kind: forwarderQuery, protocol: tapDoT, at: at, client: clientAddr, server: upstream, msg: d.msg}
	r = q
	r.kind, r.at, r.msg = forwarderResponse, at+20*ms, d.reply(at, data...).msg
	return q, r
}

func TestReadTap(t *testing.T) {
	q, r := answered(0, 7, "www.example.com.", "203.0.113.10")
	_, other := answered(0, 7, "www.example.com.", "198.51.100.66")
	_, moved := answered(11*time.Second, 7, "www.example.com.", "198.51.100.66")
	overTLS := []tapped{q, r, other}
	datagrams(&q, &r, &other, &moved)
	otherID := other
	otherID.msg = other.msg.Copy()
	otherID.msg.Id = 8
	otherWay := other
	otherWay.protocol = tapTCP
	whole := other
	whole.query, whole.asked = q.msg, 3*ms
	alone := r
	alone.query, alone.asked = q.msg, 3*ms
	again := whole
	again.asked = 5 * ms
	for _, tt := range []struct {
		name     string
		messages []tapped
		want     []string
	}{
		{"one answer", []tapped{q, r}, nil},
		{"an answer alone", []tapped{r}, nil},
		{"the same answer twice", []tapped{q, r, r}, nil},
		{"another answer to the same query", []tapped{q, r, other},
			[]string{"www.example.com. A 1q NOERROR:203.0.113.10 NOERROR:198.51.100.66 [1 2 3] CONFLICT"}},
		{"another answer, with the query that only responses tell of", []tapped{alone, whole},
			[]string{"www.example.com. A 1q NOERROR:203.0.113.10 NOERROR:198.51.100.66 [1 1 2] CONFLICT"}},
		{"another answer, with another query", []tapped{alone, again},
			[]string{"www.example.com. A 2q NOERROR:203.0.113.10 NOERROR:198.51.100.66 [1 2 1 2]"}},
		{"another answer over the same connection", overTLS, nil},
		{"two answers to two queries", []tapped{q, q, r, other},
			[]string{"www.example.com. A 2q NOERROR:203.0.113.10 NOERROR:198.51.100.66 [1 2 3 4]"}},
		{"two answers, of which nobody tells what was asked", []tapped{r, other},
			[]string{"www.example.com. A 0q NOERROR:203.0.113.10 NOERROR:198.51.100.66 [1 2]"}},
		{"another answer to another query", []tapped{q, r, otherID}, nil},
		{"another answer over another transport", []tapped{q, r, otherWay}, nil},
		{"another answer, long after", []tapped{q, r, moved}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var frames [][]byte
			for _, m := range tt.messages {
				frames = append(frames, m.pack(t))
			}
			file := tapStream(frames...)
			if !capture.IsTap(file[:min(len(file), 512)]) || capture.IsCapture(file) {
				t.Error("the file is not told for what it is")
			}
			var got []string
			stats, err := capture.ReadTap(bytes.NewReader(file), func(s monitor.Sample) error {
				got = append(got, told(s))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("samples (-want +got):\n%s", diff)
			}
			if n := uint64(len(tt.messages)); stats.Packets != n || stats.Queries+stats.Responses != n || stats.Undecodable != 0 || stats.Unsolicited != 0 {
				t.Errorf("%+v of %d messages", stats, n)
			}
		})
	}
}

// TestReadTapDamaged has files that are cut or are none.
func TestReadTapDamaged(t *testing.T) {
	q, r := answered(0, 7, "www.example.com.", "203.0.113.10")
	good := tapStream(q.pack(t), r.pack(t))
	begin := len(tapControl(2, tapContent))
	foreign := append(tapControl(2, "protobuf:other.Thing"), tapControl(3, "")...)
	giant := append(slices.Clone(good[:begin]), 0x7f, 0xff, 0xff, 0xff, 1)
	garbage := tapStream([]byte("\xff\xff\xff"), q.pack(t)[:20], []byte{0x78, 2}, r.pack(t))
	for _, tt := range []struct {
		name     string
		file     []byte
		cut      bool
		fails    bool
		messages uint64
		bad      uint64
	}{
		{"whole", good, false, false, 2, 0},
		{"without STOP", good[:len(good)-12], true, true, 2, 0},
		{"half a frame", good[:begin+9], true, true, 0, 0},
		{"half a length", good[:begin+2], true, true, 0, 0},
		{"nothing", nil, true, true, 0, 0},
		{"of another type", foreign, false, true, 0, 0},
		{"a frame of 2 GiB", giant, false, true, 0, 0},
		{"text", []byte("not a stream at all"), false, true, 0, 0},
		{"frames of garbage among others", garbage, false, false, 4, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stats, err := capture.ReadTap(bytes.NewReader(tt.file), func(monitor.Sample) error { return nil })
			if tt.fails != (err != nil) || tt.cut != errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("error %v", err)
			}
			if stats.Packets != tt.messages || stats.Undecodable != tt.bad {
				t.Errorf("%+v", stats)
			}
		})
	}
}

// TestReadTapStops hands on the error of whoever takes the samples.
func TestReadTapStops(t *testing.T) {
	q, r := answered(0, 7, "www.example.com.", "203.0.113.10")
	_, other := answered(0, 7, "www.example.com.", "198.51.100.66")
	datagrams(&q, &r, &other)
	want := errors.New("enough")
	_, err := capture.ReadTap(bytes.NewReader(tapStream(q.pack(t), r.pack(t), other.pack(t))), func(monitor.Sample) error { return want })
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

// tapTest is a Tap that runs, with the samples that it offers.
type tapTest struct {
	*capture.Tap
	path    string
	samples chan monitor.Sample
}

func tapRun(t *testing.T) *tapTest {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	tt := &tapTest{path: path, samples: make(chan monitor.Sample, 64)}
	tt.Tap = capture.NewTap(l, capture.TapConfig{
		Watched: []string{"www.example.com."}, Local: func(a netip.Addr) bool { return a == clientAddr.Addr() },
	}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- tt.Run(ctx, func(s monitor.Sample) bool {
			select {
			case tt.samples <- s:
				return true
			default:
				return false
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return tt
}

// sender connects as fstrm does, and tells frames.
func (tt *tapTest) sender(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", tt.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Write(tapControl(4, tapContent)); err != nil {
		t.Fatal(err)
	}
	tapExpect(t, c, tapControl(1, tapContent))
	if _, err := c.Write(tapControl(2, tapContent)); err != nil {
		t.Fatal(err)
	}
	return c
}

func tapExpect(t *testing.T, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("answered %x, %v, want %x", got, err, want)
	}
}

func tapTell(t *testing.T, c net.Conn, frames ...[]byte) {
	t.Helper()
	for _, f := range frames {
		if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(f))), f...)); err != nil {
			t.Fatal(err)
		}
	}
}

func (tt *tapTest) next(t *testing.T) monitor.Sample {
	t.Helper()
	select {
	case s := <-tt.samples:
		return s
	case <-time.After(10 * time.Second):
		t.Fatalf("no sample; %+v", tt.Stats())
		return monitor.Sample{}
	}
}

// await waits until the totals are so.
func (tt *tapTest) await(t *testing.T, what string, ok func(capture.TapStats) bool) {
	t.Helper()
	for range 1000 {
		if ok(tt.Stats()) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never %s: %+v", what, tt.Stats())
}

// TestTap has several senders tell of legs over every transport.
func TestTap(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Run("senders", func(t *testing.T) {
		tt := tapRun(t)
		var unknown netip.AddrPort
		stranger := netip.MustParseAddrPort("10.0.0.77:4000")
		type heard struct {
			Transport monitor.Transport
			Role      monitor.Role
			Server    string
			Dnstap    string
			Data      string
			Queries   int
		}
		for i, c := range []struct {
			tell []tapped
			want heard
		}{
			{[]tapped{{kind: forwarderResponse, protocol: tapDoT, client: clientAddr, server: upstream}}, heard{monitor.DoT, monitor.Local, "192.0.2.53", "FORWARDER_RESPONSE", "203.0.113.1", 0}},
			{[]tapped{{kind: forwarderResponse, protocol: tapTCP, client: unknown, server: upstream}}, heard{monitor.DoT, monitor.Local, "192.0.2.53", "FORWARDER_RESPONSE", "203.0.113.2", 0}},
			{[]tapped{{kind: clientResponse, protocol: tapDoH, client: stranger, server: serverAddr}}, heard{monitor.DoH, "", "10.0.0.2", "CLIENT_RESPONSE", "203.0.113.3", 0}},
			{[]tapped{{kind: clientResponse, protocol: tapDoQ, client: unknown, server: serverAddr}}, heard{monitor.DoQ, "", "10.0.0.2", "CLIENT_RESPONSE", "203.0.113.4", 0}},
			{[]tapped{{kind: resolverResponse, protocol: tapDNSCrypt, client: stranger, server: serverAddr}}, heard{monitor.DNSCrypt, "", "10.0.0.2", "RESOLVER_RESPONSE", "203.0.113.5", 0}},
			{[]tapped{{kind: resolverQuery, protocol: tapUDP, client: clientAddr, server: serverAddr}, {kind: resolverResponse, protocol: tapUDP, client: clientAddr, server: serverAddr}},
				heard{monitor.UDP, monitor.Local, "10.0.0.2", "RESOLVER_RESPONSE", "203.0.113.6", 1}},
		} {
			sender := tt.sender(t)
			d := query(0, uint16(i), "www.example.com.", dns.TypeA)
			for _, m := range c.tell {
				if m.msg = d.msg; m.kind%2 == 0 {
					m.msg = d.reply(0, c.want.Data).msg
				}
				m.at = time.Since(began)
				tapTell(t, sender, m.pack(t))
			}
			s := tt.next(t)
			o := s.Answers[0]
			got := heard{o.Transport, o.Role, o.Server.String(), o.Packet.Dnstap, o.Records[0].Data, len(s.Queries)}
			if diff := cmp.Diff(c.want, got); diff != "" || s.Via != monitor.Wire || s.Conflict() || o.Encrypted || o.Packet.HopLimit != 0 || o.Packet.MAC != "" {
				t.Errorf("(-want +got):\n%s%+v", diff, s)
			}
			if age := time.Since(s.At); age < 0 || age > time.Minute {
				t.Errorf("of %s", s.At)
			}
			if _, err := sender.Write(tapControl(3, "")); err != nil {
				t.Fatal(err)
			}
			tapExpect(t, sender, tapControl(5, ""))
		}
		tt.await(t, "alone again", func(s capture.TapStats) bool { return s.Senders == 0 })
		if s := tt.Stats(); s.Responses != 6 || s.Queries != 1 || s.Failed != 0 || s.Undecodable != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestTapWatch has other names watched while a sender is connected, and hears of
// none that is not.
func TestTapWatch(t *testing.T) {
	tt := tapRun(t)
	c := tt.sender(t)
	tell := func(id uint16, name, addr string) {
		_, r := answered(time.Since(began), id, name, addr)
		tapTell(t, c, r.pack(t))
	}
	tell(1, "other.example.", "203.0.113.1")
	tell(2, "WWW.Example.com.", "203.0.113.2")
	tell(3, "www.example.com.", "203.0.113.2") // again, but for its case
	tell(4, "WWW.Example.com.", "203.0.113.2") // again
	tell(5, "www.example.com.", "203.0.113.3")
	for _, want := range []string{"203.0.113.2", "203.0.113.2", "203.0.113.3"} {
		if s := tt.next(t); s.Answers[0].Records[0].Data != want || s.Question.Name != "www.example.com." {
			t.Errorf("heard %s, want %s", told(s), want)
		}
	}
	tt.Watch([]string{"other.example."})
	tell(6, "www.example.com.", "203.0.113.4")
	tell(7, "other.example.", "203.0.113.5")
	if s := tt.next(t); s.Question.Name != "other.example." {
		t.Errorf("heard %s", told(s))
	}
}

// TestTapTimes has senders that do not know what time it is.
func TestTapTimes(t *testing.T) {
	tt := tapRun(t)
	c := tt.sender(t)
	for i, at := range []time.Duration{-24 * time.Hour, 24 * time.Hour, -1 << 62} {
		_, r := answered(0, uint16(i), "www.example.com.", netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String())
		r.at = time.Since(began) + at
		r.untimed = i == 2
		tapTell(t, c, r.pack(t))
		if s := tt.next(t); time.Since(s.At).Abs() > time.Minute {
			t.Errorf("of %s", s.At)
		}
	}
}

// TestTapHostile has senders that cost nobody but themselves.
func TestTapHostile(t *testing.T) {
	tt := tapRun(t)
	good := tt.sender(t)
	dial := func(b []byte) net.Conn {
		c, err := net.Dial("unix", tt.path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		return c
	}
	gone := func(c net.Conn) {
		t.Helper()
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			t.Errorf("still connected: %v", err)
		}
	}
	gone(dial([]byte("GET / HTTP/1.1\r\n\r\n")))
	gone(dial(tapControl(4, "protobuf:other.Thing")))
	gone(dial(append(tapControl(2, tapContent), 0xff, 0xff, 0xff, 0xff)))
	tt.await(t, "three failed", func(s capture.TapStats) bool { return s.Failed == 3 })

	// A half frame, silence, and a flood of what cannot be read.
	dial(append(tapControl(2, tapContent), 0, 0, 1, 0, 1, 2, 3))
	dial(nil)
	flood := tt.sender(t)
	junk := bytes.Repeat([]byte{0, 0, 0, 3, 0xff, 0xff, 0xff}, 10000)
	if _, err := flood.Write(junk); err != nil {
		t.Fatal(err)
	}
	tt.await(t, "flooded", func(s capture.TapStats) bool { return s.Undecodable == 10000 })
	for range 60 {
		tt.sender(t)
	}
	gone(dial(nil)) // one too many
	if s := tt.Stats(); s.Senders != 64 || s.Refused != 1 {
		t.Errorf("%+v, want 64 senders and one refused", s)
	}
	_, r := answered(time.Since(began), 1, "www.example.com.", "203.0.113.1")
	tapTell(t, good, r.pack(t))
	tt.next(t)
}

// pipes is a listener to which a test connects by net.Pipe, whose deadlines keep to the
// time of a bubble.
type pipes struct {
	calls chan net.Conn
	once  sync.Once
	ended chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.calls:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.ended) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// TestTapPatience has one sender say nothing at all, which is not waited for, and one
// say nothing for a day in which it has nothing to tell.
func TestTapPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{calls: make(chan net.Conn), ended: make(chan struct{})}
		tap := capture.NewTap(l, capture.TapConfig{}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tap.Run(ctx, func(monitor.Sample) bool { return true }) }()
		call := func() net.Conn {
			ours, theirs := net.Pipe()
			l.calls <- theirs
			return ours
		}
		began := time.Now()
		if _, err := call().Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the silent one: %v", err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("the silent one was waited for %s", took)
		}
		c := call()
		for _, b := range [][]byte{tapControl(4, tapContent), nil, tapControl(2, tapContent)} {
			if b == nil {
				tapExpect(t, c, tapControl(1, tapContent))
			} else if _, err := c.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(24 * time.Hour)
		if s := tap.Stats(); s.Senders != 1 || s.Failed != 1 {
			t.Errorf("%+v", s)
		}
		if _, err := c.Write(tapControl(3, "")); err != nil {
			t.Fatal(err)
		}
		tapExpect(t, c, tapControl(5, ""))
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestTapRestarts has a resolver come again.
func TestTapRestarts(t *testing.T) {
	tt := tapRun(t)
	for i := range 20 {
		c := tt.sender(t)
		_, r := answered(time.Since(began), uint16(i), "www.example.com.", netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String())
		tapTell(t, c, r.pack(t))
		tt.next(t)
		c.Close()
	}
	tt.await(t, "alone again", func(s capture.TapStats) bool { return s.Senders == 0 && s.Responses == 20 && s.Failed == 0 })
}

// FuzzTap reads streams of anything.
func FuzzTap(f *testing.F) {
	q, r := answered(0, 7, "www.example.com.", "203.0.113.10")
	_, other := answered(0, 7, "www.example.com.", "198.51.100.66")
	f.Add(tapStream(q.pack(f), r.pack(f), other.pack(f)))
	datagrams(&q, &r, &other)
	f.Add(tapStream(q.pack(f), r.pack(f), other.pack(f)))
	f.Add(tapStream(r.pack(f)[:30]))
	f.Add(append(tapControl(4, tapContent), tapStream(q.pack(f))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		stats, err := capture.ReadTap(bytes.NewReader(b), func(s monitor.Sample) error {
			if len(s.Answers) != 2 || s.Answers[0].Packet == nil || s.Answers[0].Packet.Dnstap == "" {
				t.Errorf("%+v", s)
			}
			return nil
		})
		if stats.Queries+stats.Responses+stats.Undecodable > stats.Packets || stats.Transactions+stats.Repeats > stats.Packets {
			t.Errorf("%+v", stats)
		}
		if err == nil && !bytes.HasPrefix(b, make([]byte, 4)) {
			t.Error("read what is no stream")
		}
	})
}

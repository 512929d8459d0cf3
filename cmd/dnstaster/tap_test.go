package main

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dnstaster/dnstaster/monitor"
)

// tapContent is how Frame Streams say that they carry dnstap.
const tapContent = "protobuf:dnstap.Dnstap"

// tapControl is a control frame of Frame Streams.
func tapControl(kind uint32, content string) []byte {
	body := binary.BigEndian.AppendUint32(nil, kind)
	if content != "" {
		body = binary.BigEndian.AppendUint32(body, 1)
		body = binary.BigEndian.AppendUint32(body, uint32(len(content)))
		body = append(body, content...)
	}
	return append(binary.BigEndian.AppendUint32(make([]byte, 4), uint32(len(body))), body...)
}

// tapFrame tells of a message of a kind between two endpoints: one of a client over UDP,
// one of a forwarder over TLS.
func tapFrame(t *testing.T, kind uint64, client, server netip.AddrPort, name, addr string) []byte {
	t.Helper()
	q := dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{q}}
	field := uint64(10)
	if kind%2 == 0 {
		m.Response, field = true, 14
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}, Body: &dnsmessage.AResource{A: netip.MustParseAddr(addr).As4()},
		}}
	}
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	number := func(field, v uint64) { b = binary.AppendUvarint(binary.AppendUvarint(b, field<<3), v) }
	octets := func(field uint64, v []byte) {
		b = append(binary.AppendUvarint(binary.AppendUvarint(b, field<<3|2), uint64(len(v))), v...)
	}
	const overUDP, overTLS = 1, 3
	over := uint64(overUDP)
	if kind > 6 {
		over = overTLS
	}
	number(1, kind)
	number(3, over)
	octets(4, client.Addr().AsSlice())
	octets(5, server.Addr().AsSlice())
	number(6, uint64(client.Port()))
	number(7, uint64(server.Port()))
	octets(field, wire)
	message := b
	b = nil
	octets(14, message)
	number(15, 1)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// TestDaemonTap has a resolver tell the daemon of a watched name, goes on over a reload
// that has another one watched, and refuses to move the socket.
func TestDaemonTap(t *testing.T) {
	r := newReloadTest(t, map[string]string{"dnstap": "{socket: tap}"})
	path := filepath.Join(r.dir, "tap")
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Fatalf("%v, %v", info, err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	write := func(b []byte) {
		t.Helper()
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	write(tapControl(4, tapContent))
	if _, err := io.ReadFull(c, make([]byte, len(tapControl(1, tapContent)))); err != nil {
		t.Fatal(err)
	}
	write(tapControl(2, tapContent))
	tell := func(name, addr string) {
		write(tapFrame(t, 8, netip.MustParseAddrPort("127.0.0.1:40000"), netip.MustParseAddrPort("192.0.2.53:853"), name, addr))
	}
	status := func(responses, overheard uint64) {
		t.Helper()
		var s monitor.Status
		for range 500 {
			var err error
			if s, err = (&backend{r.monitor, r.daemon}).Status(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s.Dnstap.Responses == responses && s.Counts.Overheard == overheard {
				if s.Dnstap.Socket != path || s.Dnstap.Senders != 1 || s.Wire.Packets != 0 {
					t.Errorf("%+v, %+v", s.Dnstap, s.Wire)
				}
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("%+v, %d overheard; want %d responses, %d overheard", s.Dnstap, s.Counts.Overheard, responses, overheard)
	}
	tell("other.example.", "203.0.113.1")
	tell("api.partner.example.", "203.0.113.2")
	status(2, 1)
	r.write(t, map[string]string{"dnstap": "{socket: tap}", "watches": "[{name: other.example, types: [A]}]"})
	if err := r.reread(t); err != nil {
		t.Fatal(err)
	}
	tell("api.partner.example.", "203.0.113.3")
	tell("other.example.", "203.0.113.4")
	status(4, 2)
	r.write(t, map[string]string{"dnstap": "{socket: elsewhere}"})
	if err := r.reread(t); err == nil || err.Error() != "dnstap.socket changed: that needs a restart" {
		t.Errorf("moved: %v", err)
	}
}

// TestReplayTap has a file of dnstap replayed, in which two answers to one query
// contradict each other.
func TestReplayTap(t *testing.T) {
	file := tapControl(2, tapContent)
	for i, addr := range []string{"", "203.0.113.1", "198.51.100.66"} {
		kind := uint64(5)
		if i > 0 {
			kind = 6
		}
		file = append(file, tapFrame(t, kind, netip.MustParseAddrPort("192.0.2.9:40000"), netip.MustParseAddrPort("192.0.2.53:853"), "api.partner.example.", addr)...)
	}
	whole := append(file[:len(file):len(file)], tapControl(3, "")...)
	for name, tt := range map[string]struct {
		file []byte
		want int
	}{
		"whole": {whole, exitSuspect},
		"cut":   {file, exitSuspect},
		"one":   {append(file[:len(tapControl(2, tapContent)):len(tapControl(2, tapContent))], tapControl(3, "")...), exitUnknown},
	} {
		path := filepath.Join(t.TempDir(), "tap.fstrm")
		if err := os.WriteFile(path, tt.file, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := run([]string{"replay", "--json", path}, nil, io.Discard, io.Discard); got != tt.want {
			t.Errorf("%s: replay ends with %d, want %d", name, got, tt.want)
		}
	}
}

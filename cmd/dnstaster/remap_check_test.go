package main

import (
	"bytes"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// TestRemapAddresses has every address become a public one, and another than
// every other, and stay together with its neighbours.
func TestRemapAddresses(t *testing.T) {
	home := []string{
		"0.0.0.0", "10.6.6.6", "127.0.0.1", "169.254.1.1", "192.168.1.20", "224.0.0.251", "255.255.255.255", "8.8.8.8",
		"::", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fe80::1", "fd00::20", "2001:db8::1", "ff02::fb", "2620:fe::fe",
	}
	address := rapid.Custom(func(t *rapid.T) netip.Addr {
		b := netip.MustParseAddr(rapid.SampledFrom(home).Draw(t, "like")).AsSlice()
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "octet")] = rapid.Byte().Draw(t, "value")
		}
		a, _ := netip.AddrFromSlice(b)
		return a
	})
	together := func(a, b netip.Addr) bool {
		bits := 48
		if a.Is4() {
			bits = 24
		}
		return a.Is4() == b.Is4() && netip.PrefixFrom(a, bits).Contains(b)
	}
	rapid.Check(t, func(t *rapid.T) {
		r := newRemap(rapid.Uint64().Draw(t, "key"))
		as := rapid.SliceOfN(address, 1, 30).Draw(t, "addresses")
		to := map[netip.Addr]netip.Addr{}
		for _, a := range as {
			b := r.addr(a)
			if was, ok := to[a]; ok && was != b {
				t.Fatalf("%s becomes %s, and then %s", a, was, b)
			}
			to[a] = b
			if what, special := monitor.SpecialPurpose(b, nil); special || a.Is4() != b.Is4() {
				t.Fatalf("%s becomes %s: %s", a, b, what)
			}
			if back := r.inverse().addr(b); back != a {
				t.Fatalf("%s becomes %s, and that %s", a, b, back)
			}
		}
		for a, b := range to {
			for c, d := range to {
				if (a == c) != (b == d) || together(a, c) != together(b, d) {
					t.Fatalf("%s and %s become %s and %s", a, c, b, d)
				}
			}
		}
	})
}

// TestRemapPorts maps all ports and ids there and back.
func TestRemapPorts(t *testing.T) {
	for key := range uint64(5) {
		r := newRemap(key)
		seen := map[uint16]bool{}
		for p := range 1 << 16 {
			q := r.clientPort(uint16(p))
			if seen[q] || r.inverse().clientPort(q) != uint16(p) || (p < 1024) != (q < 1024) || p >= 1024 && int(q) == p {
				t.Fatalf("key %d: port %d becomes %d", key, p, q)
			}
			seen[q] = true
		}
		if r.id == 0 || r.shift <= 0 {
			t.Errorf("key %d: ids change by %d, times by %v", key, r.id, r.shift)
		}
	}
}

// TestRemapCapture maps captures there and back: nothing but the numbers may
// change, checksums stay right, and what comes back is what there was.
func TestRemapCapture(t *testing.T) {
	for _, l := range tapeLinks {
		for _, tt := range tapes {
			r := newRemap(7)
			p := record(t, tt.play, l.link, l.tags)
			for _, f := range p.frames {
				there := r.frame(f)
				if len(there.Data) != len(f.Data) || there.Length != f.Length || there.Link != f.Link || there.Interface != f.Interface {
					t.Fatalf("%s, %s: frame %d changes its form: %+v", l.name, tt.name, f.Number, there)
				}
				if there.At.Equal(f.At) || bytes.Equal(there.Data, f.Data) {
					t.Fatalf("%s, %s: frame %d is what it was", l.name, tt.name, f.Number)
				}
				if f.Length == len(f.Data) {
					compareMapped(t, r, f, there)
				}
				if diff := cmp.Diff(f, r.inverse().frame(there)); diff != "" {
					t.Fatalf("%s, %s: frame %d, mapped and back (-want +got):\n%s", l.name, tt.name, f.Number, diff)
				}
			}
		}
	}
}

// TestRemapCorpus does the same with captures that others made, where there are
// any: with all that is wrong in them, they too come back as they were.
func TestRemapCorpus(t *testing.T) {
	dir := os.Getenv("DNSTASTER_CORPUS")
	if dir == "" {
		return // not skipped: nothing is missing
	}
	frames := 0
	for _, s := range readCorpus(t, dir) {
		r := newRemap(9)
		src, err := capture.NewReader(bytes.NewReader(s.data))
		if err != nil {
			continue // no capture
		}
		for {
			f, err := src.Next()
			if err != nil {
				break
			}
			there := r.frame(f)
			back := r.inverse().frame(there)
			if len(there.Data) != len(f.Data) || !bytes.Equal(back.Data, f.Data) {
				t.Errorf("%s: frame %d:\n%x, mapped\n%x, and back\n%x", s.name, f.Number, f.Data, there.Data, back.Data)
			}
			frames++
		}
	}
	t.Logf("%d frames", frames)
}

// compareMapped holds a mapped frame against what it was.
func compareMapped(t *testing.T, r *remap, was, is capture.Frame) {
	t.Helper()
	at, ok := behindLink(was.Link, was.Data)
	if !ok || !bytes.Equal(was.Data[:at], is.Data[:at]) {
		t.Fatalf("frame %d: the link header changes: %x, %x", was.Number, was.Data[:at], is.Data[:at])
	}
	a, b := was.Data[at:], is.Data[at:]
	head, addrs := 20, 12
	if a[0]>>4 == 6 {
		head, addrs = 40, 8
	} else if summed(b[:20]) != 0xffff {
		t.Errorf("frame %d: checksum of the header is wrong", was.Number)
	}
	pseudo := slices.Concat(b[addrs:head], []byte{0, 17}, b[head+4:head+6])
	if summed(append(pseudo, b[head:]...)) != 0xffff {
		t.Errorf("frame %d: checksum of the datagram is wrong", was.Number)
	}
	var old, now dnsmessage.Message
	if err := old.Unpack(a[head+8:]); err != nil {
		t.Fatal(err)
	}
	if err := now.Unpack(b[head+8:]); err != nil {
		t.Fatal(err)
	}
	old.ID += r.id
	for _, x := range old.Answers {
		switch x := x.Body.(type) {
		case *dnsmessage.AResource:
			x.A = r.addr(netip.AddrFrom4(x.A)).As4()
		case *dnsmessage.AAAAResource:
			x.AAAA = r.addr(netip.AddrFrom16(x.AAAA)).As16()
		}
	}
	if diff := cmp.Diff(old.GoString(), now.GoString()); diff != "" {
		t.Errorf("frame %d: the message (-want +got):\n%s", was.Number, diff)
	}
}

// TestRemapMessage tells which octets of a message change: names, pointers and
// what cannot be read do not.
func TestRemapMessage(t *testing.T) {
	const (
		head = "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x01"
		ask  = "\x03www\x07example\x00\x00\x01\x00\x01"
		a    = "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04"
		opt  = "\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x04\x00\x08\x00\x00"
	)
	span := func(from, n int) (s []int) {
		for i := range n {
			s = append(s, from+i)
		}
		return s
	}
	behind := len(head + ask + a)
	tests := []struct {
		name, message string
		changes       []int // besides the id
	}{
		{"an address behind a pointer", head + ask + a + "\x0a\x06\x06\x06" + opt, span(behind, 4)},
		{"an address behind a name and a pointer", head + ask + "\x01x" + a + "\x0a\x06\x06\x06" + opt, span(behind+2, 4)},
		{"an address of another class", head + ask + strings.Replace(a, "\x01\x00\x00\x00\x3c", "\x03\x00\x00\x00\x3c", 1) + "\x0a\x06\x06\x06" + opt, nil},
		{"an address of five octets", head + ask + strings.Replace(a, "\x00\x04", "\x00\x05", 1) + "\x0a\x06\x06\x06\x06" + opt, nil},
		{"an address cut short", head + ask + a + "\x0a\x06\x06", nil},
		{"a record cut short", head + ask + a[:9], nil},
		{"a label that cannot be", head + "\x40" + ask + a + "\x0a\x06\x06\x06", nil},
		{"a pointer cut short", head + ask + "\xc0", nil},
		{"a question cut short", head + ask[:8], nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := []byte(tt.message)
			var sum change
			newRemap(7).message(b, &sum)
			var got []int
			for i := 2; i < len(b); i++ {
				if b[i] != tt.message[i] {
					got = append(got, i)
				}
			}
			if diff := cmp.Diff(tt.changes, got); diff != "" || string(b[:2]) == tt.message[:2] {
				t.Errorf("octets that change, id %x (-want +got):\n%s", b[:2], diff)
			}
		})
	}
	b := []byte{1, 2, 3}
	newRemap(7).message(b, new(change))
	if !bytes.Equal(b, []byte{1, 2, 3}) {
		t.Errorf("three octets become %v", b)
	}
}

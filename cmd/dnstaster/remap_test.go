package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// remap moves a capture to other addresses, client ports, ids and times, and
// leaves everything else as it is, so that nothing can be recognised by the
// numbers that its author happened to use. Addresses in the headers of IP and in
// A and AAAA records become public ones. Equal ones stay equal, different ones
// different, and those of one /24 or /48 stay together.
//
// Packets in tunnels, records in later fragments and messages over TCP keep
// their inside. It is used by one goroutine.
type remap struct {
	key   uint64
	nets  map[netip.Prefix]netip.Prefix // /24 or /48
	back  map[netip.Prefix]netip.Prefix
	hosts [16]byte // is added to the bits behind the prefix, without carry
	port  uint16   // is added to client ports, within the unprivileged ones
	id    uint16   // is added to ids
	shift time.Duration
}

func newRemap(key uint64) *remap {
	r := &remap{key: key, nets: map[netip.Prefix]netip.Prefix{}, back: map[netip.Prefix]netip.Prefix{}}
	h := r.hash("rest", nil, 0)
	copy(r.hosts[:], h[:16])
	r.port = binary.BigEndian.Uint16(h[16:])%(unprivileged-1) + 1
	r.id = binary.BigEndian.Uint16(h[18:]) | 1
	r.shift = time.Duration(binary.BigEndian.Uint32(h[20:])) * time.Millisecond // up to 49 days
	return r
}

// inverse gives what maps back whatever r has mapped so far.
func (r *remap) inverse() *remap {
	return &remap{
		key: r.key, nets: r.back, back: r.nets, hosts: r.hosts, port: unprivileged - r.port, id: -r.id, shift: -r.shift,
	}
}

func (r *remap) hash(what string, b []byte, try uint32) [32]byte {
	var in []byte
	in = binary.BigEndian.AppendUint64(in, r.key)
	in = binary.BigEndian.AppendUint32(in, try)
	return sha256.Sum256(append(append(in, what...), b...))
}

// addr maps an address.
func (r *remap) addr(a netip.Addr) netip.Addr {
	bits := 48
	if a.Is4() {
		bits = 24
	}
	from := netip.PrefixFrom(a, bits).Masked()
	to, ok := r.nets[from]
	for try := uint32(0); !ok; try++ {
		to = r.propose(from, try)
		_, special := monitor.SpecialPurpose(to.Addr(), nil)
		_, taken := r.back[to]
		if ok = !special && !taken; ok {
			r.nets[from], r.back[to] = to, from
		}
	}
	out, in := to.Addr().AsSlice(), a.AsSlice()
	for i := bits / 8; i < len(in); i++ {
		out[i] = in[i] ^ r.hosts[i]
	}
	b, _ := netip.AddrFromSlice(out)
	return b
}

// propose gives a network that another might become.
func (r *remap) propose(from netip.Prefix, try uint32) netip.Prefix {
	b := from.Addr().AsSlice()
	h := r.hash("net", b, try)
	clear(b)
	copy(b[:from.Bits()/8], h[:])
	if len(b) == 16 {
		b[0] = 0x20 | b[0]&0x1f // global unicast is 2000::/3 (RFC 4291 §2.4)
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(a, from.Bits())
}

// unprivileged is how many ports there are from 1024 on.
const unprivileged = 1<<16 - 1024

// clientPort maps the port of a client. Those below 1024 say something.
func (r *remap) clientPort(p uint16) uint16 {
	if p < 1024 {
		return p
	}
	return uint16((uint32(p)-1024+uint32(r.port))%unprivileged + 1024)
}

// time maps a time, unless it would leave what a file can hold.
func (r *remap) time(at time.Time) time.Time {
	if to := at.Add(r.shift); to.Year() > 1970 && to.Year() < 2262 {
		return to
	}
	return at
}

// frame gives a mapped copy of a frame.
func (r *remap) frame(f capture.Frame) capture.Frame {
	f.Data, f.At = bytes.Clone(f.Data), r.time(f.At)
	at, ok := behindLink(f.Link, f.Data)
	if !ok || at >= len(f.Data) {
		return f
	}
	switch ip := f.Data[at:]; ip[0] >> 4 {
	case 4:
		r.ipv4(ip)
	case 6:
		r.ipv6(ip)
	}
	return f
}

// capture maps a whole file, and gives the numbers that its packets had in it.
// A file that breaks off is mapped up to there.
func (r *remap) capture(in io.Reader) (out []byte, numbers []int, err error) {
	src, err := capture.NewReader(in)
	if err != nil {
		return nil, nil, err
	}
	defer src.Close()
	var buf bytes.Buffer
	w, err := capture.NewWriter(&buf, "remap")
	if err != nil {
		return nil, nil, err
	}
	for {
		f, err := src.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			err = errors.Join(err, w.Flush())
			return buf.Bytes(), numbers, err
		}
		if err := w.Write(r.frame(f), ""); err != nil {
			return nil, nil, err
		}
		numbers = append(numbers, f.Number)
	}
	err = w.Flush()
	return buf.Bytes(), numbers, err
}

package capture_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/capture"
)

var fileEpoch = time.Unix(0, 0).UTC()

func TestPcapngFrames(t *testing.T) {
	data := fileBytes(6)
	at := func(us int64) time.Time { return time.UnixMicro(us).UTC() }
	for _, c := range []struct {
		name  string
		build func(*fileBuild) *fileBuild
		want  []capture.Frame
	}{
		{"no packets", func(b *fileBuild) *fileBuild { return b.section().iface(1, 0) }, nil},
		{"a section and nothing else", func(b *fileBuild) *fileBuild { return b.section() }, nil},
		{"interfaces of different link types", func(b *fileBuild) *fileBuild {
			return b.section(b.option(4, []byte("an application")), b.u32(0)).
				iface(1, 0).iface(276, 0).packet(1, 5, 6, data).packet(0, 4, 99, data).iface(257, 0).packet(2, 6, 6, data)
		}, []capture.Frame{
			{At: at(5), Link: capture.LinkSLL2, Data: data, Length: 6, Number: 1, Interface: 1},
			{At: at(4), Link: 1, Data: data, Length: 99, Number: 2},
			{At: at(6), Link: 257, Data: data, Length: 6, Number: 3, Interface: 2},
		}},
		{"sections, each with its own interfaces", func(b *fileBuild) *fileBuild {
			b.section().iface(1, 0).iface(101, 0, b.resolution(9, 0)).packet(1, 1e9, 6, data)
			return b.section().iface(12, 0).packet(0, 2e6, 6, data)
		}, []capture.Frame{
			{At: at(1e6), Link: 101, Data: data, Length: 6, Number: 1, Interface: 1},
			{At: at(2e6), Link: 12, Data: data, Length: 6, Number: 2},
		}},
		{"a section in the other byte order", func(b *fileBuild) *fileBuild {
			other := fileBig()
			if b.Uint16([]byte{0, 1}) == 1 {
				other = fileLittle()
			}
			b.section().iface(1, 0).packet(0, 1, 6, data)
			return b.add(other.section().iface(101, 0).packet(0, 2, 6, data).out)
		}, []capture.Frame{
			{At: at(1), Link: 1, Data: data, Length: 6, Number: 1},
			{At: at(2), Link: 101, Data: data, Length: 6, Number: 2},
		}},
		{"simple packets, which have no time", func(b *fileBuild) *fileBuild {
			return b.section().iface(1, 6).simple(4, data[:4]).packet(0, 7, 6, data).simple(6, data).simple(500, data)
		}, []capture.Frame{
			{At: at(0), Link: 1, Data: data[:4], Length: 4, Number: 1},
			{At: at(7), Link: 1, Data: data, Length: 6, Number: 2},
			{At: at(7), Link: 1, Data: data, Length: 6, Number: 3},
			{At: at(7), Link: 1, Data: data, Length: 500, Number: 4},
		}},
		{"packets as they once were", func(b *fileBuild) *fileBuild {
			return b.section().iface(1, 0).iface(101, 0).old(1, 2, 1<<32, 8, data).old(0, 0xffff, 2, 6, data)
		}, []capture.Frame{
			{At: at(1 << 32), Link: 101, Data: data, Length: 8, Number: 1, Interface: 1, Lost: 2},
			{At: at(2), Link: 1, Data: data, Length: 6, Number: 2, Lost: 2},
		}},
		{"more captured than there was", func(b *fileBuild) *fileBuild {
			return b.section().iface(1, 2).packet(0, 1, 4, data)
		}, []capture.Frame{{At: at(1), Link: 1, Data: data, Length: 6, Number: 1}}},
		{"other blocks", func(b *fileBuild) *fileBuild {
			return b.section().iface(1, 0).block(4, b.u32(0)).block(0x7777, data).packet(0, 1, 6, data).
				block(10, make([]byte, 300<<10)).block(0x80000001).packet(0, 2, 6, data)
		}, []capture.Frame{
			{At: at(1), Link: 1, Data: data, Length: 6, Number: 1},
			{At: at(2), Link: 1, Data: data, Length: 6, Number: 2},
		}},
		{"other blocks that Wireshark numbers", func(b *fileBuild) *fileBuild {
			return b.section().iface(1, 0).packet(0, 1, 6, data).block(9, []byte("A=b\n")).
				block(0xbad, b.u32(32473, 1)).block(0x40000bad, b.u32(32473)).packet(0, 2, 6, data)
		}, []capture.Frame{
			{At: at(1), Link: 1, Data: data, Length: 6, Number: 1},
			{At: at(2), Link: 1, Data: data, Length: 6, Number: 5},
		}},
		{"options of a packet that make no sense", func(b *fileBuild) *fileBuild {
			return b.section().iface(1, 0).packet(0, 1, 6, data, b.u16(4, 900)).packet(0, 2, 6, data, b.option(4, data))
		}, []capture.Frame{
			{At: at(1), Link: 1, Data: data, Length: 6, Number: 1},
			{At: at(2), Link: 1, Data: data, Length: 6, Number: 2},
		}},
		{"version 1.2", func(b *fileBuild) *fileBuild {
			b.section().iface(1, 0).packet(0, 1, 6, data)
			copy(b.out[12:], b.u16(1, 2))
			return b
		}, []capture.Frame{{At: at(1), Link: 1, Data: data, Length: 6, Number: 1}}},
	} {
		for name, build := range fileBoth() {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				if diff := cmp.Diff(c.want, fileWhole(t, c.build(build()).out)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestPcapngTime(t *testing.T) {
	last := time.Unix(0, math.MaxInt64)
	for _, c := range []struct {
		name   string
		unit   byte
		offset int64
		at     uint64
		want   time.Time
	}{
		{"seconds", 0, 0, 1700000000, time.Unix(1700000000, 0)},
		{"milliseconds", 3, 0, 1700000000123, time.Unix(1700000000, 123e6)},
		{"microseconds", 6, 0, 1700000000123456, time.Unix(1700000000, 123456e3)},
		{"nanoseconds", 9, 0, 1700000000123456789, time.Unix(1700000000, 123456789)},
		{"tenths of nanoseconds", 10, 0, 17000000001234567891, time.Unix(1700000000, 123456789)},
		{"picoseconds", 12, 0, 1_999_999_999_999, time.Unix(1, 999_999_999)},
		{"the finest of ten", 19, 0, 1<<64 - 1, time.Unix(1, 844_674_407)},
		{"whole seconds of two", 0x80, 0, 1700000000, time.Unix(1700000000, 0)},
		{"1024ths", 0x8a, 0, 1<<10*1700000000 + 512, time.Unix(1700000000, 5e8)},
		{"as in NTP", 0x80 | 32, 0, 3<<32 | 1<<31, time.Unix(3, 5e8)},
		{"the finest of two", 0x80 | 63, 0, 1<<64 - 1, time.Unix(1, 999_999_999)},
		{"later", 6, 1700000000, 5, time.Unix(1700000000, 5000)},
		{"earlier", 6, -5, 7_000_001, time.Unix(2, 1000)},
		{"before 1970", 6, -6, 5_999_999, fileEpoch},
		{"long before 1970", 0, -1 << 63, 1<<63 - 1, fileEpoch},
		{"after 2262", 0, 0, 9223372037, last},
		{"a nanosecond after the last", 9, 0, 1 << 63, last},
		{"the last", 9, 0, 1<<63 - 1, last},
		{"long after 2262", 0, 0, 1<<64 - 1, last},
		{"offset beyond everything", 0, 1<<63 - 1, 1<<64 - 1, last},
		{"almost after 2262", 9, 0, 9223372035_999999999, time.Unix(9223372035, 999999999)},
	} {
		for name, build := range fileBoth() {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				b := build()
				b.section().iface(1, 0, b.resolution(c.unit, c.offset)).packet(0, c.at, 0, nil)
				if got := fileWhole(t, b.out)[0].At; got != c.want.UTC() {
					t.Errorf("at = %v, want %v", got, c.want.UTC())
				}
			})
		}
	}
}

func TestPcapngStats(t *testing.T) {
	b := fileBig()
	dropped := func(n uint64) [][]byte { return [][]byte{b.option(4, b.uint64(n)), b.u32(0)} }
	statistics := func(id uint32, byInterface, bySystem uint64) {
		b.block(5, b.u32(id, 0, 0), b.option(4, b.uint64(1000)), b.option(5, b.uint64(byInterface)), b.option(7, b.uint64(bySystem)), b.u32(0))
	}
	b.section().iface(1, 0).iface(1, 0).packet(0, 1, 1, []byte{1}, dropped(2)...)
	b.packet(1, 1, 1, []byte{1}, dropped(3)...).simple(1, []byte{1})
	statistics(0, 1, 0) // told already
	statistics(1, 4, 3) // four more than was told
	statistics(1, 1, 0) // less than before, which is no news
	statistics(1, 4, 3)
	statistics(2, 9, 9) // of nobody
	b.block(5, b.u32(0))
	b.packet(1, 1, 1, []byte{1}, dropped(2)...) // told already
	statistics(0, 1<<63, 1<<63)                 // absurd, but said
	b.section().iface(1, 0, b.resolution(0, -9)).packet(0, 1, 1, []byte{1}).block(9).block(0x99)
	r, err := capture.NewReader(bytes.NewReader(b.out))
	if err != nil {
		t.Fatal(err)
	}
	frames, _ := fileFrames(r)
	var lost []uint64
	for _, f := range frames {
		lost = append(lost, f.Lost)
	}
	if diff := cmp.Diff([]uint64{2, 5, 5, 9, 1<<64 - 1}, lost); diff != "" {
		t.Error(diff)
	}
	want := capture.ReaderStats{Records: 6, Packets: 5, Skipped: 2, Untimed: 2, Lost: 1<<64 - 1}
	if diff := cmp.Diff(want, r.Stats()); diff != "" {
		t.Error(diff)
	}
}

package capture_test

import (
	"errors"
	"io"
	"testing"

	"github.com/dnstaster/dnstaster/capture"
)

// Each of these has one whole packet before what is wrong, and one after.
func TestPcapngRefuses(t *testing.T) {
	data := fileBytes(6)
	patch := func(b *fileBuild, at int, with []byte) { copy(b.out[at:], with) }
	for _, c := range []struct {
		name string
		add  func(b *fileBuild)
		want error
	}{
		{"packet of an interface that is not there", func(b *fileBuild) { b.packet(1, 1, 6, data) }, capture.ErrNoInterface},
		{"old packet of one that is not there", func(b *fileBuild) { b.old(0xffff, 0, 1, 6, data) }, capture.ErrNoInterface},
		{"packet of one of the section before", func(b *fileBuild) { b.section().packet(0, 1, 6, data) }, capture.ErrNoInterface},
		{"simple packet without any", func(b *fileBuild) { b.section().simple(6, data) }, capture.ErrNoInterface},
		{"highest id", func(b *fileBuild) { b.packet(0xffffffff, 1, 6, data) }, capture.ErrNoInterface},

		{"length of no block", func(b *fileBuild) { b.add(b.u32(6, 0)) }, capture.ErrBadLength},
		{"length less than that of a block", func(b *fileBuild) { b.add(b.u32(0x7777, 8, 8)) }, capture.ErrBadLength},
		{"length that is no multiple of four", func(b *fileBuild) { b.add(b.u32(0x7777, 13), []byte{0}, b.u32(13)) }, capture.ErrBadLength},
		{"length above 16 MiB", func(b *fileBuild) { b.add(b.u32(0x7777, 16<<20+4)) }, capture.ErrBadLength},
		{"highest length", func(b *fileBuild) { b.add(b.u32(6, 0xfffffffc)) }, capture.ErrBadLength},
		{"packet block above 2 MiB", func(b *fileBuild) { b.add(b.u32(6, 2<<20+4)) }, capture.ErrBadLength},
		{"interface above 2 MiB", func(b *fileBuild) { b.add(b.u32(1, 2<<20+4)) }, capture.ErrBadLength},
		{"packet above 1 MiB", func(b *fileBuild) { b.packet(0, 1, 6, make([]byte, 1<<20+1)) }, capture.ErrBadLength},
		{"simple packet above 1 MiB", func(b *fileBuild) { b.simple(1<<20+1, make([]byte, 1<<20+1)) }, capture.ErrBadLength},
		{"another length at the end", func(b *fileBuild) {
			b.packet(0, 1, 6, data)
			patch(b, len(b.out)-4, b.u32(44))
		}, capture.ErrBadLength},
		{"another length at the end of a block that is skipped", func(b *fileBuild) {
			b.block(0x7777, data)
			patch(b, len(b.out)-4, b.u32(24))
		}, capture.ErrBadLength},
		{"another length at the end of a section header", func(b *fileBuild) {
			b.section()
			patch(b, len(b.out)-4, b.u32(32))
		}, capture.ErrBadLength},

		{"packet that does not fit its block", func(b *fileBuild) {
			b.block(6, b.u32(0, 0, 0, 9, 9), data)
		}, capture.ErrBadLength},
		{"packet of the highest length", func(b *fileBuild) {
			b.block(6, b.u32(0, 0, 0, 0xffffffff, 9), data)
		}, capture.ErrBadLength},
		{"old packet that does not fit", func(b *fileBuild) {
			b.block(2, b.u32(0, 0, 0, 9, 9), data)
		}, capture.ErrBadLength},
		{"simple packet that does not fit", func(b *fileBuild) { b.simple(9, data) }, capture.ErrBadLength},
		{"packet block without its lengths", func(b *fileBuild) { b.block(6, b.u32(0, 0, 0)) }, capture.ErrBadLength},
		{"empty packet block", func(b *fileBuild) { b.block(6) }, capture.ErrBadLength},
		{"empty simple packet block", func(b *fileBuild) { b.block(3) }, capture.ErrBadLength},
		{"empty old packet block", func(b *fileBuild) { b.block(2) }, capture.ErrBadLength},

		{"empty interface", func(b *fileBuild) { b.block(1) }, capture.ErrBadLength},
		{"option beyond its block", func(b *fileBuild) { b.iface(1, 0, b.u16(2, 5), data[:4]) }, capture.ErrBadLength},
		{"resolution of two bytes", func(b *fileBuild) { b.iface(1, 0, b.option(9, []byte{6, 6})) }, capture.ErrBadLength},
		{"resolution of no bytes", func(b *fileBuild) { b.iface(1, 0, b.option(9, nil)) }, capture.ErrBadLength},
		{"offset of four bytes", func(b *fileBuild) { b.iface(1, 0, b.option(14, data[:4])) }, capture.ErrBadLength},
		{"too fine, of ten", func(b *fileBuild) { b.iface(1, 0, b.resolution(20, 0)) }, capture.ErrMalformed},
		{"finest of ten", func(b *fileBuild) { b.iface(1, 0, b.resolution(0x7f, 0)) }, capture.ErrMalformed},
		{"too fine, of two", func(b *fileBuild) { b.iface(1, 0, b.resolution(0x80|64, 0)) }, capture.ErrMalformed},
		{"finest of two", func(b *fileBuild) { b.iface(1, 0, b.resolution(0xff, 0)) }, capture.ErrMalformed},

		{"section of version 2.0", func(b *fileBuild) {
			b.section()
			patch(b, len(b.out)-16, b.u16(2, 0))
		}, capture.ErrVersion},
		{"section of version 1.1", func(b *fileBuild) {
			b.section()
			patch(b, len(b.out)-16, b.u16(1, 1))
		}, capture.ErrVersion},
		{"section in no byte order", func(b *fileBuild) {
			b.section()
			patch(b, len(b.out)-20, b.u32(0x1a2b3c4e))
		}, capture.ErrMalformed},
		{"section header that is too short", func(b *fileBuild) {
			b.block(0x0a0d0d0a, b.u32(0x1a2b3c4d), b.u16(1, 0), b.u32(0))
		}, capture.ErrBadLength},
		{"section header of an odd length", func(b *fileBuild) {
			b.section()
			patch(b, len(b.out)-24, b.u32(29))
		}, capture.ErrBadLength},
	} {
		for name, build := range fileBoth() {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				b := build()
				b.section().iface(1, 0).packet(0, 1, 6, data)
				c.add(b)
				b.packet(0, 1, 6, data)
				frames, err := fileRead(b.out)
				if len(frames) != 1 || !errors.Is(err, c.want) {
					t.Errorf("%d frames, then %v, want one, then %v", len(frames), err, c.want)
				}
			})
		}
	}
}

// What is wrong with the first section is told by NewReader.
func TestPcapngRefusesHead(t *testing.T) {
	version := fileLittle().section()
	version.out[12] = 3
	short := fileBig()
	short.block(0x0a0d0d0a, short.u32(0x1a2b3c4d), short.u16(1, 0), short.u32(0))
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"version": {version.out, capture.ErrVersion},
		"short":   {short.out, capture.ErrBadLength},
		"cut":     {fileLittle().section().out[:27], io.ErrUnexpectedEOF},
	} {
		if frames, err := fileRead(c.data); len(frames) != 0 || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Descriptions without end are refused, also where none is ever used.
func TestPcapngInterfaces(t *testing.T) {
	const most = 1 << 16
	b := fileLittle().section()
	for range most {
		b.iface(1, 0)
	}
	b.packet(most-1, 1, 1, []byte{1}).iface(1, 0).packet(0, 1, 1, []byte{1})
	frames, err := fileRead(b.out)
	if len(frames) != 1 || !errors.Is(err, capture.ErrMalformed) {
		t.Fatalf("%d frames, %v, want one, then ErrMalformed", len(frames), err)
	}
	if f := frames[0]; f.Interface != most-1 {
		t.Errorf("interface = %d, want %d", f.Interface, most-1)
	}
}

package capture_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/capture"
)

func TestPcap(t *testing.T) {
	data := fileBytes(20)
	frame := func(sec, nsec int64, link capture.LinkType, length int) capture.Frame {
		return capture.Frame{At: time.Unix(sec, nsec).UTC(), Link: link, Data: data, Length: length, Number: 1}
	}
	for _, c := range []struct {
		name  string
		build func(*fileBuild) *fileBuild
		want  capture.Frame
	}{
		{"microseconds", func(b *fileBuild) *fileBuild {
			return b.pcap(fileMicro, 4, 65535, 1).record(7, 999_999, 20, 20, data)
		}, frame(7, 999_999_000, 1, 20)},
		{"nanoseconds", func(b *fileBuild) *fileBuild {
			return b.pcap(fileNano, 4, 65535, 276).record(7, 999_999_999, 20, 20, data)
		}, frame(7, 999_999_999, capture.LinkSLL2, 20)},
		{"more microseconds than in a second", func(b *fileBuild) *fileBuild {
			return b.pcap(fileMicro, 4, 65535, 1).record(7, 1_500_000, 20, 20, data)
		}, frame(8, 500_000_000, 1, 20)},
		{"after 2038", func(b *fileBuild) *fileBuild {
			return b.pcap(fileMicro, 4, 65535, 1).record(0xffffffff, 0, 20, 20, data)
		}, frame(0xffffffff, 0, 1, 20)},
		{"cut by the capture", func(b *fileBuild) *fileBuild {
			return b.pcap(fileMicro, 4, 20, 1).record(7, 0, 20, 1500, data)
		}, frame(7, 0, 1, 1500)},
		{"more captured than there was", func(b *fileBuild) *fileBuild {
			return b.pcap(fileMicro, 4, 65535, 1).record(7, 0, 20, 4, data)
		}, frame(7, 0, 1, 20)},
		{"more captured than the snapshot length", func(b *fileBuild) *fileBuild {
			return b.pcap(fileMicro, 4, 4, 1).record(7, 0, 20, 20, data)
		}, frame(7, 0, 1, 20)},
		{"no snapshot length", func(b *fileBuild) *fileBuild {
			return b.pcap(fileMicro, 4, 0, 1).record(7, 0, 20, 20, data)
		}, frame(7, 0, 1, 20)},
		{"huge snapshot length", func(b *fileBuild) *fileBuild {
			return b.pcap(fileMicro, 4, 0xffffffff, 1).record(7, 0, 20, 20, data)
		}, frame(7, 0, 1, 20)},
		{"length of the checksum beside the link type", func(b *fileBuild) *fileBuild {
			return b.pcap(fileMicro, 4, 65535, 0x2400_0101).record(7, 0, 20, 20, data)
		}, frame(7, 0, 257, 20)},
		{"lengths the other way round in 2.2", func(b *fileBuild) *fileBuild {
			return b.pcap(fileMicro, 2, 65535, 1).record(7, 0, 60, 20, data)
		}, frame(7, 0, 1, 60)},
		{"also in 2.3", func(b *fileBuild) *fileBuild {
			return b.pcap(fileMicro, 3, 65535, 1).record(7, 0, 60, 20, data)
		}, frame(7, 0, 1, 60)},
		{"but either way there", func(b *fileBuild) *fileBuild {
			return b.pcap(fileMicro, 3, 65535, 1).record(7, 0, 20, 60, data)
		}, frame(7, 0, 1, 60)},
		{"DG/UX", func(b *fileBuild) *fileBuild {
			b.pcap(fileMicro, 4, 65535, 1).record(7, 0, 60, 20, data)
			copy(b.out[4:], b.u16(543))
			return b
		}, frame(7, 0, 1, 60)},
		{"modified", func(b *fileBuild) *fileBuild {
			b.pcap(fileModified, 4, 65535, 1)
			return b.record(7, 5, 20, 30, append(append(b.u32(2), b.u16(8, 0)...), data...))
		}, frame(7, 5000, 1, 30)},
	} {
		for name, build := range fileBoth() {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				got := fileWhole(t, c.build(build()).out)
				if diff := cmp.Diff([]capture.Frame{c.want}, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestPcapRefuses(t *testing.T) {
	old := fileLittle().pcap(fileMicro, 4, 0, 1)
	old.out[4] = 1
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"version 1.4", old.out, capture.ErrVersion},
		{"1 MiB and a byte", fileLittle().pcap(fileMicro, 4, 0, 1).record(1, 1, 1<<20+1, 1<<20+1, make([]byte, 1<<20+1)).out, capture.ErrBadLength},
		{"a negative length", fileBig().pcap(fileNano, 4, 0xffffffff, 1).record(1, 1, 0xffffffff, 60, fileBytes(60)).out, capture.ErrBadLength},
		{"both lengths huge in 2.3", fileBig().pcap(fileMicro, 3, 0, 1).record(1, 1, 1<<31, 1<<30, fileBytes(60)).out, capture.ErrBadLength},
	} {
		if frames, err := fileRead(c.data); !errors.Is(err, c.want) || len(frames) != 0 {
			t.Errorf("%s: %d frames, %v, want %v", c.name, len(frames), err, c.want)
		}
	}
}

// Packets larger than the buffer are read as well, up to the bound.
func TestPcapLarge(t *testing.T) {
	b := fileLittle().pcap(fileMicro, 4, 0, 1)
	sizes := []int{1, 128<<10 + 1, 1 << 20, 3, 128 << 10, 1<<20 - 1, 0}
	for _, n := range sizes {
		b.record(1, 1, uint32(n), uint32(n), fileBytes(n))
	}
	frames := fileWhole(t, b.out)
	if len(frames) != len(sizes) {
		t.Fatalf("read %d frames, want %d", len(frames), len(sizes))
	}
	for i, n := range sizes {
		if string(frames[i].Data) != string(fileBytes(n)) {
			t.Errorf("frame %d of %d bytes differs", i+1, n)
		}
	}
}

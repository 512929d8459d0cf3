package capture_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/dnstaster/dnstaster/capture"
)

// fileBench gives a file of n packets of 100 bytes.
func fileBench(n int, ng bool) []byte {
	b, data := fileLittle(), fileBytes(100)
	if !ng {
		b.pcap(fileMicro, 4, 262144, 1)
	} else {
		b.section().iface(1, 0, b.resolution(9, 0))
	}
	comment := [][]byte{b.option(4, b.uint64(0)), b.u32(0)}
	for i := range n {
		if ng {
			b.packet(0, uint64(i), 100, data, comment...)
		} else {
			b.record(uint32(i), 0, 100, 100, data)
		}
	}
	return b.out
}

// Once it has begun, reading takes no memory.
func TestFileAllocations(t *testing.T) {
	const frames = 5000
	plain, ng := fileBench(frames, false), fileBench(frames, true)
	for name, data := range map[string][]byte{"pcap": plain, "pcapng": ng, "pcap gzip": fileGzip(plain), "pcapng gzip": fileGzip(ng)} {
		t.Run(name, func(t *testing.T) {
			r, err := capture.NewReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			allocs := testing.AllocsPerRun(frames-1, func() {
				if _, err := r.Next(); err != nil {
					t.Fatal(err)
				}
			})
			// The average is rounded down; what gzip takes for the tables of a
			// block is little against its frames.
			if allocs != 0 {
				t.Errorf("%v allocations for a frame, want none", allocs)
			}
			if _, err := r.Next(); err != io.EOF {
				t.Errorf("not all was read: %v", err)
			}
		})
	}
}

// A few bytes that claim to be many do not make the reader take much.
func TestFileMemory(t *testing.T) {
	claims := map[string][]byte{
		"pcap":     fileLittle().pcap(fileMicro, 4, 0, 1).record(1, 1, 1<<20, 1<<20, nil).out,
		"pcap, -1": fileLittle().pcap(fileMicro, 4, 0xffffffff, 1).record(1, 1, 0xffffffff, 0xffffffff, nil).out,
	}
	for _, kind := range []uint32{1, 2, 3, 5, 6, 7, 0x0a0d0d0a} {
		for _, length := range []uint32{2 << 20, 16 << 20, 0xfffffffc} {
			b := fileLittle().section().iface(1, 0)
			claims[fmt.Sprintf("block %#x of %d", kind, length)] = b.add(b.u32(kind, length, 0x1a2b3c4d)).out
		}
	}
	for name, data := range claims {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := fileRead(data)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 3<<20 || err == io.EOF {
			t.Errorf("%s: %d bytes taken, %v", name, got, err)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	const frames = 10_000
	for _, ng := range []bool{false, true} {
		data := fileBench(frames, ng)
		for name, data := range map[string][]byte{"plain": data, "gzip": fileGzip(data)} {
			b.Run(fmt.Sprintf("pcapng=%v/%s", ng, name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(data)))
				in := bytes.NewReader(data)
				for b.Loop() {
					in.Reset(data)
					r, err := capture.NewReader(in)
					if err != nil {
						b.Fatal(err)
					}
					for err == nil {
						_, err = r.Next()
					}
					if err != io.EOF {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*frames), "ns/frame")
			})
		}
	}
}

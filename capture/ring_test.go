package capture

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// ringTestFrame is what a test puts into a ring.
type ringTestFrame struct {
	seconds, nanos, length uint32
	protocol               uint16
	index                  uint32
	hardware               uint16
	kind, addressLength    byte
	address                [8]byte
	payload                []byte
}

// ringTestPayload is where the kernel puts payloads of a SOCK_DGRAM socket.
const ringTestPayload = 96

// ringTest is a ring without a kernel.
func ringTest(block, blocks int) *ring {
	return &ring{mem: make([]byte, block*blocks), block: block}
}

// ringFill writes a block as the kernel does, and hands it over.
func ringFill(r *ring, block int, frames ...ringTestFrame) {
	b := r.mem[block*r.block : (block+1)*r.block]
	put := binary.NativeEndian
	at := ringBlockHeader
	put.PutUint32(b[ringBlockCount:], uint32(len(frames)))
	put.PutUint32(b[ringBlockFirst:], uint32(at))
	for _, f := range frames {
		h := b[at:]
		step := (ringTestPayload + len(f.payload) + 7) &^ 7
		put.PutUint32(h[ringNextOffset:], uint32(step))
		put.PutUint32(h[ringSeconds:], f.seconds)
		put.PutUint32(h[ringNanos:], f.nanos)
		put.PutUint32(h[ringSnapLength:], uint32(len(f.payload)))
		put.PutUint32(h[ringLength:], f.length)
		put.PutUint16(h[ringPayload:], ringTestPayload)
		a := h[ringAddress:]
		put.PutUint16(a, unix.AF_PACKET)
		binary.BigEndian.PutUint16(a[2:], f.protocol)
		put.PutUint32(a[4:], f.index)
		put.PutUint16(a[8:], f.hardware)
		a[10], a[11] = f.kind, f.addressLength
		copy(a[12:20], f.address[:])
		copy(h[ringTestPayload:], f.payload)
		at += step
	}
	put.PutUint32(b[ringBlockLength:], uint32(at))
	put.PutUint32(b[ringBlockStatus:], unix.TP_STATUS_USER)
}

func ringOwner(r *ring, block int) uint32 {
	return binary.NativeEndian.Uint32(r.mem[block*r.block+ringBlockStatus:])
}

// ringAll reads what is left of the open block.
func ringAll(r *ring) (payloads []string) {
	for {
		p, ok := r.read()
		if !ok {
			return payloads
		}
		payloads = append(payloads, string(p.payload))
	}
}

func TestRing(t *testing.T) {
	r := ringTest(4096, 3)
	if r.acquire() {
		t.Fatal("got a block of the kernel's")
	}
	if _, ok := r.read(); ok {
		t.Fatal("read without a block")
	}
	for round := range 4 {
		block := round % 3
		one := ringTestFrame{payload: []byte{byte(round), 1}}
		other := ringTestFrame{payload: bytes.Repeat([]byte{byte(round)}, 1000)}
		ringFill(r, block, one, other, one)
		if !r.acquire() {
			t.Fatalf("round %d: no block", round)
		}
		want := []string{string(one.payload), string(other.payload), string(one.payload)}
		if diff := cmp.Diff(want, ringAll(r)); diff != "" {
			t.Fatalf("round %d (-want +got):\n%s", round, diff)
		}
		if ringOwner(r, block) != unix.TP_STATUS_USER {
			t.Fatal("block handed back before its release")
		}
		r.release()
		r.release() // of none: nothing
		if ringOwner(r, block) != unix.TP_STATUS_KERNEL {
			t.Fatal("block not handed back")
		}
		if r.acquire() {
			t.Fatalf("round %d: the next block is not there yet", round)
		}
	}
	ringFill(r, 1) // retired without a frame
	if !r.acquire() {
		t.Fatal("no block")
	}
	if got := ringAll(r); got != nil || r.damaged.Load() != 0 {
		t.Errorf("empty block gave %q, damaged %d", got, r.damaged.Load())
	}
}

func TestRingLosing(t *testing.T) {
	r := ringTest(4096, 2)
	ringFill(r, 0)
	ringFill(r, 1)
	binary.NativeEndian.PutUint32(r.mem[4096+ringBlockStatus:], unix.TP_STATUS_USER|unix.TP_STATUS_LOSING|unix.TP_STATUS_BLK_TMO)
	for _, want := range []bool{false, true} {
		if !r.acquire() || r.losing != want {
			t.Errorf("losing %t, want %t", r.losing, want)
		}
		r.release()
	}
}

// TestRingDamaged has numbers in the block that lead out of it.
func TestRingDamaged(t *testing.T) {
	const first, second = ringBlockHeader, ringBlockHeader + ringTestPayload + 8
	intact := []string{"one", "two"}
	for _, c := range []struct {
		name  string
		at    int
		value uint32
		want  []string
	}{
		{"first frame in the header", ringBlockFirst, ringBlockHeader - 8, nil},
		{"first frame behind the end", ringBlockFirst, 300, nil},
		{"first frame far away", ringBlockFirst, 1<<32 - 8, nil},
		{"longer than a block", ringBlockLength, 4097, nil},
		{"as long as a block", ringBlockLength, 4096, intact},
		{"shorter than the last frame", ringBlockLength, second + ringTestPayload + 2, intact[:1]},
		{"no room for a header", ringBlockLength, second + ringHeader - 1, intact[:1]},
		{"more frames than there are", ringBlockCount, 1 << 31, intact},
		{"payload before the header's end", first + ringPayload, ringHeader - 1, nil},
		{"payload behind the end", first + ringPayload, 0xffff, nil},
		{"length behind the end", first + ringSnapLength, 300, nil},
		{"length that overflows", first + ringSnapLength, 1<<32 - 1, nil},
		{"length of the second behind the end", second + ringSnapLength, 9, intact[:1]},
		{"step of 0", first + ringNextOffset, 0, intact[:1]},
		{"step into the payload", first + ringNextOffset, ringTestPayload, intact[:1]},
		{"step behind the end", first + ringNextOffset, 1000, intact[:1]},
		{"step that overflows", first + ringNextOffset, 1<<32 - 1, intact[:1]},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := ringTest(4096, 2)
			ringFill(r, 0, ringTestFrame{payload: []byte("one")}, ringTestFrame{payload: []byte("two")})
			binary.NativeEndian.PutUint32(r.mem[c.at:], c.value)
			ringFill(r, 1, ringTestFrame{payload: []byte("three")})
			if !r.acquire() {
				t.Fatal("no block")
			}
			if diff := cmp.Diff(c.want, ringAll(r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			spoiled := uint64(1)
			if c.name == "as long as a block" {
				spoiled = 0
			}
			if got := r.damaged.Load(); got != spoiled {
				t.Errorf("damaged %d, want %d", got, spoiled)
			}
			r.release()
			if !r.acquire() || !cmp.Equal(ringAll(r), []string{"three"}) {
				t.Error("the block after the damaged one is lost too")
			}
		})
	}
}

// TestRingArbitrary reads blocks full of anything: it must end, and stay inside.
func TestRingArbitrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := ringTest(512, 2)
		number := rapid.OneOf(rapid.Uint32Range(0, 600), rapid.Uint32())
		for at := 0; at < len(r.mem); at += 4 {
			binary.NativeEndian.PutUint32(r.mem[at:], number.Draw(t, "word"))
		}
		for range 2 {
			binary.NativeEndian.PutUint32(r.mem[r.at+ringBlockStatus:], unix.TP_STATUS_USER)
			if !r.acquire() {
				t.Fatal("no block")
			}
			for n := 0; ; n++ {
				p, ok := r.read()
				if !ok {
					break
				}
				if len(p.address) != unix.SizeofSockaddrLinklayer || len(p.payload) > 512 || n > 512/ringHeader {
					t.Fatalf("frame %d: %d and %d octets", n, len(p.address), len(p.payload))
				}
			}
			r.release()
		}
	})
}

func TestRingSizes(t *testing.T) {
	page := os.Getpagesize()
	for _, c := range []struct{ size, block, blocks int }{
		{0, ringBlock, 32},
		{-1, ringBlock, 32},
		{16 << 20, ringBlock, 128},
		{4*ringBlock + 1, ringBlock, 4},
		{4*ringBlock - 1, max(ringBlock/2, page), 7},
		{1, page, 2},
		{4 * page, page, 4},
	} {
		if block, blocks := ringSizes(c.size); block != c.block || blocks != c.blocks {
			t.Errorf("ringSizes(%d) = %d, %d, want %d, %d", c.size, block, blocks, c.block, c.blocks)
		}
	}
}

package capture

import (
	"testing"

	"pgregory.net/rapid"
)

// TestMemory puts packets in and gets all of them again: those that a memory of
// its size has to hold as they were, none of the others wrong, and those too large
// without their frame.
func TestMemory(t *testing.T) {
	buf := make([]byte, chunkOctets+1)
	rapid.Check(t, func(rt *rapid.T) {
		m := newMemory(rapid.IntRange(0, 5).Draw(rt, "chunks") * chunkSize)
		type kept struct {
			place place
			size  int
		}
		var all []kept
		octets, now := 0, int64(0)
		for range rapid.IntRange(1, 12).Draw(rt, "packets") {
			size := rapid.SampledFrom([]int{0, 100, 1500, 9000, 65549, chunkOctets, chunkOctets + 1}).Draw(rt, "size")
			for range rapid.SampledFrom([]int{1, 1, 1, 300, 600}).Draw(rt, "times") {
				now++
				p := m.put(packet{at: now}, mark(buf[:size], len(all)), 0)
				all = append(all, kept{p, size})
			}
		}
		if len(m.chunks) > m.most {
			rt.Fatalf("%d chunks of %d", len(m.chunks), m.most)
		}
		n := 0
		for i := len(all) - 1; i >= 0; i-- {
			n++
			octets += min(all[i].size, chunkOctets)
			x, frame := m.get(all[i].place)
			if x == nil {
				// It had to make room, and all before it.
				if n < chunkPackets && octets < chunkOctets {
					rt.Fatalf("packet %d of %d is gone", i, len(all))
				}
				continue
			}
			want := all[i].size
			if want > chunkOctets {
				want = 0
			}
			if x.at != int64(i+1) || len(frame) != want || want > 0 && (frame[0] != byte(i) || frame[want-1] != byte(i)) {
				rt.Fatalf("packet %d: %+v with %d octets, want %d", i, x, len(frame), want)
			}
		}
	})
}

// What nobody will ask for again makes room before more is taken.
func TestMemoryTakesWhatItNeeds(t *testing.T) {
	m := newMemory(100 * chunkSize)
	for at := range int64(100 * chunkPackets) {
		m.put(packet{at: at}, nil, at-5*chunkPackets)
	}
	if len(m.chunks) != 6 {
		t.Errorf("%d chunks for five of packets", len(m.chunks))
	}
	if n := testing.AllocsPerRun(10*chunkPackets, func() { m.put(packet{}, nil, 1<<62) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if x, _ := m.get(0); x != nil {
		t.Error("there is a packet at no place")
	}
}

// mark writes i at both ends of a frame.
func mark(b []byte, i int) []byte {
	if len(b) > 0 {
		b[0], b[len(b)-1] = byte(i), byte(i)
	}
	return b
}

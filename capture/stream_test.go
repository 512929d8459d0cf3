package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// streamMessage is a message with its length before it. It asks, or answers.
func streamMessage(id uint16, response bool, text string) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(headerSize+len(text)))
	b = binary.BigEndian.AppendUint16(b, id)
	flags := uint16(0)
	if response {
		flags = 0x8000
	}
	b = binary.BigEndian.AppendUint16(b, flags)
	return append(append(b, 0, 1, 0, 0, 0, 0, 0, 0), text...)
}

// streamHeard is what comes out of a stream.
type streamHeard struct {
	messages  []string // text, "!" where torn, and where in the stream it begins
	conflicts int
	gaveUp    bool
}

func (h *streamHeard) add(s *stream, first, at uint32, data []byte) {
	if s.opaque {
		return
	}
	ok := s.add(first+at, data, true, func(said []byte, seq uint32, torn bool) {
		mark := ""
		if torn {
			mark = "!"
		}
		h.messages = append(h.messages, fmt.Sprintf("%s%s@%d", said[2+headerSize:], mark, seq-first))
	}, func() { h.conflicts++ })
	if !ok {
		h.gaveUp, *s = true, stream{opaque: true}
	}
}

// However what is said is cut into segments, in whatever order they come and some of
// them twice, it is heard as it was said.
func TestStream(t *testing.T) { rapid.Check(t, streamProperty) }

// FuzzStreamProperty is the same, led by coverage.
func FuzzStreamProperty(f *testing.F) { f.Fuzz(rapid.MakeFuzz(streamProperty)) }

func streamProperty(t *rapid.T) {
	var all []byte
	var want []string
	for i := range rapid.IntRange(1, 6).Draw(t, "messages") {
		text := fmt.Sprint(i, string(bytes.Repeat([]byte{'x'}, rapid.SampledFrom([]int{0, 1, 20, 500, 9000}).Draw(t, "size"))))
		want = append(want, fmt.Sprintf("%s@%d", text, len(all)))
		all = append(all, streamMessage(uint16(i), true, text)...)
	}
	type piece struct{ from, to int }
	var pieces []piece
	for at := 0; at < len(all); {
		to := min(len(all), at+rapid.SampledFrom([]int{1, 2, 3, 100, 536, 1460, 4000}).Draw(t, "segment"))
		pieces = append(pieces, piece{at, to})
		at = to
	}
	// Some are sent again, with what comes after them.
	for range rapid.IntRange(0, 3).Draw(t, "again") {
		i := rapid.IntRange(0, len(pieces)-1).Draw(t, "which")
		pieces = slices.Insert(pieces, rapid.IntRange(i+1, len(pieces)).Draw(t, "where"), piece{pieces[i].from, min(len(all), pieces[i].to+rapid.IntRange(0, 50).Draw(t, "more"))})
	}
	// None overtakes more than three.
	order := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
	for i := 0; i+4 <= len(pieces); i += 4 {
		order.Shuffle(4, func(a, b int) { pieces[i+a], pieces[i+b] = pieces[i+b], pieces[i+a] })
	}
	first := rapid.SampledFrom([]uint32{0, 1, 1<<31 - 5000, 1<<32 - 100}).Draw(t, "first")
	s, got := stream{begun: true, greeted: true, first: first, base: first}, streamHeard{}
	for _, p := range pieces {
		got.add(&s, first, uint32(p.from), all[p.from:p.to])
		if len(s.buf)+s.waiting > maxStream || len(s.ahead) > maxAhead {
			t.Fatalf("%d octets and %d segments are kept", len(s.buf)+s.waiting, len(s.ahead))
		}
	}
	if diff := cmp.Diff(streamHeard{messages: want}, got, cmp.AllowUnexported(streamHeard{})); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	if s.unfinished() {
		t.Fatal("something is left")
	}
}

func TestStreamTrouble(t *testing.T) {
	one, two, lie := streamMessage(1, true, "one"), streamMessage(2, true, "two"), streamMessage(1, true, "lie")
	long := streamMessage(1, true, "longer")
	both := slices.Concat(one, two)
	type said struct {
		at   int
		data []byte
	}
	many := func(n, step int) (out []said) {
		for i := range n {
			out = append(out, said{100 + i*step, []byte("ahead")})
		}
		return out
	}
	for _, tt := range []struct {
		name  string
		begun bool
		says  []said
		want  streamHeard
	}{
		{"the same again", true, []said{{0, one}, {0, one}}, streamHeard{messages: []string{"one@0"}}},
		{"again as something else, after it was given", true, []said{{0, lie}, {0, one}},
			streamHeard{messages: []string{"lie@0", "one!@0"}, conflicts: 1}},
		{"something longer in its place", true, []said{{0, one}, {0, long}},
			streamHeard{messages: []string{"one@0", "longer!@0"}, conflicts: 1}},
		{"again as something else, before it was whole", true, []said{{0, lie[:16]}, {0, one}},
			streamHeard{messages: []string{"one!@0", "lie!@0"}, conflicts: 1}},
		{"part of the second again as something else", true, []said{{0, both}, {len(one) + 14, []byte("lie")}},
			streamHeard{messages: []string{"one@0", "two@17", "lie!@17"}, conflicts: 1}},
		{"an octet that asks whether one is there", true, []said{{0, one}, {len(one) - 1, []byte{0}}}, streamHeard{messages: []string{"one@0"}}},
		{"of no window", true, []said{{0, one}, {1 << 20, lie}, {-1 << 20, lie}, {len(one), two}}, streamHeard{messages: []string{"one@0", "two@17"}}},
		{"beyond a gap that nothing fills", true, many(maxAhead+1, 5), streamHeard{gaveUp: true}},
		{"as many as may wait", true, append(many(maxAhead, 5), said{0, one}), streamHeard{messages: []string{"one@0"}}},
		{"more contradictions than one looks at", true, []said{{0, one}, {0, lie}, {0, lie}, {0, lie}, {0, lie}, {0, lie}},
			streamHeard{messages: []string{"one@0", "lie!@0", "lie!@0", "lie!@0", "lie!@0"}, conflicts: maxConflicts, gaveUp: true}},
		{"too short for one", true, []said{{0, []byte{0, 11}}}, streamHeard{gaveUp: true}},
		{"too long for us", true, []said{{0, []byte{0x80, 0}}}, streamHeard{gaveUp: true}},
		{"begun before we listened", false, []said{{0, one[5:]}, {len(one) - 5, two}}, streamHeard{messages: []string{"two@12"}}},
		{"begun before we listened, with what is no answer", false, []said{{0, streamMessage(1, false, "one")}}, streamHeard{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const first = 1<<32 - 8
			s, got := stream{begun: tt.begun, base: first}, streamHeard{}
			for _, x := range tt.says {
				got.add(&s, first, uint32(x.at), x.data)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(streamHeard{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzStream adds segments of any kind. No more is kept than may be, and what is given
// is messages.
func FuzzStream(f *testing.F) {
	one := streamMessage(1, true, "one")
	f.Add([]byte{0, byte(len(one))}, one)
	f.Add([]byte{0, 5, 5, 12, 0, 9, 40, 40}, slices.Concat(one, one, one))
	f.Fuzz(func(t *testing.T, plan, data []byte) {
		s := stream{}
		for ; len(plan) >= 2 && !s.opaque; plan = plan[2:] {
			from := min(int(plan[0]), len(data))
			part := data[from:min(from+int(plan[1]), len(data))]
			if len(part) == 0 {
				continue
			}
			if !s.add(uint32(from), part, true, func(said []byte, _ uint32, _ bool) {
				if size, ok := messageSize(said); !ok || size != len(said) {
					t.Fatalf("given %x", said)
				}
			}, func() {}) {
				s = stream{opaque: true}
			}
			if len(s.buf)+s.waiting > maxStream || len(s.ahead) > maxAhead || s.given > len(s.buf) {
				t.Fatalf("%d octets, %d given, %d waiting in %d", len(s.buf), s.given, s.waiting, len(s.ahead))
			}
		}
	})
}

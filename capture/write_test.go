package capture_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/capture"
)

// writeAll writes frames, each with its comment.
func writeAll(t rapid.TB, frames []capture.Frame, comments []string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := capture.NewWriter(&out, "dnstaster test")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		if err := w.Write(f, comments[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What is written is read again, and is the same bytes each time.
func TestWriteRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type pair struct {
			link  capture.LinkType
			index int
		}
		ids := map[pair]int{}
		var frames, want []capture.Frame
		var comments []string
		for range rapid.IntRange(0, 12).Draw(t, "frames") {
			f := capture.Frame{
				At:        time.Unix(0, rapid.Int64Range(0, math.MaxInt64).Draw(t, "at")),
				Link:      capture.LinkType(rapid.SampledFrom([]int{0, 1, 101, 257, 276, 65535}).Draw(t, "link")),
				Data:      rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(t, "data"),
				Length:    rapid.IntRange(-1, 200).Draw(t, "length"),
				Interface: rapid.IntRange(-1, 2).Draw(t, "interface"),
				Number:    rapid.Int().Draw(t, "number"),
			}
			frames = append(frames, f)
			comments = append(comments, rapid.String().Draw(t, "comment"))
			p := pair{f.Link, f.Interface}
			if _, ok := ids[p]; !ok {
				ids[p] = len(ids)
			}
			f.At, f.Length = f.At.UTC(), max(f.Length, len(f.Data))
			f.Interface, f.Number = ids[p], len(frames)
			want = append(want, f)
		}
		data := writeAll(t, frames, comments)
		if again := writeAll(t, frames, comments); !bytes.Equal(data, again) {
			t.Error("written again, it differs")
		}
		got, err := fileRead(data)
		if diff := cmp.Diff(want, got, cmp.Transformer("empty", func(b []byte) string { return string(b) })); err != io.EOF || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
	})
}

// The bytes themselves, by the draft: section, interface, packet with a
// comment, packet without.
func TestWriteBytes(t *testing.T) {
	f := capture.Frame{At: time.Unix(1, 2), Link: capture.LinkSLL2, Data: []byte("abcde"), Length: 300, Interface: 3}
	g := capture.Frame{At: time.Unix(2, 0), Link: capture.LinkSLL2, Data: []byte("abcd"), Length: 4, Interface: 3}
	got := writeAll(t, []capture.Frame{f, g}, []string{"ha\xff", ""})
	want := strings.Join([]string{
		"0a0d0d0a 34000000 4d3c2b1a 0100 0000 ffffffffffffffff",
		"0400 0e00", hex.EncodeToString([]byte("dnstaster test")), "0000 00000000 34000000",
		"01000000 30000000 1401 0000 00000000",
		"0300 0b00", hex.EncodeToString([]byte("interface 3")), "00 0900 0100 09 000000 00000000 30000000",
		"06000000 38000000 00000000 00000000 02ca9a3b 05000000 2c010000",
		"6162636465 000000 0100 0500 6861efbfbd 000000 00000000 38000000",
		"06000000 24000000 00000000 00000000 00943577 04000000 04000000 61626364 24000000",
	}, "")
	if diff := cmp.Diff(strings.ReplaceAll(want, " ", ""), hex.EncodeToString(got)); diff != "" {
		t.Error(diff)
	}
}

func TestWriteRefuses(t *testing.T) {
	var out bytes.Buffer
	w, err := capture.NewWriter(&out, "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1, 0)
	for _, c := range []struct {
		name    string
		frame   capture.Frame
		comment string
		want    error
	}{
		{"no time", capture.Frame{}, "", capture.ErrBadTime},
		{"just before 1970", capture.Frame{At: time.Unix(0, -1)}, "", capture.ErrBadTime},
		{"after 2262", capture.Frame{At: time.Unix(0, math.MaxInt64).Add(1)}, "", capture.ErrBadTime},
		{"above 1 MiB", capture.Frame{At: now, Data: make([]byte, 1<<20+1)}, "", capture.ErrBadLength},
		{"length above 32 bits", capture.Frame{At: now, Length: math.MaxUint32 + 1}, "", capture.ErrBadLength},
		{"comment above 64 KiB", capture.Frame{At: now}, strings.Repeat("x", 1<<16), capture.ErrBadLength},
	} {
		if err := w.Write(c.frame, c.comment); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	// What was refused has left nothing behind that spoils the rest.
	most := capture.Frame{At: time.Unix(0, math.MaxInt64), Link: 1, Data: fileBytes(1 << 20), Length: math.MaxUint32}
	if err := w.Write(most, strings.Repeat("x", 1<<16-1)); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if frames := fileWhole(t, out.Bytes()); len(frames) != 1 || len(frames[0].Data) != 1<<20 {
		t.Errorf("read %d frames, want the one", len(frames))
	}
	if _, err := capture.NewWriter(io.Discard, strings.Repeat("x", 1<<16)); !errors.Is(err, capture.ErrBadLength) {
		t.Errorf("NewWriter: %v, want ErrBadLength", err)
	}
}

// writeFull has no room left.
type writeFull struct{}

var errFull = errors.New("no room")

func (writeFull) Write([]byte) (int, error) { return 0, errFull }

func TestWriteError(t *testing.T) {
	w, err := capture.NewWriter(writeFull{}, "")
	if err != nil {
		t.Fatal(err)
	}
	f := capture.Frame{At: time.Unix(1, 0), Data: make([]byte, 10_000)}
	if err := w.Write(f, ""); !errors.Is(err, errFull) {
		t.Errorf("Write: %v, want the error", err)
	}
	if err := w.Flush(); !errors.Is(err, errFull) {
		t.Errorf("Flush: %v, want the error", err)
	}
}

// So many interfaces that the reader would refuse them are not written.
func TestWriteInterfaces(t *testing.T) {
	var out bytes.Buffer
	w, err := capture.NewWriter(&out, "")
	if err != nil {
		t.Fatal(err)
	}
	f := capture.Frame{At: time.Unix(1, 0)}
	for f.Interface = range 1 << 16 {
		if err := w.Write(f, ""); err != nil {
			t.Fatal(err)
		}
	}
	f.Interface = 1 << 16
	if err := w.Write(f, ""); err == nil {
		t.Error("no error for one interface too many")
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := len(fileWhole(t, out.Bytes())); n != 1<<16 {
		t.Errorf("read %d frames, want %d", n, 1<<16)
	}
}

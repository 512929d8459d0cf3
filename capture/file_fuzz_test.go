package capture_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/capture"
)

// FuzzReader reads whatever there is. Nothing may panic, every frame keeps what
// a Reader promises, and each costs at least the bytes of its record.
func FuzzReader(f *testing.F) {
	for _, data := range fileVariants() {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := capture.NewReader(bytes.NewReader(data))
		if err != nil {
			return
		}
		packed := data[0] == 0x1f
		const enough = 1 << 14 // frames, of a file that unpacks to more than it is
		last, total := capture.Frame{}, 0
		for last.Number < enough {
			frame, err := r.Next()
			if err != nil {
				if _, again := r.Next(); again != err {
					t.Fatalf("Next: %v, and then %v", err, again)
				}
				break
			}
			total += len(frame.Data) + 12
			switch {
			case len(frame.Data) > 1<<20 || cap(frame.Data) != len(frame.Data):
				t.Fatalf("%d bytes of %d", len(frame.Data), cap(frame.Data))
			case frame.Length < len(frame.Data):
				t.Fatalf("length %d of %d bytes", frame.Length, len(frame.Data))
			case frame.Number <= last.Number || frame.Lost < last.Lost || frame.Interface < 0 || frame.Interface >= 1<<16:
				t.Fatalf("%+v after %+v", frame, last)
			case frame.At.Before(time.Unix(0, 0)) || frame.At.After(time.Unix(0, math.MaxInt64)) || frame.At.Location() != time.UTC:
				t.Fatalf("at %v", frame.At)
			case !packed && total > len(data):
				t.Fatalf("%d bytes of frames in a file of %d", total, len(data))
			}
			last = frame
		}
		if s := r.Stats(); s.Records < s.Packets || s.Packets < s.Untimed || last.Number > s.Records {
			t.Fatalf("%+v after %+v", s, last)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err != capture.ErrStopped {
			t.Fatalf("Next after Close: %v", err)
		}
	})
}

// FuzzReaderWrite writes what could be read, and reads it again.
func FuzzReaderWrite(f *testing.F) {
	for _, data := range fileVariants() {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		frames, _ := fileRead(data)
		if len(frames) == 0 {
			return
		}
		got := fileWhole(t, writeAll(t, frames, make([]string, len(frames))))
		for i := range got {
			// The ids of interfaces and the numbers are those of the new file.
			got[i].Interface, got[i].Number, got[i].Lost = frames[i].Interface, frames[i].Number, frames[i].Lost
		}
		if diff := cmp.Diff(frames, got); diff != "" {
			t.Error(diff)
		}
	})
}

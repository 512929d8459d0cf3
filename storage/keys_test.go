package storage

import (
	"bytes"
	"cmp"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestSeriesKeysNeverCollide(t *testing.T) {
	t.Parallel()
	a := func(name, resolver, transport string) series {
		return series{monitor.Question{Name: name, Type: monitor.TypeA}, resolver, monitor.Transport(transport)}
	}
	tests := []struct {
		name string
		a, b series
	}{
		{"bytes move between fields", a("a.", "bc", "udp"), a("a.b", "c", "udp")},
		{"zero bytes", a("a.\x00", "b", "udp"), a("a.", "\x00b", "udp")},
		{"what a separator would do", a("a.\x00A\x00isp\x00udp", "isp", "udp"), a("a.", "isp\x00udp\x00A\x00isp", "udp")},
		{"a length in the name", a("\x00\x01a", "", ""), a("", "\x00\x01a", "")},
		{"empty fields", a("", "", "udp"), a("", "udp", "")},
		{"type", series{question: monitor.Question{Type: 1}}, series{question: monitor.Question{Type: 256}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ka, err := tt.a.key()
			if err != nil {
				t.Fatal(err)
			}
			kb, err := tt.b.key()
			if err != nil {
				t.Fatal(err)
			}
			if bytes.HasPrefix(ka, kb) || bytes.HasPrefix(kb, ka) {
				t.Errorf("keys %x and %x begin alike", ka, kb)
			}
			for _, s := range []series{tt.a, tt.b} {
				k, _ := s.key()
				if got, err := parseSeriesKey(k); err != nil || got != s {
					t.Errorf("parseSeriesKey(%x) = %+v, %v, want %+v", k, got, err, s)
				}
			}
		})
	}
}

func TestStampOrdersLikeTime(t *testing.T) {
	t.Parallel()
	times := []time.Time{
		{}, firstTime.Add(-1), firstTime, firstTime.Add(1), time.Unix(-1, 0), time.Unix(0, -1), time.Unix(0, 0),
		t0, t0.Add(1), lastTime, lastTime.Add(time.Hour), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	for i, a := range times {
		for _, b := range times[i:] {
			if stampOf(a) > stampOf(b) || stampOf(b) >= never {
				t.Errorf("stamps of %v and %v are %d and %d", a, b, stampOf(a), stampOf(b))
			}
			if got, want := bytes.Compare(stampOf(a).append(nil), stampOf(b).append(nil)), cmp.Compare(stampOf(a), stampOf(b)); got != want {
				t.Errorf("bytes of %v and %v compare %d, want %d", a, b, got, want)
			}
		}
		if inside := !a.Before(firstTime) && !a.After(lastTime); stamped(a) != inside {
			t.Errorf("stamped(%v) = %v", a, !inside)
		}
	}
}

func FuzzKeys(f *testing.F) {
	k, _ := series{monitor.Question{Name: "a.example.", Type: 1}, "isp 192.0.2.53", monitor.UDP}.key()
	f.Add(k)
	f.Add(pastKey(7, stampOf(t0)))
	f.Add(nameKey("a.example."))
	f.Add(endKey(never, "01J"))
	f.Add(seqKey(7))
	f.Add(counts{1, 2}.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		same := func(what string, got []byte, err error) {
			if err != nil || !bytes.Equal(got, b) {
				t.Errorf("%s %x comes back as %x, %v", what, b, got, err)
			}
		}
		if s, err := parseSeriesKey(b); err == nil && len(b) < maxKeyString {
			got, err := s.key()
			same("series key", got, err)
		}
		if n, first, err := parsePastKey(b); err == nil {
			same("past key", pastKey(n, first), nil)
		}
		if name, err := parseNameKey(b); err == nil {
			same("name key", nameKey(name), nil)
		}
		if end, id, err := parseEndKey(b); err == nil {
			same("end key", endKey(end, id), nil)
		}
		if seq, err := parseSeq(b); err == nil {
			same("sequence", seqKey(seq), nil)
		}
		if c, err := parseCounts(b); err == nil {
			same("counts", c.bytes(), nil)
		}
	})
}

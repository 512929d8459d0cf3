package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// met is a stranger that was answered n times at a moment, with addresses.
func met(name string, at time.Time, n int, addrs ...string) monitor.Stranger {
	s := monitor.Stranger{Question: monitor.Question{Name: name, Type: monitor.TypeA}, First: at, Last: at, Count: n}
	for _, a := range addrs {
		s.Addresses = append(s.Addresses, monitor.StrangerAddress{Address: netip.MustParseAddr(a), First: at, Last: at, Count: n})
	}
	return s
}

func TestUnwatched(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{})
	later := t0.Add(time.Hour)
	if ss, err := db.Unwatched(t.Context(), "a.example.", netip.Addr{}); len(ss) != 0 || err != nil {
		t.Errorf("before anything was overheard: %v, %v", ss, err)
	}
	if _, err := os.Stat(db.keyPath()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key was made though nothing asks for one: %v", err)
	}
	commit(t, db, monitor.Batch{Strangers: []monitor.Stranger{met("a.example.", t0, 2, "192.0.2.1"), met("b.example.", t0, 1, "192.0.2.9")}})
	commit(t, db, monitor.Batch{Strangers: []monitor.Stranger{met("a.example.", later, 3, "192.0.2.1", "192.0.2.66")}})
	check(t, db)
	want := monitor.Stranger{
		Question: monitor.Question{Name: "a.example.", Type: monitor.TypeA}, First: t0, Last: later, Count: 5,
		Addresses: []monitor.StrangerAddress{{First: t0, Last: later, Count: 5}, {First: later, Last: later, Count: 3}},
	}
	told := want
	told.Addresses = []monitor.StrangerAddress{want.Addresses[0], {Address: netip.MustParseAddr("192.0.2.66"), First: later, Last: later, Count: 3}}
	for _, tt := range []struct {
		name  string
		asked string
		want  []monitor.Stranger
	}{
		{"a.example.", "", []monitor.Stranger{want}},
		{"a.example.", "192.0.2.66", []monitor.Stranger{told}},
		{"a.example.", "::ffff:192.0.2.66", []monitor.Stranger{told}},
		{"a.example.", "192.0.2.9", []monitor.Stranger{want}},
		{"c.example.", "192.0.2.66", nil},
	} {
		t.Run(tt.name+tt.asked, func(t *testing.T) {
			asked, _ := netip.ParseAddr(tt.asked)
			for i := range tt.want {
				for j := range tt.want[i].Addresses {
					if tt.want[i].Addresses[j].Address.IsValid() {
						tt.want[i].Addresses[j].Address = asked
					}
				}
			}
			got, err := db.Unwatched(t.Context(), tt.name, asked)
			if diff := cmp.Diff(tt.want, got, same); diff != "" || err != nil {
				t.Errorf("told: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// Nothing in the file tells a name, or an address; without the key nothing is found.
func TestStrangersAreHashed(t *testing.T) {
	t.Parallel()
	db, _ := openAt(t, Config{})
	s := met("secret.example.", t0, 1, "192.0.2.177")
	commit(t, db, monitor.Batch{Strangers: []monitor.Stranger{s}})
	file, err := os.ReadFile(db.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	addr := s.Addresses[0].Address.As4()
	for _, clear := range [][]byte{[]byte("secret"), []byte("192.0.2.177"), addr[:]} {
		if bytes.Contains(file, clear) {
			t.Errorf("the file holds %q", clear)
		}
	}
	info, err := os.Stat(db.keyPath())
	if err != nil || info.Mode() != 0o600 || info.Size() != keyLen {
		t.Errorf("the key is %v, %v", info, err)
	}
	if err := os.Remove(db.keyPath()); err != nil {
		t.Fatal(err)
	}
	commit(t, db, monitor.Batch{Strangers: []monitor.Stranger{met("other.example.", t0, 1)}}) // which makes another key
	if ss, err := db.Unwatched(t.Context(), "secret.example.", netip.Addr{}); len(ss) != 0 || err != nil {
		t.Errorf("with another key %v is found, %v", ss, err)
	}
}

// A key that cannot be used costs what was overheard, and nothing else.
func TestStrangersWithoutKey(t *testing.T) {
	t.Parallel()
	db, log := openAt(t, Config{})
	if err := os.WriteFile(filepath.Join(filepath.Dir(db.cfg.Path), keyName), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	commit(t, db, monitor.Batch{Strangers: []monitor.Stranger{met("a.example.", t0, 1)}, Events: []monitor.Event{event(t0, "x")}})
	if s := db.Stats(); s.Strangers != 0 || s.Events != 1 || !strings.Contains(log.String(), "remove it to begin anew") {
		t.Errorf("%d strangers, %d events; it says %s", s.Strangers, s.Events, log)
	}
	if _, err := db.Unwatched(t.Context(), "a.example.", netip.Addr{}); err == nil {
		t.Error("whoever asks is not told that the key is unusable")
	}
}

// A flood of names that are asked for once stays within its share, and drives out its
// like rather than what is asked for again and again.
func TestStrangersFlood(t *testing.T) {
	t.Parallel()
	const most = 256
	db, _ := openAt(t, Config{MaxSize: most * strangersShare * strangerBytes})
	var usual []monitor.Stranger
	for n := range 20 {
		usual = append(usual, met(fmt.Sprintf("usual%d.example.", n), t0, 50))
	}
	commit(t, db, monitor.Batch{Strangers: usual})
	for round := range 10 {
		var flood []monitor.Stranger
		for n := range 500 {
			flood = append(flood, met(fmt.Sprintf("r%d-%d.example.", round, n), t0.Add(time.Duration(round)*time.Minute), 1))
		}
		commit(t, db, monitor.Batch{Strangers: flood})
	}
	check(t, db)
	if s := db.Stats(); s.Strangers != most || s.Forgotten != 20+5000-most {
		t.Errorf("%d strangers, %d forgotten; want %d, %d", s.Strangers, s.Forgotten, most, 20+5000-most)
	}
	for _, u := range usual {
		if ss, err := db.Unwatched(t.Context(), u.Question.Name, netip.Addr{}); len(ss) != 1 || err != nil {
			t.Errorf("%s was forgotten for names that were asked for once (%v)", u.Question.Name, err)
		}
	}
	many := met("many.example.", t0, 1)
	for n := range 20 {
		many.Addresses = append(many.Addresses, monitor.StrangerAddress{Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), First: t0, Last: t0, Count: 1})
	}
	one := many
	one.Addresses, many.Addresses = many.Addresses[:monitor.MaxStrangerAddresses-1], many.Addresses[5:]
	commit(t, db, monitor.Batch{Strangers: []monitor.Stranger{one}})
	many.Addresses = many.Addresses[:monitor.MaxStrangerAddresses-1]
	commit(t, db, monitor.Batch{Strangers: []monitor.Stranger{many}})
	if ss, err := db.Unwatched(t.Context(), "many.example.", netip.Addr{}); err != nil || len(ss) != 1 || len(ss[0].Addresses) != monitor.MaxStrangerAddresses || !ss[0].More {
		t.Errorf("of many addresses %v is kept, %v", ss, err)
	}
}

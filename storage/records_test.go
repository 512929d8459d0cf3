package storage

import (
	"bytes"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestIntervalRoundTrip(t *testing.T) {
	t.Parallel()
	full := interval("www.example.com.", "quad9 9.9.9.9", t0)
	full.Records = []monitor.Record{
		{Name: "www.example.com.", Type: monitor.TypeCNAME, Data: "edge.example.net.", TTL: 30},
		{Name: "edge.example.net.", Type: monitor.TypeA, Data: "192.0.2.7", TTL: math.MaxUint32},
		{Type: 65535, Data: "\\# 0"},
	}
	full.Error, full.Count, full.TTLMax = "timeout: after 2s", math.MaxInt32, math.MaxUint32
	hostile := interval("\x00\xff\x80\n.", "\x00", time.Unix(0, math.MinInt64).UTC())
	hostile.Rcode, hostile.Records = "\xff\x00", []monitor.Record{{Name: strings.Repeat("x", 1000), Data: strings.Repeat("\x00", 70000)}}
	tests := []struct {
		name string
		i    monitor.Interval
	}{
		{"full", full},
		{"hostile bytes", hostile},
		{"no records", monitor.Interval{First: t0, Last: t0, Records: []monitor.Record{}}},
		{"ends before it begins", monitor.Interval{First: t0, Last: t0.Add(-time.Hour), Count: -1, Records: []monitor.Record{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, v := pastKey(1, stampOf(tt.i.First)), appendInterval(nil, &tt.i)
			got, err := parseInterval(seriesOf(&tt.i), k, v)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.i, got); diff != "" {
				t.Errorf("interval came back different (-want +got):\n%s", diff)
			}
			for n := range min(len(v), 200) {
				if _, err := parseInterval(seriesOf(&tt.i), k, v[:n]); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%d bytes of %d: %v, want ErrCorrupt", n, len(v), err)
				}
			}
		})
	}
}

func FuzzInterval(f *testing.F) {
	i := interval("a.example.", "isp", t0)
	i.Records = append(i.Records, monitor.Record{Name: "b.example.", Type: 5, Data: "c.example.", TTL: 1})
	f.Add("a.example.", appendInterval(nil, &i))
	f.Add("", bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, name string, v []byte) {
		s := series{question: monitor.Question{Name: name, Type: 1}}
		k := pastKey(1, stampOf(t0))
		i, err := parseInterval(s, k, v)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("error is %v", err)
			}
			return
		}
		again, err := parseInterval(s, k, appendInterval(nil, &i))
		if err != nil || !cmp.Equal(i, again) {
			t.Errorf("interval %+v comes back as %+v, %v", i, again, err)
		}
	})
}

func FuzzRecords(f *testing.F) {
	a := alert("01J", t0)
	a.Evidence = []monitor.Evidence{{Kind: monitor.EvidenceTLS, Address: netip.MustParseAddr("192.0.2.1")}}
	e := event(t0, "x")
	b := fullBaseline("a.example.")
	batch := monitor.Batch{Alerts: []monitor.Alert{a}, Events: []monitor.Event{e}, Baselines: []monitor.Baseline{b}, Intervals: []monitor.Interval{interval("a.", "isp", t0)}}
	enc, err := encode(&batch)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(byte(alerts), enc.alerts[0].key, enc.alerts[0].value)
	f.Add(byte(events), seqKey(1), enc.events[0])
	f.Add(byte(baselines), enc.baselines[0].key, enc.baselines[0].value)
	f.Add(byte(current), enc.intervals[0].series, append(pastKey(1, stampOf(t0)), enc.intervals[0].value...))
	f.Add(byte(past), pastKey(1, stampOf(t0)), enc.intervals[0].value)
	say := overheard("a.", "isp", "192.0.2.1", t0, t0, 1)
	said, err := heardKey(&say)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(byte(heard), said, appendHeard(nil, &say))
	row := stranger{first: 1, last: 2, count: 3, more: true, addresses: []strangerAddress{{first: 1, last: 2, count: 3}}}
	f.Add(byte(strangers), make([]byte, nameHashLen+2), row.bytes())
	f.Add(byte(ends), endKey(never, "01J"), []byte{})
	f.Add(byte(cursors), []byte("ops"), seqKey(1))
	f.Fuzz(func(t *testing.T, which byte, k, v []byte) {
		if err := (table(which) % tables).parse(k, v); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("error is %v", err)
		}
	})
}

// fullBaseline is one with something in every field.
func fullBaseline(name string) monitor.Baseline {
	span := monitor.Span{First: t0.Add(-time.Hour), Last: t0, Count: 60}
	return monitor.Baseline{
		Name: name, Since: t0.Add(-24 * time.Hour),
		Keys: map[string]*monitor.KeySpan{"sha256/abc": {Span: span, Issuer: "CA", NotBefore: t0.Add(-48 * time.Hour)}},
		Types: map[monitor.Type]*monitor.Answered{
			monitor.TypeA: {
				Addresses: map[netip.Addr]*monitor.Identity{netip.MustParseAddr("192.0.2.1"): {Seen: span, Groups: []string{"quad9"}}},
				TTLs:      []monitor.Envelope{{TTL: 300, Start: t0, End: t0.Add(time.Hour)}},
				Rounds:    span,
			},
			4711: {Canon: map[string]*monitor.Span{"x": {Count: 1}}, Absent: span},
		},
	}
}

// A record that cannot be read back would later pass for damage of the file.
func TestEverythingWrittenCanBeRead(t *testing.T) {
	t.Parallel()
	a := alert("01J\xff", t0.In(time.FixedZone("odd", 3600*5+1800)))
	a.Labels = map[string]string{"\xff": "<&>\u2028"}
	a.Transactions = []monitor.Transaction{{}}
	a.Evidence = []monitor.Evidence{{Address: netip.MustParseAddr("fe80::1%eth0")}}
	long := alert("01K", time.Time{})
	long.Text = strings.Repeat("x", 1<<20)
	ev := event(time.Time{}, "x")
	ev.Data = nil
	want := monitor.Batch{
		Baselines: []monitor.Baseline{fullBaseline("a.example."), fullBaseline("\xff\x00."), {}},
		Alerts:    []monitor.Alert{a, long},
		Events:    []monitor.Event{event(t0, "<\xff>"), ev},
	}
	db, _ := openAt(t, Config{})
	commit(t, db, want)
	check(t, db)
	if b, err := db.Baselines(t.Context()); err != nil || !cmp.Equal(names(b), []string{"", "\xff\x00.", "a.example."}) {
		t.Errorf("baselines of %q, %v", names(b), err)
	}
	if got, err := db.Alerts(t.Context(), time.Time{}); err != nil || !cmp.Equal(ids(got), []string{"01J\xff", "01K"}) {
		t.Errorf("alerts %q, %v", ids(got), err)
	}
	if got, err := db.Events(t.Context(), 0, 10); err != nil || len(got) != 2 {
		t.Errorf("events %+v, %v", got, err)
	}
}

func names(baselines []monitor.Baseline) (list []string) {
	for _, b := range baselines {
		list = append(list, b.Name)
	}
	return list
}

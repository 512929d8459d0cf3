package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample gives results in which every criterion is just met.
func sample() Results {
	m := Machine{CPU: "A CPU", Cores: 2, Kernel: "6.1", System: "Debian", Go: "go1.26", Programs: []string{"dnstop 1", "tcpdump 2"}, Load: "0.01"}
	at := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	replay := &Part{Title: "Replay of a capture", About: "10 packets.", At: at, Rounds: 3, Machine: m, Rows: []Row{
		{Name: ours, Does: "everything", Packets: 10, Microseconds: 1, Least: 0.5, Most: 2, PeakMB: wantPeakMB},
		{Name: dnstop, Does: "counts", Packets: 10, Microseconds: 2, Least: 2, Most: 2.5, PeakMB: 12},
	}}
	replay.relate(dnstop)
	replay.Criteria = replayCriteria(replay)
	run := func(name string, rate, lost int, us, core float64) Run {
		return Run{Name: name, Does: "hears", Rate: rate, Reached: 99_000, Sent: []int{10, 10}, Delivered: []int{10, 10 - lost}, Dropped: []int{0, lost}, Microseconds: us, Core: core, Sender: 2}
	}
	live := &Part{Title: "Live capture", About: "10 packets.", At: at, Rounds: 2, Machine: m, Runs: []Run{
		run(ours, steady, 0, 1.5, wantCore), run(bare, steady, 0, 0.1, 0.01), run(tcpdump, steady, 0, 0.125, 0.01),
		run(ours, 0, 1, 1, 0.5), run(bare, 0, 1, 0.1, 0.1), run(tcpdump, 0, 0, 0.25, 0.1),
	}}
	live.Criteria = liveCriteria(live)
	return Results{"replay": replay, "live": live}
}

// Each criterion is missed by what is a little worse, and by nothing else.
func TestCriteria(t *testing.T) {
	for _, tt := range []struct {
		name   string
		worsen func(replay, live *Part)
		want   []string
	}{
		{"just met", func(_, _ *Part) {}, nil},
		{"slower", func(p, _ *Part) { p.row(ours).Microseconds = 1.01; p.relate(dnstop) }, []string{"packets per second of CPU"}},
		{"more memory", func(p, _ *Part) { p.row(ours).PeakMB++ }, []string{"peak of memory"}},
		{"a wrong count", func(p, _ *Part) { p.fault("x") }, []string{"every timed run reports what there was"}},
		{"a wrong count, live", func(_, p *Part) { p.fault("x") }, []string{"every timed run reports what there was"}},
		{"one lost more than by the bare ring", func(_, p *Part) { p.run(ours, 0).Delivered[0]-- }, []string{"lost at the sender's limit"}},
		{"lost with the bare ring", func(_, p *Part) { p.run(ours, 0).Delivered[0]--; p.run(bare, 0).Delivered[0]-- }, nil},
		{"lost at the steady rate alone", func(_, p *Part) { p.run(ours, steady).Delivered[0]-- }, nil},
		{"more of a core", func(_, p *Part) { p.run(ours, steady).Core += 0.01 }, []string{"cost at 100000 packets a second"}},
		{"more of a core, but so does tcpdump", func(_, p *Part) { p.run(ours, steady).Core++; p.run(tcpdump, steady).Microseconds = 0.5 }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := sample()
			tt.worsen(r["replay"], r["live"])
			var missed []string
			all := append(replayCriteria(r["replay"]), liveCriteria(r["live"])...)
			for _, c := range all {
				if !c.Pass {
					missed = append(missed, c.What)
				}
			}
			if diff := cmp.Diff(tt.want, missed); diff != "" {
				t.Errorf("missed (-want +got):\n%s", diff)
			}
			if p := (&Part{Criteria: all}); p.pass() != (missed == nil) {
				t.Errorf("pass() = %v", p.pass())
			}
		})
	}
}

func TestPage(t *testing.T) {
	var text strings.Builder
	r := sample()
	r["live"].text(&text)
	for name, got := range map[string]string{"page.golden.md": r.page(), "live.golden.txt": text.String()} {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got; -update writes it anew):\n%s", name, diff)
		}
	}
}

// The page in the tree has the numbers of the file beside it; both or none are
// there.
func TestPublished(t *testing.T) {
	r, err := readResults("../../" + resultsFile)
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	if len(r) > 0 {
		want = r.page()
	}
	got, err := os.ReadFile("../../" + pageFile)
	if err != nil && len(r) > 0 {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s (-by the numbers +in the tree):\n%s", pageFile, diff)
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{3, 1}, 1}, {[]float64{9, 1, 2}, 2}} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}

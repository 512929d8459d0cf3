//go:build lab

package lab

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/lab/score"
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

var (
	soak     = flag.Duration("lab.soak", 0, "how long TestSoak goes on")
	soakSeed = flag.Uint64("lab.seed", 1, "of what TestSoak does when")
)

// soakPicture is what became of the daemon's resources.
const soakPicture = "SOAK.svg"

// attackEvery is how many benign causes there are to an attack.
const attackEvery = 8

// TestSoak has benign causes come and go at random, with an attack now and then.
// Nothing but the attacks may be said, each of them must be, and what the daemon
// takes of the machine must not grow.
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Log("nothing to do: give -lab.soak a time")
		return
	}
	r := &Run{Case: &Case{ID: "soak", Title: "soak"}}
	var err error
	if r.w, err = world.New("soak"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.w.Close(); err != nil {
			t.Error(err)
		}
	})
	if r.s, err = newSink(r.w); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.s.srv.Close() })
	if r.d, err = startDaemon(r.w, r.Case); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.d.stop(); err != nil {
			t.Error(err)
		}
	})
	if err := r.d.learn(); err != nil {
		t.Fatal(err)
	}
	g := newGauge(r.d)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { defer close(stopped); g.watch(stop) }()
	random := rand.New(rand.NewPCG(*soakSeed, 0))
	calm := calmCauses()
	if len(calm) == 0 {
		t.Fatal("no cause to soak with")
	}
	began, told, attacks, missed, causes := time.Now(), len(r.s.alerts()), 0, 0, map[string]int{}
	for n := 1; time.Since(began) < *soak && !t.Failed(); n++ {
		if n%attackEvery == 0 {
			attacks++
			told = r.ambush(t, random, told)
			continue
		}
		c := calm[random.IntN(len(calm))]
		if err := r.bring(c.Cause); err != nil {
			// Causes come after each other here, and what one left behind may keep the
			// next from coming about.
			t.Logf("%s did not come about: %v", c.ID, err)
			missed++
			if err := r.lift(); err != nil {
				t.Fatalf("%s: %v", c.ID, err)
			}
			continue
		}
		time.Sleep(5*time.Second + time.Duration(random.IntN(15))*time.Second)
		if err := r.lift(); err != nil {
			t.Fatalf("%s: %v", c.ID, err)
		}
		causes[c.ID]++
		for _, h := range r.s.alerts()[told:] {
			if h.kind != monitor.AlertResolved {
				t.Errorf("after %s an alert came: %s", c.ID, h)
			}
			told++
		}
	}
	close(stop)
	<-stopped
	came := 0
	for _, n := range causes {
		came += n
	}
	if missed > came/4 {
		t.Errorf("%d causes came about and %d did not: the world is out of order", came, missed)
	}
	t.Logf("%s: %d attacks, all found; causes %v", time.Since(began).Round(time.Second), attacks, causes)
	g.judge(t)
}

// calmCauses are the quiet cases that need no daemon or world of their own.
func calmCauses() (cs []Case) {
	for _, c := range cases {
		usual := false
		for _, w := range usualWatches {
			usual = usual || strings.Contains(w, "name: "+c.name()+",")
		}
		if len(c.Want) == 0 && c.Cause != nil && c.Before == nil && c.Env == nil && c.Wrap == nil && !c.Keep && usual &&
			c.verdict() == monitor.Clean && len(c.Listed) == 0 && c.Config.Watches == nil && c.Config.Resolvers == nil && c.Config.More == "" {
			cs = append(cs, c)
		}
	}
	return cs
}

// ambush attacks and waits until it is found and over. It gives how many alert
// events have come by then.
func (r *Run) ambush(t *testing.T, random *rand.Rand, told int) int {
	name := []string{"www.shop.lab", "www.bank.lab"}[random.IntN(2)]
	cause := []Cause{poisonProvider("www.shop.lab", world.EvilAddr, 60), divert(udp53, name)}[random.IntN(2)]
	if err := r.bring(cause); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	h, ok := r.s.await(time.Minute, func(h hook) bool {
		return h.isAlert() && h.at.After(before) && (h.kind == monitor.AlertOpened || h.kind == monitor.AlertUpdated)
	})
	if err := r.lift(); err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Errorf("an attack was not found: %s", r.instead())
		return told
	}
	if _, ok := r.s.await(3*time.Minute, func(x hook) bool {
		return x.kind == monitor.AlertResolved && x.alert.ID == h.alert.ID && x.at.After(before)
	}); !ok {
		t.Errorf("the alert was not resolved within three minutes: %s", h)
	}
	time.Sleep(timing.FlapQuiet) // or the next one of its kind would be no news
	return len(r.s.alerts())
}

// gauge takes the measure of the daemon.
type gauge struct {
	d      *daemon
	series []score.Series
	began  time.Time
}

func newGauge(d *daemon) *gauge {
	return &gauge{d: d, began: time.Now(), series: []score.Series{
		{Title: "memory of its own", Bytes: true}, {Title: "heap in use", Bytes: true}, {Title: "descriptors"}, {Title: "goroutines"}, {Title: "store", Bytes: true},
	}}
}

// watch measures every five seconds.
func (g *gauge) watch(stop <-chan struct{}) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for i, f := range []func() (float64, error){g.memory, g.metric("go_memstats_heap_inuse_bytes"), g.descriptors, g.metric("go_goroutines"), g.file} {
			if v, err := f(); err == nil {
				g.series[i].Points = append(g.series[i].Points, score.Point{At: time.Since(g.began), Value: v})
			}
		}
	}
}

func (g *gauge) pid() string { return strconv.Itoa(g.d.cmd.Process.Pid) }

// memory is what the process has for itself, in bytes: not what it maps of files.
func (g *gauge) memory() (float64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", g.pid(), "status"))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), "RssAnon:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0, fmt.Errorf("no RssAnon")
	}
	kb, err := strconv.ParseFloat(fields[0], 64)
	return kb * 1024, err
}

func (g *gauge) descriptors() (float64, error) {
	es, err := os.ReadDir(filepath.Join("/proc", g.pid(), "fd"))
	return float64(len(es)), err
}

// metric reads one of the metrics on the control socket.
func (g *gauge) metric(name string) func() (float64, error) {
	return func() (float64, error) {
		client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(g.d.dir, "sock"))
		}}}
		resp, err := client.Get("http://dnstaster/metrics")
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			if v, ok := strings.CutPrefix(s.Text(), name+" "); ok {
				return strconv.ParseFloat(v, 64)
			}
		}
		return 0, fmt.Errorf("no %s among the metrics", name)
	}
}

func (g *gauge) file() (float64, error) {
	st, err := os.Stat(filepath.Join(g.d.dir, "store.db"))
	if err != nil {
		return 0, err
	}
	return float64(st.Size()), nil
}

// judge draws the picture, and holds the slopes after warm-up against what is
// allowed: by how much a series may have risen by the end. Pages of the table that
// pairs packets (8 MiB) become its own as they are touched, one by one, for hours;
// the store grows with what it is there to keep, twenty times as fast as elsewhere.
func (g *gauge) judge(t *testing.T) {
	warmup := *soak / 4
	allowed := []float64{16 << 20, 6 << 20, 8, 8, 4 << 20 * max(1, soak.Hours())}
	if *soak >= 30*time.Minute {
		if err := score.Write(soakPicture, score.Plot(fmt.Sprintf("The daemon through %s of changes and attacks", *soak), warmup, g.series...)); err != nil {
			t.Error(err)
		}
	}
	for i, s := range g.series {
		perHour, stderr := score.Slope(s.Points)
		t.Logf("%s: %d points, slope %.4g ± %.2g an hour", s.Title, len(s.Points), perHour, stderr)
		for _, why := range score.Flat(s.Points, warmup, allowed[i]) {
			t.Errorf("%s: %s", s.Title, why)
		}
	}
}

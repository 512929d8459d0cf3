//go:build lab

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// word is what the daemon said of a name at a moment: whoever judges again the
// samples that it had judged by then must say the same.
type word struct {
	name     string
	from, to int // samples that were recorded before it was asked, and after
	lines    []string
	diff     string // to what the samples say; empty where they say the same
	held     bool   // it was held against them
}

// exempt are the prefixes of profile.
var exempt = []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("64:ff9b::c612:0/111")}

// judgeAnew makes a judge who knows nothing but the profile of the lab.
func judgeAnew() *monitor.Replay {
	return monitor.NewReplay(monitor.Config{Timing: timing, Exempt: exempt})
}

// recorded counts the samples that the daemon has judged so far.
func (r *Run) recorded() int {
	text, err := os.ReadFile(r.w.Path("rounds"))
	r.check(err)
	return bytes.Count(text, []byte("\n"))
}

// take notes what the daemon now says of every name, and that the evidence of
// each alert supports it.
func (r *Run) take() {
	if len(r.recording()) == 0 {
		return
	}
	s, err := r.d.status()
	if !r.check(err) {
		return
	}
	for _, w := range s.Watches {
		of := word{name: w.Name, from: r.recorded()}
		e, err := r.d.client.Explain(context.Background(), strings.TrimSuffix(w.Name, "."))
		if !r.check(err) {
			return
		}
		of.to = r.recorded()
		of.lines = said(w.Name, e.Judgements, e.Alerts)
		r.words = append(r.words, of)
		for _, a := range e.Alerts {
			r.check(within(5*time.Second, func() error { return r.supported(a.ID) }))
		}
	}
}

// supported checks that the evidence of an alert, as it is exported, makes the
// alert again.
func (r *Run) supported(id string) error {
	e, err := r.d.client.Evidence(context.Background(), id)
	if err != nil || e.Alert.Drill || e.Alert.State == monitor.Resolved { // a moment ago: its samples do not tell of its end
		return err
	}
	judge := judgeAnew()
	for _, s := range e.Samples {
		judge.Take(s)
	}
	as := slices.DeleteFunc(judge.Report(time.Now()).Alerts, func(a monitor.Alert) bool { return a.Key != e.Alert.Key })
	if diff := cmp.Diff(said("", nil, []monitor.Alert{e.Alert}), said("", nil, as)); diff != "" {
		return fmt.Errorf("the evidence of %s gives something else (-live +replayed):\n%s", e.Alert.Key, diff)
	}
	return nil
}

// judgedAgain has the samples that the daemon judged judged again.
func (r *Run) judgedAgain() error {
	if len(r.words) == 0 {
		return nil
	}
	f, err := os.Open(r.w.Path("rounds"))
	if err != nil {
		return err
	}
	defer f.Close()
	judge, n := judgeAnew(), 0
	err = monitor.ReadSamples(f, func(s monitor.Sample) error {
		judge.Take(s)
		n++
		for i := range r.words {
			if w := &r.words[i]; w.from <= n && n <= w.to && (!w.held || w.diff != "") {
				rep := judge.Report(s.At)
				w.held, w.diff = true, cmp.Diff(w.lines, said(w.name, rep.Watches, rep.Alerts))
			}
		}
		return nil
	})
	for _, w := range r.words {
		if !w.held {
			r.fault("%s: the samples that it was judged by are not recorded", w.name)
		} else if w.diff != "" {
			r.fault("judged again, %s is something else (-live +replayed):\n%s", w.name, w.diff)
		}
	}
	if len(r.faults) > 0 {
		err = errors.Join(err, r.keepSamples("again"))
	}
	return err
}

// said lists judgements and open alerts about a name, or about any where it is
// empty, in a form that can be compared.
func said(name string, js []monitor.Judgement, as []monitor.Alert) []string {
	var lines []string
	for _, j := range js {
		if name == "" || j.Name == name {
			lines = append(lines, fmt.Sprintf("%s is %s %s %s %s %s", j.Type, j.Verdict, j.Cause, j.Kind, j.Confidence, rulesOf(j.Reasons)))
		}
	}
	for _, a := range as {
		if (name == "" || a.Name == name) && a.State != monitor.Resolved && !a.Drill {
			lines = append(lines, fmt.Sprintf("alert %s: %s %s %s", a.Key, a.Kind, a.Confidence, rulesOf(a.Reasons)))
		}
	}
	slices.Sort(lines)
	return lines
}

func rulesOf(rs []monitor.Reason) []string {
	var ids []string
	for _, r := range rs {
		ids = append(ids, r.Rule)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

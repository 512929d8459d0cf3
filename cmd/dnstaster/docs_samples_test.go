package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestDocSamples judges each sample that the page of samples shows: it must come to
// the verdict that stands below it.
func TestDocSamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/samples.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?m)((?:^    .*\n)+)\nThis is `([a-z]+)`, exit status ([0-9])").FindAllSubmatch(page, -1)
	if all := bytes.Count(page, []byte(`"schema": `)); len(shown) != all || all == 0 {
		t.Fatalf("%d samples, and %d verdicts", all, len(shown))
	}
	for _, m := range shown {
		var line bytes.Buffer
		if err := json.Compact(&line, m[1]); err != nil {
			t.Errorf("%v: %s", err, m[1])
			continue
		}
		judge := monitor.NewReplay(monitor.Config{Timing: monitor.DefaultTiming()})
		if err := monitor.ReadSamples(&line, func(s monitor.Sample) error { judge.Take(s); return nil }); err != nil {
			t.Errorf("%v: %s", err, m[1])
			continue
		}
		r := judge.Report(time.Now())
		got := fmt.Sprintf("%s %d", r.Verdict, status(failOn(r, "unknown"), io.Discard))
		if want := fmt.Sprintf("%s %s", m[2], m[3]); got != want {
			t.Errorf("it is %s, and the page says %s: %s", got, want, m[1])
		}
	}
}

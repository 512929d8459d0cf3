//go:build lab

package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestEnvironmentSwitchesOff(t *testing.T) {
	for ids, want := range map[string][]string{
		"":                           nil,
		"id.tls_mismatch":            {"id.tls_mismatch"},
		"clear.surplus,dup.conflict": {"clear.surplus", "dup.conflict"},
	} {
		t.Setenv(labOff, ids)
		mc := monitor.Config{System: func() ([]monitor.Resolver, error) { return nil, nil }}
		if err := impair(&mc); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, mc.Off); diff != "" {
			t.Errorf("%q (-want +got):\n%s", ids, diff)
		}
		if _, err := monitor.New(mc, nil, nil, nil, slog.New(slog.DiscardHandler)); err != nil {
			t.Errorf("%q: %v", ids, err)
		}
	}
}

// A typing error must not pass for a mutation that nobody misses.
func TestUnknownSwitchIsRefused(t *testing.T) {
	for _, ids := range []string{"no.such", "id.tls_mismatch,", "id.tls_mismatch, dup.conflict"} {
		t.Setenv(labOff, ids)
		mc := monitor.Config{System: func() ([]monitor.Resolver, error) { return nil, nil }}
		if err := impair(&mc); err != nil {
			t.Fatal(err)
		}
		if _, err := monitor.New(mc, nil, nil, nil, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%q is taken", ids)
		}
	}
}

func TestHurryEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hurry")
	t.Setenv(labHurry, file)
	for _, there := range []bool{false, true, false} {
		if there {
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		} else {
			os.Remove(file)
		}
		mc := monitor.Config{Timing: monitor.LabTiming()}
		if err := impair(&mc); err != nil || (mc.Timing.WitnessInterval == hurried) != there {
			t.Errorf("with the file %t: witnesses every %s (%v)", there, mc.Timing.WitnessInterval, err)
		}
	}
}

// What is recorded is what ReadSamples reads, however often the configuration is
// read.
func TestSamplesAreRecorded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "samples.jsonl")
	t.Setenv(labRecord, file)
	want := []monitor.Sample{}
	for i := range 2 {
		var mc monitor.Config
		if err := impair(&mc); err != nil {
			t.Fatal(err)
		}
		s := monitor.Sample{At: time.Unix(int64(1e9+i), 0).UTC(), Via: monitor.Probe, Question: monitor.Question{Name: "a.example.", Type: monitor.TypeA}}
		mc.Tap(s)
		s.Answers, s.Evidence = []monitor.Observation{}, []monitor.Evidence{}
		want = append(want, s)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []monitor.Sample
	if err := monitor.ReadSamples(f, func(s monitor.Sample) error { got = append(got, s); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}

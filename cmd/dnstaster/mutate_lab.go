//go:build lab

package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// The environment of a daemon that is made for the lab.
const (
	labOff    = "DNSTASTER_LAB_OFF"    // rules and clearing tests that are switched off, separated by commas
	labRecord = "DNSTASTER_LAB_RECORD" // file that every judged sample is appended to, one a line
	labHurry  = "DNSTASTER_LAB_HURRY"  // while this file exists, witnesses are asked so often that names are soon learnt
)

// hurried is how often witnesses are asked then.
const hurried = 4 * time.Second

// impair has the environment switch rules and clearing tests off, and samples
// recorded. An id that does not exist is refused when the monitor is made.
func impair(mc *monitor.Config) error {
	if ids := os.Getenv(labOff); ids != "" {
		mc.Off = strings.Split(ids, ",")
	}
	if file := os.Getenv(labHurry); file != "" {
		if _, err := os.Stat(file); err == nil {
			mc.Timing.WitnessInterval = hurried
		}
	}
	path := os.Getenv(labRecord)
	if path == "" {
		return nil
	}
	f, err := recording(path)
	if err != nil {
		return fmt.Errorf("%s: %w", labRecord, err)
	}
	w := json.NewEncoder(f)
	mc.Tap = func(s monitor.Sample) {
		if err := w.Encode(s); err != nil {
			slog.Error("sample is not recorded", "err", err)
		}
	}
	return nil
}

// recording opens the file once, however often the configuration is read. It
// stays open for as long as the process lives.
var recording = func() func(string) (*os.File, error) {
	var once sync.Once
	var f *os.File
	var err error
	return func(path string) (*os.File, error) {
		once.Do(func() { f, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) })
		return f, err
	}
}()

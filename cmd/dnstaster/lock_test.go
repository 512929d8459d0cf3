package main

import (
	"io"
	"testing"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestLockOf locks what is clean and known, and tells with which status it does not.
func TestLockOf(t *testing.T) {
	key := []monitor.PinnableKey{{SPKI: "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", Issuer: "Example CA"}}
	zones := []monitor.LockedZone{{Zone: "b.example.", Nameservers: []string{"ns1.b.example."}}}
	good := monitor.Pinnable{Name: "b.example.", Verdict: monitor.Clean, Port: 443, Keys: key}
	for _, tt := range []struct {
		name   string
		second monitor.Pinnable
		want   int
	}{
		{"both", monitor.Pinnable{Name: "a.example.", Verdict: monitor.Clean, Port: 443, Keys: key}, exitClean},
		{"a poisoned one", monitor.Pinnable{Name: "a.example.", Verdict: monitor.Poisoned, Port: 443, Keys: key}, exitPoisoned},
		{"a suspect one", monitor.Pinnable{Name: "a.example.", Verdict: monitor.Suspicious, Port: 443, Keys: key}, exitSuspect},
		{"an unknown one", monitor.Pinnable{Name: "a.example.", Verdict: monitor.Unknown, Port: 443, Keys: key}, exitUnknown},
		{"one that is not known", monitor.Pinnable{Name: "a.example.", Verdict: monitor.Clean, Port: 443}, exitUnknown},
		{"one that showed no key", monitor.Pinnable{Name: "a.example.", Verdict: monitor.Clean, Port: 443, Zones: zones}, exitUnknown},
		{"one without TLS", monitor.Pinnable{Name: "a.example.", Verdict: monitor.Clean, Off: true, Zones: zones}, exitClean},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := lockOf(monitor.Pins{Names: []monitor.Pinnable{good, tt.second}})
			if got := status(err, io.Discard); got != tt.want {
				t.Errorf("%v ends with %d, want %d", err, got, tt.want)
			}
			if names := len(l.Names); err == nil && (names != 2 || l.Names[0].Name != "a.example.") || err != nil && names != 0 {
				t.Errorf("locked %+v", l.Names)
			}
		})
	}
}

package main

import (
	"fmt"
	"strings"
)

// Criteria of replay and of live capture.
const (
	wantSpeed  = 2    // times dnstop's packets per second of CPU
	wantPeakMB = 100  // megabytes, resident
	wantCore   = 0.15 // of a core at the steady rate; or
	wantTimes  = 3    // times what tcpdump takes
)

// Names of the contenders that criteria speak of.
const (
	ours    = "dnstaster"
	bare    = "bare ring"
	tcpdump = "tcpdump"
	dnstop  = "dnstop"
)

// steady is the rate, in packets a second, at which live capture must be cheap.
const steady = 100_000

func replayCriteria(p *Part) []Criterion {
	r := p.row(ours)
	return []Criterion{
		truthful(p),
		{"packets per second of CPU", fmt.Sprintf("%d times dnstop's or more", wantSpeed), fmt.Sprintf("%.2f times", r.Speed), r.Speed >= wantSpeed},
		{"peak of memory", fmt.Sprintf("%d MB or less", wantPeakMB), fmt.Sprintf("%.0f MB", r.PeakMB), r.PeakMB <= wantPeakMB},
	}
}

func liveCriteria(p *Part) []Criterion {
	most, ring := p.run(ours, 0), p.run(bare, 0)
	calm, dump := p.run(ours, steady), p.run(tcpdump, steady)
	times := calm.Microseconds / dump.Microseconds
	return []Criterion{
		truthful(p),
		{"lost at the sender's limit", fmt.Sprintf("no more than the bare ring: %d", ring.lost()), fmt.Sprintf("%d of %d", most.lost(), sum(most.Sent)), most.lost() <= ring.lost()},
		{fmt.Sprintf("cost at %d packets a second", steady), fmt.Sprintf("%.0f %% of a core, or %d times tcpdump's", 100*wantCore, wantTimes),
			fmt.Sprintf("%.1f %%, %.1f times", 100*calm.Core, times), calm.Core <= wantCore || times <= wantTimes},
	}
}

// truthful is the criterion that counts are what they must be.
func truthful(p *Part) Criterion {
	c := Criterion{What: "every timed run reports what there was", Want: "all counts right", Got: "all counts right", Pass: true}
	if len(p.Faults) > 0 {
		c.Got, c.Pass = strings.Join(p.Faults, "; "), false
	}
	return c
}

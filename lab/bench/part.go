package main

import (
	"slices"
	"time"
)

// Part is what came of one part of a run.
type Part struct {
	Title    string      `json:"title"`
	About    string      `json:"about"`
	At       time.Time   `json:"at"`
	Rounds   int         `json:"rounds"`
	Machine  Machine     `json:"machine"`
	Rows     []Row       `json:"rows,omitempty"` // of replay
	Runs     []Run       `json:"runs,omitempty"` // of live
	Criteria []Criterion `json:"criteria"`
	Faults   []string    `json:"faults,omitempty"` // counts that are not what they must be
}

// Row is what a program took to read a capture.
type Row struct {
	Name         string  `json:"name"`
	Does         string  `json:"does"`
	Packets      int     `json:"packets"`
	Microseconds float64 `json:"cpu_us_per_packet"` // the median
	Least        float64 `json:"least"`
	Most         float64 `json:"most"`
	Speed        float64 `json:"speed"` // packets per second of CPU, as a multiple of dnstop's
	PeakMB       float64 `json:"peak_mb"`
}

// Run is what programs took to hear packets of one rate, all rounds together.
type Run struct {
	Name         string  `json:"name"`
	Does         string  `json:"does"`
	Rate         int     `json:"rate"` // packets a second that were asked for; 0 for as many as go
	Reached      float64 `json:"reached"`
	Sent         []int   `json:"sent"` // by round, as all that follow
	Delivered    []int   `json:"delivered"`
	Dropped      []int   `json:"dropped"`              // as the kernel says
	Microseconds float64 `json:"cpu_us_per_packet"`    // delivered; the median
	Core         float64 `json:"core"`                 // share of one, while packets come; the median
	Sender       float64 `json:"sender_us_per_packet"` // CPU of the sender, in which the kernel captures
}

// lost is how many packets did not arrive.
func (r Run) lost() int { return sum(r.Sent) - sum(r.Delivered) }

// Criterion is what is asked of dnstaster in a part.
type Criterion struct {
	What string `json:"what"`
	Want string `json:"want"`
	Got  string `json:"got"`
	Pass bool   `json:"pass"`
}

// pass reports whether every criterion is met.
func (p *Part) pass() bool {
	return !slices.ContainsFunc(p.Criteria, func(c Criterion) bool { return !c.Pass })
}

// fault notes a count that is wrong. One that is so in every round is noted once.
func (p *Part) fault(text string) {
	if !slices.Contains(p.Faults, text) {
		p.Faults = append(p.Faults, text)
	}
}

// relate fills in the speeds as multiples of that row's.
func (p *Part) relate(to string) {
	if base := p.row(to); base != nil {
		for i := range p.Rows {
			p.Rows[i].Speed = base.Microseconds / p.Rows[i].Microseconds
		}
	}
}

func (p *Part) row(name string) *Row {
	for i := range p.Rows {
		if p.Rows[i].Name == name {
			return &p.Rows[i]
		}
	}
	return nil
}

func (p *Part) run(name string, rate int) *Run {
	for i := range p.Runs {
		if p.Runs[i].Name == name && p.Runs[i].Rate == rate {
			return &p.Runs[i]
		}
	}
	return nil
}

func sum(ns []int) (s int) {
	for _, n := range ns {
		s += n
	}
	return s
}

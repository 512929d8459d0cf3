package monitor_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestScore(t *testing.T) {
	local := monitor.Observation{Role: monitor.Local, Transport: monitor.UDP, Rcode: "NOERROR", Records: []monitor.Record{{Name: apiA.Name, Type: monitor.TypeA, Data: goodAddr}}}
	witness := local
	witness.Role, witness.Transport, witness.Encrypted = monitor.Reference, monitor.DoT, true
	deaf := witness
	deaf.Error = monitor.ErrTimeout
	signed := []monitor.Evidence{{Kind: monitor.EvidenceDNSSEC, Status: monitor.Secure}}
	of := func(v monitor.Verdict, change func(*monitor.Judgement)) monitor.Judgement {
		j := monitor.Judgement{Name: apiA.Name, Type: monitor.TypeA, Verdict: v, Answers: []monitor.Observation{local}}
		if change != nil {
			change(&j)
		}
		return j
	}
	proven := func(j *monitor.Judgement) { j.Proven = true }
	all := of(monitor.Clean, func(j *monitor.Judgement) {
		j.Proven, j.Answers, j.Evidence = true, []monitor.Observation{local, witness}, signed
	})
	for _, tt := range []struct {
		name  string
		given []monitor.Judgement
		want  string
		lines []int
	}{
		{"everything", []monitor.Judgement{all}, "100 of 100: the mean of 1", []int{100}},
		{"agreed upon", []monitor.Judgement{of(monitor.Clean, func(j *monitor.Judgement) { j.Answers = []monitor.Observation{local, witness} })}, "70 of 100: the mean of 1", []int{70}},
		{"proven on one path", []monitor.Judgement{of(monitor.Clean, proven)}, "80 of 100: the mean of 1", []int{80}},
		{"and locked", []monitor.Judgement{of(monitor.Clean, func(j *monitor.Judgement) { j.Proven, j.Locked = true, true })}, "90 of 100: the mean of 1", []int{90}},
		{"a witness that was not heard", []monitor.Judgement{of(monitor.Clean, func(j *monitor.Judgement) { j.Answers = []monitor.Observation{local, deaf} })}, "60 of 100: the mean of 1", []int{60}},
		{"no such record is nothing to connect to", []monitor.Judgement{all, of(monitor.Clean, func(j *monitor.Judgement) { j.Type = monitor.TypeAAAA })}, "100 of 100: the mean of 1", []int{100}},
		{"a mean", []monitor.Judgement{all, of(monitor.Clean, proven), of(monitor.Clean, nil)}, "80 of 100: the mean of 3", []int{100, 80, 60}},
		{"one is unknown", []monitor.Judgement{all, all, all, of(monitor.Unknown, proven)}, "50 of 100: the mean of 4 is 75, and at most 50 since api.partner.example A is unknown", []int{100, 100, 100, 0}},
		{"one is suspect", []monitor.Judgement{all, all, all, of(monitor.Suspicious, nil), of(monitor.Unknown, nil)}, "25 of 100: the mean of 5 is 60, and at most 25 since api.partner.example A is suspect", []int{100, 100, 100, 0, 0}},
		{"one is poisoned", []monitor.Judgement{all, all, all, of(monitor.Poisoned, nil)}, "0 of 100: the mean of 4 is 75, and at most 0 since api.partner.example A is poisoned", []int{100, 100, 100, 0}},
		{"a lock is broken", []monitor.Judgement{all, of(monitor.Clean, func(j *monitor.Judgement) { j.Proven, j.Breaches = true, []string{"x"} })},
			"0 of 100: the mean of 2 is 50, and at most 0 since api.partner.example A breaks the lock", []int{100, 0}},
		{"nothing", nil, "0 of 100: the mean of 0 is 0, and at most 50 since nothing was judged", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := monitor.NewScore(tt.given)
			var lines []int
			for _, l := range s.Names {
				if l.Points != l.Right+l.Proven+l.Backed+l.Signed {
					t.Errorf("%d is not the sum of %+v", l.Points, l)
				}
				lines = append(lines, l.Points)
			}
			if diff := cmp.Diff(tt.lines, lines); diff != "" || s.Arithmetic() != tt.want {
				t.Errorf("%s, want %s; lines (-want +got):\n%s", s.Arithmetic(), tt.want, diff)
			}
		})
	}
}

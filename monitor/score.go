package monitor

import (
	"fmt"
	"slices"
	"strings"
)

// Points that one question can have: what is answered is held to be right, it is
// proven and not only agreed upon, a second voice says so, and the zone is signed.
const (
	pointsRight  = 60
	pointsProven = 20
	pointsBacked = 10
	pointsSigned = 10
)

// Most that a report can score that holds something of the kind, whatever the rest
// of it is worth: what is false for one name is not made up for by others.
const (
	mostPoisoned = 0
	mostSuspect  = 25
	mostUnknown  = 50
)

// Score says in one number, from 0 to 100, how well the names of a report stand,
// and how it comes about: Points is the smaller of Mean and Most.
type Score struct {
	Points  int         `json:"points"`
	Mean    int         `json:"mean"`              // of Names, rounded down
	Most    int         `json:"most"`              // that there can be
	Because string      `json:"because,omitempty"` // why it is less than 100
	Names   []ScoreLine `json:"names"`
}

// ScoreLine is what one question adds: Points is the sum of the four after it.
type ScoreLine struct {
	Name   string `json:"name"`
	Type   Type   `json:"type"`
	Points int    `json:"points"`
	Right  int    `json:"right"`  // 60: it is clean, and no lock is broken
	Proven int    `json:"proven"` // 20: every address proved itself, or is declared, or the zone signed it
	Backed int    `json:"backed"` // 10: a witness was heard, or the lock has the key
	Signed int    `json:"signed"` // 10: a signature of the zone was seen to hold
}

// NewScore adds up judgements. A type that a clean name does not have, so that
// there is nothing to connect to, is left out.
func NewScore(js []Judgement) Score {
	s := Score{Most: 100, Names: []ScoreLine{}}
	sum := 0
	least := func(most int, because string) {
		if most < s.Most {
			s.Most, s.Because = most, because
		}
	}
	for _, j := range js {
		line, counts := j.score()
		what := strings.TrimSuffix(j.Name, ".") + " " + j.Type.String()
		switch {
		case j.Verdict == Poisoned:
			least(mostPoisoned, what+" is poisoned")
		case len(j.Breaches) > 0:
			least(mostPoisoned, what+" breaks the lock")
		case j.Verdict == Suspicious:
			least(mostSuspect, what+" is suspect")
		case j.Verdict != Clean:
			least(mostUnknown, what+" is unknown")
		}
		if counts {
			s.Names = append(s.Names, line)
			sum += line.Points
		}
	}
	if len(s.Names) == 0 {
		least(mostUnknown, "nothing was judged")
	} else {
		s.Mean = sum / len(s.Names)
	}
	s.Points = min(s.Mean, s.Most)
	return s
}

// score gives the points of one question, and whether it has any part in it.
func (j Judgement) score() (l ScoreLine, counts bool) {
	l.Name, l.Type = j.Name, j.Type
	if j.Verdict != Clean || len(j.Breaches) > 0 {
		return l, true
	}
	l.Right = pointsRight
	addressed, backed := false, j.Locked
	for _, o := range j.Answers {
		addressed = addressed || o.Role == Local && len(o.Addresses(j.Question())) > 0
		backed = backed || o.Witness() && o.Error == ""
	}
	if j.Type.Address() && !addressed {
		return l, false
	}
	signed := slices.ContainsFunc(j.Evidence, func(e Evidence) bool { return e.Kind == EvidenceDNSSEC && e.Status == Secure })
	if j.Proven || signed {
		l.Proven = pointsProven
	}
	if backed {
		l.Backed = pointsBacked
	}
	if signed {
		l.Signed = pointsSigned
	}
	l.Points = l.Right + l.Proven + l.Backed + l.Signed
	return l, true
}

// Arithmetic says in a line how the score comes about.
func (s Score) Arithmetic() string {
	text := fmt.Sprintf("%d of 100: the mean of %d", s.Points, len(s.Names))
	if s.Because != "" {
		text += fmt.Sprintf(" is %d, and at most %d since %s", s.Mean, s.Most, s.Because)
	}
	return text
}

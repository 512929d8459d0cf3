package score

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Result is what one case of the matrix gave.
type Result struct {
	ID       string `json:"id"` // A01, B01, C01: the letter is the group
	Title    string `json:"title"`
	Expected string `json:"expected"`
	Got      string `json:"got"`
	Pass     bool   `json:"pass"`
	// Seconds go from the first forged packet, or the start of the cause, to the
	// webhook received. For benign cases they are the quiet time watched.
	Seconds float64  `json:"seconds"`
	Rules   []string `json:"rules"` // that fired
	// Why says why a case fails.
	Why string `json:"why,omitempty"`
	// Confirm is the seconds from the same start to the webhook of a confirmed
	// verdict. 0 stands for none.
	Confirm float64 `json:"confirm_seconds,omitempty"`
	// Live rounds were asked over the network, Judged ones given to the judge
	// within the test's process.
	Live   Rounds `json:"live,omitzero"`
	Judged Rounds `json:"judged,omitzero"`
	// Forged is when the cause began. It is not written: a board is the same
	// whenever it was made.
	Forged time.Time `json:"-"`
}

// Told sets Seconds: the webhook was received at this time.
func (r *Result) Told(at time.Time) { r.Seconds = at.Sub(r.Forged).Seconds() }

// Rounds counts rounds in which nothing was to be said, and those with a false
// alarm among them.
type Rounds struct {
	N     int `json:"rounds"`
	False int `json:"false_alarms"`
}

func (r Rounds) plus(s Rounds) Rounds { return Rounds{r.N + s.N, r.False + s.False} }

// Group names the part of the matrix: attack, benign, or addition.
func (r Result) Group() string {
	switch {
	case strings.HasPrefix(r.ID, "A"):
		return "attack"
	case strings.HasPrefix(r.ID, "B"):
		return "benign"
	}
	return "addition"
}

// Injections are the many runs of one attack, for the quantiles of its delay.
type Injections struct {
	Case    string    `json:"case"`
	Seconds []float64 `json:"seconds"` // from the first forged packet to the webhook
	Missed  int       `json:"missed"`  // no webhook came
}

// A Board holds the results under one profile. It is not safe for concurrent use.
type Board struct {
	ProfileHash string
	Cases       []Result
	Injections  []Injections
}

// Add puts a result on the board, in place of an earlier one of the same case.
func (b *Board) Add(r Result) {
	if i := slices.IndexFunc(b.Cases, func(o Result) bool { return o.ID == r.ID }); i >= 0 {
		b.Cases[i] = r
		return
	}
	b.Cases = append(b.Cases, r)
}

// written is a board as it stands in RESULTS.json.
type written struct {
	ProfileHash string        `json:"profile_hash"`
	Cases       []writtenCase `json:"cases"`
	Totals      Totals        `json:"totals"`
	Latency     []Latency     `json:"latency"`
}

type writtenCase struct {
	Result
	Group string `json:"group"`
}

func (b Board) written() written {
	w := written{b.ProfileHash, []writtenCase{}, b.Totals(), b.Latency()}
	for _, r := range b.sorted() {
		r.Seconds, r.Confirm = milli(r.Seconds), milli(r.Confirm)
		if r.Rules == nil {
			r.Rules = []string{}
		}
		w.Cases = append(w.Cases, writtenCase{r, r.Group()})
	}
	return w
}

// MarshalJSON writes cases in the order of their numbers, then totals.
func (b Board) MarshalJSON() ([]byte, error) { return json.Marshal(b.written()) }

// JSON is the text of RESULTS.json: indented, and < stays < for those who read it.
func (b Board) JSON() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(b.written())
	return out.Bytes(), err
}

func (b Board) sorted() []Result {
	return slices.SortedStableFunc(slices.Values(b.Cases), func(x, y Result) int { return byID(x.ID, y.ID) })
}

// byID orders A2 before A10, and A10 before B1.
func byID(x, y string) int {
	split := func(id string) (string, int, string) {
		from := strings.IndexAny(id, "0123456789")
		if from < 0 {
			return id, 0, ""
		}
		to := from
		for to < len(id) && '0' <= id[to] && id[to] <= '9' {
			to++
		}
		n, _ := strconv.Atoi(id[from:to]) // digits only; what is too great comes last
		return id[:from], n, id[to:]
	}
	xl, xn, xr := split(x)
	yl, yn, yr := split(y)
	return cmp.Or(cmp.Compare(xl, yl), cmp.Compare(xn, yn), cmp.Compare(xr, yr), cmp.Compare(x, y))
}

// milli rounds to a thousandth: finer digits are noise.
func milli(s float64) float64 { return math.Round(s*1000) / 1000 }

//go:build lab

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/dnstaster/dnstaster/lab/score"
)

// The scoreboard as it is committed.
const (
	boardJSON = "RESULTS.json"
	boardText = "RESULTS.md"
)

// keeper keeps results by case, and tells which of them are worse than before.
type keeper struct {
	dir  score.Dir
	mark string          // of this build of the cases
	was  map[string]bool // cases of the committed board, and whether they passed

	board score.Board
}

// profileHash names all that decides how a case is judged and is the same for all.
func profileHash() string {
	return score.ProfileHash(append(append([]string{profile, fmt.Sprintf("%+v", timing)}, usualWatches...), usualResolvers...)...)
}

// openKeeper reads what there is, once.
var openKeeper = sync.OnceValues(func() (*keeper, error) {
	k := &keeper{was: map[string]bool{}, board: score.Board{ProfileHash: profileHash()}}
	var err error
	if k.mark, err = fingerprint(); err != nil {
		return nil, err
	}
	program := binary
	if *mark != "" {
		program = os.DevNull
	}
	if k.dir, err = score.OpenDir(*results, k.board.ProfileHash, program); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(boardJSON)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return nil, err
	}
	var committed struct {
		Cases []struct {
			ID   string `json:"id"`
			Pass bool   `json:"pass"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(text, &committed); err != nil {
		return nil, fmt.Errorf("%s: %w", boardJSON, err)
	}
	for _, c := range committed.Cases {
		k.was[c.ID] = c.Pass
	}
	return k, nil
})

// kept gives the result of a case that an earlier run of the same build had.
func (k *keeper) kept(id string) (score.Result, bool) {
	var r score.Result
	if *again {
		return r, false
	}
	ok, err := k.dir.Load(id, k.mark, &r)
	return r, ok && err == nil
}

// result says what came of the run.
func (r *Run) result() score.Result {
	x := score.Result{
		ID: r.ID, Title: r.Title, Expected: r.expected(), Got: r.got, Pass: len(r.faults) == 0,
		Seconds: r.seconds, Rules: r.rules, Why: strings.Join(r.faults, "; "),
		Live: score.Rounds{N: r.rounds, False: r.alarms}, Confirm: r.confirmed,
	}
	if len(r.missing) > 0 {
		x.Why = strings.TrimPrefix(x.Why+"; not there yet: "+strings.Join(r.missing, ", "), "; ")
	}
	return x
}

// hold reports a result to the test: what passed when the board was committed must
// pass, and what was red may still be.
func (k *keeper) hold(t *testing.T, r score.Result) {
	t.Helper()
	line := fmt.Sprintf("%s: %s (%.1f s) %v", r.Title, r.Got, r.Seconds, r.Rules)
	if r.Why != "" {
		line += "\n" + r.Why
	}
	passed, known := k.was[r.ID]
	switch {
	case r.Pass:
		t.Log(line)
	case known && !passed:
		t.Logf("RED, as it is on the committed board: %s", line)
	default:
		t.Errorf("RED: %s", line)
	}
}

// write writes the board, once every case is there and its rounds were judged in
// bulk. Delays are on it where they were measured.
func (k *keeper) write() error {
	var missing []string
	for _, c := range cases {
		var r score.Result
		if ok, err := k.dir.Load(c.ID, k.mark, &r); err != nil {
			return err
		} else if !ok {
			missing = append(missing, c.ID)
			continue
		}
		if ok, err := k.dir.Load(judged(c.ID), k.mark, &r.Judged); err != nil {
			return err
		} else if !ok && len(c.Want) == 0 && r.Live.N > 0 {
			missing = append(missing, judged(c.ID))
		}
		k.board.Add(r)
	}
	for _, p := range probes {
		var in score.Injections
		if ok, err := k.dir.Load(injectionsOf(p.Case.ID), k.mark, &in); err != nil {
			return err
		} else if ok {
			k.board.Injections = append(k.board.Injections, in)
		}
	}
	if len(missing) > 0 {
		fmt.Printf("the scoreboard stays as it is: %d results of this build are missing: %s\n", len(missing), strings.Join(missing, " "))
		return nil
	}
	text, err := k.board.JSON()
	if err != nil {
		return err
	}
	return errors.Join(score.Write(boardJSON, text), score.Write(boardText, k.board.Markdown()))
}

// judged and injectionsOf are names under which more than a case's result is kept.
func judged(id string) string       { return "judged-" + id }
func injectionsOf(id string) string { return "injections-" + id }

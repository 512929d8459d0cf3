package score

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOrder(t *testing.T) {
	want := []string{"", "A02", "A2", "A06", "A06b", "A10", "A100", "B01", "C1", "all"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, byID)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestMarshal holds that json.Marshal of a board says what JSON says.
func TestMarshal(t *testing.T) {
	read := func(text []byte, err error) (v any) {
		if err == nil {
			err = json.Unmarshal(text, &v)
		}
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	b := sample()
	if diff := cmp.Diff(read(b.JSON()), read(json.Marshal(b))); diff != "" {
		t.Error(diff)
	}
}

func TestTold(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := Result{Forged: at}
	r.Told(at.Add(1500 * time.Millisecond))
	if r.Seconds != 1.5 {
		t.Errorf("%v s", r.Seconds)
	}
}

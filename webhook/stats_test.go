package webhook

import (
	"encoding/json"
	"testing"
	"time"
)

func TestStatsAsJSON(t *testing.T) {
	s := sender(t, newLog(), nil, nil)
	s.tally.failed(attempt{reaction: Throttled, err: "429 Too Many Requests"}, time.Unix(1, 0).UTC(), time.Unix(2, 0).UTC())
	got, err := json.Marshal(s.Stats())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"endpoint":"ops","delivered":0,"failed":{"throttled":1},"dead":0,"missed":0,"cursor":0,"pending":0,"disabled":false,` +
		`"last_failure":"1970-01-01T00:00:01Z","last_error":"429 Too Many Requests","next_try":"1970-01-01T00:00:02Z"}`
	if string(got) != want {
		t.Errorf("Stats() = %s\nwant %s", got, want)
	}
}

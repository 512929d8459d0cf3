package monitor_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// An alert that was told stays as it was told, also when more frames of one of
// its transactions come in: whoever holds it reads it without a lock.
func TestOverheardAlertHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := newWorld(), config()
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			s := transaction(1, 1, evil(evilAddr), good(goodAddr), evil("192.0.66.67"))
			s.Queries[0].Frame = 1
			for i := range s.Answers {
				s.Answers[i].Packet.Frame = 2 + i
			}
			part := s
			part.Answers = s.Answers[:2]
			frames := func(offer monitor.Sample) (as []monitor.Alert) {
				t.Helper()
				m.Offer(offer)
				wait(time.Second)
				e, err := m.Explain(t.Context(), apiA.Name)
				if err != nil || len(e.Alerts) != 1 || len(e.Alerts[0].Transactions) != 1 {
					t.Fatalf("want one alert with one transaction: %+v, %v", e.Alerts, err)
				}
				return e.Alerts
			}
			first := frames(part)
			later := frames(s)
			if diff := cmp.Diff([]int{1, 2, 3, 4}, later[0].Transactions[0].Frames); diff != "" {
				t.Errorf("frames when all is seen (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]int{1, 2, 3}, first[0].Transactions[0].Frames); diff != "" {
				t.Errorf("frames as they were told (-want +got):\n%s", diff)
			}
		})
	})
}

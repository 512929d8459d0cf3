package webhook

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// within adds an event that an incident tells of.
func (l *memoryLog) within(eventType string, a monitor.Alert) {
	b, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.alerts == nil {
		l.alerts = map[string]monitor.Alert{}
	}
	l.alerts[a.ID] = a
	l.events = append(l.events, monitor.Event{Seq: uint64(len(l.events)) + 1, At: time.Now(), Type: eventType, Data: b, Alert: a.ID, Incident: a.Incident})
	close(l.more)
	l.more = make(chan struct{})
}

// What an incident tells of is not sent once more, and holds nothing up.
func TestIncidentIsToldAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		got := statuses(200)
		stop := run(t, sender(t, log, serve(t, got.ServeHTTP), nil))
		defer stop()
		log.add(monitor.AlertOpened, monitor.Alert{ID: "01A"})
		log.within(monitor.AlertOpened, monitor.Alert{ID: "01B", Incident: "01X", Untold: true})
		log.add(monitor.AlertOpened, monitor.Alert{ID: "01X", Names: []string{"a.", "b."}})
		log.within(monitor.AlertResolved, monitor.Alert{ID: "01B", Incident: "01X", Untold: true})
		time.Sleep(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"01STORE-1", "01STORE-3"}, got.ids()); diff != "" {
			t.Errorf("webhook ids (-want +got):\n%s", diff)
		}
		if n := log.cursor("ops"); n != 4 {
			t.Errorf("cursor %d, want 4, the end of the log", n)
		}
	})
}

// Alertmanager hears of an incident, of what was told before it, and of nothing
// else.
func TestIncidentIsMirroredAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		told1, untold, incident := standingAlert("a./local", monitor.Critical), standingAlert("b./local", monitor.Critical), standingAlert("incident/x", monitor.Critical)
		told1.Incident, untold.Incident, untold.Untold = incident.ID, incident.ID, true
		incident.Names = []string{"a.", "b."}
		got := statuses()
		stop := run(t, sender(t, log, serve(t, got.ServeHTTP), toAlertmanager))
		defer stop()
		log.put(monitor.AlertOpened, told1)
		log.within(monitor.AlertOpened, untold)
		log.put(monitor.AlertOpened, incident)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		bodies := got.told(t)
		if len(bodies) == 0 {
			t.Fatal("nothing was told")
		}
		last := bodies[len(bodies)-1]
		slices.Sort(last)
		if diff := cmp.Diff([]string{"a./local critical", "incident/x critical"}, last); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// However many names there are, the body fits, and says that it was cut.
func TestIncidentOfManyNames(t *testing.T) {
	a := monitor.Alert{ID: "01A", Kind: monitor.PathRewritten, Summary: "s", Text: "t"}
	for range 2000 {
		a.Names = append(a.Names, strings.Repeat("n", 60)+".example.")
	}
	body := standardBody(event(t, monitor.AlertOpened, a))
	var got struct{ Data monitor.Alert }
	if err := json.Unmarshal(body, &got); err != nil || len(body) > maxBody {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	if n := len(got.Data.Names); n == 0 || n == 2000 || !got.Data.Truncated || got.Data.Summary != "s" {
		t.Errorf("%d names, truncated %t, summary %q", n, got.Data.Truncated, got.Data.Summary)
	}
}

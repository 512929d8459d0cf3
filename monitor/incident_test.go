package monitor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// sent lists the events about alerts that receivers are told of, each as "type
// kind names", where names is how many an incident has, or the name of an alert.
func (w *world) sent() (out []string) {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	for _, e := range w.events {
		if e.Alert == "" || e.Incident != "" {
			continue
		}
		a := decode[monitor.Alert](e.Data)
		about := strings.TrimSuffix(a.Name, ".partner.example.")
		if a.IsIncident() {
			about = fmt.Sprint(len(a.Names))
		}
		out = append(out, fmt.Sprintf("%s %s %s", e.Type, a.Kind, about))
	}
	return out
}

// count counts what begins alike.
func count(lines []string, head string) (n int) {
	for _, l := range lines {
		if strings.HasPrefix(l, head) {
			n++
		}
	}
	return n
}

// incidents gives those that the ledger holds.
func (w *world) incidents() (as []monitor.Alert) {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	for _, a := range w.alerts {
		if a.IsIncident() {
			as = append(as, a)
		}
	}
	return as
}

// dozen has twelve names watched, the last of which is somebody else's and has a
// secret of its own; lying has the path lie about some of them.
func dozen(w *world, c *monitor.Config) (lying func(from, to int)) {
	names(w, c, 12)
	for i := range c.Watches {
		c.Watches[i].Owner = "payments"
	}
	c.Watches[11].Owner, c.Watches[11].SecretNames = "billing", []string{"BILLING_KEY"}
	return func(from, to int) {
		for _, x := range c.Watches[from:to] {
			w.lie(monitor.Question{Name: x.Name, Type: monitor.TypeA}, evilAddr, 60, everyPlain...)
		}
	}
}

// One lie about many names calls once for them all, after the first few; it says
// so when there are more, and when all of it is over.
func TestIncident(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		lying := dozen(w, &c)
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			lying(0, 11)
			wait(10 * time.Minute)
			got := w.sent()
			if n := count(got, "alert.opened"); n != 5 {
				t.Errorf("%d alerts opened, want four names and their incident: %q", n, got)
			}
			if n := count(got, "alert.updated"); n > 3 {
				t.Errorf("%d updates: %q", n, got)
			}
			as := w.incidents()
			if len(as) != 1 || len(as[0].Names) != 11 || as[0].Severity != monitor.Critical || as[0].Confidence != monitor.Confirmed || as[0].Verdict != monitor.Poisoned {
				t.Fatalf("%+v, want one with eleven names, critical and confirmed", as)
			}
			if n := len(w.told(monitor.AlertOpened)); n != 12 {
				t.Errorf("%d alerts opened in the log, want those of all names and the incident", n)
			}
			// A straggler, with another owner and secret.
			before := len(got)
			lying(11, 12)
			wait(5 * time.Minute)
			if got := w.sent()[before:]; !slices.Equal(got, []string{"alert.updated path_rewritten 12"}) {
				t.Errorf("told of a straggler: %q", got)
			}
			if a := w.incidents()[0]; !slices.Equal(a.Owners, []string{"billing", "payments"}) || !slices.Equal(a.Exposure.SecretNames, []string{"BILLING_KEY"}) {
				t.Errorf("owners %q, secrets %q", a.Owners, a.Exposure.SecretNames)
			}
			before = len(w.sent())
			w.honest()
			wait(2 * time.Hour)
			got = w.sent()[before:]
			if len(got) != 5 || count(got, "alert.resolved path_rewritten n") != 4 || count(got, "alert.resolved path_rewritten 12") != 1 {
				t.Errorf("told of the end: %q, want the end of what was opened", got)
			}
			if n := len(w.told(monitor.AlertResolved)); n != 13 {
				t.Errorf("%d alerts resolved in the log, want 13", n)
			}
		})
	})
}

// A name that returns too soon to call, and joins an incident, has not been told of
// again: neither is its end.
func TestQuietReturnIntoAnIncident(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		lying := dozen(w, &c)
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			lying(0, 1)
			wait(10 * time.Minute)
			w.honest()
			for count(w.sent(), "alert.resolved") == 0 {
				wait(time.Minute)
			}
			lying(1, 11)
			wait(5 * time.Minute)
			lying(0, 1)
			wait(5 * time.Minute)
			w.honest()
			wait(2 * time.Hour)
		})
		var first []string
		for _, line := range w.sent() {
			if strings.HasSuffix(line, " n0") {
				first = append(first, line)
			}
		}
		if !slices.Equal(first, []string{"alert.opened path_rewritten n0", "alert.resolved path_rewritten n0"}) {
			t.Errorf("told of the first name: %q", first)
		}
	})
}

// What is no storm calls for each name.
func TestFourNamesAreNoIncident(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		lying := dozen(w, &c)
		watch(t, w, c, func(*monitor.Monitor) {
			wait(10 * time.Minute)
			lying(0, 4)
			wait(30 * time.Minute)
			lying(4, 5) // long after
			wait(10 * time.Minute)
		})
		if got := w.sent(); len(got) != 5 || count(got, "alert.opened path_rewritten n") != 5 {
			t.Errorf("%q, want one for each of five names", got)
		}
	})
}

// A name that is accused of something else does not hide behind an incident.
func TestIncidentHidesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		lying := dozen(w, &c)
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			lying(0, 10)
			wait(10 * time.Minute)
			before := len(w.sent())
			// The resolver alone, and not the path.
			w.lie(monitor.Question{Name: c.Watches[11].Name, Type: monitor.TypeA}, evilAddr, 86400, "system/udp")
			wait(10 * time.Minute)
			if got := w.sent()[before:]; !slices.Equal(got, []string{"alert.opened resolver_cache n11"}) {
				t.Errorf("told of another lie: %q", got)
			}
			// Somebody knows of the incident, but not of the name that joins it.
			act(t, m, w.incidents()[0].ID, monitor.Acknowledge, monitor.Note{})
			lying(10, 11)
			wait(5 * time.Minute)
			if a := w.incidents()[0]; a.State != monitor.Open || len(a.Names) != 11 {
				t.Errorf("%s with %d names, want it open with 11", a.State, len(a.Names))
			}
		})
	})
}

// An incident goes on through restarts at any moment, and nobody is told twice.
func TestIncidentSurvivesRestarts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		lying := dozen(w, &c)
		watch(t, w, c, func(*monitor.Monitor) { wait(10 * time.Minute); lying(0, 8) })
		for range 8 {
			watch(t, w, c, func(*monitor.Monitor) { wait(40 * time.Second) })
		}
		watch(t, w, c, func(*monitor.Monitor) { wait(5 * time.Minute); lying(8, 12); wait(5 * time.Minute) })
		got := w.sent()
		if n := count(got, "alert.opened"); n > 5 {
			t.Errorf("%d alerts opened: %q", n, got)
		}
		as := w.incidents()
		if len(as) != 1 || len(as[0].Names) != 12 {
			t.Fatalf("incidents %+v, want one with 12 names", as)
		}
		watch(t, w, c, func(*monitor.Monitor) { wait(5 * time.Minute); w.honest(); wait(10 * time.Minute) })
		watch(t, w, c, func(*monitor.Monitor) { wait(2 * time.Hour) })
		if a := w.incidents()[0]; a.State != monitor.Resolved {
			t.Errorf("it is %s in the end", a.State)
		}
		if got := w.sent(); count(got, "alert.resolved") != count(got, "alert.opened") {
			t.Errorf("ends are not told of all that was opened, and of nothing else: %q", got)
		}
	})
}

// Whoever resolves an incident resolves what it stands for.
func TestResolveIncident(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		lying := dozen(w, &c)
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(10 * time.Minute)
			lying(0, 12)
			wait(5 * time.Minute)
			w.honest()
			id := w.incidents()[0].ID
			act(t, m, id, monitor.Resolve, monitor.Note{})
			s, err := m.Status(t.Context())
			if err != nil || len(s.Alerts) != 0 {
				t.Errorf("%d alerts are still open, %v", len(s.Alerts), err)
			}
			lying(0, 12)
			wait(10 * time.Minute)
			if got := w.sent(); count(got, "alert.opened") != 5 {
				t.Errorf("%q, want no second call so soon", got)
			}
			if a := w.incidents()[0]; a.State != monitor.Open || a.Flaps != 1 {
				t.Errorf("it is %s after %d flaps, want it open again", a.State, a.Flaps)
			}
		})
	})
}

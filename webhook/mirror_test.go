package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
)

// told lists what a body tells: each alert as "key severity", with "ends" where
// it does.
func told(t interface{ Fatal(...any) }, body string) []string {
	var posts []postable
	if err := json.Unmarshal([]byte(body), &posts); err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, p := range posts {
		s := p.Labels["key"] + p.Labels["condition"] + " " + p.Labels["severity"]
		if !p.EndsAt.IsZero() {
			s += " ends"
		}
		list = append(list, s)
	}
	return list
}

func (s *scripted) told(t *testing.T) [][]string {
	t.Helper()
	var all [][]string
	for _, a := range s.arrivals() {
		all = append(all, told(t, a.body))
	}
	return all
}

func toAlertmanager(c *Config) {
	c.URL, c.Secret, c.Format = URL{}, Secret{}, Alertmanager
	c.URL, _ = NewURL("http://hooks.example/prefix/")
}

func standingAlert(key string, severity monitor.Severity) monitor.Alert {
	return monitor.Alert{ID: "01" + key, Key: key, Severity: severity, State: monitor.Open, OpenedAt: time.Now()}
}

// TestMirror has what stands be told at once and every minute, and nothing
// while nothing stands.
func TestMirror(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		got := statuses()
		d := serve(t, got.ServeHTTP)
		s := sender(t, log, d, toAlertmanager)
		stop := run(t, s)
		time.Sleep(time.Hour + 30*time.Second)
		if n := len(got.arrivals()); n > 0 {
			t.Errorf("%d bodies while nothing stands, want none", n)
		}
		a, b := standingAlert("a", monitor.High), standingAlert("b", monitor.Low)
		log.put(monitor.AlertOpened, a)
		synctest.Wait()
		time.Sleep(30 * time.Second)
		log.put(monitor.AlertOpened, b)
		synctest.Wait()
		time.Sleep(2*time.Minute + time.Second)
		end := time.Now()
		a.State, a.ResolvedAt = monitor.Resolved, &end
		log.put(monitor.AlertResolved, a)
		synctest.Wait()
		want := [][]string{{"a warning"}, {"a warning", "b info"}, {"a warning", "b info"}, {"a warning", "b info"}, {"a warning ends", "b info"}}
		if diff := cmp.Diff(want, got.told(t)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if st := s.Stats(); st.Delivered != 3 || st.Pending != 0 || log.cursor("ops") != 3 {
			t.Errorf("Stats() = %+v, cursor %d, want 3 delivered and none pending", st, log.cursor("ops"))
		}
		// An end is told for a quarter of an hour, and then no more.
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		all := got.told(t)
		if last := all[len(all)-1]; !slices.Equal(last, []string{"b info"}) {
			t.Errorf("told at last %q, want b alone", last)
		}
		if n := len(slices.DeleteFunc(all, func(l []string) bool { return l[0] != "a warning ends" })); n != 15 {
			t.Errorf("the end was told %d times, want 15", n)
		}
		stop()

		// A new process knows nothing but the store.
		run(t, sender(t, log, d, toAlertmanager))
		all = got.told(t)
		if last := all[len(all)-1]; !slices.Equal(last, []string{"b info"}) || len(all) != 26 {
			t.Errorf("after a restart %d bodies, the last %q", len(all), last)
		}
		if h := got.arrivals()[0].header; h.Get("webhook-signature") != "" || h.Get("Content-Type") != "application/json" {
			t.Errorf("header %v", h)
		}
	})
}

// TestMirrorRise ends what an alert went by before it rose.
func TestMirrorRise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		got := statuses(200, 500)
		run(t, sender(t, log, serve(t, got.ServeHTTP), toAlertmanager))
		a := standingAlert("a", monitor.High)
		log.put(monitor.AlertOpened, a)
		synctest.Wait()
		a.Severity = monitor.Critical
		log.put(monitor.AlertUpdated, a)
		time.Sleep(10 * time.Second)
		a.State = monitor.Silenced
		log.put(monitor.AlertSilenced, a)
		synctest.Wait()
		rise := []string{"a warning ends", "a critical"}
		want := [][]string{{"a warning"}, rise, rise, {"a critical"}}
		if diff := cmp.Diff(want, got.told(t)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// TestMirrorOutage has an alert open and end while the endpoint is away: what
// is told then is what is true then, and an end however long ago it was.
func TestMirrorOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLog(), new(lines)
		got := &scripted{}
		away := true
		step := func(w http.ResponseWriter, _ *http.Request) {
			if away {
				w.WriteHeader(http.StatusBadGateway)
			}
		}
		for range 10_000 {
			got.steps = append(got.steps, step)
		}
		s := sender(t, log, serve(t, got.ServeHTTP), toAlertmanager)
		s.logger = out.logger()
		run(t, s)
		a, b := standingAlert("a", monitor.High), standingAlert("b", monitor.High)
		log.put(monitor.AlertOpened, a)
		time.Sleep(10 * time.Minute)
		end := time.Now()
		a.State, a.ResolvedAt = monitor.Resolved, &end
		log.put(monitor.AlertResolved, a)
		log.put(monitor.AlertOpened, b)
		time.Sleep(3 * time.Hour)
		if n := log.cursor("ops"); n != 0 {
			t.Errorf("cursor = %d while nothing was taken, want 0", n)
		}
		// It is tried every minute, so that it hears of what stands in time.
		if n := len(got.arrivals()); n < 180 || n > 220 {
			t.Errorf("%d tries in three hours, want about 190", n)
		}
		synctest.Wait()
		away = false
		before := len(got.arrivals())
		time.Sleep(time.Minute + time.Second)
		all := got.told(t)[before:]
		if len(all) == 0 || !slices.Equal(all[0], []string{"a warning ends", "b warning"}) {
			t.Errorf("told after the outage: %q", all)
		}
		if st := s.Stats(); st.Delivered != 3 || st.Dead != 0 || log.cursor("ops") != 3 || !st.NextTry.IsZero() {
			t.Errorf("Stats() = %+v, cursor %d", st, log.cursor("ops"))
		}
		out.has(t, "webhook delivers again")
	})
}

// TestMirrorGivesUp lets go of events that are too old, and not of what stands.
func TestMirrorGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLog(), new(lines)
		got := statuses(slices.Repeat([]int{http.StatusForbidden}, 1000)...)
		s := sender(t, log, serve(t, got.ServeHTTP), toAlertmanager)
		s.logger = out.logger()
		run(t, s)
		log.put(monitor.AlertOpened, standingAlert("a", monitor.High))
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if st := s.Stats(); st.Dead != 1 || st.Pending != 0 || len(st.LastDead) != 1 || st.LastDead[0].ID != "01STORE-1" || st.LastError == "" {
			t.Errorf("Stats() = %+v, want one dead event", st)
		}
		out.has(t, "webhook gave events up")
		all := got.told(t)
		if last := all[len(all)-1]; !slices.Equal(last, []string{"a warning"}) {
			t.Errorf("told at last %q, want what stands", last)
		}
	})
}

func TestMirrorGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		got := statuses(410)
		s := sender(t, log, serve(t, got.ServeHTTP), toAlertmanager)
		run(t, s)
		log.put(monitor.AlertOpened, standingAlert("a", monitor.High))
		time.Sleep(100 * time.Hour)
		if st := s.Stats(); !st.Disabled || st.Pending != 1 || len(got.arrivals()) != 1 {
			t.Errorf("Stats() = %+v after %d tries", st, len(got.arrivals()))
		}
	})
}

// TestMirrorOneBad has an alert that Alertmanager refuses not keep the others
// from being told.
func TestMirrorOneBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLog(), new(lines)
		var bodies []string
		d := serve(t, func(w http.ResponseWriter, r *http.Request) {
			var b bytes.Buffer
			_, _ = b.ReadFrom(r.Body)
			bodies = append(bodies, strings.Join(told(t, b.String()), ","))
			if strings.Contains(b.String(), `"bad"`) {
				w.WriteHeader(http.StatusBadRequest)
			}
		})
		for _, key := range []string{"a", "bad", "c"} {
			log.put(monitor.AlertOpened, standingAlert(key, monitor.High))
		}
		s := sender(t, log, d, toAlertmanager)
		s.logger = out.logger()
		log.cursors["ops"] = 0
		run(t, s)
		want := []string{"a warning,bad warning,c warning", "a warning", "bad warning", "c warning"}
		if diff := cmp.Diff(want, bodies); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if log.cursor("ops") != 3 || s.Stats().LastError != "" {
			t.Errorf("cursor %d, Stats() = %+v", log.cursor("ops"), s.Stats())
		}
		out.has(t, "alertmanager refuses an alert")
	})
}

// TestMirrorMany splits what is more than fits.
func TestMirrorMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		got := statuses()
		for i := range 130 {
			log.put(monitor.AlertOpened, standingAlert(string(rune('a'+i)), monitor.High))
		}
		run(t, sender(t, log, serve(t, got.ServeHTTP), toAlertmanager))
		var sizes []int
		for _, l := range got.told(t) {
			sizes = append(sizes, len(l))
		}
		if diff := cmp.Diff([]int{64, 64, 2}, sizes); diff != "" {
			t.Errorf("alerts a body (-want +got):\n%s", diff)
		}
	})
}

// TestMirrorHealth tells conditions: as events have them where there is nobody
// to ask, and else as they are.
func TestMirrorHealth(t *testing.T) {
	for _, tt := range []struct {
		name       string
		conditions func(context.Context) ([]monitor.HealthStatus, error)
		types      []string
		want       [][]string
	}{
		{"by events", nil, nil, [][]string{{"no_witness warning"}, {"no_witness warning ends"}}},
		{"as they are", func(context.Context) ([]monitor.HealthStatus, error) {
			return []monitor.HealthStatus{{Health: monitor.Health{Condition: "rounds_late", Severity: "critical"}}}, nil
		}, nil, [][]string{{"rounds_late critical"}, {"rounds_late critical"}, {"no_witness warning ends", "rounds_late critical"}}},
		{"nobody answers", func(context.Context) ([]monitor.HealthStatus, error) { return nil, errors.New("stopped") }, nil,
			[][]string{{"no_witness warning"}, {"no_witness warning ends"}}},
		{"not wanted", func(context.Context) ([]monitor.HealthStatus, error) {
			return []monitor.HealthStatus{{Health: monitor.Health{Condition: "rounds_late"}}}, nil
		}, []string{"alert."}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newLog()
				got := statuses()
				run(t, sender(t, log, serve(t, got.ServeHTTP), func(c *Config) {
					toAlertmanager(c)
					c.Conditions, c.Types = tt.conditions, tt.types
				}))
				h := monitor.Health{Condition: "no_witness", Severity: "warning"}
				log.add(monitor.HealthDegraded, h)
				synctest.Wait()
				time.Sleep(10 * time.Second)
				log.add(monitor.HealthRestored, h)
				synctest.Wait()
				if diff := cmp.Diff(tt.want, got.told(t)); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
				if n := log.cursor("ops"); n != 2 {
					t.Errorf("cursor = %d, want 2", n)
				}
			})
		})
	}
}

// TestMirrorDrill tells of an alert that only an event holds.
func TestMirrorDrill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		got := statuses()
		run(t, sender(t, log, serve(t, got.ServeHTTP), toAlertmanager))
		a := standingAlert("a", monitor.Critical)
		a.Drill, a.Summary = true, "not true"
		log.add(monitor.AlertOpened, a)
		log.add(monitor.AlertOpened, "rubbish")
		synctest.Wait()
		body := got.arrivals()[0].body
		if !strings.Contains(body, `"drill":"true"`) || !strings.Contains(body, `"summary":"DRILL not true"`) || log.cursor("ops") != 2 {
			t.Errorf("cursor %d, body %s", log.cursor("ops"), body)
		}
	})
}

// TestTarget finds where Alertmanager takes alerts.
func TestTarget(t *testing.T) {
	for in, want := range map[string]string{
		"http://am.example:9093":                    "http://am.example:9093/api/v2/alerts",
		"https://u:p@am.example/prefix/":            "https://u:p@am.example/prefix/api/v2/alerts",
		"https://am.example/prefix/api/v2/alerts":   "https://am.example/prefix/api/v2/alerts",
		"https://am.example/prefix/api/v2/alerts/?": "https://am.example/prefix/api/v2/alerts/?",
		"https://am.example/?tenant=7":              "https://am.example/api/v2/alerts?tenant=7",
	} {
		if got := (Config{Format: Alertmanager, URL: mustURL(t, in)}).target().String(); got != want {
			t.Errorf("target of %s = %s, want %s", in, got, want)
		}
		if got := (Config{Format: Slack, URL: mustURL(t, in)}).target().String(); got != in {
			t.Errorf("target of %s for slack = %s", in, got)
		}
	}
}

func TestSeverities(t *testing.T) {
	for s, want := range map[monitor.Severity]string{monitor.Critical: "critical", monitor.High: "warning", monitor.Medium: "warning", monitor.Low: "info"} {
		if got := alertOf(monitor.Alert{Severity: s}).Labels["severity"]; got != want {
			t.Errorf("severity %s is %q, want %q", s, got, want)
		}
	}
}

// TestPostables holds for any alert that Alertmanager takes it: names and
// values of labels, and times.
func TestPostables(t *testing.T) {
	name := regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "9a", "a-b", "\xff", "alertname", "severity", strings.Repeat("é", 5000)}))
		at := func(label string) time.Time {
			return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, label), 0)
		}
		a := monitor.Alert{
			ID: text.Draw(t, "id"), Key: text.Draw(t, "key"), Host: text.Draw(t, "host"), Owner: text.Draw(t, "owner"), Name: text.Draw(t, "name"),
			Kind: monitor.Kind(text.Draw(t, "kind")), Summary: text.Draw(t, "summary"), Text: text.Draw(t, "text"), Guidance: []string{text.Draw(t, "guidance")},
			Labels: rapid.MapOf(text, text).Draw(t, "labels"), OpenedAt: at("opened"), State: monitor.Open,
			Exposure: monitor.Exposure{Clients: []string{"192.0.2.77"}},
		}
		if rapid.Bool().Draw(t, "over") {
			end := at("resolved")
			a.State, a.ResolvedAt = monitor.Resolved, &end
		}
		p := alertOf(a)
		if p.Labels["alertname"] != alertPoisoning || p.Labels["severity"] != "info" {
			t.Fatalf("external labels take the place of ours: %v", p.Labels)
		}
		for n, v := range p.Labels {
			if !name.MatchString(n) || v == "" || len(v) > maxLabel || strings.ToValidUTF8(v, "") != v {
				t.Fatalf("label %q = %q", n, v)
			}
		}
		if !p.EndsAt.IsZero() && p.EndsAt.Before(p.StartsAt) || p.EndsAt.IsZero() == (a.State == monitor.Resolved) {
			t.Fatalf("from %s to %s", p.StartsAt, p.EndsAt)
		}
		body, err := json.Marshal([]postable{p})
		if err != nil || strings.Contains(string(body), "192.0.2.77") {
			t.Fatalf("%v: %s", err, body)
		}
	})
}

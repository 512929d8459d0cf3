package webhook

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
)

func slackMessageOf(t interface{ Fatalf(string, ...any) }, body []byte) slackMessage {
	var m slackMessage
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("body is not JSON: %v\n%s", err, body)
	}
	return m
}

// texts gives all texts of a message with the most that Slack takes of each.
func (m slackMessage) texts() map[string]int {
	all := map[string]int{m.Text: maxFallback}
	for _, b := range m.Blocks {
		if b.Text != nil {
			all[b.Text.Text] = map[string]int{"header": 150, "section": 3000}[b.Type]
		}
		for _, f := range b.Fields {
			all[f.Text] = 2000
		}
		for _, e := range b.Elements {
			all[e.Text] = 2000
		}
	}
	return all
}

func TestSlackAlert(t *testing.T) {
	a := openAlert()
	a.OpenedAt = noon
	a.Observed, a.Expected, a.Exposure.SecretNames = []string{"198.51.100.66"}, []string{"203.0.113.10"}, []string{"PARTNER_API_KEY"}
	a.Exposure.Clients = []string{"192.0.2.77"}
	body := slackBody(Config{}, event(t, monitor.AlertOpened, a))
	mrkdwn := func(s string) slackText { return slackText{Type: "mrkdwn", Text: s, Verbatim: true} }
	ref := func(s slackText) *slackText { return &s }
	want := slackMessage{
		Text: "SUSPECT  api.partner.example A: app-17: someone forges answers\nFirst: Stop jobs.",
		Blocks: []slackBlock{
			{Type: "header", Text: &slackText{Type: "plain_text", Text: "SUSPECT  api.partner.example A"}},
			{Type: "section", Text: ref(mrkdwn("app-17: someone forges answers"))},
			{Type: "section", Text: ref(mrkdwn("Since 03:06:52."))},
			{Type: "section", Fields: []slackText{
				mrkdwn("*Kind*\npath_injection"), mrkdwn("*Severity*\nhigh, probable"), mrkdwn("*Host*\napp-17"), mrkdwn("*Since*\n2026-11-24 11:00:00 UTC"),
				mrkdwn("*Observed*\n198.51.100.66"), mrkdwn("*Expected*\n203.0.113.10"), mrkdwn("*Exposed*\nPARTNER_API_KEY"), mrkdwn("*Owner*\npayments"),
			}},
			{Type: "section", Text: ref(mrkdwn("*What to do*\n1. Stop jobs.\n2. Find the machine."))},
			{Type: "context", Elements: []slackText{mrkdwn("alert.opened 01KAT3Q7W2"), mrkdwn("<" + monitor.RunbookBase + "path_injection.md|Runbook>")}},
		},
	}
	if diff := cmp.Diff(want, slackMessageOf(t, body)); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	if strings.Contains(string(body), "192.0.2.77") {
		t.Error("a client is in the body")
	}
}

func TestSlackHeadings(t *testing.T) {
	end := noon
	drill, over := openAlert(), openAlert()
	drill.Drill = true
	over.State, over.ResolvedAt = monitor.Resolved, &end
	for _, tt := range []struct {
		event monitor.Event
		want  string // header
		text  string // somewhere
	}{
		{event(t, monitor.AlertOpened, drill), "DRILL SUSPECT  api.partner.example A", "forges"},
		{event(t, monitor.AlertResolved, over), "RESOLVED  api.partner.example A", "*Resolved*\n2026-11-24 11:00:00 UTC"},
		{event(t, monitor.AlertAcknowledged, openAlert()), "ACKNOWLEDGED  api.partner.example A", "01KAT3Q7W2"},
		{event(t, monitor.HealthDegraded, health), "DEGRADED  t", "health.degraded no_witness app-17"},
		{event(t, monitor.HealthRestored, health), "RESTORED  t", "x"},
		{event(t, monitor.VerdictChanged, monitor.Change{Name: "a.example.", Type: monitor.TypeA, To: monitor.Poisoned, Fact: "f"}), "POISONED  a.example A", "It was unknown. f"},
		{event(t, monitor.Noticed, monitor.Notice{Kind: monitor.ChangeNotice, Name: "a.example.", Type: monitor.TypeA, Reasons: []monitor.Reason{{Fact: "f"}, {Fact: "g"}}}), "NOTICE  a.example A", "f\ng"},
		{event(t, monitor.Noticed, monitor.Notice{Kind: monitor.ChangeNotice, Name: "a.example.", Type: monitor.TypeA}), "NOTICE  a.example A", "change.noticed change_notice app-17"},
		{event(t, monitor.WebhookTest, nil), "Test of the webhook ops", "Nothing happened."},
		{event(t, monitor.AlertOpened, "rubbish"), "alert.opened", "01A"},
		{event(t, monitor.HealthDegraded, "rubbish"), "health.degraded", "01A"},
		{monitor.Event{}, "(nothing)", "(nothing)"},
	} {
		m := slackMessageOf(t, slackBody(Config{Name: "ops", Host: "app-17"}, tt.event))
		if got := m.Blocks[0].Text.Text; got != tt.want {
			t.Errorf("%s: header %q, want %q", tt.event.Type, got, tt.want)
		}
		found := false
		for text := range m.texts() {
			found = found || strings.Contains(text, tt.text)
		}
		if !found {
			t.Errorf("%s: %q is not in %+v", tt.event.Type, tt.text, m)
		}
	}
}

// TestSlackHostile holds for any alert that Slack takes the message, and that
// nothing in it is a link or calls anybody.
func TestSlackHostile(t *testing.T) {
	ours := regexp.MustCompile(`^<https?://[^<>|]+\|Runbook>$`)
	entity := regexp.MustCompile(`&(amp|lt|gt);`)
	pieces := []string{"a", "<!channel>", "<@U012>", "<http://evil.example|api>", "&", "&lt;", "@here", "@everyone", "[x](http://evil.example)", "\n", "\r", "\x1b[2J", "\u202e", "\xff", "*", "`", "😀", strings.Repeat("<", 4000), strings.Repeat("😀", 4000), strings.Repeat("word ", 900)}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 5).Draw(t, "pieces"), "")
		})
		texts := rapid.SliceOfN(text, 0, 12)
		a := monitor.Alert{
			ID: "01" + text.Draw(t, "id"), Host: text.Draw(t, "host"), Owner: text.Draw(t, "owner"), Name: text.Draw(t, "name"), Kind: monitor.Kind(text.Draw(t, "kind")),
			Resolver: text.Draw(t, "resolver"), Summary: text.Draw(t, "summary"), Text: text.Draw(t, "text"), Guidance: texts.Draw(t, "guidance"),
			Observed: texts.Draw(t, "observed"), Exposure: monitor.Exposure{SecretNames: texts.Draw(t, "secrets")},
			RunbookURL: rapid.SampledFrom([]string{"", "https://runbook.example/x", "https://x/>|<!here>", "javascript:x", "https://x/" + strings.Repeat("y", 3000)}).Draw(t, "runbook"),
		}
		var data any = a
		kind := rapid.SampledFrom([]string{monitor.AlertOpened, monitor.AlertResolved, monitor.HealthDegraded, monitor.VerdictChanged, monitor.Noticed, text.Draw(t, "type")}).Draw(t, "event")
		switch kind {
		case monitor.HealthDegraded:
			data = monitor.Health{Condition: text.Draw(t, "condition"), Title: text.Draw(t, "title"), Text: text.Draw(t, "text")}
		case monitor.VerdictChanged:
			data = monitor.Change{Name: text.Draw(t, "name"), Fact: text.Draw(t, "fact")}
		case monitor.Noticed:
			data = monitor.Notice{Kind: monitor.ChangeNotice, Name: text.Draw(t, "name"), Reasons: []monitor.Reason{{Fact: text.Draw(t, "fact")}}}
		}
		m := slackMessageOf(t, slackBody(Config{Name: "ops", Host: text.Draw(t, "here")}, event(t, kind, data)))
		total := 0
		if len(m.Blocks) > 50 || m.Text == "" {
			t.Fatalf("%d blocks, text %q", len(m.Blocks), m.Text)
		}
		for _, b := range m.Blocks {
			if len(b.Fields) > 10 || len(b.Elements) > 10 || b.Text == nil && len(b.Fields) == 0 && len(b.Elements) == 0 {
				t.Fatalf("block %+v", b)
			}
		}
		for s, most := range m.texts() {
			n := units(s)
			total += n
			if n == 0 || n > most {
				t.Fatalf("%d characters of at most %d: %q", n, most, s)
			}
			if ours.MatchString(s) {
				continue
			}
			if rest := entity.ReplaceAllString(s, ""); strings.ContainsAny(rest, "<>&") || strings.Contains(rest, "](") || !utf8.ValidString(s) ||
				regexp.MustCompile(`@[^\x{200b}]`).MatchString(s) || strings.ContainsAny(s, "\r\x1b\u202e") {
				t.Fatalf("a link or a call in %q", s)
			}
		}
		if total > 13_000 {
			t.Fatalf("%d characters in all", total)
		}
	})
}

// TestSlackDelivery goes the way of every event: in order, by the cursor.
func TestSlackDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLog(), new(lines)
		got := statuses(500, 200)
		s := sender(t, log, serve(t, got.ServeHTTP), func(c *Config) {
			c.Format, c.Secret = Slack, Secret{}
			c.URL, _ = NewURL("http://hooks.example/services/T0PSECRET/B0PSECRET/x")
		})
		s.logger = out.logger()
		run(t, s)
		log.add(monitor.AlertOpened, openAlert())
		log.add(monitor.HealthDegraded, health)
		time.Sleep(time.Minute)
		if st := s.Stats(); st.Delivered != 2 || len(got.arrivals()) != 3 {
			t.Errorf("Stats() = %+v, %d arrivals", st, len(got.arrivals()))
		}
		if strings.Contains(out.String(), "PSECRET") || strings.Contains(out.String(), "not signed") {
			t.Errorf("log:\n%s", out)
		}
	})
}

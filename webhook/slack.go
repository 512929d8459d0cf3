package webhook

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/dnstaster/dnstaster/monitor"
)

// What Slack takes, in characters as it counts them: UTF-16 units, after
// escaping. More is refused whole.
const (
	maxHeader  = 150
	maxSection = 3000
	maxField   = 2000
	maxFields  = 10
	// maxFallback is what Discord takes; Slack itself shows more.
	maxFallback = 2000
	// maxShown keeps all sections together below what Slack takes of a message
	// (about 13,000).
	maxShown = 2500
)

type (
	slackMessage struct {
		Text   string       `json:"text"`
		Blocks []slackBlock `json:"blocks"`
	}
	slackBlock struct {
		Type     string      `json:"type"`
		Text     *slackText  `json:"text,omitempty"`
		Fields   []slackText `json:"fields,omitempty"`
		Elements []slackText `json:"elements,omitempty"`
	}
	slackText struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		Verbatim bool   `json:"verbatim,omitempty"` // nothing in it becomes a link or a mention
	}
)

// slackBody is the body for incoming webhooks of Slack. Mattermost and Discord
// leave the blocks alone and show the text.
func slackBody(c Config, e monitor.Event) []byte {
	m, ok := slackMessage{}, false
	switch {
	case strings.HasPrefix(e.Type, "alert."):
		m, ok = slackAlert(e)
	case strings.HasPrefix(e.Type, "health."):
		m, ok = slackHealth(c, e)
	case e.Type == monitor.VerdictChanged:
		m, ok = slackChange(c, e)
	case e.Type == monitor.Noticed:
		m, ok = slackNotice(c, e)
	case e.Type == monitor.WebhookTest:
		m, ok = slackOf("Test of the webhook "+c.Name, "Nothing happened."), true
	}
	if !ok {
		m = slackOf(e.Type, orNone(e.Alert))
	}
	body, _ := json.Marshal(m) // strings alone
	return body
}

// slackOf gives a message of a heading and a text.
func slackOf(heading, text string) slackMessage {
	m := slackMessage{Text: plain(heading+": "+text, maxFallback)}
	m.add(slackBlock{Type: "header", Text: &slackText{Type: "plain_text", Text: plain(orNone(heading), maxHeader)}})
	m.add(slackBlock{Type: "section", Text: &slackText{Type: "mrkdwn", Text: plain(orNone(text), maxShown), Verbatim: true}})
	return m
}

func (m *slackMessage) add(b slackBlock) { m.Blocks = append(m.Blocks, b) }

// context adds small print.
func (m *slackMessage) context(texts ...string) {
	b := slackBlock{Type: "context"}
	for _, t := range texts {
		if t != "" {
			b.Elements = append(b.Elements, slackText{Type: "mrkdwn", Text: t, Verbatim: true})
		}
	}
	m.add(b)
}

func slackAlert(e monitor.Event) (slackMessage, bool) {
	var a monitor.Alert
	if json.Unmarshal(e.Data, &a) != nil || a.ID == "" {
		return slackMessage{}, false
	}
	word := strings.ToUpper(string(a.Verdict))
	if e.Type != monitor.AlertOpened {
		word = strings.ToUpper(strings.TrimPrefix(e.Type, "alert."))
	}
	if a.Drill {
		word = "DRILL " + word
	}
	heading := fmt.Sprintf("%s  %s %s", word, strings.TrimSuffix(a.Name, "."), a.Type)
	text := cmp.Or(a.Summary, string(a.Kind))
	m := slackOf(heading, text)
	if a.Text != "" {
		m.add(slackBlock{Type: "section", Text: &slackText{Type: "mrkdwn", Text: plain(a.Text, maxShown), Verbatim: true}})
	}
	fields := slackBlock{Type: "section"}
	for _, f := range slackFields(a) {
		if f[1] != "" && len(fields.Fields) < maxFields {
			fields.Fields = append(fields.Fields, slackText{Type: "mrkdwn", Text: "*" + f[0] + "*\n" + plain(f[1], maxField/8), Verbatim: true})
		}
	}
	m.add(fields)
	if a.State != monitor.Resolved && len(a.Guidance) > 0 {
		var b strings.Builder
		b.WriteString("*What to do*")
		for i, g := range a.Guidance {
			fmt.Fprintf(&b, "\n%d. %s", i+1, plain(g, maxShown/(2*len(a.Guidance))))
		}
		m.add(slackBlock{Type: "section", Text: &slackText{Type: "mrkdwn", Text: trim(b.String(), maxSection), Verbatim: true}})
		m.Text = trim(m.Text+"\nFirst: "+plain(a.Guidance[0], maxFallback/3), maxFallback)
	}
	m.context(plain(e.Type+" "+a.ID, maxField/8), runbookLink(a.RunbookURL))
	return m, true
}

// slackFields are the short facts of an alert.
func slackFields(a monitor.Alert) [][2]string {
	until := ""
	if a.ResolvedAt != nil {
		until = a.ResolvedAt.UTC().Format(time.DateTime) + " UTC"
	}
	return [][2]string{
		{"Kind", string(a.Kind)},
		{"Severity", a.Severity.String() + ", " + a.Confidence.String()},
		{"Host", a.Host},
		{"Resolver", a.Resolver},
		{"Since", a.OpenedAt.UTC().Format(time.DateTime) + " UTC"},
		{"Resolved", until},
		{"Observed", strings.Join(a.Observed, ", ")},
		{"Expected", strings.Join(a.Expected, ", ")},
		{"Exposed", strings.Join(a.Exposure.SecretNames, ", ")},
		{"Owner", a.Owner},
	}
}

func slackHealth(c Config, e monitor.Event) (slackMessage, bool) {
	var h monitor.Health
	if json.Unmarshal(e.Data, &h) != nil || h.Condition == "" {
		return slackMessage{}, false
	}
	m := slackOf(strings.ToUpper(strings.TrimPrefix(e.Type, "health."))+"  "+h.Title, orNone(h.Text))
	m.context(plain(strings.TrimSpace(e.Type+" "+h.Condition+" "+c.Host), maxField/8))
	return m, true
}

func slackChange(c Config, e monitor.Event) (slackMessage, bool) {
	var v monitor.Change
	if json.Unmarshal(e.Data, &v) != nil || v.Name == "" {
		return slackMessage{}, false
	}
	m := slackOf(fmt.Sprintf("%s  %s %s", strings.ToUpper(string(v.To)), strings.TrimSuffix(v.Name, "."), v.Type),
		strings.TrimSuffix(fmt.Sprintf("It was %s. %s", cmp.Or(v.From, monitor.Unknown), v.Fact), " "))
	m.context(plain(strings.TrimSpace(e.Type+" "+c.Host), maxField/8))
	return m, true
}

func slackNotice(c Config, e monitor.Event) (slackMessage, bool) {
	var n monitor.Notice
	if json.Unmarshal(e.Data, &n) != nil || n.Name == "" {
		return slackMessage{}, false
	}
	var facts []string
	for _, r := range n.Reasons {
		facts = append(facts, r.Fact)
	}
	m := slackOf(fmt.Sprintf("NOTICE  %s %s", strings.TrimSuffix(n.Name, "."), n.Type), strings.Join(facts, "\n"))
	m.context(plain(strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Type, n.Kind, c.Host)), maxField/8))
	return m, true
}

// orNone keeps a block from being empty, which Slack refuses.
func orNone(s string) string { return cmp.Or(s, "(nothing)") }

// runbookLink links an http or https URL that holds nothing that Slack reads as
// the end of a link.
func runbookLink(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(text, "<>|&\" ") || units(text) > maxField/2 {
		return ""
	}
	return "<" + u.String() + "|Runbook>"
}

// plain gives at most n characters of text that says nothing to Slack: &, < and
// > are escaped, as it asks, which leaves it no links and no mentions. For those
// that read Markdown in the text, an at sign calls nobody and brackets link
// nowhere. What does not print becomes a question mark, but for line ends.
func plain(s string, n int) string {
	var b strings.Builder
	room := n - 1 // for an ellipsis
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "](", "] (")
	rs := []rune(s)
	for i, r := range rs {
		part := string(r)
		switch {
		case r == '&':
			part = "&amp;"
		case r == '<':
			part = "&lt;"
		case r == '>':
			part = "&gt;"
		case r == '@':
			part = "@\u200b"
		case r != '\n' && !unicode.IsPrint(r):
			part = "?"
		}
		size := units(part)
		if size > room && !(i == len(rs)-1 && size <= room+1) {
			b.WriteString("…")
			break
		}
		room -= size
		b.WriteString(part)
	}
	return b.String()
}

// trim cuts what is escaped already, at the end of a line if it must.
func trim(s string, n int) string {
	for units(s) > n {
		i := strings.LastIndexByte(s, '\n')
		if i < 0 {
			return plain("", n)
		}
		s = s[:i]
	}
	return s
}

// units counts characters as Slack does.
func units(s string) int { return len(utf16.Encode([]rune(s))) }

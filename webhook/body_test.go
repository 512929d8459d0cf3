package webhook

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.FixedZone("", 3600))

func event(t interface{ Fatal(...any) }, eventType string, data any) monitor.Event {
	b, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	return monitor.Event{Seq: 7, At: noon, Type: eventType, Data: b, Alert: "01A"}
}

// received is a body as a receiver reads it.
type received struct {
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

func (g received) alert(t *testing.T) monitor.Alert {
	t.Helper()
	var a monitor.Alert
	if err := json.Unmarshal(g.Data, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func receive(t interface{ Fatalf(string, ...any) }, body []byte) received {
	var g received
	if err := json.Unmarshal(body, &g); err != nil {
		t.Fatalf("body is not JSON: %v\n%s", err, body)
	}
	if len(body) > maxBody {
		t.Fatalf("body has %d bytes, more than %d", len(body), maxBody)
	}
	return g
}

func TestBody(t *testing.T) {
	body := standardBody(event(t, monitor.HealthDegraded, health))
	want := `{"type":"health.degraded","timestamp":"2026-11-24T11:00:00Z","data":{"condition":"no_witness","severity":"high","title":"t","text":"x"}}`
	if string(body) != want {
		t.Errorf("body = %s\nwant   %s", body, want)
	}
}

func TestBodyOfAlertIsTheAlert(t *testing.T) {
	a := monitor.Alert{ID: "01A", Kind: monitor.PathRewritten, Severity: monitor.Critical, Confidence: monitor.Confirmed,
		Reasons: []monitor.Reason{{Rule: "dup.conflict", Fact: "<3 & more>", Weight: 60}}, Drill: true}
	g := receive(t, standardBody(event(t, monitor.AlertOpened, a)))
	want, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(g.Data)); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}

func TestClientsAreCut(t *testing.T) {
	client := netip.MustParseAddrPort
	a := monitor.Alert{
		Exposure: monitor.Exposure{Clients: []string{"192.0.2.77", "192.0.2.78", "192.0.2.79:4711", "2001:db8:1:2ff:3::4", "[2001:db8::9]:53",
			"::ffff:198.51.100.7", "fe80::1%eth0", "203.0.113.64/26", "10.0.0.0/8", "alice-laptop", ""}},
		Transactions: []monitor.Transaction{
			{Client: client("192.0.2.77:50123"), Server: client("192.0.2.53:53"), TXID: 4660},
			{Client: client("[2001:db8:1:2ff:3::4]:50123"), Server: client("[2001:db8::53]:53")},
			{},
		},
	}
	g := receive(t, standardBody(event(t, monitor.AlertOpened, a))).alert(t)
	want := []string{"10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "2001:db8:1:200::/56", "2001:db8::/56", "203.0.113.0/24", "fe80::/56"}
	if diff := cmp.Diff(want, g.Exposure.Clients); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	var clients, servers []string
	for _, x := range g.Transactions {
		clients, servers = append(clients, x.Client.String()), append(servers, x.Server.String())
	}
	if diff := cmp.Diff([]string{"192.0.2.0:0", "[2001:db8:1:200::]:0", "invalid AddrPort"}, clients); diff != "" {
		t.Errorf("clients of transactions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"192.0.2.53:53", "[2001:db8::53]:53", "invalid AddrPort"}, servers); diff != "" {
		t.Errorf("servers of transactions (-want +got):\n%s", diff)
	}
	if g.Truncated {
		t.Error("truncated, want whole")
	}
}

func transactions(n int) []monitor.Transaction {
	list := make([]monitor.Transaction, n)
	for i := range list {
		list[i] = monitor.Transaction{Time: noon, Name: "api.partner.example.", Type: monitor.TypeA, TXID: uint16(i), Frames: []int{1, 2, 3},
			Client: netip.MustParseAddrPort("192.0.2.77:50123"), Server: netip.MustParseAddrPort("192.0.2.53:53")}
	}
	return list
}

func evidence(n int) []monitor.Evidence {
	list := make([]monitor.Evidence, n)
	for i := range list {
		list[i] = monitor.Evidence{Kind: monitor.EvidenceTLS, Outcome: monitor.OutcomeSelfSigned, Detail: strings.Repeat("d", 100)}
	}
	return list
}

func reasons(n int) []monitor.Reason {
	list := make([]monitor.Reason, n)
	for i := range list {
		list[i] = monitor.Reason{Rule: "dup.conflict", Fact: strings.Repeat("f", 100), Weight: 60}
	}
	return list
}

func TestCutsInOrder(t *testing.T) {
	tests := []struct {
		name                     string
		alert                    monitor.Alert
		transactions, ev, reason int
		text                     bool // whole
		truncated                bool
	}{
		{"fits", monitor.Alert{Transactions: transactions(32), Evidence: evidence(4), Reasons: reasons(4), Text: "t"}, 32, 4, 4, true, false},
		{"many transactions", monitor.Alert{Transactions: transactions(500), Evidence: evidence(4), Reasons: reasons(4), Text: "t"}, 62, 4, 4, true, true},
		{"much evidence", monitor.Alert{Transactions: transactions(500), Evidence: evidence(200), Reasons: reasons(4), Text: "t"}, 0, 100, 4, true, true},
		{"many reasons", monitor.Alert{Transactions: transactions(500), Evidence: evidence(200), Reasons: reasons(400), Text: "t"}, 0, 0, 100, true, true},
		{"long text", monitor.Alert{Transactions: transactions(5), Evidence: evidence(2), Reasons: reasons(4), Text: strings.Repeat("t", 50_000)}, 0, 0, 0, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.alert.ID, tt.alert.Kind = "01A", monitor.ResolverCache
			a := receive(t, standardBody(event(t, monitor.AlertOpened, tt.alert))).alert(t)
			if len(a.Transactions) != tt.transactions || len(a.Evidence) != tt.ev || len(a.Reasons) != tt.reason {
				t.Errorf("%d transactions, %d evidence, %d reasons, want %d, %d, %d",
					len(a.Transactions), len(a.Evidence), len(a.Reasons), tt.transactions, tt.ev, tt.reason)
			}
			if whole := a.Text == tt.alert.Text; whole != tt.text || a.Text == "" || a.Truncated != tt.truncated {
				t.Errorf("text whole: %t, truncated: %t, want %t, %t", whole, a.Truncated, tt.text, tt.truncated)
			}
			if a.ID != "01A" || a.Kind != monitor.ResolverCache {
				t.Errorf("id %q, kind %q are not the alert's", a.ID, a.Kind)
			}
		})
	}
}

func TestBodyOfOddEvents(t *testing.T) {
	long := monitor.Health{Condition: "no_witness", Text: strings.Repeat("é", 30_000)}
	stub := `{"id":"01A","truncated":true}`
	tests := []struct {
		name  string
		event monitor.Event
		want  string // of data
	}{
		{"long text", event(t, monitor.HealthDegraded, long), `{"condition":"no_witness","severity":"","text":"` + strings.Repeat("é", maxString/2) + `","title":"","truncated":true}`},
		{"large number", event(t, monitor.HealthDegraded, map[string]any{"n": json.Number("12345678901234567890"), "s": strings.Repeat("s", maxBody)}),
			`{"n":12345678901234567890,"s":"` + strings.Repeat("s", maxString) + `","truncated":true}`},
		{"long list", event(t, monitor.HealthDegraded, evidence(1000)), stub},
		{"no data", monitor.Event{Type: "health.degraded", At: noon, Alert: "01A"}, "null"},
		{"data that is not JSON", monitor.Event{Type: "health.degraded", At: noon, Alert: "01A", Data: json.RawMessage("{")}, stub},
		{"alert that is not one", monitor.Event{Type: "alert.opened", At: noon, Alert: "01A", Data: json.RawMessage(`{"id":7}`)}, stub},
		{"alert without data", monitor.Event{Type: "alert.opened", At: noon, Alert: "01A"}, stub},
		{"alert of which nothing can be cut", event(t, monitor.AlertOpened, monitor.Alert{Name: strings.Repeat("n", maxBody)}), stub},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := receive(t, standardBody(tt.event))
			if string(g.Data) != tt.want {
				t.Errorf("data = %s\nwant %s", g.Data, tt.want)
			}
			if g.Type != tt.event.Type || !g.Timestamp.Equal(noon) {
				t.Errorf("type %q, timestamp %s are not the event's", g.Type, g.Timestamp)
			}
		})
	}
}

// TestBodyAlwaysFits holds for any alert and any other data, however large.
func TestBodyAlwaysFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(label string) string {
			return strings.Repeat(rapid.StringN(0, 20, -1).Draw(t, label), rapid.SampledFrom([]int{0, 1, 1, 1, 1, 1, 10, 10, 300}).Draw(t, label+"_times"))
		}
		texts := func(label string) []string {
			list := make([]string, rapid.SampledFrom([]int{0, 1, 1, 1, 5, 10}).Draw(t, label+"_count"))
			one := text(label)
			for i := range list {
				list[i] = one
			}
			return list
		}
		size := rapid.SampledFrom([]int{0, 1, 32, 100})
		clients := make([]string, size.Draw(t, "clients"))
		for i := range clients {
			clients[i] = fmt.Sprintf("10.%d.%d.9", i/256, i%256)
		}
		a := monitor.Alert{
			ID: text("id"), Host: text("host"), Name: text("name"), Summary: text("summary"), Text: text("text"), WouldChange: text("would_change"),
			Labels: map[string]string{text("label"): text("value")}, Expected: texts("expected"), Observed: texts("observed"), Against: texts("against"),
			Guidance: texts("guidance"), References: texts("references"), Transactions: transactions(size.Draw(t, "transactions")),
			Evidence: evidence(size.Draw(t, "evidence")), Reasons: reasons(size.Draw(t, "reasons")),
			Exposure: monitor.Exposure{Clients: clients, Units: texts("units"), SecretNames: texts("secrets")},
		}
		if rapid.Bool().Draw(t, "noted") {
			a.Note = &monitor.Note{Comment: text("comment")}
		}
		var data any = a
		eventType := rapid.SampledFrom([]string{monitor.AlertOpened, monitor.HealthDegraded, monitor.VerdictChanged, text("type")}).Draw(t, "type")
		if eventType != monitor.AlertOpened && rapid.Bool().Draw(t, "health") {
			data = monitor.Health{Title: text("title"), Text: text("text")}
		}
		e := event(t, eventType, data)
		g := receive(t, standardBody(e))
		if eventType == monitor.AlertOpened && strings.Contains(string(g.Data), ".9\"") {
			t.Fatalf("a client's address is in the body")
		}
		whole, err := encode(e, e.Data)
		if err != nil {
			t.Fatal(err)
		}
		// Shortened clients may make it fit; a body that fits as it is stays whole. The
		// network of an address may be longer to write than the address.
		if len(whole)+len("0/24")*len(clients) <= maxBody && strings.Contains(string(g.Data), `"truncated":true`) {
			t.Fatalf("a body of %d bytes was cut", len(whole))
		}
	})
}

package report_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// conflict is a query that was overheard with two answers that contradict each other.
func conflict(id uint16, first, second string) monitor.Sample {
	client, server := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.17"), 40000+id), netip.MustParseAddrPort("10.0.0.2:53")
	now := time.Now()
	s := monitor.Sample{At: now, Via: monitor.Wire, Question: apiA, Queries: []monitor.Packet{
		{At: now, Src: client, Dst: server, TXID: id, HopLimit: 64, MAC: "00:1c:73:00:00:17"},
	}}
	for i, addr := range []string{first, second} {
		at := now.Add(time.Duration(1+11*i) * time.Millisecond)
		p := monitor.Packet{At: at, Src: server, Dst: client, TXID: id, HopLimit: 63, MAC: "00:1c:73:00:00:99"}
		if addr == falseAddr {
			p.MAC, p.HopLimit = "02:42:ac:11:00:66", 64
		}
		s.Answers = append(s.Answers, monitor.Observation{
			At: at, Resolver: "10.0.0.2", Server: server.Addr(), Role: monitor.Local, Transport: monitor.UDP, Rcode: "NOERROR",
			Records: []monitor.Record{{Name: apiA.Name, Type: monitor.TypeA, Data: addr, TTL: 300}}, Packet: &p,
		})
	}
	return s
}

// TestWire shows what is overheard: a forgery that won the race, and one that
// lost it and leaves the name clean.
func TestWire(t *testing.T) {
	for _, tt := range []struct{ name, first, second string }{
		{"injection", falseAddr, trueAddr},
		{"attempt", trueAddr, falseAddr},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, c := newWorld(), config()
			c.Watches[0].Types = []monitor.Type{monitor.TypeA}
			var e monitor.Explanation
			var r monitor.Report
			var s monitor.Status
			run(t, w, c, func(t *testing.T, m *monitor.Monitor) {
				verify(t, m, c)
				for id := range uint16(3) {
					time.Sleep(4 * time.Second)
					if err := m.Submit(t.Context(), conflict(4660+id, tt.first, tt.second)); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(15 * time.Second)
				e, s = explain(t, m, apiA.Name), status(t, m)
				r = monitor.NewReport(time.Now(), e.Judgements, e.Alerts)
				r.Stats = monitor.Stats{Packets: 9, Queries: 3, Responses: 6, Transactions: 3, Flagged: 3, TCP: 1, VLAN: 2, Undecodable: 1}
			})
			for screen, show := range map[string]func(b *strings.Builder) error{
				"explain": func(b *strings.Builder) error { return report.Explain(b, e, false) },
				"status":  func(b *strings.Builder) error { return report.Status(b, s) },
				"check":   func(b *strings.Builder) error { return report.Text(b, r, 0) },
				"replay":  func(b *strings.Builder) error { return report.Replay(b, r, 0) },
			} {
				var b strings.Builder
				if err := show(&b); err != nil {
					t.Fatal(err)
				}
				golden(t, fmt.Sprintf("%s_%s", screen, tt.name), b.String())
			}
		})
	}
}

package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

func TestCOF(t *testing.T) {
	const name, edge = "api.partner.example.", "edge.cdn.example."
	at := func(s int64) time.Time { return time.Unix(s, 999).UTC() }
	a := func(owner, data string) monitor.Record {
		return monitor.Record{Name: owner, Type: monitor.TypeA, Data: data}
	}
	answer := func(via monitor.Via, resolver string, first, last int64, n int, rs ...monitor.Record) monitor.Interval {
		return monitor.Interval{Question: monitor.Question{Name: name, Type: monitor.TypeA}, Via: via, Resolver: resolver, Rcode: "NOERROR", Records: rs, First: at(first), Last: at(last), Count: n}
	}
	for _, tt := range []struct {
		name string
		is   []monitor.Interval
		want []string
	}{
		{"nothing", nil, nil},
		{"a denial", []monitor.Interval{answer(monitor.Wire, "x", 1, 2, 3)}, nil},
		{"two servers give it", []monitor.Interval{answer(monitor.Wire, "x", 10, 20, 3, a(name, "192.0.2.1")), answer(monitor.Wire, "y", 5, 15, 2, a(name, "192.0.2.1"))}, []string{
			`{"rrname":"api.partner.example.","rrtype":"A","rdata":"192.0.2.1","time_first":5,"time_last":20,"count":5,"sensor_id":"app-17/wire"}`,
		}},
		{"overheard and asked for", []monitor.Interval{answer(monitor.Wire, "x", 10, 20, 3, a(name, "192.0.2.1")), answer("", "x", 30, 40, 2, a("", "192.0.2.1"))}, []string{
			`{"rrname":"api.partner.example.","rrtype":"A","rdata":"192.0.2.1","time_first":30,"time_last":40,"count":2,"sensor_id":"app-17/probe"}`,
			`{"rrname":"api.partner.example.","rrtype":"A","rdata":"192.0.2.1","time_first":10,"time_last":20,"count":3,"sensor_id":"app-17/wire"}`,
		}},
		{"a chain", []monitor.Interval{answer(monitor.Wire, "x", 10, 20, 3,
			monitor.Record{Name: name, Type: monitor.TypeCNAME, Data: edge}, a(edge, "192.0.2.1"), a(edge, "192.0.2.2"))}, []string{
			`{"rrname":"api.partner.example.","rrtype":"CNAME","rdata":"edge.cdn.example.","time_first":10,"time_last":20,"count":3,"sensor_id":"app-17/wire"}`,
			`{"rrname":"edge.cdn.example.","rrtype":"A","rdata":"192.0.2.1","time_first":10,"time_last":20,"count":3,"sensor_id":"app-17/wire"}`,
			`{"rrname":"edge.cdn.example.","rrtype":"A","rdata":"192.0.2.2","time_first":10,"time_last":20,"count":3,"sensor_id":"app-17/wire"}`,
		}},
		{"hostile data", []monitor.Interval{answer(monitor.Wire, "x", 10, 20, 1, monitor.Record{Name: name, Type: 16, Data: "\"<a>\n\x1b[2J\""})}, []string{
			`{"rrname":"api.partner.example.","rrtype":"TXT","rdata":"\"<a>\n\u001b[2J\"","time_first":10,"time_last":20,"count":1,"sensor_id":"app-17/wire"}`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := report.COF(&b, "app-17", tt.is); err != nil {
				t.Fatal(err)
			}
			var got []string
			if text := strings.TrimSuffix(b.String(), "\n"); text != "" {
				got = strings.Split(text, "\n")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

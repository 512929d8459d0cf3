package report_test

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// The documented shapes. Programs of others read them: nothing in them may go
// away or change its sort. A list's first element stands for all; a word stands
// for a string, 0 for a number, true for a boolean.
const (
	reportShape = `{"schema":"","generated_at":"","verdict":"",
		"watches":[{"name":"","type":"","verdict":"","attribution":"","cause":"","reasons":[{"rule":"","weight":0,"fact":""}],"against":[""],
			"answers":[{"resolver":"","operator":"","transport":"","rcode":"","records":[{"type":"","data":"","ttl":0}],"rtt_ms":0,"error":""}]}],
		"alerts":[{}],
		"stats":{"packets":0,"queries":0,"responses":0,"transactions":0,"flagged":0,"tcp":0,"vlan":0,"undecodable":0,"dropped":0}}`
	alertShape = `{"schema":"","id":"","key":"","group_key":"","host":"","labels":{},"kind":"","severity":"",
		"confidence":"","verdict":"","state":"","name":"","type":"","attribution":"","resolver":"","owner":"","summary":"","text":"",
		"expected":[""],"observed":[""],"reasons":[{"rule":"","fact":"","weight":0}],"against":[""],"would_change":"","evidence":[{}],
		"transactions":[{"time":"","client":"","server":"","txid":0,"name":"","type":"","frames":[0]}],
		"exposure":{"from":"","until":"","secret_names":[""],"leak":"","clients":[""],"units":[""]},
		"guidance":[""],"runbook_url":"","references":[""],"opened_at":"","last_seen_at":"","resolved_at":"","count":0}`
)

// added is what came to the documented shapes later: it may be absent.
var (
	addedToReport = map[string]string{
		".watches[].cure": "string", ".watches[].proof": "string", ".watches[].kind": "string", ".watches[].confidence": "string",
		".watches[].checking": "bool", ".watches[].resolver": "string", ".watches[].observed": "list", ".watches[].observed[]": "string",
		".watches[].expected": "list", ".watches[].expected[]": "string", ".watches[].would_change": "string",
		".watches[].evidence": "list", ".watches[].at": "string", ".watches[].maintenance": "object", ".watches[].maintenance.from": "string",
		".watches[].maintenance.until": "string", ".watches[].maintenance.reason": "string", ".watches[].since": "string",
		".watches[].answers[].at": "string", ".watches[].answers[].server": "string", ".watches[].answers[].role": "string",
		".watches[].answers[].encrypted": "bool", ".watches[].answers[].filtering": "bool",
		".watches[].answers[].flags": "list", ".watches[].answers[].flags[]": "string",
		".watches[].answers[].ede": "list", ".watches[].answers[].ede[]": "number", ".watches[].answers[].nsid": "string",
		".watches[].answers[].packet": "object", ".watches[].answers[].packet.src": "string",
		".watches[].answers[].packet.dst": "string", ".watches[].answers[].packet.txid": "number",
		".watches[].answers[].records[].name": "string",
		".watches[].voices":                   "list", ".watches[].voices[]": "object", ".watches[].voices[].resolver": "string", ".watches[].voices[].group": "string", ".watches[].voices[].role": "string", ".watches[].voices[].transport": "string", ".watches[].voices[].encrypted": "bool",
		".watches[].voices[].said": "list", ".watches[].voices[].said[]": "string", ".watches[].voices[].standing": "string", ".watches[].voices[].with": "list", ".watches[].voices[].with[]": "string", ".watches[].because": "string",
	}
	addedToAlert = map[string]string{
		".transactions[].file": "string", ".flaps": "number", ".drill": "bool", ".truncated": "bool",
		".note": "object", ".note.at": "string", ".note.uid": "number", ".note.comment": "string", ".note.until": "string",
		".voices": "list", ".voices[]": "object", ".voices[].resolver": "string", ".voices[].group": "string", ".voices[].role": "string", ".voices[].transport": "string", ".voices[].encrypted": "bool",
		".voices[].said": "list", ".voices[].said[]": "string", ".voices[].standing": "string", ".voices[].with": "list", ".voices[].with[]": "string", ".because": "string",
		".names": "list", ".names[]": "string", ".owners": "list", ".owners[]": "string", ".incident": "string", ".untold": "bool",
	}
	// evidence is that of samples, which are documented beside the report.
	evidenceKeys = map[string]string{
		"kind": "string", "at": "string", "role": "string", "address": "string", "port": "number", "outcome": "string",
		"spki": "string", "issuer": "string", "not_before": "string", "not_after": "string", "detail": "string",
	}
	// absent are the documented keys that an alert leaves out when they are empty.
	absent = []string{".exposure.from"}
)

// shape lists the paths of a JSON value with the sort of each.
func shape(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			m[path] = "object"
			for k, e := range v {
				walk(path+"."+k, e)
			}
		case []any:
			m[path] = "list"
			for _, e := range v {
				walk(path+"[]", e)
			}
		case string:
			m[path] = "string"
		case float64:
			m[path] = "number"
		case bool:
			m[path] = "bool"
		default:
			m[path] = "null"
		}
	}
	walk("", v)
	return m
}

// full gives a report in which every field that JSON carries is filled.
func full(t *testing.T) monitor.Report {
	t.Helper()
	w, c := newWorld(), config()
	c.Watches[0].Types = []monitor.Type{monitor.TypeA}
	w.answer(apiA, []string{falseAddr}, plain...)
	r, _ := check(t, w, c)
	j := &r.Watches[0]
	j.Maintenance = &monitor.Window{From: begin, Until: begin.Add(time.Hour), Reason: "…"}
	j.Cause, j.Cure, j.Proof, j.Checking, j.Against = monitor.CauseClock, "…", "…", true, []string{"…"}
	o := &j.Answers[0]
	o.Filtering, o.EDE, o.NSID = true, []uint16{16}, "…"
	o.Packet = &monitor.Packet{Src: netip.MustParseAddrPort("10.0.0.2:53"), Dst: netip.MustParseAddrPort("10.0.0.17:40000"), TXID: 4660}
	until := begin.Add(time.Hour)
	a := &r.Alerts[0]
	a.Against, a.ResolvedAt, a.Flaps, a.Drill, a.Truncated = []string{"…"}, &until, 1, true, true
	a.Names, a.Owners, a.Incident, a.Untold = []string{"…"}, []string{"…"}, "…", true
	a.Note = &monitor.Note{At: begin, UID: 1000, Comment: "…", Until: &until}
	a.Transactions = []monitor.Transaction{{
		File: "a.pcap", Time: begin, Client: netip.MustParseAddrPort("10.0.0.17:40000"), Server: netip.MustParseAddrPort("10.0.0.2:53"),
		TXID: 4660, Name: a.Name, Type: a.Type, Frames: []int{12, 13, 17},
	}}
	a.Exposure.Until, a.Exposure.Clients, a.Exposure.Units = &until, []string{"10.0.0.0/24"}, []string{"billing.service"}
	return r
}

func write(t *testing.T, r monitor.Report) []byte {
	t.Helper()
	var b strings.Builder
	if err := report.JSON(&b, r); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}

// under gives the paths below prefix, which is cut off; without the paths of
// evidence, which are given apart.
func under(m map[string]string, prefix string) (rest, evidence map[string]string) {
	rest, evidence = map[string]string{}, map[string]string{}
	for path, sort := range m {
		path, ok := strings.CutPrefix(path, prefix)
		switch _, key, of := strings.Cut(path, "evidence[]"); {
		case !ok:
		case of && key == "":
		case of:
			evidence[strings.TrimPrefix(key, ".")] = sort
		default:
			rest[path] = sort
		}
	}
	return rest, evidence
}

// TestJSONContract holds the keys of a full report and of its alerts against
// the documented ones, and those that were added.
func TestJSONContract(t *testing.T) {
	got := shape(t, write(t, full(t)))
	rest, evidence := under(got, "")
	maps.DeleteFunc(rest, func(path, _ string) bool { return strings.HasPrefix(path, ".alerts[].") })
	want, _ := under(shape(t, []byte(reportShape)), "")
	maps.Copy(want, addedToReport)
	if diff := cmp.Diff(want, rest); diff != "" {
		t.Errorf("report (-documented +written):\n%s", diff)
	}
	if diff := cmp.Diff(evidenceKeys, evidence); diff != "" {
		t.Errorf("evidence (-documented +written):\n%s", diff)
	}

	alert, _ := under(got, ".alerts[]")
	want, _ = under(shape(t, []byte(alertShape)), "")
	maps.Copy(want, addedToAlert)
	maps.DeleteFunc(alert, func(path, _ string) bool { return strings.HasPrefix(path, ".labels.") })
	if diff := cmp.Diff(want, alert); diff != "" {
		t.Errorf("alert (-documented +written):\n%s", diff)
	}
}

// TestJSONEmpty holds the same against values in which nothing is filled in:
// what is documented is there all the same, and lists are lists.
func TestJSONEmpty(t *testing.T) {
	got := shape(t, write(t, monitor.Report{Watches: []monitor.Judgement{{}}, Alerts: []monitor.Alert{{}}}))
	for _, tt := range []struct {
		prefix, documented string
		absent             []string
	}{
		{"", reportShape, nil},
		{".alerts[]", alertShape, absent},
	} {
		rest, _ := under(got, tt.prefix)
		var missing []string
		for path, sort := range shape(t, []byte(tt.documented)) {
			inList := strings.Contains(strings.TrimPrefix(path, ".watches[]"), "[]")
			switch have := rest[path]; {
			case inList:
			case have == "" && !slices.ContainsFunc(tt.absent, func(p string) bool { return p != path && strings.HasPrefix(path, p+"[") }):
				missing = append(missing, path)
			case have != sort && have != "null":
				t.Errorf("%s%s is a %s, documented as a %s", tt.prefix, path, have, sort)
			case have == "null" && path != ".exposure.until" && path != ".resolved_at":
				t.Errorf("%s%s is null", tt.prefix, path)
			}
		}
		slices.Sort(missing)
		if diff := cmp.Diff(tt.absent, missing); diff != "" {
			t.Errorf("%s: missing when empty (-want +got):\n%s", tt.prefix, diff)
		}
	}
	none := shape(t, write(t, monitor.NewReport(begin, nil, nil)))
	if none[".watches"] != "list" || none[".alerts"] != "list" {
		t.Errorf("a report of nothing has watches %q and alerts %q, want lists", none[".watches"], none[".alerts"])
	}
}

// TestJSONGolden keeps a whole report as it is written, and reads it back.
func TestJSONGolden(t *testing.T) {
	w, c := newWorld(), config()
	w.answer(apiA, []string{falseAddr}, plain...)
	r, _ := check(t, w, c)
	raw := write(t, r)
	golden(t, "report_json", string(raw))
	var schemas struct {
		Schema string
		Alerts []struct{ Schema string }
	}
	if err := json.Unmarshal(raw, &schemas); err != nil {
		t.Fatal(err)
	}
	if schemas.Schema != "dnstaster.report/v1" || len(schemas.Alerts) != 1 || schemas.Alerts[0].Schema != "dnstaster.alert/v1" {
		t.Errorf("schemas are %+v", schemas)
	}
	var back monitor.Report
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if again := write(t, back); string(again) != string(raw) {
		t.Errorf("read back, it is written otherwise (-first +second):\n%s", cmp.Diff(string(raw), string(again)))
	}
}

package report_test

import (
	"encoding/json"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// hostile are pieces that a name, a certificate, an error or a comment may be
// made of.
var hostile = []string{
	"a", "api.partner.example.", " ", "  ", "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\u009b1m", "\r", "\n", "\t", "\x00", "\x7f", "\b\b",
	"\u202e", "\u2066", "\u2069", "\u200e", "\u200f", "\u061c", "\u200b", "\ufeff", "\u00ad", "\u2028", "\u2029", "\U000e0041", "\ue000",
	"\xff\xfe", "\xc3", "\xed\xa0\x80", "\ufffd", "e\u0301", "z\u0335\u0321", "אבג", "العربية", "日本語", "한국어", "ü", "…", "\u00a0", "\u3000",
	"%s%d", "%!", "\\", "\"", strings.Repeat("x", 130), strings.Repeat("日", 70), "203.0.113.10", "198.51.100.66", "certificate right, 41 days old",
	"::error::", "%0A", "##[add-mask]", "{0}", "[x](http://evil.example)", "]{", "##{", "<script>", "]]>", "&#10;", "|", "*", "`", "@here", "www.evil.example", "#1", "--", "1. ",
}

func text() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 9).Draw(t, "any") == 0 {
			return string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "octets"))
		}
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(hostile), 0, 12).Draw(t, "pieces"), "")
	})
}

// words are those that the program itself puts into fields, by their type.
var words = map[reflect.Type][]string{
	reflect.TypeFor[monitor.Verdict]():     {"clean", "suspect", "poisoned", "unknown"},
	reflect.TypeFor[monitor.Cause]():       {"", "no_proof", "stale", "learning"},
	reflect.TypeFor[monitor.Kind]():        {"", "path_rewritten", "resolver_cache", "rebinding"},
	reflect.TypeFor[monitor.Attribution](): {"", "path", "resolver"},
	reflect.TypeFor[monitor.Leak]():        {"", "no", "only_without_certificate_check", "likely_if_hijacked"},
	reflect.TypeFor[monitor.State]():       {"open", "acknowledged", "silenced", "resolved"},
	reflect.TypeFor[monitor.Role]():        {"local", "reference", "authority"},
	reflect.TypeFor[monitor.Transport]():   {"udp", "tcp", "dot", "doh"},
	reflect.TypeFor[monitor.Outcome]():     {"ok", "self_signed", "name_mismatch", "timeout", "not_dialled"},
}

var addrs = []netip.Addr{{}, netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("198.51.100.66"), netip.MustParseAddr("2001:db8::1%eth0")}

// fill puts something hostile into everything that v consists of.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(begin.Add(time.Duration(rapid.Int64Range(-1<<55, 1<<55).Draw(t, "time")))))
		return
	case reflect.TypeFor[netip.Addr]():
		v.Set(reflect.ValueOf(rapid.SampledFrom(addrs).Draw(t, "address")))
		return
	case reflect.TypeFor[netip.AddrPort](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[[]byte]():
		return
	case reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(data(t)))
		return
	case reflect.TypeFor[monitor.Severity](), reflect.TypeFor[monitor.Confidence]():
		v.SetUint(rapid.Uint64Range(0, 3).Draw(t, "level"))
		return
	case reflect.TypeFor[monitor.Type]():
		v.SetUint(rapid.SampledFrom([]uint64{1, 28, 16, 65535, 0}).Draw(t, "type"))
		return
	}
	switch v.Kind() {
	case reflect.String:
		if known := words[v.Type()]; known != nil && rapid.IntRange(0, 3).Draw(t, "known") > 0 {
			v.SetString(rapid.SampledFrom(known).Draw(t, "word"))
			return
		}
		v.SetString(text().Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "int"))
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(rapid.Uint64Range(0, 255).Draw(t, "uint"))
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(rapid.Uint64Range(0, 1<<32-1).Draw(t, "uint"))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Slice:
		n := rapid.IntRange(0, 2).Draw(t, "len")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(t, v.Index(i))
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "set") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem())
		}
	case reflect.Map:
	default:
		t.Fatalf("cannot fill a %s", v.Type())
	}
}

// data gives what an event carries: an alert, a change, a condition, or rubbish.
func data(t *rapid.T) string {
	var v any
	switch rapid.IntRange(0, 3).Draw(t, "data") {
	case 0:
		v = filled[monitor.Alert](t)
	case 1:
		v = filled[monitor.Change](t)
	case 2:
		v = filled[monitor.Health](t)
	default:
		return text().Draw(t, "rubbish")
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func filled[T any](t *rapid.T) (v T) {
	fill(t, reflect.ValueOf(&v).Elem())
	return v
}

// screens writes every screen of hostile values.
var screens = map[string]func(t *rapid.T, w io.Writer) error{
	"text": func(t *rapid.T, w io.Writer) error {
		return report.Text(w, filled[monitor.Report](t), filled[time.Duration](t))
	},
	"replay": func(t *rapid.T, w io.Writer) error {
		return report.Replay(w, filled[monitor.Report](t), filled[time.Duration](t))
	},
	"explain": func(t *rapid.T, w io.Writer) error {
		return report.Explain(w, filled[monitor.Explanation](t), filled[bool](t))
	},
	"status":    func(t *rapid.T, w io.Writer) error { return report.Status(w, filled[monitor.Status](t)) },
	"alerts":    func(t *rapid.T, w io.Writer) error { return report.Alerts(w, filled[[]monitor.Alert](t)) },
	"events":    func(t *rapid.T, w io.Writer) error { return report.Events(w, filled[[]monitor.Event](t)) },
	"history":   func(t *rapid.T, w io.Writer) error { return report.History(w, filled[[]monitor.Interval](t)) },
	"unwatched": func(t *rapid.T, w io.Writer) error { return report.Unwatched(w, filled[[]monitor.Stranger](t)) },
}

// TestHostile has every screen show what others send, and looks for anything
// that a terminal would act on, and for lines that are too long.
func TestHostile(t *testing.T) {
	for name, screen := range screens {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var b strings.Builder
				if err := screen(t, &b); err != nil {
					t.Fatal(err)
				}
				for line := range strings.SplitSeq(strings.TrimSuffix(b.String(), "\n"), "\n") {
					harmless(t, line)
					if n := least(line); n > 120 && strings.Contains(strings.TrimSpace(line), " ") {
						t.Fatalf("%d columns: %q", n, line)
					}
					if line != strings.TrimRight(line, " ") {
						t.Fatalf("spaces at the end of %q", line)
					}
				}
			})
		})
	}
}

// harmless fails on everything but visible text.
func harmless(t interface{ Fatalf(string, ...any) }, s string) {
	if !utf8.ValidString(s) {
		t.Fatalf("not UTF-8: %q", s)
	}
	for _, r := range s {
		if r == utf8.RuneError || unicode.IsControl(r) || unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.M, unicode.Hebrew, unicode.Arabic) ||
			r != ' ' && unicode.IsSpace(r) {
			t.Fatalf("%U in %q", r, s)
		}
	}
}

// least is how many columns s takes at least.
func least(s string) int {
	n := 0
	for _, r := range s {
		if n++; unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana) {
			n++
		}
	}
	return n
}

// TestFoldLosesNothing has long text broken into lines, and finds all its words
// in order.
func TestFoldLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		summary := text().Draw(t, "summary")
		var b strings.Builder
		if err := report.Alerts(&b, []monitor.Alert{{ID: "01KAT3Q7W2", Summary: summary}}); err != nil {
			t.Fatal(err)
		}
		want, got := strings.Fields(report.Printable(summary)), strings.Fields(b.String())
		if len(got) < len(want) || !slices.Equal(want, got[len(got)-len(want):]) {
			t.Fatalf("words %q became %q", want, got)
		}
	})
}

// TestZero has every screen show nothing at all.
func TestZero(t *testing.T) {
	shows := map[string]func(w io.Writer) error{
		"text nothing": func(w io.Writer) error { return report.Text(w, monitor.Report{}, 0) },
		"text": func(w io.Writer) error {
			return report.Text(w, monitor.Report{Watches: []monitor.Judgement{{}, {}}, Alerts: []monitor.Alert{{}}}, time.Nanosecond)
		},
		"text, empty answers": func(w io.Writer) error {
			return report.Text(w, monitor.Report{Watches: []monitor.Judgement{
				{Verdict: monitor.Clean, Answers: []monitor.Observation{{}, {Role: monitor.Local}, {Role: monitor.Reference, Encrypted: true}}, Evidence: []monitor.Evidence{{}}},
				{Verdict: monitor.Poisoned, Answers: []monitor.Observation{{}}, Evidence: []monitor.Evidence{{}}, Reasons: []monitor.Reason{{}}},
			}}, 0)
		},
		"replay nothing": func(w io.Writer) error { return report.Replay(w, monitor.Report{}, 0) },
		"replay": func(w io.Writer) error {
			return report.Replay(w, monitor.Report{Alerts: []monitor.Alert{{Transactions: []monitor.Transaction{{}}}}}, 0)
		},
		"explain nothing": func(w io.Writer) error { return report.Explain(w, monitor.Explanation{}, true) },
		"explain": func(w io.Writer) error {
			return report.Explain(w, monitor.Explanation{Alerts: []monitor.Alert{{}, {Note: &monitor.Note{}, State: monitor.Resolved}}, Judgements: []monitor.Judgement{{}}}, true)
		},
		"status nothing": func(w io.Writer) error { return report.Status(w, monitor.Status{}) },
		"status": func(w io.Writer) error {
			return report.Status(w, monitor.Status{
				Watches: []monitor.WatchStatus{{}, {Types: []monitor.QuestionStatus{{}}}}, Alerts: []monitor.AlertLine{{}},
				Resolvers: []monitor.ResolverStatus{{}}, Health: []monitor.HealthStatus{{}}, Webhooks: []monitor.WebhookStatus{{}},
				Counts: monitor.Counts{Rounds: 1, Late: 2},
			})
		},
		"alerts": func(w io.Writer) error { return report.Alerts(w, []monitor.Alert{{}}) },
		"events": func(w io.Writer) error {
			return report.Events(w, []monitor.Event{{}, {Type: "alert."}, {Type: monitor.VerdictChanged}})
		},
		"history": func(w io.Writer) error { return report.History(w, []monitor.Interval{{}}) },
		"json":    func(w io.Writer) error { return report.JSON(w, monitor.Report{}) },
	}
	for name, show := range shows {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := show(&b); err != nil {
				t.Fatal(err)
			}
			for line := range strings.SplitSeq(strings.TrimSuffix(b.String(), "\n"), "\n") {
				harmless(t, line)
			}
		})
	}
}

func TestPrintable(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"CN=Example CA, O=\"Example\"", "CN=Example CA, O=\"Example\""},
		{"\x1b[31mred\x1b[0m", "?[31mred?[0m"},
		{"one\ntwo\r\tthree", "one?two??three"},
		{"\x9b31m", "?31m"},
		{"\u009b31m", "?31m"},
		{"safe\u202egnp.exe", "safe?gnp.exe"},
		{"a\u200eb\u061cc\u200bd\ufeffe", "a?b?c?d?e"},
		{"10.0.0.1 אבג 10.0.0.2", "10.0.0.1 ??? 10.0.0.2"},
		{"e\u0301", "e?"},
		{"\xff\xc3", "??"},
		{"\ufffd", "?"},
		{"no\u00a0break\u3000wide", "no?break?wide"},
		{"Müller 日本 …", "Müller 日本 …"},
	}
	for _, tt := range tests {
		if got := report.Printable(tt.in); got != tt.want {
			t.Errorf("Printable(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := report.Printable(s)
		harmless(t, once)
		if twice := report.Printable(once); twice != once {
			t.Errorf("Printable(%q) = %q, and of that %q", s, once, twice)
		}
		if got, want := utf8.RuneCountInString(once), utf8.RuneCountInString(s); got != want {
			t.Errorf("Printable(%q) has %d characters, want %d", s, got, want)
		}
	})
}

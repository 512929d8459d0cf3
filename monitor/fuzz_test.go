package monitor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// A file of samples comes from anybody: what is read is judged without harm,
// and reads back the same.
func FuzzReadSamples(f *testing.F) {
	m := learntMatter().wrong(split("alpha", "bravo"))
	for _, s := range m.Samples {
		line, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Add([]byte(`{"schema":"dnstaster.sample/v1","at":"2026-03-01T12:00:00Z","via":"wire","question":{"name":"x.example","type":"TYPE65535"},"answers":null,"evidence":null}`))
	f.Add([]byte(`{"schema":"dnstaster.sample/v1","at":"2026-03-01T12:00:00Z","question":{"name":"x.","type":"A"},"answers":[{"role":"local","rcode":"NOERROR","records":[{"type":"A","data":"::ffff:1.2.3.4%eth0","ttl":4294967295}]}],"evidence":[{"kind":"tls","outcome":"no such"}],"baseline":{"types":{"A":null},"keys":{"k":null}}}`))
	// What was overheard, with its packets; and two samples of one file.
	heard := transaction(1, 2, good(goodAddr), evil(evilAddr), good("NXDOMAIN"))
	heard.Answers[1].Packet.Raw, heard.Answers[1].Packet.Frame, heard.State = []byte("frame"), 3, []string{monitor.CaptureDegraded}
	line, err := json.Marshal(heard)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add(slices.Concat(line, []byte("\n"), line))
	// How far a daemon was, begun before the file and ended in it.
	for _, progress := range []monitor.Progress{{Opened: noon, Waiting: true}, {Opened: noon.Add(time.Hour), Concluded: true}, {}} {
		heard.Case = &progress
		if line, err = json.Marshal(heard); err != nil {
			f.Fatal(err)
		}
		f.Add(slices.Concat(line, []byte("\n"), line))
	}
	f.Add([]byte("{}\n\n[]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var read []monitor.Sample
		err := monitor.ReadSamples(bytes.NewReader(data), func(s monitor.Sample) error {
			read = append(read, s)
			return nil
		})
		if err == nil && len(read) == 0 && len(bytes.TrimSpace(data)) > 0 {
			t.Fatal("something was read as nothing")
		}
		replay := monitor.NewReplay(monitor.Config{Timing: monitor.DefaultTiming()})
		for _, s := range read {
			replay.Take(s)
			if name, err := monitor.ParseName(s.Question.Name); err != nil || name != s.Question.Name {
				t.Fatalf("question about %q: %q, %v", s.Question.Name, name, err)
			}
			again, err := json.Marshal(s)
			if err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			if text(t, through(s)) != string(again) {
				t.Fatalf("%s reads back as %s", again, text(t, through(s)))
			}
			c := monitor.Case{Question: s.Question, Base: s.Baseline, Policy: &monitor.Policy{Timing: monitor.DefaultTiming()}, Samples: []monitor.Sample{s}}
			if c.Base == nil {
				c.Base = monitor.NewBaseline(s.Question.Name, s.At)
			}
			if s.Watch != nil {
				c.Watch = *s.Watch
			}
			monitor.Learn(c.Base, &c, true)
			if r := monitor.Judge(&c); r.Verdict == monitor.Unknown && r.Cause == "" {
				t.Fatalf("unknown without a cause: %s", again)
			}
		}
	})
}

// A name is refused, or comes out in the one form that is used everywhere: it
// stays as it is when parsed again, and holds nothing that a terminal acts on.
func FuzzParseName(f *testing.F) {
	for _, s := range []string{"api.partner.example", "API.Partner.EXAMPLE.", "bücher.example", "_dmarc.x.example", "*.x", "", ".", "a..b", "x.\x1b[2J", "xn--a", strings.Repeat("a.", 126) + "a", strings.Repeat("a", 64) + ".x", " x.example ", "ﬀ.example", "x\u200d.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := monitor.ParseName(s)
		if err != nil {
			if name != "" {
				t.Fatalf("ParseName(%q) = %q with %v", s, name, err)
			}
			return
		}
		again, err := monitor.ParseName(name)
		if err != nil || again != name {
			t.Fatalf("ParseName(%q) = %q, and of that %q, %v", s, name, again, err)
		}
		if !strings.HasSuffix(name, ".") || len(name) > 254 || strings.ToLower(name) != name || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			t.Fatalf("ParseName(%q) = %q", s, name)
		}
		if !monitor.Under(name, name) || !monitor.Under("www."+name, name) || monitor.Under("x"+name, name) {
			t.Fatalf("%q is not where it is", name)
		}
	})
}

// hostile makes records from bytes: owners, aliases and addresses of a handful
// of names, in circles and out of order.
func hostile(data []byte) []monitor.Record {
	names := []string{apiA.Name, "a.example.", "b.example.", "B.Example.", "c.example.", ""}
	types := []monitor.Type{monitor.TypeA, monitor.TypeAAAA, monitor.TypeCNAME, monitor.TypeDNAME, monitor.TypeTXT}
	var rs []monitor.Record
	for len(data) >= 4 {
		r := monitor.Record{Name: names[int(data[0])%len(names)], Type: types[int(data[1])%len(types)], TTL: uint32(data[2]) << (data[3] % 25)}
		switch r.Type {
		case monitor.TypeA:
			r.Data = fmt.Sprintf("192.0.%d.%d", data[2], data[3])
		case monitor.TypeCNAME, monitor.TypeDNAME:
			r.Data = names[int(data[3])%len(names)]
		default:
			r.Data = string(data[2:4])
		}
		rs, data = append(rs, r), data[4:]
	}
	return rs
}

// Whatever records a message holds, what is made of it is the same in any
// order of them, and holds only what stands on the chain from the name.
func FuzzCanon(f *testing.F) {
	f.Add([]byte{0, 2, 0, 1, 1, 2, 0, 2, 2, 2, 0, 0}, "NOERROR")   // a circle
	f.Add([]byte{0, 2, 0, 0}, "NOERROR")                           // an alias of itself
	f.Add([]byte{0, 2, 0, 1, 1, 0, 66, 66, 4, 0, 1, 1}, "NOERROR") // a chain, and a stranger
	f.Add([]byte{0, 2, 0, 1, 0, 2, 0, 2, 1, 0, 1, 1, 2, 0, 2, 2}, "NXDOMAIN")
	f.Add(bytes.Repeat([]byte{0, 0, 1, 2}, 5000), "NOERROR")
	f.Fuzz(func(t *testing.T, data []byte, rcode string) {
		o := monitor.Observation{Rcode: rcode, Records: hostile(data)}
		c := o.Canon(apiA)
		if !c.Equal(o.Canon(apiA)) {
			t.Fatal("not the same twice")
		}
		if c.Content == monitor.None && len(c.Records) > 0 || c.Content == monitor.Data && len(c.Records) == 0 {
			t.Fatalf("content %d with %q", c.Content, c.Records)
		}
		if !slices.IsSorted(c.Records) || len(slices.Compact(slices.Clone(c.Records))) != len(c.Records) {
			t.Fatalf("records %q are not sorted, each once", c.Records)
		}
		addrs := o.Addresses(apiA)
		if (c.Content != monitor.Data) && len(addrs) > 0 {
			t.Fatalf("no data, and addresses %v", addrs)
		}
		seen := map[netip.Addr]bool{}
		for _, a := range addrs {
			if seen[a] || !slices.Contains(c.Records, strings.ToLower(c.Tail)+" A "+a.String()) {
				t.Fatalf("address %s is not one record of %q (tail %s)", a, c.Records, c.Tail)
			}
			seen[a] = true
		}
		back := o
		back.Records = slices.Clone(o.Records)
		slices.Reverse(back.Records)
		if aliases(o.Records) && !c.Equal(back.Canon(apiA)) {
			t.Fatalf("in reverse order: %+v, else %+v", back.Canon(apiA), c)
		}
	})
}

// aliases reports whether no name has two different aliases: of such an answer,
// which no zone may give (RFC 1034 §3.6.2), the last counts.
func aliases(rs []monitor.Record) bool {
	of := map[string]string{}
	for _, r := range rs {
		name := strings.ToLower(r.Name)
		if r.Type != monitor.TypeCNAME {
			continue
		}
		if was, ok := of[name]; ok && was != strings.ToLower(r.Data) {
			return false
		}
		of[name] = strings.ToLower(r.Data)
	}
	return true
}

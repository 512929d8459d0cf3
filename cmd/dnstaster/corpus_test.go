package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dnstaster/dnstaster/monitor"
)

// transaction is what a label or an alert says of one query and its answers.
type transaction struct {
	client, server netip.AddrPort
	id             uint16
	name           string
	frames         []int
}

// same reports whether u is the same transaction, whatever frames of it are told.
func (t transaction) same(u transaction) bool {
	return t.client == u.client && t.server == u.server && t.id == u.id &&
		strings.EqualFold(strings.TrimSuffix(t.name, "."), strings.TrimSuffix(u.name, "."))
}

func (t transaction) String() string {
	return fmt.Sprintf("%s to %s id %#04x %s frames %v", t.client, t.server, t.id, t.name, t.frames)
}

// specimen is a capture and what is true of it.
type specimen struct {
	name    string
	data    []byte
	races   []transaction // a forged answer beside the genuine one: must be found
	lies    []transaction // a forged answer alone: may be found
	hostile bool          // no capture, or a damaged one
}

// mapped gives the specimen with its numbers changed; false for what cannot be
// read at all.
func (s specimen) mapped(t *testing.T, key uint64) (specimen, bool) {
	t.Helper()
	r := newRemap(key)
	data, numbers, err := r.capture(bytes.NewReader(s.data))
	if err != nil && !s.hostile {
		t.Errorf("%s: %v", s.name, err)
	}
	m := specimen{name: s.name + ", mapped", data: data, hostile: s.hostile}
	move := func(ts []transaction) (out []transaction) {
		for _, x := range ts {
			x.client = netip.AddrPortFrom(r.addr(x.client.Addr()), r.clientPort(x.client.Port()))
			x.server = netip.AddrPortFrom(r.addr(x.server.Addr()), x.server.Port())
			x.id += r.id
			var frames []int
			for _, n := range x.frames {
				frames = append(frames, slices.Index(numbers, n)+1)
			}
			x.frames = frames
			out = append(out, x)
		}
		return out
	}
	m.races, m.lies = move(s.races), move(s.lies)
	return m, len(data) > 0
}

// variant is a way to replay a specimen.
type variant struct {
	name string
	args []string
	keys []uint64 // that it is mapped with; none: as it is
}

var variants = []variant{
	{"as it is", nil, nil},
	{"without special addresses", []string{"--without", "div.special_purpose"}, nil},
	{"mapped", nil, []uint64{1, 2}},
	{"mapped, without special addresses", []string{"--without", "div.special_purpose"}, []uint64{3}},
}

// TestCorpus replays captures of which is known what is forged in them: those
// that the test makes up, on every link, and those of the directory that
// DNSTASTER_CORPUS names, with the numbers that they have and with others. Every
// race must be told with all its frames, and nothing else.
func TestCorpus(t *testing.T) {
	var all []specimen
	for _, l := range tapeLinks {
		for _, tt := range tapes {
			p := record(t, tt.play, l.link, l.tags)
			all = append(all, specimen{name: l.name + ": " + tt.name, data: p.file(), races: p.races})
		}
	}
	if dir := os.Getenv("DNSTASTER_CORPUS"); dir != "" {
		all = append(all, readCorpus(t, dir)...)
	}
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			files, races := 0, 0
			for _, s := range all {
				if len(v.keys) == 0 {
					replaySpecimen(t, s, v.args)
					files, races = files+1, races+len(s.races)
				}
				for _, key := range v.keys {
					if m, ok := s.mapped(t, key); ok {
						replaySpecimen(t, m, v.args)
						files, races = files+1, races+len(m.races)
					}
				}
			}
			t.Logf("%d captures with %d races", files, races)
		})
	}
}

// replaySpecimen runs the command on a specimen, and holds what it says against
// what is true.
func replaySpecimen(t *testing.T, s specimen, args []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "specimen")
	if err := os.WriteFile(file, s.data, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	status := run(slices.Concat([]string{"replay", "--json"}, args, []string{file}), nil, &out, &errs)
	var r monitor.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Errorf("%s: status %d, no report: %v\n%s", s.name, status, err, errs.String())
		return
	}
	for line := range strings.Lines(errs.String()) {
		if !s.hostile || !strings.HasPrefix(line, "dnstaster: ") {
			t.Errorf("%s: complains %q", s.name, line)
		}
	}
	var told []transaction
	for _, a := range r.Alerts {
		if len(a.Transactions) == 0 {
			t.Errorf("%s: an alert that shows nothing: %s", s.name, a.Summary)
		}
		for _, x := range a.Transactions {
			told = append(told, transaction{x.Client, x.Server, x.TXID, x.Name, x.Frames})
		}
	}
	for _, x := range s.races {
		if !slices.ContainsFunc(told, func(y transaction) bool {
			return x.same(y) && !slices.ContainsFunc(x.frames, func(n int) bool { return !slices.Contains(y.frames, n) })
		}) {
			t.Errorf("%s: missed: %s\ntold: %v", s.name, x, told)
		}
	}
	for _, y := range told {
		if !slices.ContainsFunc(slices.Concat(s.races, s.lies), y.same) {
			t.Errorf("%s: falsely told: %s", s.name, y)
		}
	}
	want := []int{exitClean, exitUnknown} // unknown where there is no DNS in it
	if len(s.races) > 0 {
		want = []int{exitSuspect, exitPoisoned}
	} else if len(told) > 0 {
		want = append(want, exitSuspect, exitPoisoned)
	}
	if !slices.Contains(want, status) {
		t.Errorf("%s: status %d, want one of %v", s.name, status, want)
	}
}

// readCorpus reads captures that others made, and their labels.
func readCorpus(t *testing.T, dir string) []specimen {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "labels.json"))
	if err != nil {
		t.Fatal(err)
	}
	type packet struct {
		Frame int `json:"frame"`
	}
	var labels struct {
		Transactions []struct {
			File    string     `json:"file"`
			Client  netip.Addr `json:"client"`
			Port    uint16     `json:"client_port"`
			Server  netip.Addr `json:"server"`
			At      uint16     `json:"server_port"`
			ID      string     `json:"txid"`
			Name    string     `json:"qname"`
			Queries []int      `json:"query_frames"`
			Spoofed []packet   `json:"spoofed"`
			Genuine []packet   `json:"genuine"`
			Class   string     `json:"class"`
		} `json:"transactions"`
	}
	if err := json.Unmarshal(text, &labels); err != nil {
		t.Fatal(err)
	}
	var all []specimen
	for _, kind := range []string{"attack", "benign", "malformed"} {
		files, err := os.ReadDir(filepath.Join(dir, kind))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			s := specimen{name: kind + "/" + f.Name(), hostile: kind == "malformed"}
			if s.data, err = os.ReadFile(filepath.Join(dir, s.name)); err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
	}
	for _, l := range labels.Transactions {
		i := slices.IndexFunc(all, func(s specimen) bool { return s.name == l.File })
		id, err := strconv.ParseUint(l.ID, 0, 16)
		if i < 0 || err != nil {
			t.Fatalf("label of %s, id %q: no such file, or %v", l.File, l.ID, err)
		}
		x := transaction{netip.AddrPortFrom(l.Client, l.Port), netip.AddrPortFrom(l.Server, l.At), uint16(id), l.Name, l.Queries}
		for _, p := range slices.Concat(l.Spoofed, l.Genuine) {
			x.frames = append(x.frames, p.Frame)
		}
		switch l.Class {
		case "race":
			all[i].races = append(all[i].races, x)
		case "relayed_poison", "nxdomain_rewrite":
			all[i].lies = append(all[i].lies, x)
		default:
			t.Fatalf("label of %s: class %q is not known", l.File, l.Class)
		}
	}
	return all
}

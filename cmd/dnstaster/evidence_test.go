package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"path"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
)

// overheardRace is an alert with the transaction that it rests on.
func overheardRace() control.Evidence {
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	client, server := netip.MustParseAddrPort("10.0.0.9:40000"), netip.MustParseAddrPort("10.0.0.2:53")
	packet := func(after time.Duration, src, dst netip.AddrPort, raw string) monitor.Packet {
		return monitor.Packet{At: at.Add(after), Src: src, Dst: dst, TXID: 7, Link: uint16(capture.LinkRaw), Raw: []byte(raw)}
	}
	answer := func(after time.Duration, addr string, hops uint8) monitor.Observation {
		p := packet(after, server, client, addr)
		p.HopLimit = hops
		return monitor.Observation{
			At: p.At, Resolver: "system", Server: server.Addr(), Role: monitor.Local, Transport: monitor.UDP, Rcode: "NOERROR", Packet: &p,
			Records: []monitor.Record{{Name: "www.example.com.", Type: monitor.TypeA, Data: addr, TTL: 60}},
		}
	}
	s := monitor.Sample{
		At: at, Via: monitor.Wire, Question: monitor.Question{Name: "www.example.com.", Type: monitor.TypeA},
		Queries: []monitor.Packet{packet(0, client, server, "query")},
		Answers: []monitor.Observation{answer(time.Millisecond, "198.51.100.66", 128), answer(12*time.Millisecond, "203.0.113.10", 57)},
	}
	again := s // the transaction, written down once more when it grew
	again.Answers = append(again.Answers[:2:2], answer(20*time.Millisecond, "203.0.113.10", 57))
	return control.Evidence{
		Alert:   monitor.Alert{ID: "01KAT3Q7W2AAAAAAAAAAAAAAAA", Name: "www.example.com.", Kind: monitor.AttackAttempt, LastSeenAt: at},
		Samples: []monitor.Sample{s, again},
	}
}

// TestBundle opens what export packs.
func TestBundle(t *testing.T) {
	e := overheardRace()
	b, err := bundle(e)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if files[path.Base(h.Name)], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	dir := "dnstaster-" + e.Alert.ID + "/"
	want := []string{dir + "alert.json", dir + "samples.jsonl", dir + "resolvers.json", dir + "packets.pcapng", dir + "manifest.json"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatalf("files (-want +got):\n%s", diff)
	}

	var m manifest
	if err := json.Unmarshal(files["manifest.json"], &m); err != nil {
		t.Fatal(err)
	}
	if m.Schema != manifestSchema || m.Alert != e.Alert.ID || len(m.Files) != 4 {
		t.Errorf("manifest %+v", m)
	}
	for name, sum := range m.Files {
		if got := sha256.Sum256(files[name]); hex.EncodeToString(got[:]) != sum {
			t.Errorf("%s is not what the manifest says", name)
		}
	}

	// Every packet once, in the order in which it was seen.
	r, err := capture.NewReader(bytes.NewReader(files["packets.pcapng"]))
	if err != nil {
		t.Fatal(err)
	}
	var packets []string
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, string(f.Data))
	}
	if diff := cmp.Diff([]string{"query", "198.51.100.66", "203.0.113.10", "203.0.113.10"}, packets); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}

	// Judged again, it is the same thing.
	judge := monitor.NewReplay(monitor.Config{Timing: monitor.DefaultTiming()})
	if err := monitor.ReadSamples(bytes.NewReader(files["samples.jsonl"]), func(s monitor.Sample) error { judge.Take(s); return nil }); err != nil {
		t.Fatal(err)
	}
	as := judge.Report(time.Now()).Alerts
	if len(as) != 1 || as[0].Kind != monitor.AttackAttempt || len(as[0].Transactions) != 1 {
		t.Errorf("judged again: %+v", as)
	}
	if again, err := bundle(e); err != nil || !bytes.Equal(again, b) {
		t.Errorf("packed again it is different: %v", err)
	}
}

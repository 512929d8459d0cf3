package monitor_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestPinnable shows what of a history may be pinned, and what a lock takes of it.
func TestPinnable(t *testing.T) {
	day := 24 * time.Hour
	span := monitor.Span{First: noon.Add(-9 * day), Last: noon.Add(-day), Count: 9}
	addr := netip.MustParseAddr
	b := monitor.NewBaseline(apiA.Name, noon.Add(-10*day))
	b.Keys = map[string]*monitor.KeySpan{
		lockKey: {Span: span, Issuer: "Example CA", NotBefore: noon.Add(-40 * day)}, "sha256/retired": {Span: span, Issuer: "Old CA"},
	}
	b.Zones = []monitor.Delegation{
		{Span: span, Zone: "partner.example.", Nameservers: []string{"ns1.old.example."}},
		{Span: monitor.Span{First: span.Last, Last: noon, Count: 1}, Zone: "partner.example.", Nameservers: []string{"ns1.partner.example."}, DS: []string{"1 13 2 00FF"}},
		{Span: monitor.Span{Last: noon.Add(-31 * day)}, Zone: "gone.example.", Nameservers: []string{"ns1.gone.example."}},
	}
	b.Types[monitor.TypeA] = &monitor.Answered{Addresses: map[netip.Addr]*monitor.Identity{
		addr("192.0.80.1"): {Seen: span, Verified: noon.Add(-day), By: "certificate", SPKI: lockKey, ASN: 64500},
		addr("192.0.80.2"): {Seen: span, Verified: noon.Add(-31 * day), By: "certificate", SPKI: "sha256/retired", ASN: 64501},
		addr("192.0.80.3"): {Seen: span, Authority: noon.Add(-day), ASN: 64502},
		addr("192.0.80.4"): {Seen: span, Witnessed: span, Groups: []string{"google", "quad9"}, ASN: 64503},
		addr("192.0.80.5"): {Seen: span, Witnessed: span, Groups: []string{"google"}},
		addr("192.0.80.6"): {Seen: span, Verified: noon.Add(-2 * day), Bad: noon.Add(-day), By: "certificate", SPKI: lockKey},
	}}
	w := monitor.Watch{Name: apiA.Name, TLS: monitor.TLSExpect{Port: 8443}}
	want := monitor.Pinnable{
		Name: apiA.Name, Verdict: monitor.Unknown, Types: []monitor.Type{monitor.TypeA, monitor.TypeAAAA}, Port: 8443,
		Addresses: []monitor.PinnableAddress{
			{Address: addr("192.0.80.1"), Proven: true, By: "certificate", At: noon.Add(-day), SPKI: lockKey, ASN: 64500},
			{Address: addr("192.0.80.3"), Proven: true, By: "the zone's own servers", At: noon.Add(-day), ASN: 64502},
			{Address: addr("192.0.80.4"), By: "witnesses only: google, quad9", At: noon.Add(-day), ASN: 64503},
		},
		Keys:  []monitor.PinnableKey{{SPKI: lockKey, Issuer: "Example CA", NotBefore: noon.Add(-40 * day), First: span.First, Last: span.Last}},
		Zones: []monitor.LockedZone{{Zone: "partner.example.", Nameservers: []string{"ns1.partner.example."}, DS: []string{"1 13 2 00FF"}}},
	}
	got := w.Pinnable(b, noon)
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("pinnable (-want +got):\n%s", diff)
	}
	lock := monitor.Locked{
		Name: apiA.Name, Types: want.Types, Port: 8443, Keys: []string{lockKey}, Issuers: []string{"Example CA"}, ASNs: []uint32{64500, 64502}, Zones: want.Zones,
	}
	if diff := cmp.Diff(lock, got.Locked()); diff != "" {
		t.Errorf("locked (-want +got):\n%s", diff)
	}
	text, err := json.Marshal(monitor.Lock{GeneratedAt: noon, Names: []monitor.Locked{got.Locked()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := monitor.ReadLock(strings.NewReader(string(text))); err != nil {
		t.Errorf("what is locked is no lock: %v", err)
	}
	off := monitor.Watch{Name: apiA.Name, Types: []monitor.Type{monitor.TypeA}, TLS: monitor.TLSExpect{Off: true}}
	if diff := cmp.Diff([]uint32{64500, 64502, 64503}, off.Pinnable(b, noon).Locked().ASNs); diff != "" {
		t.Errorf("networks of a name without TLS (-want +got):\n%s", diff)
	}
	if !w.Pinnable(nil, noon).Locked().Empty() {
		t.Error("without a history something is locked")
	}
}

// TestPins asks a running monitor.
func TestPins(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, c monitor.Config) {
		watch(t, w, c, func(m *monitor.Monitor) {
			wait(time.Minute)
			p, err := m.Pins(t.Context(), apiA.Name)
			if err != nil || len(p.Names) != 1 || p.Names[0].Verdict != monitor.Clean || len(p.Names[0].Keys) != 1 {
				t.Errorf("pins %+v, %v", p, err)
			}
			if all, err := m.Pins(t.Context(), ""); err != nil || len(all.Names) != len(c.Watches) {
				t.Errorf("of all: %+v, %v", all, err)
			}
			if _, err := m.Pins(t.Context(), "www.example."); err == nil {
				t.Error("what is not watched is known")
			}
		})
	})
}

// TestZones has one witness asked where the zone of a name is delegated to that
// nobody doubts, where that is wanted, and what it says be known.
func TestZones(t *testing.T) {
	for zones, want := range map[bool]int{false: 0, true: 1} {
		bubble(t, func(t *testing.T, w *world, c monitor.Config) {
			asked := 0
			w.facts = func(p monitor.Proof) monitor.Evidence {
				if p.Kind != monitor.EvidenceDNSSEC {
					return monitor.Evidence{Status: monitor.Indeterminate}
				}
				asked++
				return monitor.Evidence{Status: monitor.Insecure, Zone: "partner.example.", Nameservers: []string{"ns1.partner.example."}}
			}
			c.Once, c.Zones = true, zones
			watch(t, w, c, func(m *monitor.Monitor) {
				js, err := m.Verify(t.Context(), apiA.Name, monitor.WholePlan)
				if err != nil || len(js) != 1 || js[0].Verdict != monitor.Clean {
					t.Fatalf("judgements %+v, %v", js, err)
				}
				p, err := m.Pins(t.Context(), apiA.Name)
				if err != nil || len(p.Names) != 1 || len(p.Names[0].Zones) != want || asked != want {
					t.Errorf("zones wanted %t: %d questions, pins %+v, %v", zones, asked, p, err)
				}
			})
		})
	}
}

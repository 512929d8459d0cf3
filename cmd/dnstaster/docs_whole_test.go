package main

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/discover"
)

// wholeDocuments gives, for each schema, documents in which nothing is left out:
// what the code gained and the test did not is found by whole.
func wholeDocuments(t *testing.T) map[string]any {
	t.Helper()
	at := time.Date(2026, 11, 24, 3, 7, 41, 0, time.UTC)
	span := monitor.Span{First: at, Last: at, Count: 3}
	addr := netip.MustParseAddr("203.0.113.10")
	port := netip.MustParseAddrPort("192.0.2.7:4242")
	const name, spki = "api.partner.example.", "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	record := monitor.Record{Name: name, Type: monitor.TypeA, Data: "203.0.113.10", TTL: 60}
	fact := monitor.Evidence{
		Kind: monitor.EvidenceTLS, At: at, Role: monitor.Suspect, Address: addr, Port: 443, Outcome: monitor.OutcomeOK, Count: 2,
		SPKI: spki, Issuer: "Example CA", NotBefore: at, NotAfter: at, Detail: "x",
		Resolver: "isp|203.0.113.53|udp", Status: monitor.Secure, Stripped: true, Late: true, Addresses: []netip.Addr{addr}, Records: []monitor.Record{record}, Absent: true,
		PathProven: true, Partial: true, Zone: name, Nameservers: []string{"ns." + name}, Delegation: []string{"ns." + name}, DS: []string{"1 13 2 00"}, TTL: 60,
		Servers: []monitor.AuthoritativeServer{{
			Name: "ns." + name, Address: addr, Addresses: []netip.Addr{addr}, Records: []monitor.Record{record}, Absent: true, Serial: 1, Error: "timeout",
		}},
		Network: "203.0.113.1 02:00:00:00:00:01", Sources: []monitor.Source{{Server: addr, By: monitor.ByRA, From: addr, MAC: "02:00:00:00:00:01", Unused: true}},
		Names: []string{name}, Answered: true, NSID: "x", Egress: "203.0.113.53", ASN: 64500, Org: "x", Prefix: netip.MustParsePrefix("203.0.113.0/24"), Shared: true,
	}
	packet := monitor.Packet{
		At: at, Frame: 12, Src: port, Dst: port, TXID: 4660, HopLimit: 57, MAC: "02:42:ac:11:00:66", EDNS: true, Traits: monitor.TraitRD, Broken: "x", Fragmented: true, Nonlocal: true, Dnstap: "CLIENT_RESPONSE", Iface: 2, Link: 1, Raw: []byte{1},
	}
	answer := monitor.Observation{
		At: at, Resolver: "isp", Server: addr, Operator: "isp", Role: monitor.Local, Transport: monitor.UDP, Encrypted: true, Filtering: true,
		Rcode: "NOERROR", Flags: []string{"RA"}, Records: []monitor.Record{record}, Beside: []monitor.Record{record},
		EDE: []uint16{16}, NSID: "res2", TXID: 7, RTT: monitor.Milliseconds(time.Millisecond), Error: "timeout", Packet: &packet,
		Cache:  &monitor.Cache{Single: true, Counts: true, Hasty: true, Cap: 60, Floor: 60, Left: 60, Replaced: at, Flushed: true},
		Manner: &monitor.Manner{HopLimits: []int{57}, RTT: monitor.Milliseconds(time.Millisecond), MACs: []string{"02:42:ac:11:00:02"}, Always: monitor.TraitRD, Never: monitor.TraitAD},
	}
	reason := monitor.Reason{Rule: "dup.conflict", Fact: "x", Weight: 60}
	zones := []monitor.LockedZone{{Zone: "partner.example.", Nameservers: []string{"ns." + name}, DS: []string{"1 13 2 00"}}}
	locked := monitor.Locked{Name: name, Types: []monitor.Type{monitor.TypeA}, Port: 443, Off: true, Keys: []string{spki}, Issuers: []string{"Example CA"}, ASNs: []uint32{64500}, Zones: zones}
	lock := monitor.Lock{GeneratedAt: at, Names: []monitor.Locked{locked}}
	pins := monitor.Pins{GeneratedAt: at, Names: []monitor.Pinnable{{
		Name: name, Verdict: monitor.Clean, Types: []monitor.Type{monitor.TypeA}, Port: 443, Off: true, Zones: zones,
		Addresses: []monitor.PinnableAddress{{Address: addr, Proven: true, By: "certificate", At: at, SPKI: spki, ASN: 64500}},
		Keys:      []monitor.PinnableKey{{SPKI: spki, Issuer: "Example CA", NotBefore: at, First: at, Last: at}},
	}}}
	watch := monitor.Watch{
		Name: name, Types: []monitor.Type{monitor.TypeA}, Interval: time.Minute, TLS: monitor.TLSExpect{Off: true, Port: 443, Pins: []string{spki}},
		Expect:      monitor.Expect{Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, Private: monitor.PrivateAuto},
		SecretNames: []string{"PARTNER_API_KEY"}, Owner: "payments", Inside: true,
		Blocks:      []monitor.Block{{Zone: "rpz.example.", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.80")}}},
		Maintenance: []monitor.Window{{From: at, Until: at, Reason: "x"}}, Lock: &locked,
	}
	base := monitor.Baseline{
		Name: name, Since: at, Keys: map[string]*monitor.KeySpan{spki: {Span: span, Issuer: "Example CA", NotBefore: at}},
		Zones:   []monitor.Delegation{{Span: span, Zone: "partner.example.", Nameservers: []string{"ns." + name}, DS: []string{"1 13 2 00"}, Addresses: []netip.Addr{addr}}},
		Signing: map[string]time.Time{"isp|203.0.113.53|udp": at},
		Hosts:   []monitor.Setting{{Span: span, Network: "203.0.113.1 02:00:00:00:00:01", Server: addr, By: monitor.ByDHCP, From: addr, MAC: "02:00:00:00:00:01", Modules: []string{"files"}}},
		AD:      map[string]monitor.Tally{"isp|203.0.113.53|udp": {Yes: 50, No: 1}},
		NAT64:   []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96")},
		Types: map[monitor.Type]*monitor.Answered{monitor.TypeA: {
			Addresses: map[netip.Addr]*monitor.Identity{addr: {Seen: span, Witnessed: span, Groups: []string{"google"}, Verified: at, By: "certificate", SPKI: spki, Authority: at, Bad: at, ASN: 64500}},
			TTLs:      []monitor.Envelope{{TTL: 300, Start: at, End: at}}, Tails: []string{"cdn.example"}, Rounds: span, Canon: map[string]*monitor.Span{"x": &span}, Absent: span, Denied: at, Gone: at,
		}},
	}
	sample := monitor.Sample{
		At: at, Via: monitor.Wire, Question: monitor.Question{Name: name, Type: monitor.TypeA}, Queries: []monitor.Packet{packet},
		Answers: []monitor.Observation{answer}, Evidence: []monitor.Evidence{fact}, Baseline: &base, State: []string{monitor.CaptureDegraded, monitor.StateCaptive}, Watch: &watch,
		Case:   &monitor.Progress{Opened: at, Waiting: true, Concluded: true},
		Strays: &monitor.Strays{WrongID: 1, IDs: 1, Alike: true, WrongQuestion: 1, Packets: []monitor.Packet{packet}},
		Noise: &monitor.Noise{
			Unsolicited: 1, WrongIDs: 1, SweptPorts: 1, Sweeps: 1, Refused: 1, Orphans: 1, Sprayed: 1, Torn: 1, ShortFragments: 1, PathMTU: 1,
			Fallbacks: 1, Labels: 1, Domain: "example.",
		},
	}
	const id = "01M7VFDHER0000000000000007"
	window := monitor.Window{From: at, Until: at, Reason: "x"}
	voice := monitor.Voice{
		Resolver: "x", Group: "x", Role: monitor.Local, Transport: monitor.UDP, Encrypted: true, Heard: true, Said: []string{"198.51.100.66"},
		Standing: monitor.StandsWrong, With: []string{"x"},
	}
	alert := monitor.Alert{
		ID: id, Key: name + "/local", GroupKey: "x", Host: "app-17", Labels: map[string]string{"site": "fra1"}, Kind: monitor.PathInjection,
		Severity: monitor.Critical, Confidence: monitor.Confirmed, Verdict: monitor.Poisoned, State: monitor.Silenced, Name: name, Type: monitor.TypeA,
		Attribution: monitor.AtPath, Resolver: "system 10.0.0.2", Owner: "payments", Summary: "x", Text: "x", Expected: []string{"203.0.113.10"},
		Observed: []string{"198.51.100.66"}, Reasons: []monitor.Reason{reason}, Against: []string{"x"}, WouldChange: "x", Evidence: []monitor.Evidence{fact},
		Transactions: []monitor.Transaction{{File: "a.pcap", Time: at, Client: port, Server: port, TXID: 1, Name: name, Type: monitor.TypeA, Frames: []int{12}}},
		Exposure:     monitor.Exposure{From: at, Until: &at, SecretNames: []string{"K"}, Leak: monitor.LeakUnchecked, Clients: []string{"192.0.2.7"}, Units: []string{"billing.service"}},
		Guidance:     []string{"x"}, RunbookURL: monitor.RunbookBase + "path_injection.md", References: []string{"CWE-350"}, OpenedAt: at, LastSeenAt: at,
		ResolvedAt: &at, Count: 3, Flaps: 1, Note: &monitor.Note{At: at, UID: 1000, Comment: "x", Until: &at}, Drill: true, Truncated: true,
		Names: []string{name}, Owners: []string{"payments"}, Incident: id, Untold: true, Voices: []monitor.Voice{voice}, Because: "x",
	}
	judgement := monitor.Judgement{
		Name: name, Type: monitor.TypeA, Verdict: monitor.Unknown, Attribution: monitor.AtLAN, Cause: monitor.CauseNoProof, Cure: "x", Proof: "x",
		Kind: monitor.ResolverCache, Confidence: monitor.Probable, Checking: true, Resolver: "x", Observed: []string{"x"}, Expected: []string{"x"},
		Reasons: []monitor.Reason{reason}, Against: []string{"x"}, WouldChange: "x", Answers: []monitor.Observation{answer}, Evidence: []monitor.Evidence{fact},
		At: at, Since: at, Score: 1, Maintenance: &window, Voices: []monitor.Voice{voice}, Because: "x",
		Proven: true, Locked: true, Breaches: []string{"x"},
	}
	report := monitor.Report{
		GeneratedAt: at, Verdict: monitor.Unknown, Watches: []monitor.Judgement{judgement}, Alerts: []monitor.Alert{alert},
		Score: &monitor.Score{Points: 1, Mean: 1, Most: 50, Because: "x", Names: []monitor.ScoreLine{{Name: name, Type: monitor.TypeA, Points: 1, Right: 1, Proven: 1, Backed: 1, Signed: 1}}},
		Stats: monitor.Stats{Packets: 1, Queries: 1, Responses: 1, Transactions: 1, Flagged: 1, TCP: 1, VLAN: 1, Undecodable: 1, Dropped: 1},
	}
	health := monitor.Health{Condition: "no_witness", Severity: "warning", Title: "x", Text: "x", Detail: "x"}
	change := monitor.Change{Name: name, Type: monitor.TypeA, From: monitor.Clean, To: monitor.Unknown, Cause: monitor.CauseStale, Fact: "x"}
	notice := monitor.Notice{Kind: monitor.ChangeNotice, Name: name, Type: monitor.TypeA, Reasons: []monitor.Reason{reason}}
	status := wholeStatus(at, health)
	pulse := monitor.Pulse{
		Host: "app-17", Labels: map[string]string{"site": "fra1"}, Version: "1", Started: at, Health: "degraded",
		Conditions: []monitor.HealthStatus{{Health: health, Since: at}}, Verdicts: map[monitor.Verdict]int{monitor.Clean: 1}, Alerts: 1,
	}
	list := manifest{Schema: manifestSchema, Alert: id, Version: "1", Files: map[string]string{}}
	sum := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, f := range []string{"alert.json", "samples.jsonl", "resolvers.json", "packets.pcapng"} {
		list.Files[f] = sum
	}
	resolvers := []asked{{Resolver: "x", Server: "192.0.2.1", Operator: "x", Role: monitor.Local, Transport: monitor.UDP, Answers: 1, Last: answer}}
	names := []string{"PARTNER_API_KEY"}
	found := discover.Report{
		Schema: discover.Schema, Paths: []string{"app"}, PrivateZones: []string{"internal"}, Files: 1, Bytes: 1,
		Hosts: []discover.Host{{
			Name: "api.partner.example", Port: 8443, NoTLS: true, Plain: true, Inside: true, SecretNames: names,
			Places: []discover.Place{{File: "app/x.py", Line: 1}}, Count: 1,
		}},
		Weaknesses: []discover.Weakness{{
			Rule: discover.NoTimeout, Severity: discover.Low, File: "app/x.py", Line: 1, Host: "api.partner.example", SecretNames: names,
			Text: "x", Guidance: "x", Reference: "CWE-1088",
		}},
		PassedOver: []discover.Passed{{Reason: "x", Count: 1, Files: []string{"app/y"}}},
	}
	for _, v := range []any{found, alert, report, sample, status, health, change, notice, pulse, list, resolvers, lock, pins} {
		whole(t, reflect.ValueOf(v), reflect.TypeOf(v).String())
	}
	event := func(kind string, data any, alert string) map[string]any {
		m := map[string]any{"seq": 1, "at": at, "type": kind, "data": data}
		if alert != "" {
			m["alert"] = alert
		}
		return m
	}
	body := func(kind string, data any) map[string]any {
		return map[string]any{"type": kind, "timestamp": at, "data": data}
	}
	return map[string]any{
		"alert": alert, "report": report, "sample": sample, "status": status, "evidence": list, "discover": found, "lock": lock, "pins": pins,
		"event of an alert": event(monitor.AlertOpened, alert, id), "event of a verdict": event(monitor.VerdictChanged, change, ""),
		"event of a notice": event(monitor.Noticed, notice, ""), "event of health": event(monitor.HealthDegraded, health, ""), "webhook of an alert": body(monitor.AlertResolved, alert),
		"webhook of a heartbeat": body(monitor.Heartbeat, pulse), "webhook of a test": body(monitor.WebhookTest, map[string]string{"endpoint": "ops", "text": "x"}),
	}
}

func wholeStatus(at time.Time, health monitor.Health) monitor.Status {
	return monitor.Status{
		Schema: monitor.StatusSchema, At: at, Host: "app-17", Labels: map[string]string{"site": "fra1"}, Version: "1", Started: at,
		Verdicts: map[monitor.Verdict]int{monitor.Clean: 1},
		Watches: []monitor.WatchStatus{{Name: "api.partner.example.", Verdict: monitor.Unknown, Owner: "payments", Maintenance: &monitor.Window{From: at, Until: at, Reason: "x"}, Types: []monitor.QuestionStatus{{
			Type: monitor.TypeA, Verdict: monitor.Unknown, Cause: monitor.CauseStale, Cure: "x", Kind: monitor.Rebinding, Proof: "x", Checking: true, Since: at, Answered: at,
			LastGood: at,
		}}}},
		Alerts: []monitor.AlertLine{{
			ID: "01M7VFDHER0000000000000007", Kind: monitor.Rebinding, Severity: monitor.Medium, Confidence: monitor.Probable, State: monitor.Open,
			Name: "api.partner.example.", Resolver: "x", Summary: "x", OpenedAt: at, Drill: true, Names: 1, Incident: "01M7VFDHER0000000000000007",
		}},
		Resolvers: []monitor.ResolverStatus{{
			Resolver: "x", Operator: "x", Role: monitor.Reference, Transport: monitor.DoT, OK: true, Queries: 1, Failures: 1, LastOK: at, Error: "x", RTT: 1,
		}},
		Health: []monitor.HealthStatus{{Health: health, Since: at}},
		Counts: monitor.Counts{
			Rounds: 1, Late: 1, Samples: 1, Dropped: 1, Cases: 1, Proofs: 1, Overheard: 1, Conflicts: 1, Strangers: 1, Unheeded: 1, Unkept: 1,
			Transitions: map[monitor.Transition]uint64{monitor.FirstSeen: 1},
		},
		Config:   monitor.ConfigStatus{Path: "x", Loaded: at, Error: "x"},
		Store:    monitor.StoreStatus{Bytes: 1, Events: 1, LastCommit: at, SetAside: "x"},
		Webhooks: []monitor.WebhookStatus{{Name: "ops", Delivered: 1, Pending: 1, Dead: 1, Cursor: 1, Disabled: true, LastSuccess: at, Error: "x"}},
		Dnstap:   monitor.DnstapStatus{Socket: "/run/dnstaster/dnstap.sock", Senders: 1, Queries: 1, Responses: 1, Undecodable: 1, Failed: 1, Refused: 1},
		Wire: monitor.WireStatus{
			Promiscuous: true, Rings: 2,
			Interfaces: []string{"any"}, Packets: 1, Queries: 1, Responses: 1, Transactions: 1, Undecodable: 1, Lost: 1, Blind: 1, Unkept: 1, Error: "x",
			Open: 1, Room: 1, Hold: 1, Shortened: 1, Withheld: 1, Unreported: 1, Strays: 1,
		},
	}
}

// whole reports every field that is left out of v, so that one which is added to
// the code is missed here before a reader misses it in a schema.
func whole(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			whole(t, v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			whole(t, v.Index(i), path)
		}
	case reflect.Map:
		for _, x := range v.Seq2() {
			whole(t, x, path)
		}
	case reflect.Struct:
		if v.Type().PkgPath() == "time" || v.Type().PkgPath() == "net/netip" {
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			if v.Field(i).IsZero() {
				t.Errorf("%s.%s is not in the test's document: add it there and to docs/schema", path, f.Name)
			}
			whole(t, v.Field(i), path+"."+f.Name)
		}
	}
}

// forgedCapture is a capture of one query with two answers that contradict each
// other, the first of them forged.
func forgedCapture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := capture.NewWriter(&b, "test")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 11, 24, 3, 6, 52, 0, time.UTC)
	client, server := netip.MustParseAddrPort("10.0.0.7:40000"), netip.MustParseAddrPort("10.0.0.2:53")
	name := dnsmessage.MustNewName("api.partner.example.")
	message := func(answers ...dnsmessage.Resource) []byte {
		m := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: 4660, Response: len(answers) > 0, RecursionDesired: true, RecursionAvailable: len(answers) > 0},
			Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
			Answers:   answers,
		}
		raw, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	address := func(a [4]byte) dnsmessage.Resource {
		return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 300}, Body: &dnsmessage.AResource{A: a}}
	}
	for i, f := range []struct {
		src, dst netip.AddrPort
		ttl      byte
		payload  []byte
	}{
		{client, server, 64, message()},
		{server, client, 128, message(address([4]byte{198, 51, 100, 66}))},
		{server, client, 57, message(address([4]byte{192, 88, 98, 10}))},
	} {
		frame := udpPacket(f.src, f.dst, f.ttl, f.payload)
		err := w.Write(capture.Frame{At: began.Add(time.Duration(i) * 5 * time.Millisecond), Link: capture.LinkRaw, Data: frame, Length: len(frame)}, "")
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// udpPacket gives an IPv4 packet (RFC 791 §3.1) with a datagram that has no
// checksum (RFC 768).
func udpPacket(src, dst netip.AddrPort, ttl byte, payload []byte) []byte {
	p := make([]byte, 28, 28+len(payload))
	p[0], p[8], p[9] = 0x45, ttl, 17
	binary.BigEndian.PutUint16(p[2:], uint16(cap(p)))
	copy(p[12:], src.Addr().AsSlice())
	copy(p[16:], dst.Addr().AsSlice())
	sum := uint32(0)
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	binary.BigEndian.PutUint16(p[10:], ^uint16(sum+sum>>16))
	binary.BigEndian.PutUint16(p[20:], src.Port())
	binary.BigEndian.PutUint16(p[22:], dst.Port())
	binary.BigEndian.PutUint16(p[24:], uint16(8+len(payload)))
	return append(p, payload...)
}

package main

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// newProvers makes them from a configuration, with the files beside it.
func newProvers(t *testing.T, files map[string]string) *senses {
	t.Helper()
	clearEnv(t)
	c, err := loadConfig(writeTree(t, files))
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSenses(c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestProvers has real evidence gathered: something answers at what should be a
// dead address, and has an address for every name; a table knows who has it.
func TestProvers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	world := &servers{ctx: ctx}
	t.Cleanup(func() { cancel(); world.wg.Wait() })
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.issue("dns.example")
	if err != nil {
		t.Fatal(err)
	}
	liar := &demoResolver{answer: netip.MustParseAddr("203.0.113.66"), ttl: 60}
	if err := world.serve(liar, netip.MustParseAddr("127.0.0.1"), cert); err != nil {
		t.Fatal(err)
	}
	s := newProvers(t, map[string]string{
		"dnstaster.yaml": "private_zones: [corp.example]\nasn: {file: asn.csv, shared: [64500]}\nprobes: {dead: [\"127.0.0.9:9\", \"" + liar.plain.String() + "\"], whoami: [who.example]}\n",
		"asn.csv":        "203.0.113.0/24,64500,Liars\n",
	})
	via := monitor.Resolver{Name: "liar", Operator: "liar", Role: monitor.Local, Transport: monitor.UDP, Addr: liar.plain}
	const name = "api.partner.example."
	for _, tt := range []struct {
		proof monitor.Proof
		want  string // of it: "kind outcome answered addresses egress asn org shared"
	}{
		{monitor.Proof{Kind: monitor.EvidenceDead, Name: name, Via: via}, "dead_resolver  true 203.0.113.66  0  false"},
		{monitor.Proof{Kind: monitor.EvidenceDead, Name: "db.corp.example.", Via: via}, "dead_resolver not_dialled false   0  false"},
		{monitor.Proof{Kind: monitor.EvidenceIdentity, Name: name, Via: via}, "identity  false 203.0.113.66 203.0.113.66 0  false"},
		{monitor.Proof{Kind: monitor.EvidenceNX, Name: name, Via: via}, "random_name  true 203.0.113.66  0  false"},
		{monitor.Proof{Kind: monitor.EvidenceASN, Name: name, Address: liar.answer}, "asn  false   64500 Liars true"},
		{monitor.Proof{Name: name, Address: liar.answer, Port: 443}, "tls not_dialled false   0  false"}, // reserved for documentation
		{monitor.Proof{Kind: "oracle", Name: name}, "oracle not_dialled false   0  false"},
	} {
		e := s.provers.Prove(t.Context(), tt.proof)
		var as []string
		for _, a := range e.Addresses {
			as = append(as, a.String())
		}
		got := strings.Join([]string{e.Kind, string(e.Outcome), yes(e.Answered), strings.Join(as, ","), e.Egress, number(e.ASN), e.Org, yes(e.Shared)}, " ")
		if got != tt.want {
			t.Errorf("%s: %q, want %q (%s)", tt.proof.Kind, got, tt.want, e.Detail)
		}
		if e.Outcome != "" && e.Detail == "" {
			t.Errorf("%s: %s without a reason", tt.proof.Kind, e.Outcome)
		}
	}
}

func yes(b bool) string { return map[bool]string{true: "true", false: "false"}[b] }

func number(n uint32) string {
	b, _ := asNumber(n).MarshalText()
	return string(b)
}

// dummy gathers anything.
type dummy struct{}

func (dummy) Prove(_ context.Context, p monitor.Proof) monitor.Evidence {
	return monitor.Evidence{Kind: p.Kind, Detail: "gathered"}
}

// TestProversKeepIn sends no name outside that is never sent there, and none at
// all where nobody outside is asked.
func TestProversKeepIn(t *testing.T) {
	own := monitor.Resolver{Role: monitor.Local, Transport: monitor.UDP}
	other := monitor.Resolver{Role: monitor.Reference, Transport: monitor.DoT}
	const in, out = "db.corp.example.", "api.partner.example."
	const inside, alone, gathered = "the name is never sent outside", "nobody outside is asked", "gathered"
	for _, tt := range []struct {
		kind, name   string
		via          monitor.Resolver
		want, lonely string
	}{
		{monitor.EvidenceDead, out, own, gathered, alone},
		{monitor.EvidenceDead, in, own, inside, alone},
		{monitor.EvidenceWalk, out, monitor.Resolver{}, gathered, alone},
		{monitor.EvidenceWalk, in, monitor.Resolver{}, inside, alone},
		{monitor.EvidenceDNSSEC, in, own, gathered, gathered},
		{monitor.EvidenceDNSSEC, in, other, inside, alone},
		{monitor.EvidenceDNSSEC, out, other, gathered, alone},
		{monitor.EvidenceIdentity, in, own, gathered, gathered}, // of the resolver: no watched name is sent
		{monitor.EvidenceASN, in, monitor.Resolver{}, gathered, gathered},
		{monitor.EvidenceTLS, in, monitor.Resolver{}, gathered, gathered},
	} {
		c := &config{PrivateZones: []domain{"corp.example."}}
		p := provers{by: map[string]monitor.Prover{tt.kind: dummy{}}, inside: c.inside(nil)}
		proof := monitor.Proof{Kind: tt.kind, Name: tt.name, Via: tt.via}
		got := []string{p.Prove(t.Context(), proof).Detail}
		p.alone = true
		got = append(got, p.Prove(t.Context(), proof).Detail)
		if diff := cmp.Diff([]string{tt.want, tt.lonely}, got); diff != "" {
			t.Errorf("%s of %s via %s (-want +got):\n%s", tt.kind, tt.name, tt.via.Role, diff)
		}
	}
}

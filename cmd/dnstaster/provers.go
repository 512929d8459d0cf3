package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/evidence/asn"
	"github.com/dnstaster/dnstaster/monitor/evidence/dnssec"
	"github.com/dnstaster/dnstaster/monitor/evidence/host"
	"github.com/dnstaster/dnstaster/monitor/evidence/rpz"
	"github.com/dnstaster/dnstaster/monitor/resolver"
	"github.com/dnstaster/dnstaster/monitor/resolver/probe"
	"github.com/dnstaster/dnstaster/monitor/resolver/walk"
)

// knowledge is what proofs rest on besides roots, as it was read from files.
type knowledge struct {
	anchors []byte     // of DNSSEC; nil for those embedded
	hints   []byte     // root servers; nil for those embedded
	table   *asn.Table // nil where there is none

	keys    []dnssec.Anchor // in anchors
	servers []walk.Server   // in hints
}

// knowledge reads it, and tells of all that cannot be read.
func (c *config) knowledge() (k knowledge, err error) {
	var errs []error
	for _, f := range []struct {
		key, name string
		to        *[]byte
	}{{"dnssec.anchors", c.DNSSEC.Anchors, &k.anchors}, {"root_hints", c.RootHints, &k.hints}} {
		if f.name == "" {
			continue
		}
		text, err := readBounded(c.beside(f.name))
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", f.key, err))
		case len(text) > maxFile:
			errs = append(errs, fmt.Errorf("%s: %s is larger than %d bytes", f.key, f.name, maxFile))
		}
		*f.to = text
	}
	if k.anchors != nil {
		var err error
		if k.keys, err = dnssec.ReadAnchors(bytes.NewReader(k.anchors)); err != nil {
			errs = append(errs, fmt.Errorf("dnssec.anchors: %s: %w", c.DNSSEC.Anchors, err))
		}
	}
	if k.hints != nil {
		var err error
		if k.servers, err = walk.ReadHints(bytes.NewReader(k.hints)); err != nil {
			errs = append(errs, fmt.Errorf("root_hints: %s: %w", c.RootHints, err))
		}
	}
	if c.ASN.File != "" {
		cfg := asn.Config{Path: c.beside(c.ASN.File)}
		for _, n := range c.ASN.Shared {
			cfg.Shared = append(cfg.Shared, uint32(n))
		}
		if k.table, err = asn.Open(cfg); err != nil {
			errs = append(errs, fmt.Errorf("asn.file: %w", err))
		}
	}
	return k, errors.Join(errs...)
}

// declare says of each watch what policies of this network do with its name.
func (c *config) declare(ws []monitor.Watch) error {
	var names []string
	for _, w := range ws {
		names = append(names, w.Name)
	}
	var errs []error
	for _, file := range c.Policy.RPZ {
		blocks, err := rpz.Open(c.beside(file), names)
		if err != nil {
			errs = append(errs, fmt.Errorf("policy.rpz: %w", err))
			continue
		}
		for i, w := range ws {
			if b, ok := blocks[w.Name]; ok {
				ws[i].Blocks = append(ws[i].Blocks, b)
			}
		}
	}
	return errors.Join(errs...)
}

// sums tells whether other files are there by now.
func (k knowledge) sums() [][]byte {
	sums := [][]byte{k.anchors, k.hints}
	if k.table != nil {
		sum := k.table.Sum()
		sums = append(sums, sum[:])
	}
	return sums
}

// provers has each kind of evidence gathered by whoever can, and keeps names in
// that never leave.
type provers struct {
	by     map[string]monitor.Prover
	inside func(name string) bool
	alone  bool // nobody but this host's own resolvers is asked
}

var _ monitor.Prover = provers{}

// provers makes them, with the senses that they ask with.
func (c *config) provers(s *senses, k knowledge, log *slog.Logger) provers {
	p := provers{by: map[string]monitor.Prover{monitor.EvidenceTLS: s.prover}, inside: c.inside(s.search), alone: c.alone}
	cfg := probe.Config{Dead: c.dead(), Minute: c.minute()}
	for _, name := range c.Probes.Whoami {
		cfg.Whoami = append(cfg.Whoami, string(name))
	}
	probes := probe.New(cfg, s.asker, log.With("part", "probe"))
	for _, kind := range probe.Kinds() {
		p.by[kind] = probes
	}
	if len(cfg.Dead) == 0 {
		delete(p.by, monitor.EvidenceDead)
	}
	if k.table != nil {
		p.by[monitor.EvidenceASN] = k.table
	}
	p.by[monitor.EvidenceHost] = host.New(host.Config{Nameservers: resolver.ParseResolvConf, Announced: s.announced})

	if !outside {
		return p
	}
	refs, _ := c.references()
	if !c.DNSSEC.Off {
		p.by[monitor.EvidenceDNSSEC] = dnssec.New(dnssec.Config{Anchors: k.keys, Chain: refs}, s.asker)
	}
	// Authoritative servers are many, and none of them is a resolver: those who ask
	// them keep account of them apart.
	way := walk.Default()
	way.Hints, way.Dead, way.Exempt = k.servers, c.dead(), prefixes(c.SpecialPurpose.Exempt)
	// What proves the path comes from the root's own servers.
	keys := dnssec.New(dnssec.Config{Anchors: k.keys, Chain: walk.Roots(way)}, s.walker)
	p.by[monitor.EvidenceWalk] = walk.New(way, s.walker, keys)
	return p
}

// announced gives the nameservers that were heard to be announced on the network.
func (s *senses) announced() []monitor.Source {
	if heard := s.heard.Load(); heard != nil {
		return (*heard)()
	}
	return nil
}

// outside is whether the world beyond the configured resolvers is asked. Tests,
// which touch loopback alone, and the demo go without.
var outside = true

// only leaves out all but some kinds of evidence.
func (p provers) only(kinds ...string) provers {
	by := map[string]monitor.Prover{}
	for _, k := range kinds {
		by[k] = p.by[k]
	}
	p.by = by
	return p
}

// Prove implements monitor.Prover. Evidence that nobody here gathers was not
// asked for, and so says nothing.
func (p provers) Prove(ctx context.Context, proof monitor.Proof) monitor.Evidence {
	kind := proof.Kind
	if kind == "" {
		kind = monitor.EvidenceTLS
	}
	by, ok := p.by[kind]
	switch {
	case !ok:
		return notGathered(kind, proof, "nothing here gathers that evidence")
	case leaves(proof) && p.alone:
		return notGathered(kind, proof, "nobody outside is asked")
	case leaves(proof) && p.inside(proof.Name):
		return notGathered(kind, proof, "the name is never sent outside")
	}
	return by.Prove(ctx, proof)
}

// leaves reports whether a proof sends the name in question to somebody else
// than who is asked for it anyway. A name that does not leave is handed to the
// addresses that are answered for it all the same, by handshake.
func leaves(proof monitor.Proof) bool {
	switch proof.Kind {
	case monitor.EvidenceDead, monitor.EvidenceLimited, monitor.EvidenceWalk:
		return true
	case monitor.EvidenceDNSSEC:
		return proof.Via.Role != monitor.Local
	}
	return false
}

func notGathered(kind string, proof monitor.Proof, why string) monitor.Evidence {
	return monitor.Evidence{
		Kind: kind, At: time.Now(), Role: proof.Role, Address: proof.Address, Port: proof.Port,
		Outcome: monitor.OutcomeNotDialled, Detail: why,
	}
}

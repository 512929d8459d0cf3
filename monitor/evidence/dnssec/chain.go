package dnssec

import (
	"context"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor/presentation"
)

// nature is what the parent zone proves of a name.
type nature uint8

const (
	_           nature = iota
	within             // it is no zone of its own
	nothing            // it does not exist, and nothing below does
	signed             // it is a zone with keys that are known
	unprotected        // it is a zone without keys, or may be (opt-out)
)

// cut is a name at which a zone may end and another begin, and what is proven
// of it. It does not change once it is made.
type cut struct {
	nature nature
	name   string
	above  string    // the zone that says so
	zone   *zone     // of signed
	ds     []*dns.DS // of a zone that is as good as unsigned, since none of it is supported
	why    string    // it is unsigned
	since  time.Time
	until  time.Time
}

// place is where a name is: in a signed zone, or below a cut that proves it is
// in none.
type place struct {
	zone *zone
	open *cut
}

// descend finds the zone that name is in, from the anchor downwards, label by
// label: a zone may begin at any. It stops at the zone called stop, if it comes
// by it, because a signature of that zone is waiting to be verified.
func (s *session) descend(ctx context.Context, name, stop string) (place, error) {
	z, err := s.top(ctx, name)
	for n := 1; err == nil && n <= dns.CountLabel(name); n++ {
		if n <= dns.CountLabel(z.name) {
			continue
		}
		if z.name == stop {
			break
		}
		var c *cut
		if c, err = s.cut(ctx, z, suffix(name, n)); err != nil {
			break
		}
		switch c.nature {
		case nothing:
			return place{zone: z}, nil
		case signed:
			z = c.zone
		case unprotected:
			return place{open: c}, nil
		}
	}
	return place{zone: z}, err
}

// top enters the deepest zone above name that there is an anchor for.
func (s *session) top(ctx context.Context, name string) (*zone, error) {
	for n := dns.CountLabel(name); n >= 0; n-- {
		at := suffix(name, n)
		anchors := s.v.anchors[at]
		if len(anchors) == 0 {
			continue
		}
		c, err := s.recall(anchorName(at))
		if c != nil {
			return c.zone, nil
		}
		if err != nil {
			return nil, err
		}
		z, err := s.enter(ctx, at, usableDS(anchors))
		if err != nil {
			err = s.chainFlaw(at, err)
			s.remember(anchorName(at), nil, err)
			return nil, err
		}
		s.remember(anchorName(at), &cut{nature: signed, name: at, zone: z, until: z.until}, nil)
		return z, nil
	}
	return nil, flawed(unavailable, "no trust anchor is above %s", name)
}

// anchorName is where the zone of an anchor is remembered: apart from what its
// parent may prove of it.
func anchorName(zone string) string { return "anchor " + zone }

// cut finds out what z proves of a name below it.
func (s *session) cut(ctx context.Context, z *zone, name string) (*cut, error) {
	c, err := s.recall(name)
	if c != nil && c.above == z.name || err != nil {
		return c, err
	}
	c, err = s.find(ctx, z, name)
	if err != nil {
		err = s.chainFlaw(name, err)
	}
	s.remember(name, c, err)
	return c, err
}

// recall gives what is remembered of a name; nothing from before this proof once
// it is had anew.
func (s *session) recall(name string) (*cut, error) {
	if s.anew && !s.own[name] {
		return nil, nil
	}
	c, err := s.v.memory.recall(name, s.via, s.now)
	s.recalls = s.recalls || c != nil && !s.own[name]
	return c, err
}

func (s *session) remember(name string, c *cut, err error) {
	s.own[name] = true
	switch {
	case err == nil:
		c.since = s.now
		s.v.memory.keep(name, c, s.now)
	case !final(err):
		s.v.memory.fail(name, s.via, err, s.now)
	}
}

// find asks for the DS of a name, and for the keys where there is one.
func (s *session) find(ctx context.Context, z *zone, name string) (*cut, error) {
	var c *cut
	err := s.each(ctx, name, dns.TypeDS, func(m *reply) (err error) {
		c, err = s.judge(ctx, z, name, m)
		return err
	})
	if err != nil || c.nature != signed {
		return c, err
	}
	usable := usableDS(c.ds)
	if len(usable) == 0 {
		c.nature = unprotected
		c.why = "its DS (" + tags(c.ds) + ") has no algorithm and digest that are supported"
		return c, nil
	}
	if c.zone, err = s.enter(ctx, name, usable); err != nil {
		return nil, err
	}
	if c.zone.until.Before(c.until) {
		c.until = c.zone.until
	}
	return c, nil
}

// judge reads an answer to the question for the DS of a name below z.
func (s *session) judge(ctx context.Context, z *zone, name string, m *reply) (*cut, error) {
	c := &cut{name: name, above: z.name}
	r := set(m.answer, name, dns.TypeDS)
	if c.nature = signed; len(r.rrs) == 0 {
		var ok bool
		if r, _, ok = m.alias(name); !ok {
			return s.judgeDenial(ctx, z, name, m)
		}
		// A name that is an alias is no zone, and below a DNAME is nothing.
		if c.nature = within; r.kind == dns.TypeDNAME {
			c.nature = nothing
		}
	}
	sealed, err := s.verify(ctx, z, r)
	if err != nil {
		return nil, err
	}
	c.until = s.until(sealed)
	for _, rr := range r.rrs {
		if ds, ok := rr.(*dns.DS); ok {
			c.ds = append(c.ds, ds)
		}
	}
	if sealed.encloser == "" {
		return c, nil
	}
	if c.nature == signed {
		return nil, flawed(wrong, "the DS of %s is made from a wildcard", name)
	}
	d, err := s.denial(ctx, z, m)
	if err == nil {
		_, err = d.nothingCloser(name, sealed.encloser)
	}
	return c, err
}

// judgeDenial reads the proof that a name below z has no DS.
func (s *session) judgeDenial(ctx context.Context, z *zone, name string, m *reply) (*cut, error) {
	d, err := s.denial(ctx, z, m)
	if err != nil {
		return nil, err
	}
	nature, why, err := d.delegation(name)
	if err != nil {
		return nil, err
	}
	return &cut{nature: nature, name: name, above: z.name, why: why, until: d.until}, nil
}

// chainFlaw says of an error that it is about the chain, not the answer: such a
// proof is indeterminate, whatever the error was. Signatures out of their time at
// the root or just below, which are made anew all the time, mean that the clock
// here is wrong.
func (s *session) chainFlaw(name string, err error) error {
	if final(err) {
		return err
	}
	text := "the chain to " + name + " could not be had: " + err.Error()
	if faultOf(err) == untimely && dns.CountLabel(name) <= 1 {
		text = "the clock here (" + stamp(s.now) + ") may be wrong: " + err.Error()
	}
	return flaw{unavailable, text, isLate(err)}
}

// dsData gives a DS set in presentation form, sorted.
func dsData(ds []*dns.DS) []string {
	var all []string
	for _, d := range ds {
		all = append(all, presentation.Data(d))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

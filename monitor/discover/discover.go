package discover

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
)

// Bounds of what a report holds.
const (
	maxPlaces  = 20 // of a host
	maxHosts   = 10_000
	maxSecrets = 32 // of a host
	maxWeak    = 5_000
	maxKept    = 1_000_000 // lines that something is on
)

// Run reads the trees, or files, at paths. It fails where a path cannot be read
// at all, and ends with the error of ctx; whatever else cannot be read is in the
// report. It takes memory for what it finds and for one file at a time.
func Run(ctx context.Context, paths []string) (Report, error) {
	r := Report{Schema: Schema, Paths: paths, Hosts: []Host{}, Weaknesses: []Weakness{}, PrivateZones: []string{}, PassedOver: []Passed{}}
	c := collection{hosts: map[string]*found{}}
	w := walker{ctx: ctx, report: &r, passed: map[string]*Passed{}}
	w.visit = func(name, text string, read reader) {
		p, err := read.try(text)
		switch {
		case errors.Is(err, errDescription):
			w.pass(description, name)
		case errors.Is(err, errWords):
			w.pass(tooLong, name)
		case err != nil:
			w.pass(notParsed, name)
		default:
			c.add(name, p)
		}
	}
	for _, p := range paths {
		if err := w.walk(p); err != nil {
			return Report{}, err
		}
	}
	if c.left > 0 {
		w.passed[tooMany] = cmp.Or(w.passed[tooMany], &Passed{Reason: tooMany})
		w.passed[tooMany].Count += c.left
	}
	c.pair()
	c.fill(&r)
	for _, reason := range slices.Sorted(maps.Keys(w.passed)) {
		r.PassedOver = append(r.PassedOver, *w.passed[reason])
	}
	return r, nil
}

// collection is what was found in all files.
type collection struct {
	hosts map[string]*found
	files []fileFound
	left  int // hosts and the like that found no room
	weak  int
	kept  int
}

// found is a host with what shows whose keys it is sent.
type found struct {
	Host
	like    map[string]bool // words by which a name belongs to it
	secrets map[string]bool
	ports   map[uint16]bool // that TLS is spoken on
}

// fileFound is what one file has that other files have a say in.
type fileFound struct {
	name    string
	calls   []call
	secrets []mention
	keys    []int
	spots   []spot
}

// call is a host on a line.
type call struct {
	line  int
	host  string
	plain bool
}

func (c *collection) add(name string, p *page) {
	f := fileFound{name: name, secrets: p.secrets, keys: p.keys, spots: p.spots}
	for _, l := range p.literals {
		for _, t := range l.targets() {
			if len(f.calls) >= maxCalls {
				c.left++
			} else if c.host(name, l, t) {
				f.calls = append(f.calls, call{l.line, c.hosts[t.name].Name, t.plain})
			}
		}
	}
	if c.weak += len(f.spots); c.weak > maxWeak {
		f.spots = nil
		c.left++
	}
	if c.kept += len(f.calls) + len(f.secrets) + len(f.keys); c.kept > maxKept {
		f = fileFound{name: name, spots: f.spots}
		c.left++
	}
	if len(f.calls)+len(f.secrets)+len(f.spots) > 0 {
		c.files = append(c.files, f)
	}
}

// host takes in that a host is called, and reports whether there was room.
func (c *collection) host(file string, l literal, t target) bool {
	h := c.hosts[t.name]
	if h == nil {
		if len(c.hosts) >= maxHosts {
			c.left++
			return false
		}
		t.name = strings.Clone(t.name) // the file is not kept for it
		h = &found{Host: Host{Name: t.name, Inside: t.inside, NoTLS: true, Plain: true}, like: map[string]bool{}, secrets: map[string]bool{}, ports: map[uint16]bool{}}
		for _, w := range hostLikeness(t.name) {
			h.like[w] = true
		}
		c.hosts[t.name] = h
	}
	h.Count++
	if len(h.Places) < maxPlaces {
		h.Places = append(h.Places, Place{file, l.line})
	}
	if !t.plain && !t.noTLS && len(h.ports) < maxPlaces {
		h.ports[cmp.Or(t.port, 443)] = true
	}
	h.Plain = h.Plain && t.plain
	h.NoTLS = h.NoTLS && t.noTLS
	for _, w := range likeness(l.key) {
		h.like[w] = true
	}
	if t.secret && constantName(l.key) {
		h.secret(strings.Clone(l.key)) // the address itself is the secret
	}
	return true
}

// pair gives each host the names of the keys that it seems to be sent: those
// that are called as it is, or as what holds its address is, and else those of
// the same file for which it is the nearest.
func (c *collection) pair() {
	byWord := map[string][]*found{}
	for _, name := range slices.Sorted(maps.Keys(c.hosts)) {
		for w := range c.hosts[name].like {
			byWord[w] = append(byWord[w], c.hosts[name])
		}
	}
	for _, f := range c.files {
		here := map[string]bool{}
		for _, k := range f.calls {
			here[k.host] = true
		}
		for _, s := range f.secrets {
			// A word that many hosts share says nothing.
			const most = 8
			alike := map[*found]int{}
			for _, w := range likeness(s.name) {
				for _, h := range byWord[w][:min(len(byWord[w]), most+1)] {
					if len(byWord[w]) <= most {
						alike[h]++
					}
				}
			}
			best := 0
			for _, n := range alike {
				best = max(best, n)
			}
			if best > 0 {
				for h, n := range alike {
					if n == best {
						h.secret(s.name)
					}
				}
			} else if k, ok := nearest(f.calls, s.line, near, len(here) == 1); ok {
				c.hosts[k.host].secret(s.name)
			}
		}
	}
}

func (h *found) secret(name string) {
	if len(h.secrets) < maxSecrets {
		h.secrets[name] = true
	}
}

// How many lines apart belong together in a file with several hosts: a key and a
// host, a weakness and a host.
const (
	near   = 30
	beside = 12
)

// nearest gives the call that is nearest to a line, and so near; where all are
// of one host it may be anywhere in the file.
func nearest(calls []call, line, near int, one bool) (call, bool) {
	var best call
	found := false
	for _, k := range calls {
		if d := distance(k.line, line); (one || d <= near) && (!found || d < distance(best.line, line)) {
			best, found = k, true
		}
	}
	return best, found
}

func distance(a, b int) int { return max(a-b, b-a) }

// fill writes down what was found.
func (c *collection) fill(r *Report) {
	zones := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(c.hosts)) {
		h := c.hosts[name]
		h.SecretNames = slices.Sorted(maps.Keys(h.secrets))
		if ports := slices.Sorted(maps.Keys(h.ports)); len(ports) > 0 && !h.ports[443] {
			h.Port = ports[0]
		}
		if zone, ok := zoneInside(name); ok {
			zones[zone] = true
		}
		r.Hosts = append(r.Hosts, h.Host)
	}
	r.PrivateZones = append(r.PrivateZones, slices.Sorted(maps.Keys(zones))...)
	for _, f := range c.files {
		r.Weaknesses = append(r.Weaknesses, c.weaknesses(f)...)
	}
	slices.SortStableFunc(r.Weaknesses, func(a, b Weakness) int {
		return cmp.Or(cmp.Compare(severityOrder[a.Severity], severityOrder[b.Severity]),
			strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(string(a.Rule), string(b.Rule)))
	})
}

// weaknesses gives those of one file.
func (c *collection) weaknesses(f fileFound) []Weakness {
	spots := f.spots
	told := map[spot]bool{}
	for _, k := range f.calls {
		if !k.plain || len(spots) >= maxSpots {
			continue
		}
		s := spot{rule: PlainHTTP, line: k.line}
		if len(c.hosts[k.host].secrets) > 0 || slices.ContainsFunc(f.keys, func(line int) bool { return distance(line, k.line) <= 3 }) {
			s.rule = PlainHTTPKey
		}
		if !told[s] {
			told[s] = true
			spots = append(spots, s)
		}
	}
	one := len(f.calls) > 0 && !slices.ContainsFunc(f.calls, func(k call) bool { return k.host != f.calls[0].host })
	var out []Weakness
	for _, s := range spots {
		w := Weakness{Rule: s.rule, File: f.name, Line: s.line}
		if s.whole {
			w.SecretNames = c.sent(f)
		} else if k, ok := nearest(f.calls, s.line, beside, one); ok {
			w.Host, w.SecretNames = k.host, c.hosts[k.host].SecretNames
		}
		w.Severity = s.rule.severity(len(w.SecretNames) > 0)
		t := ruleTexts[s.rule]
		w.Text, w.Guidance, w.Reference = t.text, t.guidance, t.reference
		out = append(out, w)
	}
	return out
}

// sent gives the names of all keys that a file's calls seem to be given.
func (c *collection) sent(f fileFound) []string {
	all := map[string]bool{}
	for _, k := range f.calls {
		for _, n := range c.hosts[k.host].SecretNames {
			all[n] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

package rpz

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// What a file may hold. Feeds of today have a million rules.
const (
	maxBytes   = 256 << 20
	maxRecords = 5_000_000
	maxGiven   = 16 // addresses of one rule
)

// Open reads the zone in a file, as Read does. Its error names the file.
func Open(path string, names []string) (map[string]monitor.Block, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	blocks, err := Read(f, names)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return blocks, nil
}

// rule is what the zone has for one owner.
type rule struct {
	passes bool
	gives  []netip.Addr
}

// Read reads a zone, and gives what it makes of those of the names that it blocks.
// Names are fully qualified and in lower case. Of the zone no more is kept than the
// rules about them. An error of the file's form names the line.
func Read(r io.Reader, names []string) (map[string]monitor.Block, error) {
	rules := map[string]*rule{} // by owner below the apex; nil until it is met
	for _, n := range names {
		for _, owner := range owners(n) {
			rules[owner] = nil
		}
	}
	in := &bounded{r: r, left: maxBytes}
	zone := dns.NewZoneParser(in, ".", "")
	apex, n := "", 0
	for rr, ok := zone.Next(); ok; rr, ok = zone.Next() {
		if n++; n > maxRecords {
			return nil, fmt.Errorf("more than %d records", maxRecords)
		}
		owner := dns.CanonicalName(rr.Header().Name)
		if soa, ok := rr.(*dns.SOA); ok && apex == "" {
			apex = dns.CanonicalName(soa.Hdr.Name)
			continue
		}
		if apex == "" {
			return nil, errors.New("no zone: it does not begin with a SOA record")
		}
		owner, below := strings.CutSuffix(owner, strings.TrimPrefix("."+apex, ".."))
		if apex == "." {
			owner, below = strings.TrimSuffix(owner, "."), owner != "."
		}
		old, wanted := rules[owner+"."]
		if !below || !wanted {
			continue
		}
		if old == nil {
			old = &rule{}
			rules[owner+"."] = old
		}
		old.take(rr, owner+".")
	}
	if err := zone.Err(); err != nil {
		return nil, err
	}
	if in.err != nil {
		return nil, in.err
	}
	if apex == "" {
		return nil, errors.New("no zone: it does not begin with a SOA record")
	}
	blocks := map[string]monitor.Block{}
	for _, n := range names {
		for _, owner := range owners(n) {
			if found := rules[owner]; found != nil {
				if !found.passes {
					blocks[n] = monitor.Block{Zone: apex, Addresses: found.gives}
				}
				break
			}
		}
	}
	return blocks, nil
}

// take adds a record to the rule for an owner.
func (r *rule) take(rr dns.RR, owner string) {
	var a netip.Addr
	switch rr := rr.(type) {
	case *dns.CNAME:
		switch target := dns.CanonicalName(rr.Target); target {
		case "rpz-passthru.", "rpz-tcp-only.", owner: // the last is how it was written at first
			r.passes = true
		}
	case *dns.A:
		a, _ = netip.AddrFromSlice(rr.A)
	case *dns.AAAA:
		a, _ = netip.AddrFromSlice(rr.AAAA)
	}
	if a = a.Unmap(); a.IsValid() && len(r.gives) < maxGiven && !slices.Contains(r.gives, a) {
		r.gives = append(r.gives, a)
	}
}

// owners lists the owners of rules that may be about a name, those that go before
// others first.
func owners(name string) []string {
	all := []string{name}
	for i, end := dns.NextLabel(name, 0); !end; i, end = dns.NextLabel(name, i) {
		all = append(all, "*."+name[i:])
	}
	return append(all, "*.")
}

// bounded reads so many bytes, and then fails.
type bounded struct {
	r    io.Reader
	left int64
	err  error
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.err = fmt.Errorf("larger than %d bytes", maxBytes)
		return 0, b.err
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

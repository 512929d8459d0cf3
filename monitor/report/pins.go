package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// PinForms are the forms that Pins writes, but for JSON.
var PinForms = map[string]func(io.Writer, monitor.Pins) error{"yaml": pinsYAML, "hosts": pinsHosts, "spki": pinsSPKI, "nft": pinsNFT}

// unproven marks what witnesses alone say: it stands there to be looked into, and
// commented out.
const unproven = "# not proven, look into it first: "

// pinsYAML writes watches, to be put into a file of watches.d.
func pinsYAML(w io.Writer, ps monitor.Pins) error {
	p := &printer{w: w}
	p.raw("# What is known of these names, as of %s UTC.", stamp(ps.GeneratedAt))
	p.raw("# A pinned key is an alarm when it changes, and so is an address: keep what your partner keeps.")
	p.raw("watches:")
	for _, n := range ps.Names {
		p.raw("  - name: %q", short(n.Name))
		for _, k := range n.Keys {
			p.raw("    # %s: %s, seen from %s to %s", k.SPKI, k.Issuer, stamp(k.First), stamp(k.Last))
		}
		for _, a := range n.Addresses {
			p.raw("    # %s: %s, %s", a.Address, a.By, stamp(a.At))
		}
		switch {
		case n.Off:
			p.raw("    tls: off")
		case len(n.Keys) > 0:
			p.raw("    tls:")
			p.raw("      port: %d", n.Port)
			p.raw("      pins:")
			for _, k := range n.Keys {
				p.raw("        - %s", k.SPKI)
			}
		}
		var proven []string
		for _, a := range n.Addresses {
			if a.Proven {
				proven = append(proven, strconv.Quote(a.Address.String()))
			}
		}
		hash := ""
		if len(n.Keys) > 0 {
			hash = "#" // a key outlasts addresses, and is enough
		}
		if len(proven) > 0 {
			p.raw("    %sexpect: {addresses: [%s]}", hash, strings.Join(proven, ", "))
		}
	}
	return p.err
}

// pinsHosts writes lines of hosts(5).
func pinsHosts(w io.Writer, ps monitor.Pins) error {
	p := &printer{w: w}
	p.raw("# As of %s UTC. With these lines DNS is not asked: they must follow when the names move.", stamp(ps.GeneratedAt))
	for _, n := range ps.Names {
		for _, a := range n.Addresses {
			line := fmt.Sprintf("%s\t%s\t# %s, %s", a.Address, short(n.Name), a.By, stamp(a.At))
			if !a.Proven {
				line = unproven + line
			}
			p.raw("%s", line)
		}
	}
	return p.err
}

// pinsSPKI writes one public key a line, with the name before it.
func pinsSPKI(w io.Writer, ps monitor.Pins) error {
	p := &printer{w: w}
	for _, n := range ps.Names {
		for _, k := range n.Keys {
			p.raw("%s %s # %s, seen from %s to %s", short(n.Name), k.SPKI, k.Issuer, stamp(k.First), stamp(k.Last))
		}
	}
	return p.err
}

// pinsNFT writes sets for nft(8), in a table that holds no chain, and so changes
// nothing until a rule of somebody's refers to them. Of names without TLS the port
// is not known, and they are left out.
func pinsNFT(w io.Writer, ps monitor.Pins) error {
	p := &printer{w: w}
	p.raw("# As of %s UTC. Try it with 'nft -c -f'. A rule that makes use of it, in a chain of this table:", stamp(ps.GeneratedAt))
	p.raw("#   ip daddr . tcp dport @pinned4 accept; ip6 daddr . tcp dport @pinned6 accept")
	p.raw("table inet dnstaster {")
	for _, family := range []struct {
		set, kind string
		is4       bool
	}{{"pinned4", "ipv4_addr", true}, {"pinned6", "ipv6_addr", false}} {
		p.raw("\tset %s {", family.set)
		p.raw("\t\ttype %s . inet_service", family.kind)
		var elements, doubts []string
		for _, n := range ps.Names {
			for _, a := range n.Addresses {
				e := fmt.Sprintf("%s . %d", a.Address.WithZone(""), n.Port)
				switch {
				case a.Address.Is4() != family.is4 || n.Off || slices.Contains(elements, e):
				case a.Proven:
					elements = append(elements, e)
				case !slices.Contains(doubts, e):
					doubts = append(doubts, e)
				}
			}
		}
		for _, e := range doubts {
			p.raw("\t\t%s%s", unproven, e)
		}
		if len(elements) > 0 {
			p.raw("\t\telements = { %s }", strings.Join(elements, ", "))
		}
		p.raw("\t}")
	}
	p.raw("}")
	return p.err
}

// raw writes a line as it is, but for what is not printable in it.
func (p *printer) raw(format string, args ...any) {
	parts := strings.Split(fmt.Sprintf(format, args...), "\t")
	for i := range parts {
		parts[i] = Printable(parts[i])
	}
	if p.err == nil {
		_, p.err = io.WriteString(p.w, strings.Join(parts, "\t")+"\n")
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.DateTime) }

package host

import (
	"bufio"
	"io"
	"net/netip"
	"strings"

	"github.com/dnstaster/dnstaster/monitor"
)

// maxEntries bounds the addresses that a hosts file may give one name.
const maxEntries = 64

// hostsEntries gives the addresses that a hosts file has for a name, as the C
// library reads it (hosts(5)): an address, then names, and what follows a # is a
// comment. Names are equal regardless of case. The name is in the form of
// monitor.ParseName. What cannot be read any more is left out.
func hostsEntries(r io.Reader, name string) (as []netip.Addr) {
	sc := bufio.NewScanner(r)
	for sc.Scan() && len(as) < maxEntries {
		line, _, _ := strings.Cut(sc.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		a, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		for _, f := range fields[1:] {
			if n, err := monitor.ParseName(f); err == nil && n == name {
				as = append(as, a.WithZone("").Unmap())
				break
			}
		}
	}
	return as
}

// modules gives what nsswitch.conf has for hosts, in order and without the actions
// in brackets (nsswitch.conf(5)). Without such a line it is what the GNU C library
// does then.
func modules(r io.Reader) []string {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "hosts:")
		if !ok {
			continue
		}
		ms := []string{}
		for inside := false; rest != ""; {
			i := strings.IndexAny(rest, "[]")
			part := rest
			if i >= 0 {
				part = rest[:i]
			}
			if !inside {
				ms = append(ms, strings.Fields(part)...)
			}
			if i < 0 {
				break
			}
			inside, rest = rest[i] == '[', rest[i+1:]
		}
		return ms[:min(len(ms), maxModules)]
	}
	return []string{"files", "dns"}
}

const maxModules = 16

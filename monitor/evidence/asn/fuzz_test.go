package asn

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
)

// FuzzText reads anything as a table: it must not panic, and what it makes of a
// table must be what a walk through all its rows gives.
func FuzzText(f *testing.F) {
	for _, s := range []string{prefixes, ranges, "192.0.2.0,192.0.2.9,1\n192.0.2.5,192.0.2.20,2", "0.0.0.0/0,1\n::/0,2\n255.255.255.255,3", `"192.0.2.0/24","1","a ""b""",shared`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<12 {
			return // the walk is slow
		}
		s, err := readText(bytes.NewReader(b))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("an error of several lines: %q", err)
			}
			return
		}
		table := s.(*textTable)
		for _, rs := range []rows{table.v4, table.v6} {
			for _, r := range rs {
				for _, a := range around(r) {
					if (a.Is4() && len(table.v4) == 0) || a.Is6() && len(table.v6) == 0 {
						continue
					}
					compare(t, table, a)
				}
			}
		}
	})
}

// around gives the ends of a row and what lies beside them.
func around(r row) []netip.Addr {
	first, last := netip.AddrFrom16(r.first).Unmap(), netip.AddrFrom16(r.last).Unmap()
	all := []netip.Addr{first, last}
	for _, a := range []netip.Addr{first.Prev(), last.Next()} {
		if a.IsValid() {
			all = append(all, a)
		}
	}
	return all
}

// compare looks a up by a walk through all rows.
func compare(t *testing.T, table *textTable, a netip.Addr) {
	t.Helper()
	rs := table.v6
	if a.Is4() {
		rs = table.v4
	}
	var best *row
	for i, r := range rs {
		if r.first.compare(a.As16()) <= 0 && r.last.compare(a.As16()) >= 0 && (best == nil || r.first.compare(best.first) >= 0 && r.last.compare(best.last) <= 0) {
			best = &rs[i]
		}
	}
	got, err := table.lookup(a)
	if err != nil {
		t.Fatal(err)
	}
	var want Network
	if best != nil {
		want = table.networks[best.network]
		want.Prefix = got.Prefix
		last := address(lastOf(got.Prefix).As16())
		if !got.Prefix.Contains(a) || address(got.Prefix.Addr().As16()).compare(best.first) < 0 || last.compare(best.last) > 0 {
			t.Errorf("prefix %s around %s is not inside of %s to %s", got.Prefix, a, best.first, best.last)
		}
	}
	if got != want {
		t.Errorf("lookup(%s) = %+v, want %+v", a, got, want)
	}
}

// FuzzBinary reads anything as a MaxMind DB: a file that was damaged must be an
// error, then or at the lookup, and never the end of the process.
func FuzzBinary(f *testing.F) {
	for _, version := range []int{4, 6} {
		db := newDB("GeoLite2-ASN", version)
		db.put(f, "1.1.1.0/24", map[string]any{"autonomous_system_number": uint32(13335), "autonomous_system_organization": "Cloudflare"})
		f.Add(db.bytes())
		f.Add(bushy(version))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := readBinary(bytes.NewReader(b))
		if err != nil {
			return
		}
		for _, a := range []string{"1.1.1.1", "0.0.0.0", "2001:db8::1", "::101:101", "ffff::"} {
			n, err := s.lookup(netip.MustParseAddr(a))
			if err == nil && (len(n.Org) > maxOrg || n.ASN != 0 && !n.Prefix.Contains(netip.MustParseAddr(a))) {
				t.Errorf("lookup(%s) = %+v", a, n)
			}
		}
	})
}

// bushy is a tree in which both ways of each node lead to the next one, and those
// of the last to nothing: it has more networks than can be walked through.
func bushy(version int) []byte {
	db := newDB("GeoLite2-ASN", version)
	for i := range uint32(map[int]int{4: 31, 6: 127}[version]) {
		db.nodes = append(db.nodes, [2]uint32{})
		db.nodes[i] = [2]uint32{i + 1, i + 1}
	}
	return db.bytes()
}

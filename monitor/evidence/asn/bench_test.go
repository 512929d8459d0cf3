package asn

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
)

// BenchmarkLookup looks addresses up in a table of half a million networks.
func BenchmarkLookup(b *testing.B) {
	var text bytes.Buffer
	for i := range 500_000 {
		a := netip.AddrFrom4([4]byte{byte(1 + i>>16), byte(i >> 8), byte(i)})
		fmt.Fprintf(&text, "%s/24,%d,Org %d\n", a, 1+i%70_000, i%70_000)
	}
	s, err := readText(&text)
	if err != nil {
		b.Fatal(err)
	}
	t := &Table{source: s}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i += 7919
		a := netip.AddrFrom4([4]byte{byte(1 + i>>16&7), byte(i >> 8), byte(i), 77})
		if _, _, err := t.Lookup(a); err != nil {
			b.Fatal(err)
		}
	}
}

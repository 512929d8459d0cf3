package asn

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
)

// address is an IPv4 or IPv6 address, in the order of the network.
type address [16]byte

func (a address) compare(b address) int { return bytes.Compare(a[:], b[:]) }

// row is one network: 40 bytes, for there are a million of them.
type row struct {
	first, last address
	network     uint32 // index of what it is
	around      uint32 // index of the narrowest row around it; outermost for none
}

const outermost = math.MaxUint32

// rows are the networks of one address family: in order of their first address,
// those around others before them.
type rows []row

// textTable is a table that was read from text.
type textTable struct {
	v4, v6   rows
	networks []Network // without Prefix
}

// builder collects rows.
type builder struct {
	textTable
	index map[Network]uint32 // of each of the networks
	begun bool               // a line that counts was seen
}

// add adds a row. Both ends are of one family, in order.
func (b *builder) add(first, last netip.Addr, n Network) error {
	if len(b.v4)+len(b.v6) >= maxRows {
		return fmt.Errorf("more than %d networks", maxRows)
	}
	i, known := b.index[n]
	if !known {
		n.Org = strings.Clone(n.Org) // and not the line that it stands in
		i = uint32(len(b.networks))
		b.index[n] = i
		b.networks = append(b.networks, n)
	}
	r := row{first: first.As16(), last: last.As16(), network: i, around: outermost}
	if first.Is4() {
		b.v4 = append(b.v4, r)
	} else {
		b.v6 = append(b.v6, r)
	}
	return nil
}

// build makes the table, which shares the rows.
func (b *builder) build() (*textTable, error) {
	for _, rs := range []*rows{&b.v4, &b.v6} {
		if err := rs.nest(); err != nil {
			return nil, err
		}
	}
	t := b.textTable
	return &t, nil
}

// nest puts rows in order and has each know the one around it.
func (rs *rows) nest() error {
	// Stable: of equal rows the first in the file is kept.
	slices.SortStableFunc(*rs, func(a, b row) int {
		return cmp.Or(a.first.compare(b.first), b.last.compare(a.last))
	})
	*rs = slices.Clip(slices.CompactFunc(*rs, func(a, b row) bool { return a.first == b.first && a.last == b.last }))
	around := uint32(outermost)
	for i := range *rs {
		r := &(*rs)[i]
		for around != outermost && (*rs)[around].last.compare(r.first) < 0 {
			around = (*rs)[around].around
		}
		if around != outermost && (*rs)[around].last.compare(r.last) < 0 {
			o := (*rs)[around]
			return fmt.Errorf("%s to %s and %s to %s overlap, and neither is inside the other", o.first, o.last, r.first, r.last)
		}
		r.around = around
		around = uint32(i)
	}
	return nil
}

func (a address) String() string { return netip.AddrFrom16(a).Unmap().String() }

func (t *textTable) lookup(a netip.Addr) (Network, error) {
	rs := t.v6
	if a.Is4() {
		rs = t.v4
	}
	r, ok := rs.find(a.As16())
	if !ok {
		return Network{}, nil
	}
	n := t.networks[r.network]
	n.Prefix = widest(a, r)
	return n, nil
}

// find gives the narrowest row around a. The last one that begins before a is
// it, or is inside of it, or lies beside a in something that is around both.
func (rs rows) find(a address) (row, bool) {
	i, exact := slices.BinarySearchFunc(rs, a, func(r row, a address) int { return r.first.compare(a) })
	for exact && i+1 < len(rs) && rs[i+1].first == a {
		i++
	}
	if !exact {
		i--
	}
	for at := uint32(i); i >= 0 && at != outermost; at = rs[at].around {
		if rs[at].last.compare(a) >= 0 {
			return rs[at], true
		}
	}
	return row{}, false
}

// widest gives the widest prefix around a that is inside of r.
func widest(a netip.Addr, r row) netip.Prefix {
	for bits := range a.BitLen() {
		p, err := a.Prefix(bits)
		if err == nil && address(p.Addr().As16()).compare(r.first) >= 0 && address(lastOf(p).As16()).compare(r.last) <= 0 {
			return p
		}
	}
	return netip.PrefixFrom(a, a.BitLen())
}

// lastOf gives the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		switch free := 8*(i+1) - p.Bits(); {
		case free >= 8:
			b[i] = 0xff
		case free > 0:
			b[i] |= 1<<free - 1
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

package asn

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"testing"
)

// database writes a small MaxMind DB, as its specification 2.0 describes it,
// with records of 24 bits and nothing shared between networks.
type database struct {
	kind  string
	four  bool
	nodes [][2]uint32 // indexes of nodes; 0 for none, from data on the offset of data
	data  []byte
}

const data = 1 << 20

func newDB(kind string, version int) *database {
	return &database{kind: kind, four: version == 4, nodes: make([][2]uint32, 1)}
}

func (d *database) put(t testing.TB, prefix string, fields map[string]any) {
	t.Helper()
	p := netip.MustParsePrefix(prefix)
	path, bits := p.Addr().AsSlice(), p.Bits()
	if p.Addr().Is4() && !d.four {
		path, bits = append(make([]byte, 12), path...), bits+96
	}
	at := uint32(0)
	for i := range bits {
		side := path[i/8] >> (7 - i%8) & 1
		switch {
		case i == bits-1:
			d.nodes[at][side] = data + uint32(len(d.data))
		case d.nodes[at][side] == 0:
			d.nodes = append(d.nodes, [2]uint32{})
			d.nodes[at][side] = uint32(len(d.nodes) - 1)
			fallthrough
		default:
			at = d.nodes[at][side]
		}
	}
	d.data = append(d.data, encoded(fields)...)
}

func (d *database) bytes() []byte {
	var b []byte
	n := uint32(len(d.nodes))
	for _, node := range d.nodes {
		for _, r := range node {
			switch {
			case r == 0:
				r = n
			case r >= data:
				r = r - data + n + 16
			}
			b = append(b, byte(r>>16), byte(r>>8), byte(r))
		}
	}
	b = append(b, make([]byte, 16)...)
	b = append(b, d.data...)
	b = append(b, "\xab\xcd\xefMaxMind.com"...)
	version := uint16(6)
	if d.four {
		version = 4
	}
	return append(b, encoded(map[string]any{
		"node_count": n, "record_size": uint16(24), "ip_version": version, "database_type": d.kind,
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0), "build_epoch": uint64(1),
	})...)
}

// encoded gives a map, a short text or a number.
func encoded(v any) []byte {
	switch v := v.(type) {
	case string:
		if len(v) >= 29 {
			return append([]byte{2<<5 | 29, byte(len(v) - 29)}, v...)
		}
		return append([]byte{2<<5 | byte(len(v))}, v...)
	case uint16:
		return binary.BigEndian.AppendUint16([]byte{5<<5 | 2}, v)
	case uint32:
		return binary.BigEndian.AppendUint32([]byte{6<<5 | 4}, v)
	case uint64:
		return binary.BigEndian.AppendUint64([]byte{8, 9 - 7}, v)
	case map[string]any:
		b := []byte{7<<5 | byte(len(v))}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			b = append(append(b, encoded(k)...), encoded(v[k])...)
		}
		return b
	}
	panic("no way to encode it")
}

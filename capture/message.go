package capture

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/miekg/dns"
)

// record is one resource record where it lies in a message (RFC 1035 §4.1.3).
type record struct {
	owner int // offset of its owner's name
	rtype uint16
	class uint16
	data  int // offset of its RDATA
	end   int // behind it
}

// records walks over the records of a message, section after section, and copies
// nothing.
type records struct {
	b    []byte
	off  int
	left int
}

// answers begins with the answer section of a message whose header was read.
func answers(b []byte, h *header) records {
	return records{b: b, off: h.end, left: int(h.counts[1])}
}

// next gives the next record; false behind the last one, and where the message ends
// within it. Then left says how many are missing.
func (r *records) next() (x record, ok bool) {
	if r.left == 0 {
		return x, false
	}
	off := skipName(r.b, r.off)
	if off < 0 || off+10 > len(r.b) {
		return x, false
	}
	x = record{
		owner: r.off, rtype: binary.BigEndian.Uint16(r.b[off:]), class: binary.BigEndian.Uint16(r.b[off+2:]),
		data: off + 10,
	}
	x.end = x.data + int(binary.BigEndian.Uint16(r.b[off+8:]))
	if x.end > len(r.b) {
		return x, false
	}
	r.off, r.left = x.end, r.left-1
	return x, true
}

// skipName gives the offset behind the name at off, -1 where there is none. It does
// not follow pointers.
func skipName(b []byte, off int) int {
	for off < len(b) {
		switch size := int(b[off]); {
		case size == 0:
			return off + 1
		case size >= 0xc0:
			if off+2 > len(b) {
				return -1
			}
			return off + 2
		case size > 63:
			return -1
		default:
			off += 1 + size
		}
	}
	return -1
}

// maxPointers bounds the pointers of one name, which may lead in a circle. A name of
// 255 octets needs no more (RFC 1035 §4.1.4). That they lead back is not demanded:
// clients do not either.
const maxPointers = 126

// maxWork bounds what is looked at of the names of one message, in octets of their
// labels; a pointer counts as a label of 63. Names that lead through each other could
// make a hundred steps of each of a hundred records.
const maxWork = 16 << 10

// appendName adds the name at off to what is gathered, in lower case and without
// compression. It is false for what is no name, and where no work is left.
func appendName(to, b []byte, off int, left *int) ([]byte, bool) {
	begin, pointers := len(to), 0
	for off < len(b) {
		size := int(b[off])
		if *left -= 1 + min(size, 63); *left < 0 {
			return to, false
		}
		switch {
		case size >= 0xc0:
			if off+2 > len(b) {
				return to, false
			}
			next := int(binary.BigEndian.Uint16(b[off:]) & 0x3fff)
			if pointers++; pointers > maxPointers {
				return to, false
			}
			off = next
			continue
		case size > 63 || off+1+size > len(b):
			return to, false
		}
		if len(to)-begin+1+size > maxName {
			return to, false
		}
		to = append(to, byte(size))
		for _, c := range b[off+1 : off+1+size] {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			to = append(to, c)
		}
		if size == 0 {
			return to, true
		}
		off += 1 + size
	}
	return to, false
}

// names is how many names are in the RDATA of a type, and how many octets are before
// the first one and behind the last: they may be compressed (RFC 3597 §4), and their
// case means nothing (RFC 4034 §6.2).
func names(rtype uint16) (before, n, behind int) {
	switch rtype {
	case dns.TypeNS, dns.TypeCNAME, dns.TypePTR, dns.TypeDNAME, dns.TypeMB, dns.TypeMG, dns.TypeMR, dns.TypeMD, dns.TypeMF:
		return 0, 1, 0
	case dns.TypeMX, dns.TypeAFSDB, dns.TypeRT, dns.TypeKX:
		return 2, 1, 0
	case dns.TypeSRV:
		return 6, 1, 0
	case dns.TypeSOA:
		return 0, 2, 20
	case dns.TypeMINFO, dns.TypeRP:
		return 0, 2, 0
	}
	return 0, 0, 0
}

// maxNames is the most that RDATA with names in it can come to, uncompressed.
const maxNames = 2*maxName + 32

// hashData gives the hash of the RDATA of a record. It is false for what cannot be of
// its type.
func hashData(seed maphash.Seed, b []byte, x record, left *int) (uint64, bool) {
	before, n, behind := names(x.rtype)
	if n == 0 {
		return maphash.Bytes(seed, b[x.data:x.end]), true
	}
	off := x.data + before
	if off > x.end {
		return 0, false
	}
	var buf [maxNames]byte
	data, ok := append(buf[:0], b[x.data:off]...), false
	for range n {
		if data, ok = appendName(data, b, off, left); !ok {
			return 0, false
		}
		if off = skipName(b, off); off < 0 || off > x.end {
			return 0, false
		}
	}
	if x.end-off != behind {
		return 0, false
	}
	return maphash.Bytes(seed, append(data, b[off:x.end]...)), true
}

// content stands for what a response says: its code, and the records of its answer
// section, in whatever order, case and compression they come, and for however long
// they are to be kept. It is false where the section cannot be read to its end.
func content(seed maphash.Seed, b []byte, h *header) (sum uint64, ok bool) {
	rs, left := answers(b, h), maxWork
	for x, more := rs.next(); more; x, more = rs.next() {
		var buf [maxName]byte
		owner := h.question
		if owner == nil || b[x.owner] != 0xc0 || b[x.owner+1] != headerSize {
			if owner, ok = appendName(buf[:0], b, x.owner, &left); !ok {
				return 0, false
			}
		}
		data, ok := hashData(seed, b, x, &left)
		if !ok {
			return 0, false
		}
		// A sum, since order means nothing.
		sum += mix(maphash.Bytes(seed, owner), mix(data, uint64(x.rtype)<<16|uint64(x.class)))
	}
	flags := uint64(h.flags & (flagTC | 0xf))
	return mix(sum, flags), rs.left == 0
}

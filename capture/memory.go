package capture

// memory holds the frames that came last, within a fixed number of octets:
// what was put in longest ago makes room for what comes.
type memory struct {
	buf  []byte
	head uint64 // octets put in so far, gaps at the end of buf included
}

// place is where a frame lies in a memory.
type place struct {
	at   uint64
	size int
}

func newMemory(size int) *memory { return &memory{buf: make([]byte, size)} }

// put copies b in. A frame larger than an eighth of the memory is not kept.
func (m *memory) put(b []byte) place {
	if len(b) > len(m.buf)/8 {
		return place{}
	}
	off := int(m.head % uint64(len(m.buf)))
	if off+len(b) > len(m.buf) {
		m.head += uint64(len(m.buf) - off)
		off = 0
	}
	copy(m.buf[off:], b)
	p := place{m.head, len(b)}
	m.head += uint64(len(b))
	return p
}

// get gives what was put at p, or nil where it had to make room. It is valid
// until the next put.
func (m *memory) get(p place) []byte {
	if p.size == 0 || m.head-p.at > uint64(len(m.buf)) {
		return nil
	}
	off := int(p.at % uint64(len(m.buf)))
	return m.buf[off : off+p.size]
}

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/dnstaster/dnstaster/monitor"
)

// tapFileRoom is what is kept of a file, so that little of it has to make room for
// more.
const tapFileRoom = 64 << 20

// IsTap reports whether a file that begins with head is one that ReadTap reads. The
// first 512 bytes are enough.
func IsTap(head []byte) bool {
	if len(head) < 12 || binary.BigEndian.Uint32(head) != 0 {
		return false
	}
	n := binary.BigEndian.Uint32(head[4:])
	if n < 4 || n > streamMostControl || int(n) > len(head)-8 {
		return false
	}
	kind, fits, ok := readControl(head[8:8+n], tapType)
	return ok && kind == streamStart && fits
}

// ReadTap reads a file of dnstap, as fstrm_capture and resolvers write them, and hands
// each contradiction to yield, until that returns an error or the file ends. A lone
// response contradicts nothing and is counted only. A file that was cut off gives
// io.ErrUnexpectedEOF, after what there is.
func ReadTap(r io.Reader, yield func(monitor.Sample) error) (Stats, error) {
	var c tapCounters
	t := newTapper(&c)
	t.room = tapFileRoom
	s, err := openStream(r, nil, tapType)
	for err == nil {
		var b []byte
		if b, err = s.next(); err != nil {
			break
		}
		if sample, ok := t.take(b); ok {
			err = yield(sample)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("dnstap, message %d: %w", c.messages.Load(), err)
	}
	return Stats{
		Packets: c.messages.Load(), Queries: c.queries.Load(), Responses: c.responses.Load(),
		Transactions: c.transactions.Load(), Undecodable: c.undecodable.Load(), Repeats: c.repeats.Load(),
	}, err
}

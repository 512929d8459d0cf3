package capture

import (
	"encoding/binary"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// TestTapRoom has a sender tell of transactions without end, with queries as long
// as they can be, and looks at what is kept.
func TestTapRoom(t *testing.T) {
	var c tapCounters
	p := newTapper(&c)
	p.watched, p.now = func([]byte) bool { return true }, time.Now
	message := make([]byte, 60000)
	copy(message[4:], "\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01")
	for i := range 1000 {
		binary.BigEndian.PutUint16(message, uint16(i/3)) // three of each
		kind, field := uint64(5), protowire.Number(tapQueryBytes)
		if message[2] = 0; i%3 == 2 {
			kind, field, message[2] = 6, tapResponseBytes, 0x80
		}
		body := protowire.AppendVarint(protowire.AppendTag(nil, tapKindField, protowire.VarintType), kind)
		body = protowire.AppendBytes(protowire.AppendTag(body, field, protowire.BytesType), message)
		b := protowire.AppendBytes(protowire.AppendTag(nil, tapMessages, protowire.BytesType), body)
		p.take(protowire.AppendVarint(protowire.AppendTag(b, tapSort, protowire.VarintType), tapOfDNS))
		kept, of := 0, 0
		for _, e := range p.open {
			kept += e.cost
			for _, q := range e.queries {
				of += len(q.Raw)
			}
			if e.first != nil {
				of += len(e.first.message)
			}
		}
		if kept != p.used || of > kept || kept > tapRoom || len(p.queue) != len(p.open) {
			t.Fatalf("after %d: %d kept, %d of packets, %d counted, %d transactions, %d queued", i, kept, of, p.used, len(p.open), len(p.queue))
		}
	}
	if c.undecodable.Load() != 0 || c.transactions.Load() != 334 || len(p.open) < 2 {
		t.Errorf("%d undecodable, %d transactions, %d kept", c.undecodable.Load(), c.transactions.Load(), len(p.open))
	}
}

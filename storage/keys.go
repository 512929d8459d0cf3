package storage

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// maxValue bounds a value. A length beyond it is damage, not data.
const maxValue = 16 << 20

// Strings in keys come after their length, so that no byte in them can end them
// early: two different series never share a key, and the key of one name is
// never the beginning of another's.

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func cutString(b []byte) (s string, rest []byte, ok bool) {
	if len(b) < 2 {
		return "", nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; len(b) < n {
		return "", nil, false
	}
	return string(b[:n]), b[n:], true
}

// nameKey begins the keys of all series of a name, and is that of its baseline.
func nameKey(name string) []byte { return appendString(nil, name) }

func parseNameKey(k []byte) (string, error) {
	name, rest, ok := cutString(k)
	if !ok || len(rest) > 0 {
		return "", fmt.Errorf("%w: name key %x", ErrCorrupt, k)
	}
	return name, nil
}

// series is an endpoint and a question to it.
type series struct {
	question  monitor.Question
	resolver  string
	transport monitor.Transport
}

func seriesOf(i *monitor.Interval) series { return series{i.Question, i.Resolver, i.Transport} }

func (s series) key() ([]byte, error) {
	for _, v := range []string{s.question.Name, s.resolver, string(s.transport)} {
		if len(v) > maxKeyString {
			return nil, fmt.Errorf("%.50q… is longer than %d bytes", v, maxKeyString)
		}
	}
	b := make([]byte, 0, 8+len(s.question.Name)+len(s.resolver)+len(s.transport))
	b = appendString(b, s.question.Name)
	b = binary.BigEndian.AppendUint16(b, uint16(s.question.Type))
	b = appendString(b, s.resolver)
	return appendString(b, string(s.transport)), nil
}

// maxKeyString keeps keys of three strings below what bbolt takes.
const maxKeyString = 8 << 10

func parseSeriesKey(k []byte) (series, error) {
	bad := func() (series, error) { return series{}, fmt.Errorf("%w: series key %x", ErrCorrupt, k) }
	name, b, ok := cutString(k)
	if !ok || len(b) < 2 {
		return bad()
	}
	typ := monitor.Type(binary.BigEndian.Uint16(b))
	resolver, b, ok := cutString(b[2:])
	if !ok {
		return bad()
	}
	transport, b, ok := cutString(b)
	if !ok || len(b) > 0 {
		return bad()
	}
	return series{monitor.Question{Name: name, Type: typ}, resolver, monitor.Transport(transport)}, nil
}

// number of a series, given when its first interval comes.
type number uint64

// pastKey is an interval of a series by when it began.
func pastKey(n number, first stamp) []byte {
	return first.append(binary.BigEndian.AppendUint64(make([]byte, 0, pastKeyLen), uint64(n)))
}

const pastKeyLen = 16

func parsePastKey(k []byte) (number, stamp, error) {
	if len(k) != pastKeyLen {
		return 0, 0, fmt.Errorf("%w: interval key %x", ErrCorrupt, k)
	}
	return number(binary.BigEndian.Uint64(k)), stampAt(k[8:]), nil
}

// stamp is a time as a number that orders like it: nanoseconds from September
// 1677. Earlier times are 0, those after April 2262 the greatest.
type stamp uint64

const (
	never     stamp = math.MaxUint64 // after every time: the end of what is open
	unixEpoch stamp = 1 << 63
)

var (
	firstTime = time.Unix(0, math.MinInt64)
	lastTime  = time.Unix(0, math.MaxInt64-1)
)

func stampOf(t time.Time) stamp {
	switch {
	case t.Before(firstTime):
		return 0
	case t.After(lastTime):
		return never - 1
	}
	return stamp(t.UnixNano()) + unixEpoch
}

func (s stamp) time() time.Time { return time.Unix(0, int64(s-unixEpoch)).UTC() }

func (s stamp) append(b []byte) []byte { return binary.BigEndian.AppendUint64(b, uint64(s)) }

// stampAt reads a stamp from the first eight bytes of b.
func stampAt(b []byte) stamp { return stamp(binary.BigEndian.Uint64(b)) }

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func parseSeq(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("%w: sequence %x", ErrCorrupt, b)
	}
	return binary.BigEndian.Uint64(b), nil
}

// endKey orders alerts by when they were resolved.
func endKey(end stamp, id string) []byte { return append(end.append(nil), id...) }

func parseEndKey(k []byte) (end stamp, id string, err error) {
	if len(k) <= 8 {
		return 0, "", fmt.Errorf("%w: end key %x", ErrCorrupt, k)
	}
	return stampAt(k), string(k[8:]), nil
}

package resolver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

// maxMessage is the longest DNS message, in octets (RFC 1035 §4.2.2).
const maxMessage = 65535

// wanted is what is to be asked: a question, or the query that somebody else
// has written for it.
type wanted struct {
	monitor.Question
	message []byte // of Exchange; nil for Ask
}

// query gives what goes on the wire. A written one stays as it is, but for a
// random id of our own.
func (w wanted) query(pad bool) (*query, error) {
	if w.message == nil {
		return newQuery(w.Question, pad)
	}
	return writtenQuery(w.message)
}

// errQuery is of a message that cannot be sent as a query.
var errQuery = errors.New("not a query with one question")

// writtenQuery takes over a query from outside.
func writtenQuery(message []byte) (*query, error) {
	if len(message) <= headerLen || len(message) > maxMessage {
		return nil, fmt.Errorf("%w: it has %d octets", errQuery, len(message))
	}
	m := new(dns.Msg)
	if err := m.Unpack(message); err != nil {
		return nil, fmt.Errorf("%w: %w", errQuery, err)
	}
	if m.Response || m.Opcode != dns.OpcodeQuery || len(m.Question) != 1 {
		return nil, errQuery
	}
	_, end, err := dns.UnpackDomainName(message, headerLen)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errQuery, err)
	}
	if end+4 > len(message) {
		return nil, fmt.Errorf("%w: the question is cut short", errQuery) // Unpack is content with that
	}
	frame := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(message)), uint16(len(message)))
	q := &query{frame: append(frame, message...), asked: end + 4 - headerLen, written: true}
	if c, ok := option[*dns.EDNS0_COOKIE](m); ok {
		q.cookie = c.Cookie[:min(len(c.Cookie), 2*cookieLen)]
	}
	q.renew()
	return q, nil
}

// Exchange asks r a query that the caller has written, and gives the response as
// it came. Only the id is ours, random for each try; the response has the
// caller's. It is held against the query as for Ask: what answers another
// question, or has another cookie, is passed over. A response that was
// truncated over UDP is asked for again over TCP, and no response of Exchange is
// truncated by the transport. No socket lingers for a second answer.
//
// What counts as a response, timeouts, tries and Stats are those of Ask; the
// text of an error is what Observation.Error would be, and begins with one of
// its words. The transport System knows no messages, and is an error. Time that
// a response spent in a cache of HTTP is not taken off its TTLs.
func (a *Asker) Exchange(ctx context.Context, r monitor.Resolver, query []byte) ([]byte, error) {
	n := a.tallies.of(r)
	x := a.exchange(ctx, r, query, n)
	n.count(x.observation(r))
	if x.err != nil {
		return nil, failure{x.err}
	}
	copy(x.raw, query[:2]) // nobody else has these octets
	return x.raw, nil
}

func (a *Asker) exchange(ctx context.Context, r monitor.Resolver, query []byte, n *tally) outcome {
	if r.Transport == monitor.System {
		return failed(errors.New("the C library takes names, not messages"))
	}
	if _, err := writtenQuery(query); err != nil {
		return failed(err)
	}
	return a.deliver(ctx, r, wanted{message: query}, n)
}

// failure says of an error what Observation.Error would.
type failure struct{ error }

func (f failure) Error() string { return describe(f.error) }
func (f failure) Unwrap() error { return f.error }

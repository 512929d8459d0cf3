package resolver

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/presentation"
)

const (
	headerLen = 12
	cookieLen = 8   // of a client cookie, RFC 7873 §4
	maxName   = 255 // octets, RFC 1035 §2.3.4

	// udpSize is the largest response that is asked for over UDP. It passes
	// every common path in one piece, so no fragment can be forged into it.
	udpSize = 1232

	// block is what a padded query is a multiple of, RFC 8467 §4.1.
	block = 128
)

// query is one query as it goes on the wire, and what a response is held against.
type query struct {
	frame  []byte // the message after its length in two octets (RFC 1035 §4.2.2)
	asked  int    // octets of the question, which follows the header
	cookie string // ours, in hexadecimal; empty where there is none

	written bool // by the caller of Exchange, who wants the response as it came
}

// newQuery asks q with a random id, the case of its letters mixed at random and
// a fresh client cookie: each must be guessed by who forges a response without
// seeing the query. It asks for recursion, for the AD flag (RFC 6840 §5.7) and
// for the server's identity. With pad the message hides its length.
func newQuery(q monitor.Question, pad bool) (*query, error) {
	var name [maxName]byte
	n, err := dns.PackDomainName(q.Name, name[:], 0, nil, false)
	if err == nil && n == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("write the name %q: %w", q.Name, err)
	}
	var random [2 + cookieLen + (maxName+7)/8]byte
	rand.Read(random[:]) // never fails
	id, cookie, caseBits := random[:2], random[2:2+cookieLen], random[2+cookieLen:]
	// A length of a label is at most 63, so only letters look like letters.
	for i, c := range name[:n] {
		if letter(c) && caseBits[i/8]>>(i%8)&1 == 1 {
			name[i] = c ^ 0x20
		}
	}

	const rd, ad = 0x01, 0x20
	b := make([]byte, 2, 2+2*block)
	b = append(b, id...)
	b = append(b, rd, ad, 0, 1, 0, 0, 0, 0, 0, 1)
	b = append(b, name[:n]...)
	b = binary.BigEndian.AppendUint16(b, uint16(q.Type))
	b = binary.BigEndian.AppendUint16(b, dns.ClassINET)
	asked := n + 4

	// The OPT record, RFC 6891 §6.1.2: root, type, size in place of the class,
	// version and flags in place of the TTL, length of the options.
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, dns.TypeOPT)
	b = binary.BigEndian.AppendUint16(b, udpSize)
	b = append(b, 0, 0, 0, 0, 0, 0)
	options := len(b)
	b = appendOption(b, dns.EDNS0COOKIE, cookie)
	b = appendOption(b, dns.EDNS0NSID, nil)
	if pad {
		const overhead = 4 // of the option itself
		short := -(len(b) - 2 + overhead) & (block - 1)
		b = appendOption(b, dns.EDNS0PADDING, make([]byte, short))
	}
	binary.BigEndian.PutUint16(b[options-2:], uint16(len(b)-options))
	binary.BigEndian.PutUint16(b, uint16(len(b)-2))
	return &query{frame: b, asked: asked, cookie: hex.EncodeToString(cookie)}, nil
}

func appendOption(b []byte, code uint16, data []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// message is the query without its length, as it goes over UDP.
func (q *query) message() []byte { return q.frame[2:] }

func (q *query) id() uint16 { return binary.BigEndian.Uint16(q.message()) }

// renew gives the query another random id.
func (q *query) renew() { rand.Read(q.message()[:2]) }

// anonymous takes the id away, so that equal questions are equal requests for
// whatever caches HTTP: it should be 0 (RFC 8484 §4.1). The stream that a
// response comes on tells what it answers.
func (q *query) anonymous() { clear(q.message()[:2]) }

// errForeign is of a message that has nothing to do with the query.
var errForeign = errors.New("a message that answers no query of ours")

// badResponse is of a message that claims to be the answer and is none. It says
// why, in words of ours.
type badResponse string

func (b badResponse) Error() string { return string(b) }

// check reports whether b claims to answer q: a response with the same id and
// the very same question (RFC 5452 §9.1). Names are equal regardless of case
// (RFC 4343 §3); exact says whether the case was echoed. An error that is not
// errForeign is a badResponse: the id is right but the rest is not.
func (q *query) check(b []byte) (exact bool, err error) {
	sent := q.message()
	if len(b) < headerLen || b[0] != sent[0] || b[1] != sent[1] || b[2]&0x80 == 0 {
		return false, errForeign
	}
	if b[2]&0x78 != 0 {
		return false, badResponse("another opcode than QUERY")
	}
	if binary.BigEndian.Uint16(b[4:]) != 1 || len(b) == headerLen {
		return false, badResponse(rcode(int(b[3]&0x0f)) + " without the question")
	}
	end := headerLen + q.asked
	if len(b) < end {
		return false, badResponse("another question")
	}
	got, want := b[headerLen:end], sent[headerLen:end]
	if bytes.Equal(got, want) {
		return true, nil
	}
	// Type and class may look like letters, and are none.
	name := q.asked - 4
	if !equalFold(got[:name], want[:name]) || !bytes.Equal(got[name:], want[name:]) {
		return false, badResponse("another question")
	}
	return false, nil
}

// read unpacks b, which passed check. A truncated message is read as far as it
// goes. The error is a badResponse.
func (q *query) read(b []byte) (*dns.Msg, error) {
	m := new(dns.Msg)
	err := m.Unpack(b)
	if !m.Truncated {
		if err != nil {
			return nil, badResponse("unreadable: " + presentation.Text(err.Error(), maxDetail))
		}
		// Unpack is content with fewer records than the header promises.
		if int(binary.BigEndian.Uint16(b[6:])) != len(m.Answer) {
			return nil, badResponse("unreadable: the answer section is cut short")
		}
	}
	// A response with another client cookie must be discarded, RFC 7873 §5.3;
	// one without cookies may come from a server that knows none.
	if c, ok := option[*dns.EDNS0_COOKIE](m); ok {
		if len(c.Cookie) < len(q.cookie) || c.Cookie[:len(q.cookie)] != q.cookie {
			return nil, badResponse("another cookie")
		}
	}
	return m, nil
}

// option finds the first EDNS option of one kind.
func option[T dns.EDNS0](m *dns.Msg) (T, bool) {
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if t, ok := o.(T); ok {
				return t, true
			}
		}
	}
	var none T
	return none, false
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// equalFold compares names on the wire. bytes.EqualFold would fold beyond ASCII.
func equalFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && (a[i]^b[i] != 0x20 || !letter(a[i])) {
			return false
		}
	}
	return true
}

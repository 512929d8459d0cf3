package monitor

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Milliseconds is a duration that JSON carries as a number of milliseconds.
type Milliseconds time.Duration

// MarshalJSON writes milliseconds with microsecond resolution.
func (m Milliseconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(m).Microseconds()) / 1000)
}

// UnmarshalJSON reads a number of milliseconds.
func (m *Milliseconds) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	*m = Milliseconds(f * float64(time.Millisecond))
	return nil
}

// Record is one resource record in presentation form (RFC 1035 §5.1), names in
// it in lower case.
type Record struct {
	Name string `json:"name,omitempty"`
	Type Type   `json:"type"`
	Data string `json:"data"`
	TTL  uint32 `json:"ttl"` // seconds
}

// Words for Observation.Error: why there is no answer. What follows a colon is
// detail for people.
const (
	ErrTimeout     = "timeout"     // nothing came in time
	ErrRefused     = "refused"     // connection refused, or ICMP port unreachable
	ErrUnreachable = "unreachable" // no route, or the network says so
	ErrTLS         = "tls"         // the endpoint did not prove its name
	ErrExpired     = ErrTLS + ": x509: certificate has expired or is not yet valid"
	ErrBadResponse = "bad_response" // a message that cannot be read, or that answers something else
	ErrCanceled    = "canceled"     // we stopped waiting
	ErrOther       = "error"
)

// Observation is one response to one question, or the lack of one, seen once.
// Records are those of the answer section, in the order they came.
type Observation struct {
	At        time.Time    `json:"at,omitzero"`
	Resolver  string       `json:"resolver"`
	Server    netip.Addr   `json:"server,omitzero"`
	Operator  string       `json:"operator"`
	Role      Role         `json:"role,omitempty"`
	Transport Transport    `json:"transport"`
	Encrypted bool         `json:"encrypted,omitempty"`
	Filtering bool         `json:"filtering,omitempty"`
	Rcode     string       `json:"rcode"`           // NOERROR, NXDOMAIN, …; empty without a response
	Flags     []string     `json:"flags,omitempty"` // of AA TC RD RA AD CD, those that are set
	Records   []Record     `json:"records"`
	Beside    []Record     `json:"beside,omitempty"` // overheard: NS records of the authority section, addresses of the additional one
	EDE       []uint16     `json:"ede,omitempty"`    // extended error codes, RFC 8914
	NSID      string       `json:"nsid,omitempty"`   // RFC 5001
	RTT       Milliseconds `json:"rtt_ms"`
	Error     string       `json:"error"`
	TXID      uint16       `json:"-"` // of a query of ours over UDP, that was answered there; 0 for none
	Packet    *Packet      `json:"packet,omitempty"`
	Cache     *Cache       `json:"cache,omitempty"`  // what was known of the endpoint as a cache; nil for nothing
	Manner    *Manner      `json:"manner,omitempty"` // what was known of how the server answers; nil for nothing
}

// From gives an observation of r, to be filled with what came back.
func From(r Resolver, at time.Time) Observation {
	return Observation{
		At: at, Resolver: r.Name, Server: r.Addr.Addr(), Operator: r.Operator, Role: r.Role,
		Transport: r.Transport, Records: []Record{}, Encrypted: r.Encrypted(), Filtering: r.Filtering,
	}
}

// Label names who answered, for people.
func (o Observation) Label() string {
	if o.Server.IsValid() {
		return o.Resolver + " " + o.Server.String()
	}
	if o.Transport == System {
		return o.Resolver + " getent" // as Resolver.String has it
	}
	return o.Resolver
}

// Endpoint tells observations of different endpoints apart.
func (o Observation) Endpoint() string {
	e := o.Resolver + "|" + o.Server.String() + "|" + string(o.Transport)
	if o.Packet != nil {
		e += "|wire" // what others were told does not take back what we are told, nor the other way round
	}
	return e
}

// Group is whose voice this is. Endpoints of one operator are one voice; each
// resolver of this host is its own.
func (o Observation) Group() string {
	if o.Role == Local || o.Operator == "" {
		return o.Label()
	}
	return o.Operator
}

// Witness reports whether the observation may speak against this host's path:
// it came over an authenticated transport from somebody else's resolver.
func (o Observation) Witness() bool { return o.Encrypted && o.Role == Reference }

// Has reports whether the header flag is set.
func (o Observation) Has(flag string) bool { return slices.Contains(o.Flags, flag) }

// Content is what a response says, in the coarse.
type Content uint8

// The contents that answers are compared by. None is a lack of any statement:
// no response, an error code, or a truncated message.
const (
	None   Content = iota
	Data           // records of the type asked for
	NoData         // the name exists, the type does not (RFC 2308 §2.2)
	NXDomain
)

// Canon is an answer in the form in which two answers are compared: without
// TTL, order, case, flags, authority or additional data.
type Canon struct {
	Content Content
	Rcode   string
	Tail    string   // the last name of the CNAME chain
	Records []string // "owner type data" along the chain, sorted
}

// Equal reports whether two answers say the same.
func (c Canon) Equal(d Canon) bool {
	return c.Content == d.Content && c.Rcode == d.Rcode && slices.Equal(c.Records, d.Records)
}

// key is the canonical answer as one string.
func (c Canon) key() string { return c.Rcode + "\n" + strings.Join(c.Records, "\n") }

// maxChain bounds the CNAME chain that is followed inside one answer.
const maxChain = 16

// Canon reduces o, as an answer to q, to what can be compared. Records that are
// not on the chain from the name asked for do not count.
func (o Observation) Canon(q Question) Canon {
	c := Canon{Rcode: o.Rcode, Tail: q.Name}
	if o.Error != "" || o.Rcode != "NOERROR" && o.Rcode != "NXDOMAIN" || o.Has("TC") {
		return c
	}
	owners := map[string]bool{q.Name: true}
	for range maxChain {
		next := ""
		for _, r := range o.Records {
			name := strings.ToLower(r.Name)
			if name == c.Tail && r.Type == TypeCNAME && q.Type != TypeCNAME {
				next = strings.ToLower(r.Data)
			}
		}
		if next == "" || owners[next] {
			break
		}
		owners[next] = true
		c.Tail = next
	}
	found := false
	for _, r := range o.Records {
		name := strings.ToLower(r.Name)
		// A record without an owner is the question's own: reports leave it out.
		if name == "" {
			name = c.Tail
		}
		if owners[name] && (r.Type == q.Type || r.Type == TypeCNAME || r.Type == TypeDNAME) {
			c.Records = append(c.Records, name+" "+r.Type.String()+" "+r.Data)
			found = found || r.Type == q.Type && name == c.Tail
		}
	}
	slices.Sort(c.Records)
	c.Records = slices.Compact(c.Records)
	switch {
	case found:
		c.Content = Data
	case o.Rcode == "NXDOMAIN":
		c.Content = NXDomain
	default:
		c.Content = NoData
	}
	return c
}

// Addresses gives the addresses that o hands to whoever asked q, each once, in
// the order they came.
func (o Observation) Addresses(q Question) []netip.Addr {
	if !q.Type.Address() {
		return nil
	}
	c := o.Canon(q)
	if c.Content != Data {
		return nil
	}
	var addrs []netip.Addr
	for _, r := range o.Records {
		if r.Type != q.Type || r.Name != "" && !strings.EqualFold(r.Name, c.Tail) {
			continue
		}
		if a, err := netip.ParseAddr(r.Data); err == nil && !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// TTL is the longest time, in seconds, that o lets a cache keep what it says of
// q. What stands beside the answer does not count.
func (o Observation) TTL(q Question) uint32 {
	var ttl uint32
	tail := o.Canon(q).Tail
	for _, r := range o.Records {
		if r.Type == q.Type && (r.Name == "" || strings.EqualFold(r.Name, tail)) {
			ttl = max(ttl, r.TTL)
		}
	}
	return ttl
}

package monitor

import (
	"slices"
	"strings"
	"time"
)

// peer is how one resolver endpoint is doing.
type peer struct {
	ResolverStatus
	inARow int       // failures
	failed time.Time // when it last did
	cache  cacheState
}

// ResolverStatus is how one resolver endpoint is doing.
type ResolverStatus struct {
	Resolver  string       `json:"resolver"`
	Operator  string       `json:"operator"`
	Role      Role         `json:"role"`
	Transport Transport    `json:"transport"`
	OK        bool         `json:"ok"`
	Queries   uint64       `json:"queries"`
	Failures  uint64       `json:"failures"`
	LastOK    time.Time    `json:"last_ok,omitzero"`
	Error     string       `json:"error,omitempty"` // the last, while it fails
	RTT       Milliseconds `json:"rtt_ms"`          // of the last answer
}

// failingAfter is how many failures in a row make an endpoint one that fails.
const failingAfter = 3

// maxPeers bounds the endpoints that are kept account of: those of this host
// may change with every network.
const maxPeers = 256

func (m *Monitor) notePeer(o Observation) {
	if o.Resolver == "" || strings.HasPrefix(o.Error, ErrCanceled) {
		return
	}
	p := m.peers[o.Endpoint()]
	if p == nil {
		if len(m.peers) >= maxPeers {
			clear(m.peers)
		}
		p = &peer{ResolverStatus: ResolverStatus{Resolver: o.Label(), Operator: o.Operator, Role: o.Role, Transport: o.Transport}}
		m.peers[o.Endpoint()] = p
	}
	p.Queries++
	if o.Error != "" {
		p.Failures++
		p.inARow++
		p.failed = o.At
		p.Error = o.Error
	} else {
		p.inARow, p.Error, p.LastOK, p.RTT = 0, "", o.At, o.RTT
	}
	// A failure now and then is nothing; one that never answered has no credit.
	p.OK = o.Error == "" || !p.LastOK.IsZero() && p.inARow < failingAfter
}

// retryAfter is when an endpoint that fails is worth another question, though
// another of its operator answers: the first choice is to be the first again.
const retryAfter = time.Hour

// failing reports whether r has not answered for some time.
func (m *Monitor) failing(r Resolver) bool {
	p := m.peers[From(r, time.Time{}).Endpoint()]
	return p != nil && p.inARow >= failingAfter && m.cfg.Now().Sub(p.failed) < retryAfter/time.Duration(max(1, m.cfg.Timing.Factor))
}

func (m *Monitor) resolverStatus() []ResolverStatus {
	rs := []ResolverStatus{}
	for _, p := range m.peers {
		rs = append(rs, p.ResolverStatus)
	}
	slices.SortFunc(rs, func(a, b ResolverStatus) int {
		return strings.Compare(string(a.Role)+a.Resolver+string(a.Transport), string(b.Role)+b.Resolver+string(b.Transport))
	})
	return rs
}

package monitor

import (
	"net/netip"
	"time"
)

// Stranger is what was overheard of a question that nobody watches. A store keeps it
// under a keyed hash of the name, and the addresses likewise, so that it can be asked
// about a name, or about an address in its answers, and cannot tell either.
type Stranger struct {
	Question  Question          `json:"question"`
	First     time.Time         `json:"first"`
	Last      time.Time         `json:"last"`
	Count     int               `json:"count"` // responses
	Addresses []StrangerAddress `json:"addresses"`
	More      bool              `json:"more,omitempty"` // further addresses were not kept
}

// StrangerAddress is an address in the answers to a Stranger.
type StrangerAddress struct {
	Address netip.Addr `json:"address,omitzero"` // out of a store only the one that was asked about
	First   time.Time  `json:"first"`
	Last    time.Time  `json:"last"`
	Count   int        `json:"count"`
}

// MaxStrangerAddresses bounds the addresses that are kept of a Stranger.
const MaxStrangerAddresses = 16

// strangerQueue is how many batches of them wait for the goroutine of Run.
const strangerQueue = 4

// maxStrangers bounds those that wait to be written while the store fails.
const maxStrangers = 1 << 14

// Overhear hands over what was overheard of names that are not watched, if there is
// room, and reports whether there was. It never waits.
func (m *Monitor) Overhear(ss []Stranger) bool {
	select {
	case m.unknown <- ss:
		return true
	default:
		return false
	}
}

// keepStrangers has them written with the next commit.
func (m *Monitor) keepStrangers(ss []Stranger) {
	room := maxStrangers - len(m.batch.Strangers)
	if m.store == nil {
		room = 0
	}
	if room < len(ss) {
		m.counts.Unkept += uint64(len(ss) - max(0, room))
		ss = ss[:max(0, room)]
	}
	m.batch.Strangers = append(m.batch.Strangers, ss...)
}

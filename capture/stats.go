package capture

import (
	"sync/atomic"
	"time"
)

// counters are what a Matcher counts.
type counters struct {
	packets, queries, responses, transactions, undecodable, fragments atomic.Uint64
	duplicates, unsolicited, mismatched, forgotten                    atomic.Uint64
	shortened, blind, refused, retransmits, repeats, truncated, late  atomic.Uint64
	reassembled, torn, strays, crowded, withheld, unreported, unkept  atomic.Uint64
	tcpMessages, tcpConflicts, tcpGivenUp                             atomic.Uint64
	badChecksum, quotedQueries, quotedResponses                       atomic.Uint64

	openNow, hold atomic.Int64
}

// Stats are totals since the start, but for Open and Hold.
type Stats struct {
	Packets         uint64 // frames taken in
	Queries         uint64 // with retransmits
	Responses       uint64
	Transactions    uint64 // distinct queries
	Retransmits     uint64 // queries sent again while their transaction was open
	Repeats         uint64 // responses that say the same once more, whatever their TTLs and order
	Truncated       uint64 // responses that send the client to TCP
	Late            uint64 // responses to transactions that ended a moment ago
	Undecodable     uint64 // frames that claim to be DNS and cannot be read
	Fragments       uint64 // of datagrams
	Reassembled     uint64 // datagrams that were put together from them
	Torn            uint64 // datagrams whose fragments contradict each other
	TCPMessages     uint64 // that came over TCP; they are among queries and responses
	TCPConflicts    uint64 // TCP segments that say otherwise what was said before
	TCPGivenUp      uint64 // connections that could not be followed to their end, or one side of them
	BadChecksum     uint64 // packets whose receiver drops them, for their checksum
	QuotedQueries   uint64 // ICMP errors about queries
	QuotedResponses uint64 // and about responses, for which nobody waited
	Duplicates      uint64 // frames seen at a second interface
	Unsolicited     uint64 // responses to no query that was seen
	Mismatched      uint64 // responses whose question is not the query's
	Unkept          uint64 // responses to names that are not watched, for which Strangers had no room
	Forgotten       uint64 // packets that left memory before they were needed
	Shortened       uint64 // transactions that had to end early, for want of room
	Blind           uint64 // those that had to within a second
	Refused         uint64 // those of a client that already holds an eighth of the table
	Crowded         uint64 // responses to no query that had to make room: nothing is lost with them
	Strays          uint64 // responses to an open port with an id that none of its open transactions has
	Withheld        uint64 // samples of watched names beyond the budget
	Unreported      uint64 // and of names that are not watched

	Open int           // transactions that were open when the last frames came
	Hold time.Duration // how long an answered transaction is held: 5 s, or less while there is no room
}

// Stats gives the totals. It may be called from any goroutine.
func (m *Matcher) Stats() Stats {
	return Stats{
		Packets: m.packets.Load(), Queries: m.queries.Load(), Responses: m.responses.Load(),
		Transactions: m.transactions.Load(), Retransmits: m.retransmits.Load(), Repeats: m.repeats.Load(),
		Truncated: m.truncated.Load(), Late: m.late.Load(), Undecodable: m.undecodable.Load(), Fragments: m.fragments.Load(),
		TCPMessages: m.tcpMessages.Load(), TCPConflicts: m.tcpConflicts.Load(), TCPGivenUp: m.tcpGivenUp.Load(),
		BadChecksum: m.badChecksum.Load(), QuotedQueries: m.quotedQueries.Load(), QuotedResponses: m.quotedResponses.Load(),
		Reassembled: m.reassembled.Load(), Torn: m.torn.Load(), Unkept: m.unkept.Load(),
		Duplicates: m.duplicates.Load(), Unsolicited: m.unsolicited.Load(), Mismatched: m.mismatched.Load(),
		Forgotten: m.forgotten.Load(), Shortened: m.shortened.Load(), Blind: m.blind.Load(), Refused: m.refused.Load(),
		Crowded: m.crowded.Load(), Strays: m.strays.Load(), Withheld: m.withheld.Load(), Unreported: m.unreported.Load(),
		Open: int(m.openNow.Load()), Hold: time.Duration(m.hold.Load()),
	}
}

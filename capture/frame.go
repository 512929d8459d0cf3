package capture

import (
	"errors"
	"time"
)

// LinkType says how a frame begins, in the numbers that capture files use
// (https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// The link types that are decoded.
const (
	LinkNull     LinkType = 0   // BSD loopback: the address family in the byte order of the writer
	LinkEthernet LinkType = 1   // IEEE 802.3
	LinkPPP      LinkType = 9   // PPP, with or without HDLC framing
	LinkHDLC     LinkType = 50  // PPP in HDLC framing
	LinkPPPoE    LinkType = 51  // PPP over Ethernet, without the Ethernet header
	LinkRawBSD   LinkType = 12  // IPv4 or IPv6, as some systems number it
	LinkRawOBSD  LinkType = 14  // the same, as OpenBSD does
	LinkRaw      LinkType = 101 // IPv4 or IPv6
	LinkLoop     LinkType = 108 // OpenBSD loopback: the address family in network byte order
	LinkSLL      LinkType = 113 // Linux cooked, version 1
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkSLL2     LinkType = 276 // Linux cooked, version 2; what Live gives
)

// Frame is one packet as it was captured.
type Frame struct {
	At        time.Time
	Link      LinkType
	Data      []byte // from the first byte of the link header; valid until the next call of Next
	Length    int    // on the wire, in bytes; more than len(Data) where the capture cut it
	Number    int    // of its record in the file, from 1; 0 live
	Interface int    // index on this host, or of the interface in the file
	Sums      Sums   // whether its checksums are to be judged
	Lost      uint64 // frames the source is known to have lost so far
}

// Source gives frames.
type Source interface {
	// Next gives the next frame. It returns io.EOF at the end of a file, and
	// ErrStopped once the source was closed.
	Next() (Frame, error)
	Close() error
}

// ErrStopped is returned by Next of a source that was closed.
var ErrStopped = errors.New("capture stopped")

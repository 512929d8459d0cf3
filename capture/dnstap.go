package capture

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dnstaster/dnstaster/monitor"
)

// tapType is how Frame Streams name what they carry here (https://dnstap.info).
const tapType = "protobuf:dnstap.Dnstap"

// Fields of dnstap.proto that are read.
const (
	tapIdentity = 1
	tapMessages = 14 // the field that holds the Message
	tapSort     = 15
	tapOfDNS    = 1 // the Sort of a Message

	tapKindField     = 1
	tapProtocolField = 3
	tapQueryAddr     = 4
	tapResponseAddr  = 5
	tapQueryPort     = 6
	tapResponsePort  = 7
	tapQuerySec      = 8
	tapQueryNano     = 9
	tapQueryBytes    = 10
	tapResponseSec   = 12
	tapResponseNano  = 13
	tapResponseBytes = 14
)

// tapKind is what a message is for whoever tells of it: even kinds are responses.
type tapKind uint8

var tapKinds = [...]string{
	1: "AUTH_QUERY", "AUTH_RESPONSE", "RESOLVER_QUERY", "RESOLVER_RESPONSE", "CLIENT_QUERY", "CLIENT_RESPONSE",
	"FORWARDER_QUERY", "FORWARDER_RESPONSE", "STUB_QUERY", "STUB_RESPONSE", "TOOL_QUERY", "TOOL_RESPONSE",
	"UPDATE_QUERY", "UPDATE_RESPONSE",
}

const tapUpdate = 13 // and above: no questions (RFC 2136)

func (k tapKind) String() string { return tapKinds[k] }

func (k tapKind) response() bool { return k%2 == 0 }

// asks reports whether who tells of the message is the one who asked.
func (k tapKind) asks() bool {
	switch (k + 1) / 2 {
	case 2, 4, 5, 6: // RESOLVER, FORWARDER, STUB, TOOL
		return true
	}
	return false
}

// tapMessage is a DNS message that somebody tells of. Its slices lie within what it
// was read from.
type tapMessage struct {
	kind           tapKind
	transport      monitor.Transport
	client, server netip.AddrPort // invalid where not told; the port 0 likewise
	asked, said    time.Time      // zero where not told
	query, message []byte         // of a response, the query as well where told
	identity       []byte
	frame          int // its number in a file, from 1; else 0
}

// at is when the message was sent or came; zero where not told.
func (m *tapMessage) at() time.Time {
	if m.kind.response() && !m.said.IsZero() {
		return m.said
	}
	return m.asked
}

// tapTransports are the values of SocketProtocol.
var tapTransports = [...]monitor.Transport{
	1: monitor.UDP, 2: monitor.TCP, 3: monitor.DoT, 4: monitor.DoH, 5: monitor.DNSCrypt, 6: monitor.DNSCrypt, 7: monitor.DoQ,
}

// dotPort is that of DNS over TLS (RFC 7858 §3.1). Resolvers that know nothing of it
// as a protocol tell of TCP.
const dotPort = 853

// parseTap reads one Dnstap. It is false for what is none, and for one that is not
// of a query or its response.
func parseTap(b []byte) (m tapMessage, ok bool) {
	var body []byte
	sort := uint64(0)
	ok = tapFields(b, func(field protowire.Number, n uint64, v []byte) {
		switch field {
		case tapIdentity:
			m.identity = v
		case tapMessages:
			body = v
		case tapSort:
			sort = n
		}
	})
	if !ok || sort != tapOfDNS {
		return m, false
	}
	var protocol, kind, asked, said, askedNano, saidNano, qport, rport uint64
	var qaddr, raddr, query, response []byte
	ok = tapFields(body, func(field protowire.Number, n uint64, v []byte) {
		switch field {
		case tapKindField:
			kind = n
		case tapProtocolField:
			protocol = n
		case tapQueryAddr:
			qaddr = v
		case tapResponseAddr:
			raddr = v
		case tapQueryPort:
			qport = n
		case tapResponsePort:
			rport = n
		case tapQuerySec:
			asked = n
		case tapQueryNano:
			askedNano = n
		case tapQueryBytes:
			query = v
		case tapResponseSec:
			said = n
		case tapResponseNano:
			saidNano = n
		case tapResponseBytes:
			response = v
		}
	})
	if !ok || kind == 0 || kind >= tapUpdate {
		return m, false
	}
	m.kind, m.query, m.message = tapKind(kind), query, query
	if m.kind.response() {
		m.message = response
	}
	if protocol < uint64(len(tapTransports)) {
		m.transport = tapTransports[protocol]
	}
	m.client, m.server = tapEndpoint(qaddr, qport), tapEndpoint(raddr, rport)
	if m.transport == monitor.TCP && m.server.Port() == dotPort {
		m.transport = monitor.DoT
	}
	m.asked, m.said = tapTime(asked, askedNano), tapTime(said, saidNano)
	return m, len(m.message) > 0
}

// tapFields gives each field with its number or bytes. It is false for what is no
// message of Protocol Buffers.
func tapFields(b []byte, field func(protowire.Number, uint64, []byte)) bool {
	for len(b) > 0 {
		number, sort, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		var value uint64
		var content []byte
		switch sort {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			value = uint64(v)
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, sort, b)
		}
		if n < 0 {
			return false
		}
		field(number, value, content)
		b = b[n:]
	}
	return true
}

// tapEndpoint is invalid for what is no address. What stands for any address is
// none: a resolver that leaves the choice to the kernel does not know it.
func tapEndpoint(b []byte, port uint64) netip.AddrPort {
	a, ok := netip.AddrFromSlice(b)
	if !ok || a.IsUnspecified() || port > 0xffff {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(port))
}

// tapTime is zero for no time, and for one that no arithmetic can do with.
func tapTime(sec, nano uint64) time.Time {
	if sec == 0 || sec > 1<<33 {
		return time.Time{}
	}
	return time.Unix(int64(sec), int64(min(nano, 999_999_999))).UTC()
}

// Tags of what Wireshark calls an exported PDU: a message without the layers below,
// beside it the addresses that it went between
// (https://www.tcpdump.org/linktypes/LINKTYPE_WIRESHARK_UPPER_PDU.html).
const (
	linkPDU = LinkType(252)

	pduEnd       = 0
	pduDissector = 12
	pduSource4   = 20
	pduTarget4   = 21
	pduSource6   = 22
	pduTarget6   = 23
	pduPorts     = 24 // whose the ports are
	pduSource    = 25
	pduTarget    = 26
	pduUDP       = 3
)

// pdu writes a message down so that Wireshark shows it. The ports are said to be
// UDP's, for behind those of TCP the message would have its length before it.
func pdu(src, dst netip.AddrPort, message []byte) []byte {
	var b bytes.Buffer
	tag := func(kind uint16, v []byte) {
		var head [4]byte
		binary.BigEndian.PutUint16(head[:], kind)
		binary.BigEndian.PutUint16(head[2:], uint16(len(v)+-len(v)&3))
		b.Write(head[:])
		b.Write(v)
		b.Write(make([]byte, -len(v)&3))
	}
	tag(pduDissector, []byte("dns"))
	for _, e := range []struct {
		at         netip.AddrPort
		four, six  uint16
		portNumber uint16
	}{{src, pduSource4, pduSource6, pduSource}, {dst, pduTarget4, pduTarget6, pduTarget}} {
		switch {
		case !e.at.IsValid():
			continue
		case e.at.Addr().Is4():
			tag(e.four, e.at.Addr().AsSlice())
		default:
			tag(e.six, e.at.Addr().AsSlice())
		}
		tag(e.portNumber, binary.BigEndian.AppendUint32(nil, uint32(e.at.Port())))
	}
	tag(pduPorts, binary.BigEndian.AppendUint32(nil, pduUDP))
	tag(pduEnd, nil)
	b.Write(message)
	return b.Bytes()
}

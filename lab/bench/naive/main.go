// Command naive finds contradicting answers in a capture in the way that comes to
// mind first: gopacket's DecodingLayerParser, miekg/dns for the messages, a Go map
// for the open queries. It is what the daemon's own decoder and table are measured
// against, and says as JSON what it found.
//
//	naive FILE
//
// Of TCP it reads messages that are alone in their segment. It expires nothing
// but what is older than five seconds, forgets no packet, and judges nothing.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/miekg/dns"
)

// Found is what is in a capture.
type Found struct {
	Packets   int `json:"packets"`
	Queries   int `json:"queries"`
	Responses int `json:"responses"`
	TCP       int `json:"tcp"`
	VLAN      int `json:"vlan"`
	Flagged   int `json:"flagged"` // transactions with answers that differ
}

type key struct {
	client, server netip.AddrPort
	id             uint16
	name           string
	kind           uint16
}

type open struct {
	at       time.Time
	answered bool
	first    []string
	flagged  bool
}

const (
	hold     = 5 * time.Second
	sweepAll = 200_000 // queries
)

type reader struct {
	found Found
	open  map[key]*open

	parser *gopacket.DecodingLayerParser
	types  []gopacket.LayerType
	eth    layers.Ethernet
	tag    layers.Dot1Q
	ip4    layers.IPv4
	ip6    layers.IPv6
	udp    layers.UDP
	tcp    layers.TCP
	data   gopacket.Payload
}

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("naive: ", err)
	}
}

func run(files []string) error {
	if len(files) != 1 {
		return errors.New("want one file")
	}
	f, err := os.Open(files[0])
	if err != nil {
		return err
	}
	defer f.Close()
	in, err := pcapgo.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return err
	}
	r := &reader{open: map[key]*open{}}
	r.parser = gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &r.eth, &r.tag, &r.ip4, &r.ip6, &r.udp, &r.tcp, &r.data)
	r.parser.IgnoreUnsupported = true
	for {
		data, info, err := in.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return json.NewEncoder(os.Stdout).Encode(r.found)
		}
		if err != nil {
			return err
		}
		r.packet(data, info.Timestamp)
	}
}

func (r *reader) packet(data []byte, at time.Time) {
	r.found.Packets++
	if r.parser.DecodeLayers(data, &r.types) != nil {
		return
	}
	var src, dst netip.Addr
	var from, to uint16
	var payload []byte
	for _, t := range r.types {
		switch t {
		case layers.LayerTypeDot1Q:
			r.found.VLAN++
		case layers.LayerTypeIPv4:
			src, dst = address(r.ip4.SrcIP), address(r.ip4.DstIP)
		case layers.LayerTypeIPv6:
			src, dst = address(r.ip6.SrcIP), address(r.ip6.DstIP)
		case layers.LayerTypeUDP:
			from, to, payload = uint16(r.udp.SrcPort), uint16(r.udp.DstPort), r.udp.Payload
		case layers.LayerTypeTCP:
			from, to = uint16(r.tcp.SrcPort), uint16(r.tcp.DstPort)
			if p := r.tcp.Payload; len(p) > 2 && int(binary.BigEndian.Uint16(p)) == len(p)-2 {
				payload = p[2:]
				r.found.TCP++
			}
		}
	}
	m := new(dns.Msg)
	if len(payload) == 0 || m.Unpack(payload) != nil || len(m.Question) != 1 {
		return
	}
	k := key{netip.AddrPortFrom(src, from), netip.AddrPortFrom(dst, to), m.Id, strings.ToLower(m.Question[0].Name), m.Question[0].Qtype}
	if !m.Response {
		r.query(k, at)
		return
	}
	k.client, k.server = k.server, k.client
	r.response(k, m)
}

func address(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (r *reader) query(k key, at time.Time) {
	r.found.Queries++
	r.open[k] = &open{at: at}
	if r.found.Queries%sweepAll != 0 {
		return
	}
	for k, o := range r.open {
		if at.Sub(o.at) > hold {
			delete(r.open, k)
		}
	}
}

func (r *reader) response(k key, m *dns.Msg) {
	r.found.Responses++
	o := r.open[k]
	if o == nil {
		return
	}
	var says []string
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			says = append(says, rr.A.String())
		case *dns.AAAA:
			says = append(says, rr.AAAA.String())
		}
	}
	slices.Sort(says)
	switch {
	case !o.answered:
		o.answered, o.first = true, says
	case !o.flagged && !slices.Equal(o.first, says):
		o.flagged = true
		r.found.Flagged++
	}
}

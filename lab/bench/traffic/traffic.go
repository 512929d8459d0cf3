package traffic

import (
	"bufio"
	"cmp"
	"io"
	"math/rand"
	"net/netip"
	"slices"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/miekg/dns"
)

// Config says how much traffic there is to be.
type Config struct {
	Packets int   // a few more, for no transaction is cut
	Rate    int   // packets a second, by their times; 20,000 by default
	Seed    int64 // 42 by default
	NoTCP   bool
}

// Truth is what is in a capture.
type Truth struct {
	Packets   int       `json:"packets"`
	Queries   int       `json:"queries"` // over UDP and TCP
	Responses int       `json:"responses"`
	TCP       int       `json:"tcp"`  // messages, not segments
	VLAN      int       `json:"vlan"` // packets
	IPv6      int       `json:"ipv6"` // packets
	Octets    int64     `json:"octets"`
	Forged    []Forgery `json:"forged"` // by time
}

// Forgery is a transaction that somebody else answered first.
type Forgery struct {
	Client, Server netip.AddrPort
	ID             uint16
	Name           string // of the question, for A
	Answered       bool   // the genuine answer came too, so that they contradict each other
}

// Answered counts the forgeries beside which there is a genuine answer.
func (t Truth) Answered() int {
	n := 0
	for _, f := range t.Forged {
		if f.Answered {
			n++
		}
	}
	return n
}

// maker makes traffic.
type maker struct {
	cfg     Config
	rng     *rand.Rand
	packets []packet
	truth   Truth
}

type packet struct {
	at   time.Duration
	data []byte
}

// begun is the time of the first packets.
var begun = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// Write writes a capture (pcap, Ethernet) to w.
func Write(w io.Writer, cfg Config) (Truth, error) {
	cfg.Rate, cfg.Seed = cmp.Or(cfg.Rate, 20_000), cmp.Or(cfg.Seed, 42)
	m := &maker{cfg: cfg, rng: rand.New(rand.NewSource(cfg.Seed))}
	names := Names(Known)
	zipf := rand.NewZipf(m.rng, 1.1, 8, Known-1)
	gap := time.Second / time.Duration(cfg.Rate)
	for at := time.Duration(0); len(m.packets) < cfg.Packets; {
		at += 2 * gap * time.Duration(50+m.rng.Intn(100)) / 100
		i := int(zipf.Uint64())
		if err := m.transaction(at, i, names[i]); err != nil {
			return Truth{}, err
		}
	}
	slices.SortStableFunc(m.packets, func(x, y packet) int { return cmp.Compare(x.at, y.at) })
	buffer := bufio.NewWriterSize(w, 1<<20)
	out := pcapgo.NewWriter(buffer)
	if err := out.WriteFileHeader(1<<16-1, layers.LinkTypeEthernet); err != nil {
		return Truth{}, err
	}
	for _, p := range m.packets {
		m.truth.Octets += int64(len(p.data))
		info := gopacket.CaptureInfo{Timestamp: begun.Add(p.at), CaptureLength: len(p.data), Length: len(p.data)}
		if err := out.WritePacket(info, p.data); err != nil {
			return Truth{}, err
		}
	}
	m.truth.Packets = len(m.packets)
	return m.truth, buffer.Flush()
}

// transaction adds a question for the name of that number, and its answers.
func (m *maker) transaction(at time.Duration, number int, name string) error {
	q := m.question(name)
	p := m.peers()
	tcp := !m.cfg.NoTCP && m.rng.Intn(1000) < 11
	back := 200*time.Microsecond + time.Duration(m.rng.ExpFloat64()*8e6)
	query, err := q.Pack()
	if err != nil {
		return err
	}
	response, err := answer(q, number).Pack()
	if err != nil {
		return err
	}
	before := len(m.packets)
	if tcp {
		err = m.stream(p, at, back, query, response)
	} else {
		err = m.datagrams(p, at, back, q, query, response)
	}
	n := len(m.packets) - before
	if p.client.Addr().Is6() {
		m.truth.IPv6 += n
	}
	if p.tagged {
		m.truth.VLAN += n
	}
	return err
}

func (m *maker) datagrams(p peers, at, back time.Duration, q *dns.Msg, query, response []byte) error {
	if err := m.datagram(p, fromClient, at, clientHops, query); err != nil {
		return err
	}
	m.truth.Queries++
	forged := p.client.Addr().Is4() && q.Question[0].Qtype == dns.TypeA && m.rng.Intn(1000) < 2
	if forged {
		lie, err := forgery(q, byte(m.rng.Intn(250))).Pack()
		if err != nil {
			return err
		}
		if err := m.datagram(p, fromServer, at+back/3, forgerHops, lie); err != nil {
			return err
		}
		m.truth.Responses++
	}
	answered := m.rng.Intn(200) != 0 // one in 200 is lost
	if forged {
		m.truth.Forged = append(m.truth.Forged, Forgery{p.client, p.server, q.Id, q.Question[0].Name, answered})
	}
	if !answered {
		return nil
	}
	m.truth.Responses++
	return m.datagram(p, fromServer, at+back, serverHops, response)
}

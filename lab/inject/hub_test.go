//go:build lab

package inject

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

// patient is how long a test waits for a packet: the machine may be busy.
const patient = 5 * time.Second

// A hub is three namespaces on one medium, eth0 in each: a victim, an attacker,
// and a server, to which all routes of the victim and the attacker lead.
type hub struct {
	victim, attacker, server Within
}

const (
	victimMAC    = "02:00:00:00:00:01"
	attackerMAC  = "02:00:00:00:00:02"
	serverMAC    = "02:00:00:00:00:03"
	victimAddr   = "10.9.0.1"
	attackerAddr = "10.9.0.2"
	serverAddr   = "10.9.0.3"
	victimAddr6  = "fd00:9::1"
	serverAddr6  = "fd00:9::3"
)

// newHub fails without root: it needs namespaces.
func newHub(t *testing.T) hub {
	t.Helper()
	h, bridge := hub{namespace(t), namespace(t), namespace(t)}, namespace(t)
	// No filter on the bridge: it would trim frames, and drop those with a bad header.
	run(t, bridge, "for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $f ] || echo 0 >$f; done; ip link add hub type bridge ageing_time 0; ip link set hub up")
	for n, within := range []Within{h.victim, h.attacker, h.server} {
		var ns *os.File
		if err := within(func() (err error) {
			ns, err = os.Open("/proc/thread-self/ns/net")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		n++
		run(t, bridge, fmt.Sprintf("ip link add port%d type veth peer name peer address 02:00:00:00:00:0%d; ip link set peer netns /proc/%d/fd/%d name eth0; ip link set port%d master hub up",
			n, n, os.Getpid(), ns.Fd(), n))
		ns.Close()
		run(t, within, fmt.Sprintf("sysctl -qw net.ipv6.conf.eth0.accept_dad=0; ip addr add 10.9.0.%d/24 dev eth0; ip addr add fd00:9::%d/64 dev eth0 nodad; ip link set lo up; ip link set eth0 up", n, n))
		if n < 3 {
			run(t, within, "ip route add default via "+serverAddr+"; ip -6 route add default via "+serverAddr6)
		}
	}
	return h
}

// end stops an injector at the end of the test, twice, and finds nothing left.
func end(t *testing.T, i *Injector, err error) *Injector {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := i.Stop(); err != nil {
				t.Errorf("stop: %v", err)
			}
		}
	})
	return i
}

// leaves finds goroutines that the test leaves, after all of its clean-ups.
func leaves(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// A tap keeps the frames that arrive at the victim.
type tap struct {
	t *testing.T
	*link
}

func (h hub) tap(t *testing.T) tap {
	t.Helper()
	l, err := openLink(h.victim, "eth0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return tap{t, l}
}

// next is the next frame that want takes, within patient.
func (p tap) next(what string, want func(gopacket.Packet) bool) gopacket.Packet {
	p.t.Helper()
	if err := p.SetReadDeadline(time.Now().Add(patient)); err != nil {
		p.t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	for {
		n, err := p.Read(buf)
		if err != nil {
			p.t.Fatalf("%s: %v", what, err)
		}
		packet := gopacket.NewPacket(buf[:n], layers.LayerTypeEthernet, gopacket.Default)
		if want(packet) {
			return packet
		}
	}
}

// from is a filter for UDP from a port.
func from(port layers.UDPPort) func(gopacket.Packet) bool {
	return func(p gopacket.Packet) bool {
		udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		return ok && udp.SrcPort == port
	}
}

// message is the DNS message of a packet.
func message(t *testing.T, p gopacket.Packet) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(p.Layer(layers.LayerTypeUDP).LayerPayload()); err != nil {
		t.Fatal(err)
	}
	return m
}

// client is a UDP socket of the victim. What arrives at it has a true checksum.
func (h hub) client(t *testing.T, port int, server string) *dns.Conn {
	t.Helper()
	var conn net.Conn
	if err := h.victim(func() (err error) {
		d := net.Dialer{Timeout: time.Second, LocalAddr: &net.UDPAddr{Port: port}}
		conn, err = d.Dial("udp", server)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patient))
	return &dns.Conn{Conn: conn, UDPSize: 4096}
}

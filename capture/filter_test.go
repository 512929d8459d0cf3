package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// filterBytes is n zero octets with some set: offset, value, offset, value, …
func filterBytes(n int, set ...int) []byte {
	b := make([]byte, n)
	for i := 0; i < len(set); i += 2 {
		b[set[i]] = byte(set[i+1])
	}
	return b
}

func filterTag(tci, ether uint16, packet []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, tci)
	return append(binary.BigEndian.AppendUint16(b, ether), packet...)
}

// filterCases have the program's every branch, with the nearest miss.
var filterCases = []struct {
	name   string
	packet []byte
	want   bool
}{
	{"nothing", nil, false},
	{"zeros", filterBytes(60), false},
	{"ipv4 to 53", filterBytes(40, 0, 0x45, 9, 17, 23, 53), true},
	{"ipv4 from 53", filterBytes(40, 0, 0x45, 9, 17, 21, 53), true},
	{"ipv4 headers only", filterBytes(28, 0, 0x45, 9, 17, 23, 53), true},
	{"ipv4 shorter than its headers", filterBytes(27, 0, 0x45, 9, 17, 23, 53), false},
	{"ipv4 to 54", filterBytes(40, 0, 0x45, 9, 17, 23, 54), false},
	{"ipv4 to 53 + 256", filterBytes(40, 0, 0x45, 9, 17, 22, 1, 23, 53), false},
	{"ipv4 from 53 + 256", filterBytes(40, 0, 0x45, 9, 17, 20, 1, 21, 53), false},
	{"ipv4 length 53", filterBytes(40, 0, 0x45, 9, 17, 25, 53), false},
	{"ipv4 tcp", filterBytes(40, 0, 0x45, 9, 6, 23, 53), true},
	{"ipv4 tcp from 53", filterBytes(40, 0, 0x45, 9, 6, 21, 53), true},
	{"ipv4 tcp to 54", filterBytes(40, 0, 0x45, 9, 6, 23, 54), false},
	{"ipv4 sctp", filterBytes(40, 0, 0x45, 9, 132, 23, 53), false},
	{"ipv4 first fragment", filterBytes(40, 0, 0x45, 6, 0x20, 9, 17, 23, 53), true},
	{"ipv4 never to fragment", filterBytes(40, 0, 0x45, 6, 0x40, 9, 17, 23, 53), true},
	{"ipv4 first fragment to 54", filterBytes(40, 0, 0x45, 6, 0x20, 9, 17, 23, 54), true},
	{"ipv4 second fragment", filterBytes(40, 0, 0x45, 7, 1, 9, 17), true},
	{"ipv4 fragment far behind", filterBytes(40, 0, 0x45, 6, 0x10, 9, 17), true},
	{"ipv4 fragment of tcp", filterBytes(40, 0, 0x45, 7, 1, 9, 6), true},
	{"ipv4 fragment of icmp", filterBytes(40, 0, 0x45, 7, 1, 9, 1), true},
	{"ipv4 fragment of gre", filterBytes(40, 0, 0x45, 7, 1, 9, 47), false},
	{"ipv4 fragment of what we do not read", filterBytes(40, 0, 0x45, 7, 1, 9, 50), false},
	{"ipv4 unreachable", filterBytes(40, 0, 0x45, 9, 1, 20, 3), true},
	{"ipv4 quench", filterBytes(40, 0, 0x45, 9, 1, 20, 4), true},
	{"ipv4 redirect", filterBytes(40, 0, 0x45, 9, 1, 20, 5), true},
	{"ipv4 time exceeded", filterBytes(40, 0, 0x45, 9, 1, 20, 11), true},
	{"ipv4 time exceeded, option", filterBytes(40, 0, 0x46, 9, 1, 20, 1, 24, 11), true},
	{"ipv4 ping", filterBytes(40, 0, 0x45, 9, 1, 20, 8), false},
	{"ipv4 ping that says 53", filterBytes(40, 0, 0x45, 9, 1, 20, 8, 21, 53, 23, 53), false},
	{"ipv4 gre", filterBytes(40, 0, 0x45, 9, 47), false},
	{"ipv4 vxlan", filterBytes(40, 0, 0x45, 9, 17, 22, 0x12, 23, 0xb5), false},
	{"ipv4 one option", filterBytes(40, 0, 0x46, 9, 17, 27, 53), true},
	{"ipv4 one option, ports of none", filterBytes(40, 0, 0x46, 9, 17, 23, 53), false},
	{"ipv4 all options", filterBytes(64, 0, 0x4f, 9, 17, 63, 53), true},
	{"ipv4 all options, cut", filterBytes(63, 0, 0x4f, 9, 17, 61, 53), false},
	{"ipv4 header of 16", filterBytes(40, 0, 0x44, 9, 17, 19, 53, 23, 53), false},
	{"ipv4 header of 0", filterBytes(40, 0, 0x40, 9, 17, 3, 53, 23, 53), false},
	{"ipv5", filterBytes(40, 0, 0x55, 9, 17, 23, 53), false},
	{"ipv6 to 53", filterBytes(48, 0, 0x60, 6, 17, 43, 53), true},
	{"ipv6 from 53", filterBytes(48, 0, 0x6f, 6, 17, 41, 53), true},
	{"ipv6 ports at the end", filterBytes(44, 0, 0x60, 6, 17, 43, 53), true},
	{"ipv6 cut in the ports", filterBytes(43, 0, 0x60, 6, 17, 41, 53), false},
	{"ipv6 to 52", filterBytes(48, 0, 0x60, 6, 17, 43, 52), false},
	{"ipv6 tcp", filterBytes(48, 0, 0x60, 6, 6, 43, 53), true},
	{"ipv6 tcp to 54", filterBytes(48, 0, 0x60, 6, 6, 43, 54), false},
	{"ipv6 ping", filterBytes(48, 0, 0x60, 6, 58, 40, 128, 43, 53), false},
	{"ipv6 unreachable", filterBytes(48, 0, 0x60, 6, 58, 40, 1), true},
	{"ipv6 too big", filterBytes(48, 0, 0x60, 6, 58, 40, 2), true},
	{"ipv6 time exceeded", filterBytes(48, 0, 0x60, 6, 58, 40, 3), true},
	{"ipv6 parameter problem", filterBytes(48, 0, 0x60, 6, 58, 40, 4), false},
	{"ipv6 icmp of ipv4", filterBytes(48, 0, 0x60, 6, 1, 40, 3), false},
	{"ipv6 gre", filterBytes(48, 0, 0x60, 6, 47), false},
	{"ipv6 vxlan", filterBytes(48, 0, 0x60, 6, 17, 42, 0x12, 43, 0xb5), false},
	{"ipv6 hop by hop", filterBytes(48, 0, 0x60, 6, 0), true},
	{"ipv6 routing", filterBytes(48, 0, 0x60, 6, 43), true},
	{"ipv6 fragment", filterBytes(48, 0, 0x60, 6, 44), true},
	{"ipv6 destination options", filterBytes(48, 0, 0x60, 6, 60), true},
	{"ipv6 authentication", filterBytes(48, 0, 0x60, 6, 51), false},
	{"ipv6 none", filterBytes(48, 0, 0x60, 6, 59), false},
	{"ipv7", filterBytes(48, 0, 0x70, 6, 17, 43, 53), false},
	{"tag, ipv4", filterTag(5, 0x0800, filterBytes(28, 0, 0x45, 9, 17, 23, 53)), true},
	{"tag, ipv4, option", filterTag(5, 0x0800, filterBytes(32, 0, 0x46, 9, 17, 25, 53)), true},
	{"tag, ipv4, cut in the ports", filterTag(5, 0x0800, filterBytes(27, 0, 0x46, 9, 17, 25, 53)), false},
	{"tag, ipv4 to 54", filterTag(5, 0x0800, filterBytes(28, 0, 0x45, 9, 17, 23, 54)), false},
	{"tag, ipv4, later fragment", filterTag(5, 0x0800, filterBytes(28, 0, 0x45, 7, 9, 9, 17)), true},
	{"tag, ipv4 unreachable", filterTag(5, 0x0800, filterBytes(28, 0, 0x45, 9, 1, 20, 3)), true},
	{"tag, ipv6 tcp", filterTag(5, 0x86dd, filterBytes(44, 0, 0x60, 6, 6, 43, 53)), true},
	{"tag of ipv4, ipv6", filterTag(5, 0x0800, filterBytes(48, 0, 0x60, 6, 17, 43, 53)), false},
	{"tag, ipv6", filterTag(5, 0x86dd, filterBytes(44, 0, 0x60, 6, 17, 43, 53)), true},
	{"tag, ipv6, cut", filterTag(5, 0x86dd, filterBytes(43, 0, 0x60, 6, 17, 41, 53)), false},
	{"tag, ipv6 fragment", filterTag(5, 0x86dd, filterBytes(44, 0, 0x60, 6, 44)), true},
	{"tag of ipv6, ipv4", filterTag(5, 0x86dd, filterBytes(44, 0, 0x45, 9, 17, 23, 53)), false},
	{"tag, arp", filterTag(5, 0x0806, filterBytes(44, 0, 0x45, 9, 17, 23, 53)), false},
	{"two tags", filterTag(5, 0x8100, filterTag(6, 0x0800, filterBytes(28, 0, 0x45, 9, 17, 23, 53))), false},
	{"tag like ipv4", filterTag(0x4f05, 0x0800, filterBytes(28, 0, 0x45, 5, 17, 9, 17, 23, 53)), true},
	{"tag like ipv6", filterTag(0x6005, 0x86dd, filterBytes(44, 0, 0x60, 2, 17, 6, 17, 43, 53)), true},
	{"ipv4 like a tag", filterBytes(2048, 0, 0x45, 2, 8, 4, 0x45, 9, 17, 23, 53), true},
}

// filterTunnels are those that pass only where tunnels are wanted.
var filterTunnels = []string{"ipv4 gre", "ipv4 fragment of gre", "ipv4 vxlan", "ipv6 gre", "ipv6 vxlan"}

func TestFilter(t *testing.T) {
	for _, tunnels := range []bool{false, true} {
		w := filterWanted{[]uint16{53}, tunnels}
		run := filterRunners(t, w)
		for _, c := range filterCases {
			t.Run(fmt.Sprintf("%s, tunnels=%v", c.name, tunnels), func(t *testing.T) {
				want := c.want || tunnels && slices.Contains(filterTunnels, c.name)
				if got := filterModel(c.packet, w); got != want {
					t.Errorf("the model says %t, want %t", got, want)
				}
				run(t, c.packet, want)
			})
		}
	}
}

func TestFilterAgainstModel(t *testing.T) {
	for _, ports := range [][]uint16{{53}, {5353, 53, 1}, {1, 2, 3, 4, 5, 6, 7, 65535}} {
		for _, tunnels := range []bool{false, true} {
			w := filterWanted{ports, tunnels}
			run := filterRunners(t, w)
			rapid.Check(t, func(t *rapid.T) {
				p := filterDraw(t, ports)
				run(t, p, filterModel(p, w))
			})
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, c := range filterCases {
		f.Add(c.packet)
	}
	plain, all := filterWanted{[]uint16{53}, false}, filterWanted{[]uint16{53}, true}
	runPlain, runAll := filterRunners(f, plain), filterRunners(f, all)
	f.Fuzz(func(t *testing.T, p []byte) {
		runPlain(t, p, filterModel(p, plain))
		runAll(t, p, filterModel(p, all))
	})
}

func TestFilterPorts(t *testing.T) {
	for _, ports := range [][]uint16{nil, {}, {0}, {53, 0}, make([]uint16, 9), {1, 2, 3, 4, 5, 6, 7, 8, 9}} {
		if _, err := filterProgram(filterWanted{ports: ports}); err == nil {
			t.Errorf("filterProgram(%v) gave no error", ports)
		}
	}
}

// filterDraw draws packets that are near to what is let pass.
func filterDraw(t *rapid.T, ports []uint16) []byte {
	p := rapid.SliceOfN(rapid.Byte(), 0, 110).Draw(t, "packet")
	near := func(name string, at int, values ...byte) {
		if at < len(p) && rapid.IntRange(0, 9).Draw(t, name+" near") > 0 {
			p[at] = rapid.SampledFrom(values).Draw(t, name)
		}
	}
	base := 0
	if rapid.Bool().Draw(t, "tagged") {
		base = 4
		near("tci", 0, 0x45, 0x60, 0x00)
		near("ether high", 2, 0x08, 0x86)
		near("ether low", 3, 0x00, 0xdd)
	}
	near("version", base, 0x45, 0x45, 0x46, 0x4f, 0x44, 0x60)
	near("next header", base+6, 0, 6, 17, 43, 44, 47, 58, 60, 0x20, 0x40)
	near("fragment", base+7, 0, 0, 1)
	near("protocol", base+9, 1, 6, 17, 47)
	near("type of the error", base+20, 3, 4, 5, 11, 8)
	near("type of the error", base+40, 1, 2, 3, 128)
	for _, at := range []int{20, 22, 24, 26, 40, 42, 60, 62} {
		port := rapid.SampledFrom(ports).Draw(t, "port") + uint16(rapid.IntRange(-1, 1).Draw(t, "miss"))
		near("high", base+at, byte(port>>8), 0)
		near("low", base+at+1, byte(port), 0)
	}
	return p
}

// filterModel is what the program should do, written to be read.
func filterModel(p []byte, w filterWanted) bool {
	if len(p) < filterShortest {
		return false
	}
	if filterModelIP(p, w) {
		return true
	}
	inner := p[4:]
	switch binary.BigEndian.Uint16(p[2:]) {
	case etherIPv4:
		return inner[0]>>4 == 4 && filterModelIP(inner, w)
	case etherIPv6:
		return inner[0]>>4 == 6 && filterModelIP(inner, w)
	}
	return false
}

func filterModelIP(p []byte, w filterWanted) bool {
	var protocol, icmp byte
	var errors, rest []byte
	switch p[0] >> 4 {
	case 4:
		protocol, icmp, errors = p[9], 1, []byte{3, 4, 5, 11}
		if protocol == 47 {
			return w.tunnels
		}
		if !slices.Contains([]byte{1, 6, 17}, protocol) {
			return false
		}
		if binary.BigEndian.Uint16(p[6:])&0x3fff != 0 {
			return true
		}
		header := int(p[0]&15) * 4
		if header < 20 {
			return false
		}
		rest = p[min(header, len(p)):]
	case 6:
		protocol, icmp, errors = p[6], 58, []byte{1, 2, 3, 134}
		switch protocol {
		case 0, 43, 44, 60:
			return true
		case 47:
			return w.tunnels
		}
		rest = p[min(40, len(p)):]
	}
	if len(rest) < 4 {
		return false
	}
	src, dst := binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])
	switch protocol {
	case icmp:
		return slices.Contains(errors, rest[0])
	case 6, 17:
		return slices.Contains(w.ports, src) || slices.Contains(w.ports, dst) || dst == 68 || dst == 546 || w.tunnels && dst == 4789
	}
	return false
}

// filterRunners gives a function that runs the program on a packet: in a virtual
// machine, and in the kernel, on a pair of sockets that needs no privilege.
func filterRunners(t testing.TB, w filterWanted) func(rapid.TB, []byte, bool) {
	t.Helper()
	program, err := filterProgram(w)
	if err != nil {
		t.Fatal(err)
	}
	code, all := bpf.Disassemble(program)
	if !all {
		t.Fatal("the program cannot be read back")
	}
	machine, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	if err := liveAttach(pair[1], program); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	return func(t rapid.TB, p []byte, want bool) {
		t.Helper()
		kept := 0
		if want {
			kept = filterKeep
		}
		if got, err := machine.Run(p); err != nil || got != kept {
			t.Errorf("machine keeps %d of %x, want %d (%v)", got, p, kept, err)
		}
		if len(p) > len(buf) {
			return
		}
		if _, err := unix.Write(pair[0], p); err != nil {
			t.Fatal(err)
		}
		n, err := unix.Read(pair[1], buf)
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			t.Fatal(err)
		}
		if got := err == nil; got != want || want && n != len(p) {
			t.Errorf("kernel lets %x pass: %t with %d octets, want %t", p, got, n, want)
		}
	}
}

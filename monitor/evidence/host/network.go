package host

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"strings"
)

// gateway gives the default gateway of the main IPv4 table, as the kernel shows it
// in /proc/net/route, and its interface; of several that with the lowest metric.
// IPv4 is enough to tell networks apart: those without it have no default route
// here, and are one network.
func gateway(r io.Reader) (a netip.Addr, iface string) {
	best := ""
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		// Iface Destination Gateway Flags RefCnt Use Metric Mask
		f := strings.Fields(sc.Text())
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			continue
		}
		b, err := hex.DecodeString(f[2])
		if err != nil || len(b) != 4 {
			continue
		}
		metric := strings.Repeat("0", max(0, 10-len(f[6]))) + f[6]
		if best != "" && metric >= best {
			continue
		}
		var four [4]byte
		binary.BigEndian.PutUint32(four[:], binary.NativeEndian.Uint32(b))
		a, iface, best = netip.AddrFrom4(four), f[0], metric
	}
	return a, iface
}

// hardware gives the hardware address of a neighbour, as /proc/net/arp has it; empty
// where it is not known.
func hardware(r io.Reader, a netip.Addr, iface string) string {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		// IP address, HW type, Flags, HW address, Mask, Device
		f := strings.Fields(sc.Text())
		if len(f) < 6 || f[0] != a.String() || f[5] != iface || f[3] == "00:00:00:00:00:00" {
			continue
		}
		return f[3]
	}
	return ""
}

package evidence

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/dnstaster/dnstaster/monitor"
)

var ownAddresses = []netip.Addr{
	netip.MustParseAddr("198.51.99.7"), netip.MustParseAddr("10.1.2.3"),
	netip.MustParseAddr("2a00:1450::7"), netip.MustParseAddr("fe80::1%eth0"),
}

func own() ([]netip.Addr, error) { return ownAddresses, nil }

const inside = ", inside an IPv6 address"

func TestGuard(t *testing.T) {
	const (
		open  = ""
		rfc19 = "private (RFC 1918)"
		rfc41 = "private (RFC 4193)"
		mine  = "this host's own address"
	)
	tests := []struct {
		addr string
		want string // why it is refused
		priv string // why it is refused where private networks are allowed
	}{
		{"1.1.1.1", open, open},
		{"8.8.8.8", open, open},
		{"100.63.255.255", open, open},
		{"100.128.0.0", open, open},
		{"172.15.255.255", open, open},
		{"172.32.0.0", open, open},
		{"192.0.1.1", open, open},
		{"198.20.0.1", open, open},
		{"223.255.255.255", open, open},
		{"2606:4700::1111", open, open},
		{"2a00:1450::8", open, open},
		{"2001:4860:4860::8888", open, open},
		{"::ffff:8.8.8.8", open, open},
		{"64:ff9b::8.8.8.8", open, open},
		{"2002:808:808::1", open, open},

		{"127.0.0.1", "loopback", "loopback"},
		{"127.255.255.254", "loopback", "loopback"},
		{"::1", "loopback", "loopback"},
		{"::ffff:127.0.0.1", "loopback", "loopback"},
		{"::127.0.0.1", "reserved", "reserved"},
		{"::ffff:0:127.0.0.1", "reserved", "reserved"},
		{"64:ff9b::127.0.0.1", "loopback" + inside, "loopback" + inside},
		{"64:ff9b:1::127.0.0.1", "local NAT64 (RFC 8215)", "local NAT64 (RFC 8215)"},
		{"64:ff9b:1:7f00:0:100::", "local NAT64 (RFC 8215)", "local NAT64 (RFC 8215)"},
		{"2002:7f00:1::1", "loopback" + inside, "loopback" + inside},
		{"2001:0:7f00:1::", "loopback" + inside, "loopback" + inside},
		{"2001:0:808:808:0:0:80ff:fffe", "loopback" + inside, "loopback" + inside},

		{"0.0.0.0", "this host", "this host"},
		{"0.1.2.3", "this host", "this host"},
		{"::", "unspecified", "unspecified"},
		{"::ffff:0.0.0.0", "this host", "this host"},
		{"64:ff9b::", "this host" + inside, "this host" + inside},

		{"169.254.0.1", "link-local", "link-local"},
		{"169.254.169.254", "link-local", "link-local"},
		{"::ffff:169.254.169.254", "link-local", "link-local"},
		{"64:ff9b::a9fe:a9fe", "link-local" + inside, "link-local" + inside},
		{"2002:a9fe:a9fe::", "link-local" + inside, "link-local" + inside},
		{"fe80::2", "link-local", "link-local"},
		{"fe80::2%eth0", "link-local", "link-local"},
		{"febf::1", "link-local", "link-local"},
		{"2606:4700::1111%eth0", "link-local", "link-local"},
		{"fec0::1", "reserved", "reserved"},

		{"224.0.0.1", "multicast", "multicast"},
		{"239.255.255.255", "multicast", "multicast"},
		{"ff02::1", "multicast", "multicast"},
		{"ff0e::1", "multicast", "multicast"},
		{"240.0.0.1", "reserved", "reserved"},
		{"255.255.255.255", "reserved", "reserved"},
		{"64:ff9b::255.255.255.255", "reserved" + inside, "reserved" + inside},

		{"168.63.129.16", "platform metadata", "platform metadata"},
		{"64:ff9b::168.63.129.16", "platform metadata" + inside, "platform metadata" + inside},
		{"100.100.100.200", "platform metadata", "platform metadata"},
		{"::ffff:100.100.100.200", "platform metadata", "platform metadata"},
		{"192.0.0.192", "platform metadata", "platform metadata"},
		{"fd00:ec2::254", "platform metadata", "platform metadata"},
		{"fd00:ec2::23", "platform metadata", "platform metadata"},
		{"fd20:ce::254", "platform metadata", "platform metadata"},
		{"fd00:c1::a9fe:a9fe", "platform metadata", "platform metadata"},
		{"fd00:42::42", "platform metadata", "platform metadata"},

		{"192.0.0.8", "protocol assignments", "protocol assignments"},
		{"192.0.2.1", "documentation", "documentation"},
		{"198.51.100.1", "documentation", "documentation"},
		{"203.0.113.255", "documentation", "documentation"},
		{"2001:db8::1", "documentation", "documentation"},
		{"3fff::1", "documentation", "documentation"},
		{"198.18.0.1", "benchmarking (RFC 2544)", "benchmarking (RFC 2544)"},
		{"192.88.99.1", "retired 6to4 relay", "retired 6to4 relay"},
		{"2001:2::1", "protocol assignments", "protocol assignments"},
		{"2001:20::1", "protocol assignments", "protocol assignments"},
		{"100::1", "discard-only", "discard-only"},
		{"5f00::1", "reserved", "reserved"},
		{"4000::1", "reserved", "reserved"},

		{"10.0.0.1", rfc19, open},
		{"172.31.255.255", rfc19, open},
		{"192.168.1.1", rfc19, open},
		{"::ffff:192.168.1.1", rfc19, open},
		{"64:ff9b::10.0.0.1", rfc19 + inside, open},
		{"2002:a00:1::", rfc19 + inside, open},
		{"100.64.0.1", "shared by a carrier's NAT (RFC 6598)", open},
		{"fc00::1", rfc41, open},
		{"fd12:3456::1", rfc41, open},

		{"198.51.99.7", mine, mine},
		{"::ffff:198.51.99.7", mine, mine},
		{"64:ff9b::198.51.99.7", mine, mine},
		{"2002:c633:6307::1", mine, mine},
		{"10.1.2.3", rfc19, mine},
		{"2a00:1450::7", mine, mine},
	}
	g := guard{own: own}
	for _, tt := range tests {
		a := netip.MustParseAddr(tt.addr)
		if got := g.refuses(a, false); got != tt.want {
			t.Errorf("refuses(%s) = %q, want %q", a, got, tt.want)
		}
		if got := g.refuses(a, true); got != tt.priv {
			t.Errorf("refuses(%s), private allowed, = %q, want %q", a, got, tt.priv)
		}
	}
	if g.refuses(netip.Addr{}, true) == "" {
		t.Error("the zero address is let pass")
	}
}

func TestGuardAllows(t *testing.T) {
	g := guard{own: own, allow: []netip.Prefix{
		netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("10.1.2.3/32"), netip.MustParsePrefix("127.0.1.0/24"),
	}}
	for addr, want := range map[string]bool{
		"198.18.0.1": true, "198.19.255.255": true, "::ffff:198.18.0.1": true, "10.1.2.3": true, "127.0.1.10": true,
		"127.0.0.1": false, "10.1.2.4": false, "64:ff9b::198.18.0.1": false, "64:ff9b::127.0.1.10": false, "2002:7f00:10a::": false,
	} {
		if why := g.refuses(netip.MustParseAddr(addr), false); (why == "") != want {
			t.Errorf("refuses(%s) = %q, want let pass: %v", addr, why, want)
		}
	}
}

func TestGuardWithoutOwnAddresses(t *testing.T) {
	g := guard{own: func() ([]netip.Addr, error) { return nil, errors.New("netlink: \x1b forbidden") }}
	want := `this host's own addresses cannot be read: netlink: \x1b forbidden`
	if got := g.refuses(netip.MustParseAddr("8.8.8.8"), false); got != want {
		t.Errorf("refuses = %q, want %q", got, want)
	}
}

// TestGuardAtTheSocket changes the host's addresses between the first look and
// the connection.
func TestGuardAtTheSocket(t *testing.T) {
	looks := 0
	p := proverFor(newAuthority(t, "Example CA"), func(c *Config) {
		c.AllowPrefixes = nil
		c.OwnAddresses = func() ([]netip.Addr, error) {
			if looks++; looks == 1 {
				return nil, nil
			}
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		}
	})
	e := p.Prove(t.Context(), monitor.Proof{Name: host, Address: netip.MustParseAddr("8.8.8.8"), Port: 443})
	wantNotDialled(t, e, "never dialled: this host's own address")
	if got := p.Stats(); looks != 2 || got.Guarded != 1 {
		t.Errorf("%d looks, %+v; want 2, and one guarded", looks, got)
	}
}

// TestOwnAddresses asks the kernel.
func TestOwnAddresses(t *testing.T) {
	addrs, err := interfaceAddresses()
	if err != nil {
		t.Fatal(err)
	}
	g := guard{own: interfaceAddresses}
	for _, a := range addrs {
		if why := g.refuses(a, true); why == "" {
			t.Errorf("%s of this host is let pass", a)
		}
	}
	// What the kernel sends from is this host's.
	c, err := net.Dial("udp", "8.8.8.8:9")
	if err != nil {
		// A machine without a network sends from no address; what is above has run.
		t.Skip("no route to ask:", err)
	}
	defer c.Close()
	from := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	if why := g.refuses(from, true); why == "" {
		t.Errorf("%s, which this host sends from, is let pass", from)
	}
}

// FuzzGuard takes 16 bytes as an address, and their head as a loopback address
// in each notation that carries one.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"::", "::1", "::ffff:127.0.0.1", "2001:db8::1", "64:ff9b::7f00:1", "2606:4700::1111", "fd00:ec2::254"} {
		b := netip.MustParseAddr(s).As16()
		f.Add(b[:], true)
	}
	none := func() ([]netip.Addr, error) { return nil, nil }
	f.Fuzz(func(t *testing.T, data []byte, private bool) {
		if len(data) != 16 {
			return
		}
		g := guard{own: none}
		x, y, z := data[0], data[1], data[2]
		tail := string(data[3:])
		for what, form := range map[string]string{
			"IPv4-mapped":   strings.Repeat("\x00", 10) + "\xff\xff" + string([]byte{127, x, y, z}),
			"IPv4-compat":   strings.Repeat("\x00", 12) + string([]byte{127, x, y, z}),
			"SIIT":          strings.Repeat("\x00", 8) + "\xff\xff\x00\x00" + string([]byte{127, x, y, z}),
			"NAT64":         "\x00\x64\xff\x9b" + strings.Repeat("\x00", 8) + string([]byte{127, x, y, z}),
			"NAT64 /48":     "\x00\x64\xff\x9b\x00\x01" + string([]byte{127, x, 0, y, z}) + tail[:5],
			"NAT64 /96":     "\x00\x64\xff\x9b\x00\x01" + tail[:6] + string([]byte{127, x, y, z}),
			"6to4":          "\x20\x02" + string([]byte{127, x, y, z}) + tail[:10],
			"Teredo server": "\x20\x01\x00\x00" + string([]byte{127, x, y, z}) + tail[:8],
			"Teredo client": "\x20\x01\x00\x00" + tail[:8] + string([]byte{^byte(127), ^x, ^y, ^z}),
		} {
			a := netip.AddrFrom16([16]byte([]byte(form)))
			if g.refuses(a, private) == "" {
				t.Errorf("%s, loopback as %s, is let pass", a, what)
			}
		}
		if v4 := netip.AddrFrom4([4]byte{127, x, y, z}); g.refuses(v4, private) == "" {
			t.Errorf("%s is let pass", v4)
		}

		a := netip.AddrFrom16([16]byte(data))
		if g.refuses(a, private) != "" {
			return
		}
		u := a.Unmap()
		if !u.IsGlobalUnicast() || u.IsPrivate() && !private {
			t.Errorf("%s is let pass, private %v", a, private)
		}
		if u.Is6() && u.AsSlice()[0]>>5 != 1 && !nat64.Contains(u) && !u.IsPrivate() {
			t.Errorf("%s, outside 2000::/3, is let pass", a)
		}
		if g := (guard{own: func() ([]netip.Addr, error) { return []netip.Addr{a}, nil }}); g.refuses(a, private) == "" {
			t.Errorf("%s is let pass, and is this host's", a)
		}
	})
}

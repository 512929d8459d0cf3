package probe

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// listen opens a TCP port of an address on loopback, and gives it.
func listen(t *testing.T, addr string) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// What is too near, or not there, tells nothing. What is further away than loopback
// is in the lab (A06).
func TestLimited(t *testing.T) {
	for name, tt := range map[string]struct {
		addr string
		open bool
		tr   monitor.Transport
		want monitor.Outcome
		word string
	}{
		"next door":              {"127.0.0.1", true, monitor.UDP, monitor.OutcomeNotDialled, "1 hop away"},
		"next door, over IPv6":   {"::1", true, monitor.UDP, monitor.OutcomeNotDialled, "1 hop away"},
		"nobody listens":         {"127.0.0.1", false, monitor.UDP, monitor.OutcomeUnreachable, "nothing learnt"},
		"an encrypted resolver":  {"127.0.0.1", true, monitor.DoT, monitor.OutcomeNotDialled, "no plain resolver"},
		"a resolver without one": {"127.0.0.1", true, monitor.UDP, monitor.OutcomeNotDialled, "no plain resolver"},
	} {
		t.Run(name, func(t *testing.T) {
			port := listen(t, tt.addr)
			if !tt.open {
				port = 1 // tcpmux: nobody has that
			}
			if strings.HasSuffix(name, "without one") {
				port = 0
			}
			p := New(Config{Timeout: 100 * time.Millisecond}, nil, nil)
			e := p.Prove(t.Context(), monitor.Proof{
				Kind: monitor.EvidenceLimited, Name: "api.partner.example.", Port: port,
				Via: monitor.Resolver{Name: "r", Transport: tt.tr, Addr: netip.AddrPortFrom(netip.MustParseAddr(tt.addr), 53)},
			})
			if e.Outcome != tt.want || !strings.Contains(e.Detail, tt.word) || e.Answered {
				t.Errorf("%+v, want %s and %q", e, tt.want, tt.word)
			}
		})
	}
}

// It ends with the caller: that is no silence.
func TestLimitedGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := New(Config{}, nil, nil).Prove(ctx, monitor.Proof{
		Kind: monitor.EvidenceLimited, Name: "api.partner.example.", Port: listen(t, "127.0.0.1"),
		Via: monitor.Resolver{Name: "r", Transport: monitor.UDP, Addr: netip.MustParseAddrPort("127.0.0.1:53")},
	})
	if e.Outcome != monitor.OutcomeNotDialled || e.Detail != "given up: context canceled" {
		t.Errorf("%+v", e)
	}
}

// A question with a TTL that suffices is answered; silence takes its time and no more.
func TestAnswers(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	silent := make(chan bool, 1)
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if len(silent) == 0 {
				b[0] ^= 0xff // somebody else's first
				c.WriteTo(b[:n], from)
				b[0] ^= 0xff
				b[2] |= 0x80
				c.WriteTo(b[:n], from)
			}
		}
	}()
	message, err := query("api.partner.example.", monitor.TypeA, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	to := c.LocalAddr().(*net.UDPAddr).AddrPort()
	if !answers(t.Context(), to, message, 1, 10*time.Second) {
		t.Error("no answer")
	}
	silent <- true
	if answers(t.Context(), to, message, 1, 50*time.Millisecond) {
		t.Error("an answer out of silence")
	}
}

package evidence

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestBudget(t *testing.T) {
	const address, prefix = "2 dials a minute to this address are spent", "3 dials a minute to "
	steps := []struct {
		after time.Duration // since the first
		addr  string
		want  string
	}{
		{0, "192.0.2.1", ""},
		{0, "::ffff:192.0.2.1", ""},
		{time.Second, "192.0.2.1", address},
		{time.Second, "64:ff9b::192.0.2.1", address},
		{2 * time.Second, "192.0.2.2", ""},
		{2 * time.Second, "192.0.2.3", prefix + "192.0.2.0/24 are spent"},
		{2 * time.Second, "192.0.3.1", ""},
		{2 * time.Second, "2001:db8:0:1::1", ""},
		{2 * time.Second, "2001:db8:0:2::1", ""},
		{2 * time.Second, "2001:db8:0:3::1", ""},
		{2 * time.Second, "2001:db8:0:ffff::1", prefix + "2001:db8::/48 are spent"},
		{2 * time.Second, "2001:db8:1::1", ""},
		{59 * time.Second, "192.0.2.1", address},
		{60 * time.Second, "192.0.2.1", ""},
		{60 * time.Second, "192.0.2.1", ""},
		{60 * time.Second, "192.0.2.4", prefix + "192.0.2.0/24 are spent"},
		{62 * time.Second, "192.0.2.4", ""},
		{62 * time.Second, "192.0.2.1", address},
	}
	b := newBudget(2, 3, defaultWindow)
	start := time.Now()
	for _, s := range steps {
		if got := b.take(netip.MustParseAddr(s.addr), start.Add(s.after)); got != s.want {
			t.Errorf("%v: take(%s) = %q, want %q", s.after, s.addr, got, s.want)
		}
	}
}

// TestBudgetHolds looks at every minute of random traffic.
func TestBudgetHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perAddress, perPrefix := rapid.IntRange(0, 4).Draw(t, "per address"), rapid.IntRange(0, 8).Draw(t, "per prefix")
		b := newBudget(perAddress, perPrefix, defaultWindow)
		type dial struct {
			to netip.Addr
			at time.Time
		}
		var dials []dial
		at := now
		for range rapid.IntRange(0, 200).Draw(t, "attempts") {
			at = at.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "pause")) * time.Second)
			to := netip.AddrFrom4([4]byte{192, 0, byte(rapid.IntRange(0, 1).Draw(t, "net")), byte(rapid.IntRange(0, 5).Draw(t, "host"))})
			same, near := 0, 0
			_, prefix := keys(to)
			for _, d := range dials {
				if at.Sub(d.at) < time.Minute && prefix.Contains(d.to) {
					near++
					if d.to == to {
						same++
					}
				}
			}
			got, want := b.take(to, at) == "", same < perAddress && near < perPrefix
			if got != want {
				t.Fatalf("take(%s) = %v, want %v: %d to it and %d to its network in the last minute", to, got, want, same, near)
			}
			if got {
				dials = append(dials, dial{to, at})
			}
		}
	})
}

// TestBudgetIsBounded dials ever new networks.
func TestBudgetIsBounded(t *testing.T) {
	b := newBudget(6, 30, defaultWindow)
	start := time.Now()
	addr := func(i int) netip.Addr {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], uint32(i)<<8)
		return netip.AddrFrom4(a)
	}
	passed := 0
	for i := range 3 * maxWindows {
		if b.take(addr(i), start) == "" {
			passed++
		}
	}
	if passed != maxWindows/2 || len(b.windows) > maxWindows {
		t.Errorf("%d dials passed with %d windows, want %d and at most %d", passed, len(b.windows), maxWindows/2, maxWindows)
	}
	if why := b.take(addr(1<<20), start); !strings.HasPrefix(why, "too many") {
		t.Errorf("take = %q, want too many", why)
	}
	if why := b.take(addr(1<<20), start.Add(time.Minute)); why != "" || len(b.windows) != 2 {
		t.Errorf("a minute later: %q with %d windows, want the idle ones gone", why, len(b.windows))
	}
	for i := range 1000 {
		b.take(addr(1), start.Add(2*time.Minute+time.Duration(i)*time.Second))
	}
	for _, w := range b.windows {
		if len(w) > 30 || cap(w) > 4*30 {
			t.Errorf("a window of %d dials in %d", len(w), cap(w))
		}
	}
}

// TestBudgetOfProofs spends a budget by the fake clock of a bubble; a slot is
// all that is waited for.
func TestBudgetOfProofs(t *testing.T) {
	ca := newAuthority(t, "Example CA")
	unroutable := netip.MustParseAddrPort("255.255.255.255:443")
	synctest.Test(t, func(t *testing.T) {
		p := proverFor(ca, func(c *Config) {
			c.PerAddress, c.PerPrefix = 0, 0
			c.AllowPrefixes = []netip.Prefix{netip.PrefixFrom(unroutable.Addr(), 32)}
		})
		for range 6 {
			if e := p.Prove(t.Context(), proofOf(unroutable)); e.Outcome != monitor.OutcomeUnreachable {
				t.Fatalf("Prove = %s %q", e.Outcome, e.Detail)
			}
			time.Sleep(time.Second)
		}
		wantNotDialled(t, p.Prove(t.Context(), proofOf(unroutable)), "budget: 6 dials a minute to this address are spent")
		time.Sleep(54 * time.Second)
		if e := p.Prove(t.Context(), proofOf(unroutable)); e.Outcome != monitor.OutcomeUnreachable {
			t.Errorf("a minute after the first: %s %q", e.Outcome, e.Detail)
		}
		wantNotDialled(t, p.Prove(t.Context(), proofOf(unroutable)), "budget: 6 dials a minute to this address are spent")
		if got := p.Stats().OverBudget; got != 2 {
			t.Errorf("OverBudget = %d, want 2", got)
		}
	})
}

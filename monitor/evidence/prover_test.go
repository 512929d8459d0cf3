package evidence

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestNames(t *testing.T) {
	tests := []struct {
		name, want string
		ok         bool
	}{
		{"api.example.com.", "api.example.com", true},
		{"API.Example.COM", "api.example.com", true},
		{"_dmarc.example.com.", "_dmarc.example.com", true},
		{"b\u00fccher.example", "xn--bcher-kva.example", true},
		{"", "", false},
		{".", "", false},
		{"*.example.com.", "", false},
		{"192.0.2.1", "", false},
		{"192.0.2.1.", "", false},
		{"::1", "", false},
		{"a b.example", "", false},
		{"a\x00.example", "", false},
		{strings.Repeat("a.", 130) + "example", "", false},
	}
	for _, tt := range tests {
		got, ok := hostName(tt.name)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("hostName(%q) = %q, %v, want %q, %v", tt.name, got, ok, tt.want, tt.ok)
		}
		if !ok {
			e := New(Config{}, nil).Prove(t.Context(), monitor.Proof{Name: tt.name, Address: netip.MustParseAddr("127.0.0.1"), Port: 443})
			if e.Outcome != monitor.OutcomeNotDialled || !strings.HasPrefix(e.Detail, "not a host name") {
				t.Errorf("Prove(%q) = %s %q", tt.name, e.Outcome, e.Detail)
			}
		}
	}
}

// TestCancel takes back a proof at each place where it can wait.
func TestCancel(t *testing.T) {
	ca := newAuthority(t, "Example CA")
	begun := make(chan struct{}, 1)
	at := serve(t, func(c net.Conn) {
		begun <- struct{}{}
		io.Copy(io.Discard, c)
	})
	p := proverFor(ca, func(c *Config) { c.Timeout, c.Concurrency = time.Minute, 1 })
	const given = "given up: context canceled"

	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantNotDialled(t, p.Prove(ctx, proofOf(at)), given)
	})
	t.Run("in the handshake", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-begun; cancel() }()
		start := time.Now()
		wantNotDialled(t, p.Prove(ctx, proofOf(at)), given)
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("Prove returned after %v", d)
		}
	})
	t.Run("deadline of the caller", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		wantNotDialled(t, p.Prove(ctx, proofOf(at)), "given up: context deadline exceeded")
		<-begun
	})
	t.Run("waiting for a slot", func(t *testing.T) {
		p.slots <- struct{}{}
		defer func() { <-p.slots }()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		wantNotDialled(t, p.Prove(ctx, proofOf(at)), "given up: context deadline exceeded")
	})
	if got := p.Stats().InFlight; got != 0 {
		t.Errorf("InFlight = %d at the end, want 0", got)
	}
}

func wantNotDialled(t *testing.T, e monitor.Evidence, detail string) {
	t.Helper()
	if e.Outcome != monitor.OutcomeNotDialled || e.Detail != detail {
		t.Errorf("Prove = %s %q, want not_dialled %q", e.Outcome, e.Detail, detail)
	}
}

// TestShare lets ten callers wait for one attempt, which an empty budget ends
// without any network.
func TestShare(t *testing.T) {
	ca := newAuthority(t, "Example CA")
	synctest.Test(t, func(t *testing.T) {
		p := proverFor(ca, func(c *Config) { c.Concurrency = 1 })
		p.budget = newBudget(0, 0, defaultWindow)
		p.slots <- struct{}{} // nobody gets on

		leader, giveUp := context.WithCancel(t.Context())
		results := make(chan monitor.Evidence, 10)
		prove := func(ctx context.Context, role string) {
			proof := proofOf(netip.MustParseAddrPort("127.0.0.1:443"))
			proof.Role = role
			results <- p.Prove(ctx, proof)
		}
		go prove(leader, "leader")
		synctest.Wait()
		for i := range 9 {
			go prove(t.Context(), fmt.Sprint(i))
		}
		synctest.Wait()
		if len(p.flights) != 1 {
			t.Errorf("%d flights for one target", len(p.flights))
		}

		giveUp()
		synctest.Wait()
		if e := <-results; e.Role != "leader" || e.Detail != "given up: context canceled" {
			t.Errorf("the one that gave up got %+v", e)
		}
		if len(results) != 0 || len(p.flights) != 1 {
			t.Errorf("the others: %d ended, %d flights; want them to go on as one", len(results), len(p.flights))
		}

		<-p.slots
		synctest.Wait()
		roles := map[string]bool{}
		for range 9 {
			e := <-results
			roles[e.Role] = true
			if !strings.HasPrefix(e.Detail, "budget: ") {
				t.Errorf("got %+v, want the shared refusal", e)
			}
		}
		if len(roles) != 9 {
			t.Errorf("%d roles came back, want each caller's own", len(roles))
		}
		want := Stats{Outcomes: map[monitor.Outcome]uint64{monitor.OutcomeNotDialled: 10}, OverBudget: 1}
		if diff := cmp.Diff(want, p.Stats()); diff != "" {
			t.Errorf("Stats (-want +got):\n%s", diff)
		}
		if len(p.flights) != 0 {
			t.Errorf("%d flights left", len(p.flights))
		}
	})
}

// TestSlots has more proofs than slots.
func TestSlots(t *testing.T) {
	ca := newAuthority(t, "Example CA")
	open := make(chan struct{}, 8)
	release := make(chan struct{})
	cfg := with(ca.issue(t, nil))
	at := serve(t, func(c net.Conn) {
		open <- struct{}{}
		<-release
		io.ReadAll(tls.Server(c, cfg))
	})
	p := proverFor(ca, func(c *Config) { c.Concurrency = 2 })
	results := make(chan monitor.Evidence, 5)
	for i := range 5 {
		proof := proofOf(at)
		proof.Name = fmt.Sprintf("%d.example", i)
		go func() { results <- p.Prove(t.Context(), proof) }()
	}
	<-open
	<-open
	select {
	case <-open:
		t.Error("a third connection beside two slots")
	case <-time.After(100 * time.Millisecond):
	}
	if got := p.Stats().InFlight; got != 2 {
		t.Errorf("InFlight = %d, want 2", got)
	}
	close(release)
	for range 5 {
		if e := <-results; e.Outcome != monitor.OutcomeNameMismatch {
			t.Errorf("Prove = %s %q", e.Outcome, e.Detail)
		}
	}
	want := Stats{Outcomes: map[monitor.Outcome]uint64{monitor.OutcomeNameMismatch: 5}}
	if diff := cmp.Diff(want, p.Stats()); diff != "" {
		t.Errorf("Stats (-want +got):\n%s", diff)
	}
}

// TestDefaults makes a Prover as production does.
func TestDefaults(t *testing.T) {
	p := New(Config{}, nil)
	if p.judge.empty {
		t.Error("no roots, though some are embedded")
	}
	if cap(p.slots) != 16 || p.timeout != 5*time.Second || p.budget.perAddress != 6 || p.budget.perPrefix != 30 {
		t.Errorf("defaults: %d slots, %v, %d and %d a minute", cap(p.slots), p.timeout, p.budget.perAddress, p.budget.perPrefix)
	}
	own, err := p.guard.own()
	if err != nil || len(own) == 0 {
		t.Errorf("own addresses: %v, %v", own, err)
	}
	e := p.Prove(t.Context(), proofOf(netip.MustParseAddrPort("127.0.0.1:443")))
	wantNotDialled(t, e, "never dialled: loopback")
	if got := p.Stats(); got.Guarded != 1 {
		t.Errorf("Stats = %+v, want one guarded", got)
	}
}

// TestNoRootStore runs TestDefaults again where the system has no roots.
func TestNoRootStore(t *testing.T) {
	none := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDefaults$", "-test.v")
	cmd.Env = append(os.Environ(), "SSL_CERT_DIR="+none, "SSL_CERT_FILE="+filepath.Join(none, "none"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS: TestDefaults") {
		t.Errorf("%v\n%s", err, out)
	}
}

func BenchmarkProve(b *testing.B) {
	ca := newAuthority(b, "Example CA")
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		b.Run(tls.VersionName(v), func(b *testing.B) {
			cfg := with(ca.below(b, "Middle", nil).issue(b, nil))
			cfg.MaxVersion = v
			at, _ := serveTLS(b, cfg)
			p := proverFor(ca, nil)
			b.ReportAllocs()
			for b.Loop() {
				if e := p.Prove(b.Context(), proofOf(at)); e.Outcome != monitor.OutcomeOK {
					b.Fatal(e.Outcome, e.Detail)
				}
			}
		})
	}
}

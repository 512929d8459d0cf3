package dnssec

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

func proof(name, via string) monitor.Proof {
	return monitor.Proof{Kind: monitor.EvidenceDNSSEC, Name: name, Type: monitor.TypeA, Via: testResolver(via)}
}

func wantStatus(t *testing.T, e monitor.Evidence, want monitor.DNSSECStatus, detail string) {
	t.Helper()
	if e.Status != want || !strings.Contains(e.Detail, detail) {
		t.Errorf("status %s, want %s with %q: %s", e.Status, want, detail, e.Detail)
	}
}

// junk adds signatures that look right and are not, before the right one.
func junk(rrs []dns.RR, n int) []dns.RR {
	var all []dns.RR
	for _, r := range rrs {
		if sig, ok := r.(*dns.RRSIG); ok {
			for i := range n {
				bad := dns.Copy(sig).(*dns.RRSIG)
				bad.OrigTtl += uint32(i) + 1
				all = append(all, bad)
			}
		}
	}
	return append(all, rrs...)
}

// TestKeyTrap sends signatures and keys to waste time on (CVE-2023-50387).
func TestKeyTrap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tamper["trap"] = func(q dns.Question, m *dns.Msg) *dns.Msg {
		if q.Name == "www.ed25519.test." {
			m.Answer = junk(m.Answer, 300)
		}
		return m
	}
	wantStatus(t, w.validator().Prove(t.Context(), proof("www.ed25519.test", "trap")), monitor.Indeterminate, "takes too many signatures to verify")

	// A resolver that answers so for the keys does not hide what it forges.
	w.tamper["trap"] = func(q dns.Question, m *dns.Msg) *dns.Msg {
		switch q.Qtype {
		case dns.TypeDNSKEY:
			m.Answer = junk(m.Answer, 300)
		case dns.TypeA:
			return forge(w, q, m)
		}
		return m
	}
	wantStatus(t, w.validator().Prove(t.Context(), proof("www.ed25519.test", "trap")), monitor.Bogus, "does not verify")
}

// TestKeyDigests has keys of one tag to be digested.
func TestKeyDigests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	z := w.named("ed25519.test.")
	w.tamper["trap"] = func(q dns.Question, m *dns.Msg) *dns.Msg {
		if q.Name == z.name && q.Qtype == dns.TypeDNSKEY {
			var keys []dns.RR
			for range 300 { // equal ones have equal tags
				keys = append(keys, &dns.DNSKEY{Hdr: z.key.Hdr, Flags: 257, Protocol: 3, Algorithm: z.algorithm, PublicKey: z.key.PublicKey})
			}
			m.Answer = append(keys, m.Answer...)
		}
		return m
	}
	v := w.validator(func(c *Config) { c.Chain = nil })
	wantStatus(t, v.Prove(t.Context(), proof("www.ed25519.test", "trap")), monitor.Indeterminate, "the keys of ed25519.test. take too many digests")
}

// TestEnclosers asks below a name without end (CVE-2023-50868).
func TestEnclosers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	deep := strings.Repeat("a.", 100) + "gone.ecdsa.test."
	v := w.validator(func(c *Config) { c.MaxHashes = 60 })
	wantStatus(t, v.Prove(t.Context(), proof(deep, "honest")), monitor.Indeterminate, "takes too many hashes to deny a name")
	wantStatus(t, w.validator().Prove(t.Context(), proof(deep, "honest")), monitor.Secure, "")
}

func TestQueries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tamper["strips"] = func(q dns.Question, m *dns.Msg) *dns.Msg {
		if q.Qtype == dns.TypeA {
			return stripAll(w, q, m)
		}
		return m
	}
	// Each label above may be a zone, and this name exists with all of them.
	name := strings.Repeat("a.", 60) + "rsa.test."
	w.named("rsa.test.").add(name + " 300 IN A 192.0.2.1")
	v := w.validator(func(c *Config) { c.MaxQueries = 20 })
	wantStatus(t, v.Prove(t.Context(), proof(name, "strips")), monitor.Indeterminate, "the proof takes more than 20 queries")
	if n := w.queries(); n != 20 {
		t.Errorf("%d queries, want 20", n)
	}
	// What was found out is not lost.
	for range 3 {
		v.Prove(t.Context(), proof(name, "strips"))
	}
	wantStatus(t, v.Prove(t.Context(), proof(name, "strips")), monitor.Bogus, "signatures are stripped")
}

// TestMemory counts what is asked for again.
func TestMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clock := now
	v := w.validator(func(c *Config) { c.Now = func() time.Time { return clock } })
	asked := func(name, via string) int {
		t.Helper()
		before := w.queries()
		wantStatus(t, v.Prove(t.Context(), proof(name, via)), monitor.Secure, "")
		return w.queries() - before
	}
	for _, tt := range []struct {
		name, via string
		later     time.Duration
		want      int
	}{
		{"www.rsa.test.", "honest", 0, 6},
		{"www.rsa.test.", "honest", 0, 1},
		{"www.rsa.test.", "another", 0, 1},
		{"www.ecdsa.test.", "honest", 0, 3},
		{"www.rsa.test.", "honest", 599 * time.Second, 1},
		{"www.rsa.test.", "honest", time.Second, 6},
		{"www.rsa.test.", "honest", -time.Hour, 6}, // the clock was set back
	} {
		clock = clock.Add(tt.later)
		if got := asked(tt.name, tt.via); got != tt.want {
			t.Errorf("%s at %s: %d queries, want %d", tt.name, clock, got, tt.want)
		}
	}
}

// TestMemoryOfSignatures has a signature end before the TTL of what it covers.
func TestMemoryOfSignatures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.named("test.").until = now.Add(time.Minute)
	clock := now
	v := w.validator(func(c *Config) { c.Now = func() time.Time { return clock } })
	wantStatus(t, v.Prove(t.Context(), proof("www.rsa.test.", "honest")), monitor.Secure, "")
	clock = clock.Add(61 * time.Second)
	wantStatus(t, v.Prove(t.Context(), proof("www.rsa.test.", "honest")), monitor.Indeterminate, "the clock here")
}

// TestFailureMemory has a chain that cannot be had be asked for again in a while.
func TestFailureMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tamper["bad"] = func(q dns.Question, m *dns.Msg) *dns.Msg {
		if q.Qtype != dns.TypeA {
			return nil
		}
		return m
	}
	clock := now
	v := w.validator(func(c *Config) {
		c.Chain = nil
		c.Now = func() time.Time { return clock }
	})
	for _, tt := range []struct {
		via   string
		later time.Duration
		want  int
	}{
		{"bad", 0, 2},
		{"bad", 0, 1},
		{"bad", 4 * time.Second, 1},
		{"bad", time.Second, 2},
		{"bad", -time.Hour, 2},
		{"honest", 0, 6}, // another's failure is not its own
		{"bad", 0, 1},    // what is proven is proven for all
	} {
		clock = clock.Add(tt.later)
		before := w.queries()
		v.Prove(t.Context(), proof("www.rsa.test.", tt.via))
		if got := w.queries() - before; got != tt.want {
			t.Errorf("%s at %s: %d queries, want %d", tt.via, clock, got, tt.want)
		}
	}
}

func TestMemoryBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := w.validator(func(c *Config) { c.MaxEntries = 16 })
	w.tamper["half"] = func(q dns.Question, m *dns.Msg) *dns.Msg {
		if strings.HasPrefix(q.Name, "f") && q.Qtype == dns.TypeDS {
			return nil
		}
		return stripAll(w, q, m)
	}
	w.tamper["chain"] = func(q dns.Question, m *dns.Msg) *dns.Msg {
		if strings.HasPrefix(q.Name, "f") && q.Qtype == dns.TypeDS {
			return nil
		}
		return m
	}
	z := w.named("rsa.test.")
	for i := range 40 {
		for _, kind := range []string{"x", "f"} {
			name := fmt.Sprintf("%s%d.rsa.test.", kind, i)
			z.add(name + " 300 IN A 192.0.2.1")
			v.Prove(t.Context(), proof(name, "half"))
		}
	}
	if cuts, failures := len(v.memory.cuts), len(v.memory.failures); cuts > 16 || failures > 16 || cuts < 4 || failures < 4 {
		t.Errorf("%d facts and %d failures are remembered, want 16 at most", cuts, failures)
	}
}

// TestRollover changes a zone's keys while old ones are remembered, as they may
// be: what the new key signs is no forgery.
func TestRollover(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	z := w.named("rsa.test.")
	v := w.validator()
	wantStatus(t, v.Prove(t.Context(), proof("www.rsa.test.", "honest")), monitor.Secure, "")

	// The old key stays, as the one for keys.
	old := *z
	next := newZone("rsa.test.", dns.RSASHA256)
	next.key.Flags = 256
	z.key, z.private = next.key, next.private
	both := []dns.RR{old.key, next.key}
	w.tamper["honest"] = func(q dns.Question, m *dns.Msg) *dns.Msg {
		if q.Name == z.name && q.Qtype == dns.TypeDNSKEY {
			m.Answer = old.sign(both)
		}
		return m
	}
	before := w.queries()
	wantStatus(t, v.Prove(t.Context(), proof("www.rsa.test.", "honest")), monitor.Secure, "key "+itoa(next.key.KeyTag()))
	wantStatus(t, v.Prove(t.Context(), proof("www.rsa.test.", "honest")), monitor.Secure, "key "+itoa(next.key.KeyTag()))
	if got := w.queries() - before; got != 4 { // the keys, once from each of two
		t.Errorf("%d queries, want 4", got)
	}

	// A resolver that has the new answer and the old keys.
	w.tamper["behind"] = func(q dns.Question, m *dns.Msg) *dns.Msg {
		if q.Name == z.name && q.Qtype == dns.TypeDNSKEY {
			m.Answer = old.sign([]dns.RR{old.key})
		}
		return m
	}
	w.tamper["chain"] = w.tamper["honest"]
	wantStatus(t, w.validator().Prove(t.Context(), proof("www.rsa.test.", "behind")), monitor.Secure, "key "+itoa(next.key.KeyTag()))
}

// slow takes a second for each response, and stops when it is told to.
type slow struct{ *world }

func (s slow) Exchange(ctx context.Context, r monitor.Resolver, b []byte) ([]byte, error) {
	select {
	case <-time.After(time.Second):
		return s.world.Exchange(ctx, r, b)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestSingleFlight has many ask for the same at a time.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		v := w.validator()
		v.ex = slow{w}
		var wg sync.WaitGroup
		first, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			wantStatus(t, v.Prove(first, proof("www.rsa.test.", "honest")), monitor.Indeterminate, "given up: context canceled")
		})
		synctest.Wait()
		for range 20 {
			wg.Go(func() {
				wantStatus(t, v.Prove(t.Context(), proof("www.rsa.test.", "honest")), monitor.Secure, "")
			})
		}
		synctest.Wait()
		time.Sleep(500 * time.Millisecond)
		cancel() // whoever waits begins again
		start := time.Now()
		wg.Wait()
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("took %v, want 7 s", took)
		}
		if n := w.queries(); n != 6 {
			t.Errorf("%d queries, want 6", n)
		}
	})
}

// TestCanceled ends a proof at each of its queries.
func TestCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		v := w.validator()
		v.ex = slow{w}
		for n := range 6 {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			start := time.Now()
			wantStatus(t, v.Prove(ctx, proof("www.ecdsa.test.", "honest")), monitor.Indeterminate, "given up: context deadline exceeded")
			if took := time.Since(start); took != 500*time.Millisecond {
				t.Errorf("took %v, want 500 ms", took)
			}
			cancel()
			// One step more is remembered each time, as nothing was wrong with it.
			ctx, cancel = context.WithTimeout(t.Context(), time.Duration(n)*time.Second+500*time.Millisecond)
			v.Prove(ctx, proof("www.ecdsa.test.", "honest"))
			cancel()
		}
		wantStatus(t, v.Prove(t.Context(), proof("www.ecdsa.test.", "honest")), monitor.Secure, "")
		if len(v.memory.failures) != 0 {
			t.Errorf("failures are remembered: %v", v.memory.failures)
		}
	})
}

// TestCanceledForgery ends proofs of a forged answer everywhere on the way: it
// is bogus where the way was gone to its end, and only there.
func TestCanceledForgery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.tamper["liar"] = func(q dns.Question, m *dns.Msg) *dns.Msg {
			if q.Qtype == dns.TypeA {
				return forge(w, q, m)
			}
			return m
		}
		ended, bogus := 0, 0
		for n := range 14 {
			v := w.validator()
			v.ex = slow{w}
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*time.Second+500*time.Millisecond)
			e := v.Prove(ctx, proof("www.ecdsa.test.", "liar"))
			if ctx.Err() != nil {
				ended++
				wantStatus(t, e, monitor.Indeterminate, "given up")
			} else {
				bogus++
				wantStatus(t, e, monitor.Bogus, "does not verify")
			}
			cancel()
		}
		if ended < 8 || bogus == 0 {
			t.Errorf("%d proofs were ended and %d came to their end", ended, bogus)
		}
	})
}

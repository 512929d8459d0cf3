//go:build lab

package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// certificate gives the fingerprint of the certificate that a server shows for a
// name.
func certificate(r *Run, addr, name string) (string, error) {
	out, err := r.w.Client().Run("sh", "-c", fmt.Sprintf("openssl s_client -connect %s:443 -servername %s </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256", addr, name))
	return strings.TrimSpace(out), err
}

// ttl gives the TTL of the first A record that a server answers to a host.
func ttl(r *Run, host, server, name string) (int, error) {
	out, err := r.w.Host(host).Run("dig", "@"+server, name, "A", "+noall", "+answer", "+tries=1", "+time=12") // BIND waits for ten seconds before it gives what is stale
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 5 && f[3] == "A" {
			return strconv.Atoi(f[1])
		}
	}
	return 0, fmt.Errorf("%s gives no address of %s: %s", server, name, out)
}

// span is which TTLs a server's answer for the case's name may have, in seconds.
type span struct {
	server   string
	from, to int
}

// shows checks that each server's answer has a TTL of its span.
func shows(name string, spans ...span) func(r *Run) error {
	return func(r *Run) error {
		var errs []error
		for _, s := range spans {
			if got, err := ttl(r, "inet", s.server, name); err != nil || got < s.from || got > s.to {
				errs = append(errs, fmt.Errorf("TTL of %s at %s is %d, want %d to %d (%v)", name, s.server, got, s.from, s.to, err))
			}
		}
		return errors.Join(errs...)
	}
}

// gives checks what servers answer to a host that asks them.
func gives(name string, want map[string]string) func(r *Run) error {
	return func(r *Run) error {
		var errs []error
		for server, addr := range want {
			if got, err := r.w.Host("inet").Dig(server, name, "A"); err != nil || got != addr {
				errs = append(errs, fmt.Errorf("%s is %s at %s, want %s (%v)", name, got, server, addr, err))
			}
		}
		return errors.Join(errs...)
	}
}

// varied checks that the path of this host gives at least so many different
// answers, or TTLs, in as many rounds as there are tries.
func varied(tries, least int, get func(r *Run) (string, error)) func(r *Run) error {
	return func(r *Run) error {
		var seen []string
		for range tries {
			got, err := get(r)
			if err != nil {
				return err
			}
			if !slices.Contains(seen, got) {
				seen = append(seen, got)
			}
		}
		if len(seen) < least {
			return fmt.Errorf("only %d different answers in %d tries: %v", len(seen), tries, seen)
		}
		return nil
	}
}

// allOf joins checks.
func allOf(checks ...func(r *Run) error) func(r *Run) error {
	return func(r *Run) error {
		var errs []error
		for _, c := range checks {
			errs = append(errs, c(r))
		}
		return errors.Join(errs...)
	}
}

// others checks that further names of the case are clean.
func others(names ...string) func(r *Run) error {
	return func(r *Run) error {
		var errs []error
		for _, n := range names {
			if v, why, err := r.d.verdict(n); err != nil || v != "clean" {
				errs = append(errs, fmt.Errorf("%s is %s %s (%v)", n, v, why, err))
			}
		}
		return errors.Join(errs...)
	}
}

// noticedWithin waits until the daemon's log of events has a notice of the kind.
func noticedWithin(d time.Duration, kind monitor.Kind) func(r *Run) error {
	return func(r *Run) error { return within(d, func() error { return r.noticed(kind) }) }
}

func (r *Run) noticed(kind monitor.Kind) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for after := uint64(0); ; {
		page, err := r.d.client.Events(ctx, after, 0)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			if e.Type == monitor.Noticed && strings.Contains(string(e.Data), strconv.Quote(string(kind))) {
				return nil
			}
		}
		if len(page.Events) == 0 || page.Next >= page.Last {
			return fmt.Errorf("no event is a %s", kind)
		}
		after = page.Next
	}
}

// heard checks that programs on this host are given the address.
func heard(name string, addr netip.Addr) func(r *Run) error {
	return func(r *Run) error {
		return within(2*time.Second, func() error {
			out, err := r.w.Client().Run("getent", "ahostsv4", name)
			if err == nil && !strings.Contains(out, addr.String()) {
				err = fmt.Errorf("programs here get for %s: %s, not %s", name, out, addr)
			}
			return err
		})
	}
}

// lags checks that a server still gives the address.
func lags(server, name, addr string) func(r *Run) error {
	return func(r *Run) error {
		got, err := r.w.Host("inet").Dig(server, name, "A")
		if err == nil && !strings.Contains(got, addr) {
			err = fmt.Errorf("%s gives %s for %s: it does not lag", server, got, name)
		}
		return err
	}
}

// uncapped checks that this host is shown a TTL above one, sooner or later.
func uncapped(name string, above int) func(r *Run) error {
	return func(r *Run) error {
		return within(10*time.Second, func() error {
			got, err := ttl(r, "client", world.ISPAddr, name)
			if err == nil && got <= above {
				err = fmt.Errorf("the TTL of %s is %d", name, got)
			}
			return err
		})
	}
}

// plateau checks that the router shows one TTL while time passes.
func plateau(r *Run) error {
	for range 2 {
		if got, err := ttl(r, "client", world.RouterAddr, "www.shop.lab"); err != nil || got != 15 {
			return fmt.Errorf("the TTL at the router is %d, want 15 (%v)", got, err)
		}
		time.Sleep(1500 * time.Millisecond)
	}
	return nil
}

// flips checks that the router's answers for a name come with and without AA.
func flips(name string) func(r *Run) error {
	return func(r *Run) error {
		with, without := false, false
		return within(15*time.Second, func() error {
			out, err := r.w.Client().Run("dig", "@"+world.RouterAddr, name, "A", "+tries=1", "+time=2")
			if err != nil {
				return err
			}
			_, flags, _ := strings.Cut(out, ";; flags:")
			flags, _, _ = strings.Cut(flags, ";")
			aa := slices.Contains(strings.Fields(flags), "aa")
			with, without = with || aa, without || !aa
			if !with || !without {
				err = errors.Join(fmt.Errorf("with AA: %t, without: %t", with, without), r.w.Service("router").Process().Signal(hangup))
			}
			return err
		})
	}
}

// leastOfPacket checks that the cache on this host shows one TTL at a CNAME and
// at the address it leads to, which have two.
func leastOfPacket(r *Run) error {
	return within(5*time.Second, func() error {
		out, err := r.w.Client().Run("dig", "@127.0.0.53", "assets.shop.lab", "A", "+noall", "+answer")
		if err != nil {
			return err
		}
		var ttls []string
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); len(f) == 5 {
				ttls = append(ttls, f[1])
			}
		}
		if len(ttls) != 2 || ttls[0] != ttls[1] {
			return fmt.Errorf("TTLs %v", ttls)
		}
		return nil
	})
}

// full checks that answers reach this host with more than what was asked for.
func full(name string) func(r *Run) error {
	return func(r *Run) error {
		return within(5*time.Second, func() error {
			if err := forget(r, name); err != nil {
				return err
			}
			out, err := r.w.Client().Run("dig", "@"+world.RouterAddr, name, "A", "+tries=1", "+time=2")
			if err == nil && !strings.Contains(out, "AUTHORITY: 1, ADDITIONAL: 2") {
				err = fmt.Errorf("a minimal answer: %s", out)
			}
			return err
		})
	}
}

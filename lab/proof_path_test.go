//go:build lab

package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// asks gives a check that a question from this host is answered so: an address,
// several in one line, or a code. Options of dig may be given.
func asks(server, name, want string, options ...string) func(r *Run) error {
	return func(r *Run) error {
		return within(10*time.Second, func() error {
			got, err := r.w.Client().Dig(server, name, "A", options...)
			if err == nil && got != want {
				err = fmt.Errorf("%s says %s of %s, want %s: the cause has no effect", server, got, name, want)
			}
			return err
		})
	}
}

// gaveForged gives a check that a resolver gives the attacker's address, with a
// signature beside it or without.
func gaveForged(server, name string, want bool) func(r *Run) error {
	return func(r *Run) error {
		text, err := r.w.Client().Run("dig", "@"+server, name, "A", "+dnssec", "+noall", "+answer")
		if err == nil && (!strings.Contains(text, world.EvilAddr) || strings.Contains(text, "RRSIG") != want) {
			err = fmt.Errorf("%s says %s", server, text)
		}
		return err
	}
}

// untrusted checks that DNS over TLS shows a certificate that does not hold.
func untrusted(r *Run) error {
	text, err := r.w.Client().Run("openssl", "s_client", "-connect", world.Pub2Addr+":853", "-CAfile", r.w.Shared("lab-ca.pem"), "-verify_return_error")
	if err == nil || !strings.Contains(text, "evil-ca") {
		return fmt.Errorf("the certificate is not the attacker's: %w: %s", err, text)
	}
	return nil
}

// blocked checks that this host is told that a name is blocked (RFC 8914 §4.16).
// The router's cache does not keep that.
func blocked(r *Run) error {
	return within(5*time.Second, func() error {
		if err := fresh(r); err != nil {
			return err
		}
		text, err := r.w.Client().Run("dig", "@"+world.RouterAddr, r.name(), "A", "+tries=1", "+time=2")
		if err == nil && !strings.Contains(text, "EDE: 15") {
			err = fmt.Errorf("the router says nothing of a block: %s", text)
		}
		return err
	})
}

// refused gives a check that this host cannot connect.
func refused(addresses ...string) func(r *Run) error {
	return func(r *Run) error {
		for _, a := range addresses {
			if c, err := r.w.Client().Dial("tcp", a); err == nil {
				return errors.Join(fmt.Errorf("%s can be reached", a), c.Close())
			}
		}
		return nil
	}
}

// silent gives a check that resolvers are not heard as witnesses.
func silent(names ...string) func(r *Run) error {
	return func(r *Run) error {
		s, err := r.d.status()
		if err != nil {
			return err
		}
		for _, n := range names {
			i := slices.IndexFunc(s.Resolvers, func(x monitor.ResolverStatus) bool { return strings.Contains(x.Resolver, n) })
			if i < 0 || s.Resolvers[i].Error == "" {
				return fmt.Errorf("%s still counts as a witness: %+v", n, s.Resolvers)
			}
		}
		return nil
	}
}

// neverConfirmed checks that nothing was called confirmed.
func neverConfirmed(r *Run) error {
	for _, h := range r.s.alerts() {
		if h.alert.Confidence == monitor.Confirmed {
			return fmt.Errorf("confirmed: %s", h)
		}
	}
	return nil
}

// weighs gives a check that an alert rests on a rule, with so much weight at least.
func weighs(rule string, weight int) func(r *Run) error {
	return func(r *Run) error {
		for _, h := range r.s.alerts() {
			if slices.ContainsFunc(h.alert.Reasons, func(r monitor.Reason) bool { return r.Rule == rule && r.Weight >= weight }) {
				return nil
			}
		}
		return fmt.Errorf("no alert rests on %s with %d", rule, weight)
	}
}

// reasoned gives a check that rules come to be among the reasons, of the name or of
// an alert about it: some need a while.
func reasoned(rules ...string) func(r *Run) error {
	return func(r *Run) error {
		return within(time.Minute, func() error {
			e, err := r.d.client.Explain(context.Background(), r.name())
			if err != nil {
				return err
			}
			var all []monitor.Reason
			for _, j := range e.Judgements {
				all = append(all, j.Reasons...)
			}
			for _, a := range e.Alerts {
				all = append(all, a.Reasons...)
			}
			for _, rule := range rules {
				if !slices.ContainsFunc(all, func(x monitor.Reason) bool { return x.Rule == rule }) {
					return fmt.Errorf("%s is not among the reasons", rule)
				}
			}
			return nil
		})
	}
}

// lasts gives a check that the verdict stays, and no alert is resolved, for a while.
func lasts(d time.Duration) func(r *Run) error {
	return func(r *Run) error {
		for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
			v, _, err := r.d.verdict(r.name())
			if err == nil && v != r.verdict() {
				err = fmt.Errorf("%s became %s by itself", r.name(), v)
			}
			if err != nil {
				return err
			}
		}
		if i := slices.IndexFunc(r.s.alerts(), func(h hook) bool { return h.kind == monitor.AlertResolved }); i >= 0 {
			return errors.New("an alert was resolved while the cause was at work")
		}
		return nil
	}
}

// everybody gives a check that every resolver, this host's and the witnesses, gives
// an address.
func everybody(name, want string) func(r *Run) error {
	return allOf(asks(world.RouterAddr, name, want), asks(world.Pub1Addr, name, want), asks(world.Pub2Addr, name, want),
		asks(world.Pub3Addr, name, want), asks(world.Pub4Addr, name, want))
}

// saysServer gives a check that an alert names the server that lies.
func saysServer(names ...string) func(r *Run) error {
	return func(r *Run) error {
		for _, h := range r.s.alerts() {
			text := fmt.Sprintf("%+v", h.alert)
			if slices.ContainsFunc(names, func(n string) bool { return strings.Contains(text, n) }) {
				return nil
			}
		}
		return fmt.Errorf("no alert says which server: %s", strings.Join(names, ", "))
	}
}

// genuine gives a check that this host sees the genuine pages at the attacker's address.
func genuine(names ...string) func(r *Run) error {
	return func(r *Run) error {
		for _, n := range names {
			text, err := r.w.Client().Run("curl", "-sS", "--max-time", "3", "--cacert", r.w.Shared("lab-ca.pem"), "--connect-to", "::"+world.EvilAddr+":443", "https://"+n+"/")
			if err == nil && !strings.Contains(text, "genuine") {
				err = fmt.Errorf("%s shows %s", n, text)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// alive gives a check that a resolver gives any address of the genuine servers.
func alive(server, name string) func(r *Run) error {
	return func(r *Run) error {
		got, err := r.w.Client().Dig(server, name, "A")
		if err == nil && !strings.Contains(got, "198.18.60.") {
			err = fmt.Errorf("%s says %s of %s", server, got, name)
		}
		return err
	}
}

// portalShown checks that the web leads to the portal's page.
func portalShown(r *Run) error {
	text, err := r.w.Client().Run("curl", "-sS", "--max-time", "3", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "http://"+world.EvilAddr+"/")
	if err == nil && !strings.HasPrefix(text, "302 ") {
		err = fmt.Errorf("no portal: %s", text)
	}
	return err
}

// neverExpected gives a check that an address was never held to be right.
func neverExpected(address string) func(r *Run) error {
	return func(r *Run) error {
		e, err := r.d.client.Explain(context.Background(), r.name())
		if err != nil {
			return err
		}
		for _, a := range e.Alerts {
			if slices.Contains(a.Expected, address) {
				return fmt.Errorf("%s is held to be right", address)
			}
		}
		return nil
	}
}

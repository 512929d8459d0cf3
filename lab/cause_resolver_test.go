//go:build lab

package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// between puts a server of ours before a resolver of the world's: what other
// hosts ask it, in plain or over TLS, goes to h, which may ask the genuine one.
// Afterwards ask, if it is not nil, must find the effect.
func between(service string, h func(genuine inject.Handler) inject.Handler, ask func(r *Run, genuine string) error) Cause {
	return func(r *Run) (world.Undo, error) {
		host, addr := r.w.Host(service), r.w.Service(service).Addr()
		cert := "dns-pub1" // for the port's sake: nobody asks the provider or the router over TLS
		if strings.HasPrefix(service, "pub") {
			cert = "dns-" + service
		}
		at := netip.MustParseAddr(addr)
		s, err := inject.Serve(host.Do, netip.AddrPortFrom(at, 5353), h(inject.Forward(netip.AddrPortFrom(at, 53))),
			inject.WithTLS(r.w.Shared(cert+".crt"), r.w.Shared(cert+".key"), 8853))
		if err != nil {
			return nil, err
		}
		stop := func() error { s.Stop(); return nil }
		undo, err := host.NFT("ip", fmt.Sprintf(`chain pre { type nat hook prerouting priority dstnat; iifname "lo" accept; ip daddr != %s accept
meta l4proto { tcp, udp } th dport 53 redirect to :5353
tcp dport 853 redirect to :8853; }`, addr))
		if err != nil {
			return stop, err
		}
		undo = world.All(stop, undo)
		if ask != nil {
			err = ask(r, addr)
		}
		return undo, err
	}
}

// unreliable fails every now and then: of 100 questions 15 get SERVFAIL, and 15 nothing.
func unreliable(genuine inject.Handler) inject.Handler {
	return inject.Sometimes(0.15, 1, inject.Servfail, inject.Sometimes(0.15/0.85, 2, inject.Silent, genuine))
}

// failing reports whether some questions get SERVFAIL, some nothing, and some the answer.
func failing(r *Run, addr string) error {
	var got [3]int
	for range 30 {
		text, err := r.w.Client().Dig(addr, "www.shop.lab", "A", "+time=1")
		switch {
		case err != nil:
			got[2]++
		case text == "SERVFAIL":
			got[1]++
		default:
			got[0]++
		}
	}
	if slices.Min(got[:]) == 0 {
		return fmt.Errorf("of 30 questions to %s %d were answered, %d failed, %d were not answered", addr, got[0], got[1], got[2])
	}
	return nil
}

// coldStart fails the first question for each record, as a resolver does that has
// just been started and finds nobody yet.
func coldStart(genuine inject.Handler) inject.Handler {
	var mu sync.Mutex
	seen := map[string]bool{}
	return func(q *inject.Query) *dns.Msg {
		key := fmt.Sprint(dns.CanonicalName(q.Name()), q.Type())
		mu.Lock()
		again := seen[key]
		seen[key] = true
		mu.Unlock()
		if again {
			return genuine(q)
		}
		return inject.Servfail(q)
	}
}

// coldAt reports whether the first question fails and the second one does not.
func coldAt(r *Run, addr string) error {
	first, err := r.w.Client().Dig(addr, "hub.iot.lab", "A")
	second, again := r.w.Client().Dig(addr, "hub.iot.lab", "A")
	if err == nil && (first != "SERVFAIL" || second != "198.18.60.53") {
		err = fmt.Errorf("%s says %s, then %s", addr, first, second)
	}
	return errors.Join(err, again)
}

// patchwork has a name lead to two addresses by way of somebody else's name, with
// TTLs that no set of a zone has.
func patchwork(name string) func(genuine inject.Handler) inject.Handler {
	return func(genuine inject.Handler) inject.Handler {
		return func(q *inject.Query) *dns.Msg {
			if !strings.EqualFold(q.Name(), name) || q.Type() != dns.TypeA {
				return genuine(q)
			}
			q.Lying()
			const tail = "front.evil.example."
			head := func(name string, rrtype uint16, ttl uint32) dns.RR_Header {
				return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: ttl}
			}
			return q.Answer(
				&dns.CNAME{Hdr: head(q.Name(), dns.TypeCNAME, 300), Target: tail},
				&dns.A{Hdr: head(tail, dns.TypeA, 300), A: netip.MustParseAddr(world.EvilAddr).AsSlice()},
				&dns.A{Hdr: head(tail, dns.TypeA, 200), A: netip.MustParseAddr("198.18.66.67").AsSlice()},
			)
		}
	}
}

// distant answers after 150 ms.
func distant(genuine inject.Handler) inject.Handler {
	return inject.Delay(150*time.Millisecond, genuine)
}

// stripped knows neither EDNS nor DNSSEC.
func stripped(genuine inject.Handler) inject.Handler {
	return inject.WithProfile(inject.Profile{NoEDNS: true}, inject.StripDNSSEC(genuine))
}

// bare reports whether answers come without signatures and EDNS.
func bare(r *Run, addr string) error {
	out, err := r.w.Client().Run("dig", "@"+addr, "www.bank.lab", "A", "+dnssec", "+tries=1", "+time=2")
	if err == nil && (!strings.Contains(out, "198.18.60.10") || strings.Contains(out, "RRSIG") || strings.Contains(out, "EDNS: version")) {
		err = fmt.Errorf("%s strips nothing: %s", addr, out)
	}
	return err
}

// asking has fresh verdicts asked for all the time, which asks the witnesses too:
// by themselves they are asked too rarely for a short case.
func asking(names ...string) Cause {
	return func(r *Run) (world.Undo, error) {
		ctx, cancel := context.WithCancel(context.Background())
		var done sync.WaitGroup
		done.Go(func() {
			for ctx.Err() == nil {
				for _, n := range names {
					_, _ = r.d.client.Verify(ctx, n, monitor.FirstProof) // that it came late is of no interest
				}
				select {
				case <-ctx.Done():
				case <-time.After(2 * time.Second):
				}
			}
		})
		return func() error { cancel(); done.Wait(); return nil }, nil
	}
}

// digs reports whether a server's answer to the client holds a text.
func digs(r *Run, server, name, kind, want string, options ...string) error {
	// A cache that was told to forget does so in a moment.
	return within(5*time.Second, func() error {
		got, err := r.w.Client().Dig(server, name, kind, options...)
		if err == nil && !strings.Contains(got, want) {
			err = fmt.Errorf("%s says %s for %s, not %s", server, got, name, want)
		}
		return err
	})
}

// filterAddr is where a resolver is that blocks names.
const filterAddr = "198.18.14.2"

// filterResolver blocks four names, each in the way of another operator.
func filterResolver(r *Run) (world.Undo, error) {
	h := r.w.Host("pub4")
	undo, err := h.IP("addr add "+filterAddr+"/24 dev eth0", "addr del "+filterAddr+"/24 dev eth0")
	if err != nil {
		return nil, err
	}
	addrs := func(as ...string) (list []netip.Addr) {
		for _, a := range as {
			list = append(list, netip.MustParseAddr(a))
		}
		return list
	}
	denials := map[string]inject.Denial{
		"www.shop.lab.": {Rcode: dns.RcodeNameError, NoRA: true, TTL: 60},
		"www.bank.lab.": {Addrs: addrs("0.0.0.0", "::"), EDE: &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeBlocked, ExtraText: "blocked"}, TTL: 60},
		"edge.cdn.lab.": {Rcode: dns.RcodeNameError, SOA: "cleanbrowsing.rpz.noc.org.", TTL: 60},
		"six.shop.lab.": {Addrs: addrs("146.112.61.104", "::ffff:146.112.61.104"), TTL: 60},
	}
	policy := func(name string) (inject.Denial, bool) { d, ok := denials[name]; return d, ok }
	s, err := inject.Serve(h.Do, netip.MustParseAddrPort(filterAddr+":53"), inject.Filter(policy, inject.Forward(netip.MustParseAddrPort(world.Pub4Addr+":53"))),
		inject.WithTLS(r.w.Shared("dns-pub4.crt"), r.w.Shared("dns-pub4.key"), 853))
	if err != nil {
		return undo, err
	}
	undo = world.All(undo, func() error { s.Stop(); return nil })
	return undo, errors.Join(digs(r, filterAddr, "www.shop.lab", "A", "NXDOMAIN"), digs(r, filterAddr, "www.bank.lab", "A", "0.0.0.0"),
		digs(r, filterAddr, "six.shop.lab", "AAAA", "::ffff:146.112.61.104"), digs(r, filterAddr, "api.iot.lab", "A", "198.18.60.51"))
}

// agent is a program on the client that applications ask for names, and that
// blocks none yet.
func agent(r *Run) (world.Undo, error) {
	if err := os.WriteFile(r.w.Path("conf", "agent.hosts"), nil, 0o644); err != nil {
		return nil, err
	}
	p, err := r.w.Client().Start("agent", "dnsmasq", "-k", "-u", "root", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--log-facility=-", "--pid-file="+r.w.Path("run", "agent.pid"),
		"--listen-address=127.0.0.1", "--bind-interfaces", "--server="+world.RouterAddr, "--addn-hosts="+r.w.Path("conf", "agent.hosts"))
	if err != nil {
		return nil, err
	}
	if err := p.Logged("started"); err != nil {
		return p.Stop, err
	}
	undo, err := r.w.Client().Etc("resolv.conf", "nameserver 127.0.0.1\n")
	if err != nil {
		return p.Stop, err
	}
	return world.All(p.Stop, undo), digs(r, "127.0.0.1", "www.shop.lab", "A", "198.18.60.20")
}

// agentBlocks has the agent answer a name with an address that leads nowhere.
func agentBlocks(name, addr string) Cause {
	return func(r *Run) (world.Undo, error) {
		block := func(text string) error {
			err := os.WriteFile(r.w.Path("conf", "agent.hosts"), []byte(text), 0o644)
			_, hup := r.w.Client().Run("sh", "-c", "kill -HUP $(cat "+r.w.Path("run", "agent.pid")+")")
			return errors.Join(err, hup)
		}
		r.mark(time.Now())
		return func() error { return block("") }, errors.Join(block(addr+" "+name+"\n"),
			within(2*time.Second, func() error { return digs(r, "127.0.0.1", name, "A", addr) }))
	}
}

// far puts 150 ms before the provider and the witnesses, and has every fifth
// packet to them lost.
func far(r *Run) (world.Undo, error) {
	slow := func(r *Run, addr string) error {
		began := time.Now()
		err := digs(r, addr, "www.shop.lab", "A", "198.18.60.20")
		if took := time.Since(began); err == nil && took < 150*time.Millisecond {
			err = fmt.Errorf("%s answers within %s", addr, took)
		}
		return err
	}
	var cs []Cause
	for _, s := range append([]string{"isp"}, witnesses...) {
		cs = append(cs, between(s, distant, slow))
	}
	return both(append(cs, func(r *Run) (world.Undo, error) {
		undo, err := r.w.Host("router").NFT("ip", `chain out { type filter hook postrouting priority 300; oifname "wan0" ip daddr { 198.18.1.53, 198.18.11.0-198.18.14.255 } numgen random mod 100 < 20 drop; }`)
		if err != nil {
			return nil, err
		}
		out, err := r.w.Client().Run("ping", "-q", "-c", "50", "-i", "0.02", "-W", "1", world.ISPAddr)
		if strings.Contains(out, " 0% packet loss") || strings.Contains(out, "100% packet loss") {
			err = fmt.Errorf("nothing is lost: %s", out)
		}
		return undo, err
	})...)(r)
}

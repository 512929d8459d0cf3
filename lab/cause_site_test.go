//go:build lab

package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// site serves HTTPS, and HTTP, at an address that a host gets for it.
func site(host, dev, addr string, c world.Certificate) Cause {
	return func(r *Run) (world.Undo, error) {
		h := r.w.Host(host)
		undo, err := h.IP("addr add "+addr+"/32 dev "+dev, "addr del "+addr+"/32 dev "+dev)
		if err != nil {
			return nil, err
		}
		path, err := r.w.Certificate("site-"+addr, c)
		if err != nil {
			return undo, err
		}
		cert, err := tls.LoadX509KeyPair(path+".crt", path+".key")
		if err != nil {
			return undo, err
		}
		page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, addr) })
		srv := &http.Server{Handler: page, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
		srv.Protocols = new(http.Protocols)
		srv.Protocols.SetHTTP1(true)
		undo = world.All(undo, srv.Close)
		plain, err := h.Listen("tcp4", addr+":80")
		if err != nil {
			return undo, err
		}
		secure, err := h.Listen("tcp4", addr+":443")
		if err != nil {
			return world.All(undo, plain.Close), err
		}
		go srv.Serve(plain)
		go srv.ServeTLS(secure, "", "")
		if out, err := r.w.Client().Run("curl", "-sSk", "-m", "2", "https://"+addr); err != nil || strings.TrimSpace(out) != addr {
			return undo, fmt.Errorf("no site at %s: %q %w", addr, out, err)
		}
		return undo, nil
	}
}

// routerSays has the router answer a name with an address of its own accord.
func routerSays(name, addr string) Cause {
	return both(configure("router", "address=/"+name+"/"+addr), lasting(func(r *Run) error { return digs(r, world.RouterAddr, name, "A", addr) }))
}

// deadAddr is in a network that everybody rents from.
const deadAddr = "198.18.90.7"

// dead is a machine of the CDN's in another network, which serves no HTTPS. how
// is what becomes of connections: reject with tcp reset, or drop.
func dead(how string) Cause {
	return func(r *Run) (world.Undo, error) {
		web := r.w.Host("web")
		var us []world.Undo
		for _, f := range []func() (world.Undo, error){
			func() (world.Undo, error) {
				return r.w.Host("inet").IP("route add 198.18.90.0/24 via "+world.WebAddr, "route del 198.18.90.0/24")
			},
			func() (world.Undo, error) {
				return web.IP("addr add "+deadAddr+"/32 dev lo", "addr del "+deadAddr+"/32 dev lo")
			},
			func() (world.Undo, error) {
				return web.NFT("ip", "chain in { type filter hook input priority 0; ip daddr "+deadAddr+" tcp dport 443 "+how+"; }")
			},
		} {
			u, err := f()
			if err != nil {
				return world.All(us...), err
			}
			us = append(us, u)
		}
		if out, err := r.w.Client().Run("ping", "-c1", "-W1", deadAddr); err != nil {
			return world.All(us...), fmt.Errorf("%s %w", out, err)
		}
		if out, err := r.w.Client().Run("curl", "-sk", "-m", "1", "https://"+deadAddr); err == nil {
			return world.All(us...), fmt.Errorf("%s is not dead: %s", deadAddr, out)
		}
		return world.All(us...), nil
	}
}

// closes takes the cause back, and reports whether the name is clean again.
func closes(r *Run) error {
	return errors.Join(r.lift(), r.d.awaitVerdict(r.name(), monitor.Clean, "", 30*time.Second))
}

// firewall has the router drop what nft describes of the LAN's packets.
func firewall(what string) Cause {
	return func(r *Run) (world.Undo, error) {
		return r.w.Host("router").NFT("ip", "chain f { type filter hook forward priority 0; iifname \"lan0\" "+what+" drop; }")
	}
}

// unreachable reports whether no connection can be made from the client.
func unreachable(addrs ...string) Cause {
	return lasting(func(r *Run) error {
		for _, a := range addrs {
			if c, err := r.w.Client().Dial("tcp4", a); err == nil {
				c.Close()
				return fmt.Errorf("%s can be reached", a)
			}
		}
		return nil
	})
}

// blockPage has the provider send a name to a page of its own.
func blockPage(name, addr string) Cause {
	return func(r *Run) (world.Undo, error) {
		r.mark(time.Now())
		err := errors.Join(unbound(r, "isp", "local_zone", name, "redirect"), unbound(r, "isp", "local_data", name+" 300 IN A "+addr), forget(r, name))
		return func() error { return errors.Join(unbound(r, "isp", "local_zone_remove", name), forget(r, name)) },
			errors.Join(err, digs(r, world.RouterAddr, name, "A", addr))
	}
}

// proxyAddr is on the host ops.
const proxyAddr = world.OpsAddr + ":3128"

// proxy is the only way out over TCP.
func proxy(r *Run) (world.Undo, error) {
	s, err := inject.Connect(r.w.Host("ops").Do, netip.MustParseAddrPort(proxyAddr), inject.ConnectOptions{Resolver: netip.MustParseAddrPort(world.ISPAddr + ":53")})
	if err != nil {
		return nil, err
	}
	stop := func() error { s.Stop(); return nil }
	if out, err := r.w.Client().Run("curl", "-s", "-m", "3", "--cacert", r.w.Shared("lab-ca.pem"), "-x", "http://"+proxyAddr, "https://www.shop.lab"); err != nil {
		return stop, fmt.Errorf("nothing passes the proxy: %s %w", out, err)
	}
	r.Also = func(*Run) error {
		var errs []error
		for _, want := range []string{"198.18.60.20:443", "198.18.60.10:443", world.Pub1Addr + ":443", world.Pub3Addr + ":443"} {
			if s.Targets()[want] == 0 {
				errs = append(errs, fmt.Errorf("the proxy was never asked for %s: %v", want, s.Targets()))
			}
		}
		return errors.Join(errs...)
	}
	return stop, nil
}

// proven reports whether the status says what makes a name clean.
func proven(text string) func(*Run) error {
	return func(r *Run) error {
		s, err := r.d.status()
		if err != nil {
			return err
		}
		for _, w := range s.Watches {
			if strings.TrimSuffix(w.Name, ".") == r.name() && strings.Contains(w.Types[0].Proof, text) {
				return nil
			}
		}
		return fmt.Errorf("%q is not the proof of %s: %+v", text, r.name(), s.Watches)
	}
}

// says reports whether an alert about the name has words in its text.
func says(words string) func(*Run) error {
	return func(r *Run) error {
		e, err := r.d.client.Explain(context.Background(), r.name())
		if err != nil {
			return err
		}
		for _, a := range e.Alerts {
			if strings.Contains(a.Summary+" "+a.Text+" "+strings.Join(a.Guidance, " "), words) {
				return nil
			}
		}
		return fmt.Errorf("no alert says %q", words)
	}
}

// clean reports whether other names are clean.
func clean(names ...string) func(*Run) error {
	return func(r *Run) error {
		var errs []error
		for _, n := range names {
			errs = append(errs, r.d.awaitVerdict(n, monitor.Clean, "", 5*time.Second))
		}
		return errors.Join(errs...)
	}
}

// misprovisionedAddr is one of the CDN's own.
const misprovisionedAddr = "198.18.60.71"

// misprovisioned has a node of the CDN show another customer's certificate.
func misprovisioned(r *Run) (world.Undo, error) {
	path, err := r.w.Certificate("other", world.Certificate{CA: "lab-ca", Names: []string{"www.other.lab"}})
	if err != nil {
		return nil, err
	}
	undo, err := r.w.Service("web").Configure(fmt.Sprintf("server { listen %s:443 ssl; ssl_certificate %s.crt; ssl_certificate_key %[2]s.key; return 200 other; }", misprovisionedAddr, path))
	if err != nil {
		return undo, err
	}
	return undo, within(5*time.Second, func() error {
		out, err := r.w.Client().Run("curl", "-sk", "-m", "2", "--connect-to", "::"+misprovisionedAddr+":443", "https://edge.cdn.lab")
		if err == nil && out != "other" {
			err = fmt.Errorf("%s says %s", misprovisionedAddr, out)
		}
		return err
	})
}

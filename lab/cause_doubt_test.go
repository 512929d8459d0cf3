//go:build lab

package lab

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// spread are addresses of which no two in a row are of one network, so many that
// none comes often enough to be known.
var spread = func() []netip.Addr {
	var as []netip.Addr
	for i := range 2048 {
		as = append(as, netip.AddrFrom4([4]byte{198, byte(18 + i/256%2), byte(i), byte(100 + i/512)}))
	}
	return as
}()

// told has somebody ask for a fresh verdict on a name: it must be this one, at
// once.
func told(name string, want Verdict) Cause {
	return lasting(func(r *Run) error {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		got, err := r.d.client.Verify(ctx, name, monitor.FirstProof)
		if err == nil && got.Verdict != want {
			r.fault("whoever asks for %s is told %s, want %s", name, got.Verdict, want)
		}
		return err
	})
}

// once gives a check that names are clean for whoever has no daemon, and no
// history: one round has to do.
func once(names ...string) func(*Run) error {
	return func(r *Run) error {
		check := fmt.Sprintf("DNSTASTER_LAB_OFF=%s %s check --config %s --format json --fail-on never %s 2>/dev/null",
			strings.Join(r.Off, ","), binary, r.d.config(), strings.Join(names, " "))
		out, err := r.w.Client().Run("sh", "-c", check)
		if err != nil {
			return fmt.Errorf("a check: %w", err)
		}
		var got monitor.Report
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			return fmt.Errorf("a check: %w", err)
		}
		if len(got.Watches) != len(names) {
			return fmt.Errorf("a check is of %d names, want %d", len(got.Watches), len(names))
		}
		var errs []error
		for _, j := range got.Watches {
			if j.Verdict != monitor.Clean {
				errs = append(errs, fmt.Errorf("a check of %s says %s %s, want clean", strings.TrimSuffix(j.Name, "."), j.Verdict, j.Cause))
			}
		}
		return errors.Join(errs...)
	}
}

// restarted has the daemon end and start anew. From then on nothing is learnt in
// a hurry.
var restarted = lasting(func(r *Run) error {
	return errors.Join(r.d.stop(), r.d.start(r.w, r.Case, r.recording()...))
})

// moves has a zone give other addresses for a name, and every cache forget it.
func moves(zone, label, old, now string) Cause {
	return func(r *Run) (world.Undo, error) {
		change := func(from, to string) error {
			return errors.Join(readdress(r, zone, label, from, to), flushed(r, zone))
		}
		return func() error { return change(now, old) }, change(old, now)
	}
}

// ahead has a zone give other addresses for a name, which this host sees first:
// the caches of witnesses keep the old ones.
func ahead(zone, label, old, now string) Cause {
	return func(r *Run) (world.Undo, error) {
		name := label + "." + zone
		change := func(from, to string) error {
			return errors.Join(readdress(r, zone, label, from, to), forget(r, name))
		}
		return func() error { return change(now, old) }, errors.Join(change(old, now), digs(r, world.RouterAddr, name, "A", now))
	}
}

// readdress changes the addresses of a name in its zone.
func readdress(r *Run, zone, label, from, to string) error {
	var commands []string
	for _, a := range strings.Fields(from) {
		commands = append(commands, fmt.Sprintf("zone-unset %s %s A %s", zone, label, a))
	}
	for _, a := range strings.Fields(to) {
		commands = append(commands, fmt.Sprintf("zone-set %s %s 300 A %s", zone, label, a))
	}
	return knotc(r, zone, commands...)
}

// sends has a resolver, an unbound, give an address of its own for a name.
func sends(service, name, addr string) Cause {
	return func(r *Run) (world.Undo, error) {
		err := errors.Join(unbound(r, service, "local_zone", name, "redirect"), unbound(r, service, "local_data", name+" 300 IN A "+addr))
		return func() error { return unbound(r, service, "local_zone_remove", name) },
			errors.Join(err, digs(r, r.w.Service(service).Addr(), name, "A", addr))
	}
}

// watchedAnew has the daemon watch one more name, and waits until it is clean.
func watchedAnew(name string) Cause {
	return lasting(func(r *Run) error {
		r.Config.Watches = append(slices.Clip(r.Config.Watches), watch(name))
		return errors.Join(r.d.configure(r.w, r.Case), r.d.reload(), r.d.awaitVerdict(name, monitor.Clean, "", 5*time.Second))
	})
}

// briefly has a cause work on this host for a few seconds, less than it takes to
// learn a name. Nobody may be suspected.
func briefly(c Cause) Cause {
	return lasting(func(r *Run) error {
		undo, err := c(r)
		if err != nil {
			return err
		}
		if err := errors.Join(forget(r, r.name()), r.d.answered(r.name(), r.Seen[0])); err != nil {
			return errors.Join(err, undo())
		}
		for range 8 {
			time.Sleep(500 * time.Millisecond)
			v, _, err := r.d.verdict(r.name())
			if err == nil && v.Rank() > monitor.Unknown.Rank() {
				err = fmt.Errorf("%s, which is new, is %s", r.name(), v)
			}
			if !r.check(err) {
				break
			}
		}
		return errors.Join(undo(), forget(r, r.name()))
	})
}

// withdrawing serves HTTPS at an address of the provider's, with the certificate
// of somebody else: for a moment after somebody came, and then not any more.
func withdrawing(addr string) Cause {
	return func(r *Run) (world.Undo, error) {
		isp := r.w.Host("isp")
		undo, err := isp.IP("addr add "+addr+"/32 dev eth0", "addr del "+addr+"/32 dev eth0")
		if err != nil {
			return nil, err
		}
		path, err := r.w.Certificate("other", world.Certificate{CA: "lab-ca", Names: []string{"www.other.lab"}})
		if err != nil {
			return undo, err
		}
		cert, err := tls.LoadX509KeyPair(path+".crt", path+".key")
		if err != nil {
			return undo, err
		}
		l, err := isp.Listen("tcp4", addr+":443")
		if err != nil {
			return undo, err
		}
		// Two handshakes of a case are half a second apart at least.
		const moment = 250 * time.Millisecond
		var once sync.Once
		came := make(chan struct{})
		srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				once.Do(func() { time.AfterFunc(moment, func() { l.Close(); close(came) }) })
				return &cert, nil
			},
		}}
		go srv.ServeTLS(l, "", "")
		r.Also = func(*Run) error {
			select {
			case <-came:
				return nil
			default:
				return fmt.Errorf("nobody saw the certificate at %s", addr)
			}
		}
		return world.All(undo, srv.Close), nil
	}
}

// unheardOf has a query sent twice, of which the daemon hears only the second:
// it is held while more comes than its ring has room for.
func unheardOf(name string) Cause {
	return lasting(func(r *Run) error {
		hold := func(s syscall.Signal) error { return r.d.cmd.Process.Signal(s) }
		c, err := r.w.Client().Dial("udp4", world.RouterAddr+":53")
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(2 * time.Second))
		if err := hold(syscall.SIGSTOP); err != nil {
			return err
		}
		q := new(dns.Msg).SetQuestion(name+".", dns.TypeA)
		d := &dns.Conn{Conn: c}
		if err := errors.Join(crammed(r), d.WriteMsg(q), hold(syscall.SIGCONT)); err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
		if err := d.WriteMsg(q); err != nil {
			return err
		}
		for i := range 2 {
			if _, err := d.ReadMsg(); err != nil {
				return fmt.Errorf("response %d: %w", i+1, err)
			}
		}
		return nil
	})
}

// crammed sends more than twice of what a ring of 4 MiB holds, to where nobody
// answers.
func crammed(r *Run) error {
	return r.w.Client().Do(func() error {
		c, err := net.ListenPacket("udp4", ":0")
		if err != nil {
			return err
		}
		defer c.Close()
		to := net.UDPAddrFromAddrPort(port53(world.OpsAddr))
		for range 8000 {
			if _, err := c.WriteTo(make([]byte, 1400), to); err != nil && !errors.Is(err, syscall.ENOBUFS) {
				return err
			}
		}
		return nil
	})
}

// lossy checks that the daemon knows that packets were lost.
func lossy(r *Run) error {
	s, err := r.d.status()
	if err == nil && s.Wire.Lost == 0 {
		err = errors.New("nothing was lost: the cause has no effect")
	}
	return err
}

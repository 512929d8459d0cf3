//go:build lab

package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// overTLS is an unbound that asks a public resolver over TLS, and tells of both legs.
const overTLS = `server:
  interface: 127.0.0.1
  do-daemonize: no
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-ip6: no
  module-config: "iterator"
  tls-cert-bundle: %q
forward-zone:
  name: "."
  forward-tls-upstream: yes
  forward-addr: %s@853#dns.pub1.lab
dnstap:
  dnstap-enable: yes
  dnstap-socket-path: %q
  dnstap-send-identity: yes
  dnstap-log-client-response-messages: yes
  dnstap-log-forwarder-response-messages: yes
`

// TestDnstap has unbound, BIND, PowerDNS Recursor and dnsdist tell of what they are
// asked and answered over TLS and HTTPS and in plain, all at once. Lies on an
// encrypted leg, between a resolver and the one that it forwards to, and between it
// and its client, are heard as what they are.
func TestDnstap(t *testing.T) {
	w, err := world.New("tap")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	socket := w.Path("tap.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	// What was heard, one line each.
	heard := make(chan string, 1000)
	tap := capture.NewTap(l, capture.TapConfig{
		Watched: []string{"www.shop.lab.", "www.bank.lab.", "api.iot.lab."},
		Local:   func(a netip.Addr) bool { return a.IsLoopback() || a.String() == world.ClientAddr },
	}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- tap.Run(ctx, func(s monitor.Sample) bool {
			o := s.Answers[0]
			var data []string
			for _, r := range o.Records {
				data = append(data, r.Data)
			}
			slices.Sort(data)
			line := fmt.Sprintf("%s %s %s from %s says %s", o.Packet.Dnstap, o.Transport, s.Question.Name, o.Server, strings.Join(data, " "))
			if s.Conflict() {
				line = "CONFLICT " + line
			}
			if o.Role == monitor.Local {
				line += ", to us"
			}
			select {
			case heard <- line:
			default:
			}
			return true
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	do := func(_ world.Undo, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	// pub1 lies to whoever forwards to it; dnsdist itself lies to its clients.
	do(w.Service("pub1").Configure(`  local-data: "www.shop.lab. 60 IN A ` + world.EvilAddr + `"`))
	do(w.Service("pub2").Configure(`dnstap { client; resolver; }; dnstap-output unix "` + socket + `"; dnstap-identity "bind";`))
	do(w.Service("pub4").Configure(`tap = newFrameStreamUnixLogger('` + socket + `')
addAction(QNameRule('www.bank.lab.'), SpoofAction('` + world.EvilAddr + `'))
addResponseAction(AllRule(), DnstapLogResponseAction('dnsdist', tap))
addSelfAnsweredResponseAction(AllRule(), DnstapLogResponseAction('dnsdist', tap))`))
	lua, err := os.ReadFile(w.Path("conf", "recursor.lua"))
	if err != nil {
		t.Fatal(err)
	}
	mine := w.Path("conf", "recursor-tap.lua")
	text := string(lua) + "\ndnstapFrameStreamServer({'" + socket + "'}, {logQueries=true, logResponses=true})\n"
	if err := os.WriteFile(mine, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	do(w.Service("pub4-rec").Configure("lua-config-file=" + mine))
	conf := w.Path("conf", "over-tls")
	if err := os.WriteFile(conf, fmt.Appendf(nil, overTLS, w.Shared("lab-ca.pem"), world.Pub1Addr, socket), 0o644); err != nil {
		t.Fatal(err)
	}
	unbound, err := w.Client().Start("over-tls", "unbound", "-d", "-c", conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unbound.Stop(); err != nil {
			t.Error(err)
		}
	})

	ask := func(args ...string) {
		t.Helper()
		err := within(20*time.Second, func() error {
			out, err := w.Client().Run("kdig", append(args, "+short", "+time=2", "+retry=0")...)
			if err == nil && !strings.HasPrefix(out, "198.18.") {
				err = errors.New(out)
			}
			return err
		})
		if err != nil {
			t.Fatalf("kdig %v: %v", args, err)
		}
	}
	ask("@127.0.0.1", "www.shop.lab")
	ask("@"+world.Pub2Addr, "+tls", "www.shop.lab")
	ask("@"+world.Pub4Addr, "+tls", "www.bank.lab")
	ask("@"+world.Pub4Addr, "+https=/dns-query", "api.iot.lab")

	const genuine = "198.18.60.20 198.18.60.21 198.18.60.22"
	want := map[string]bool{}
	for _, line := range []string{
		"FORWARDER_RESPONSE dot www.shop.lab. from " + world.Pub1Addr + " says " + world.EvilAddr + ", to us",
		"CLIENT_RESPONSE udp www.shop.lab. from 127.0.0.1 says " + world.EvilAddr + ", to us",
		"CLIENT_RESPONSE dot www.shop.lab. from " + world.Pub2Addr + " says " + genuine,
		"CLIENT_RESPONSE dot www.bank.lab. from " + world.Pub4Addr + " says " + world.EvilAddr,
		"CLIENT_RESPONSE doh api.iot.lab. from " + world.Pub4Addr + " says 198.18.60.51 198.18.60.52",
		"RESOLVER_RESPONSE udp www.shop.lab. from " + world.ZonesAddr + " says " + genuine,
		"RESOLVER_RESPONSE udp api.iot.lab. from " + world.ZonesAddr + " says 198.18.60.51 198.18.60.52",
	} {
		want[line] = true
	}
	var all []string
	for deadline := time.After(20 * time.Second); len(want) > 0; {
		select {
		case line := <-heard:
			all = append(all, line)
			if strings.HasPrefix(line, "CONFLICT") {
				t.Error(line)
			}
			// Either server of the zone may have been asked.
			delete(want, strings.ReplaceAll(line, world.Zones2Addr, world.ZonesAddr))
		case <-deadline:
			t.Fatalf("never heard:\n%v\nheard:\n%s\n%+v", want, strings.Join(all, "\n"), tap.Stats())
		}
	}
	t.Logf("heard:\n%s\n%+v", strings.Join(all, "\n"), tap.Stats())
	// Some connect once for each of their threads.
	if s := tap.Stats(); s.Senders < 4 || s.Undecodable != 0 || s.Refused != 0 || s.Failed != 0 {
		t.Errorf("%+v, want 4 senders or more", s)
	}
}

//go:build lab

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

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

// What is said to whoever asks over an encrypted transport: each leg has a lie of its
// own, or the second would be nothing new.
const (
	forwarded = world.EvilAddr
	toTLS     = "198.18.66.67"
	toHTTPS   = "198.18.66.68"
)

// TestDnstap has unbound, BIND, PowerDNS Recursor and dnsdist tell the daemon of what
// they are asked and answered, all at once, where it hears nothing else. Lies on an
// encrypted leg, between a resolver and the one that it forwards to, and between it and
// its clients over TLS and HTTPS, are judged as what they are.
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
	do := func(_ world.Undo, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	socket, record, conf := w.Path("tap.sock"), w.Path("record"), w.Path("conf", "over-tls")
	// Witnesses of the daemon are those that do not lie.
	c := &Case{Config: Config{
		Resolvers: []string{usualResolvers[0], usualResolvers[2], usualResolvers[3]},
		More:      "capture: {enabled: false}\ndnstap: {socket: " + socket + "}\n",
	}}
	d, err := startDaemon(w, c, "DNSTASTER_LAB_RECORD="+record)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})

	do(w.Service("pub1").Configure(`  local-data: "www.shop.lab. 60 IN A ` + forwarded + `"`))
	do(w.Service("pub2").Configure(`dnstap { client; resolver; }; dnstap-output unix "` + socket + `"; dnstap-identity "bind";`))
	do(w.Service("pub4").Configure(`tap = newFrameStreamUnixLogger('` + socket + `')
addAction(QNameRule('www.bank.lab.'), SpoofAction('` + toTLS + `'))
addAction(QNameRule('api.iot.lab.'), SpoofAction('` + toHTTPS + `'))
addResponseAction(AllRule(), DnstapLogResponseAction('dnsdist', tap))
addSelfAnsweredResponseAction(AllRule(), DnstapLogResponseAction('dnsdist', tap))`))
	lua, err := os.ReadFile(w.Path("conf", "recursor.lua"))
	if err != nil {
		t.Fatal(err)
	}
	mine := w.Path("conf", "recursor-tap.lua")
	write(mine, string(lua)+"\ndnstapFrameStreamServer({'"+socket+"'}, {logQueries=true, logResponses=true})\n")
	do(w.Service("pub4-rec").Configure("lua-config-file=" + mine))
	write(conf, fmt.Sprintf(overTLS, w.Shared("lab-ca.pem"), world.Pub1Addr, socket))
	unbound, err := w.Client().Start("over-tls", "unbound", "-d", "-c", conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unbound.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := d.learn(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"www.shop.lab", "www.bank.lab", "api.iot.lab"} {
		if err := d.awaitVerdict(name, monitor.Clean, "", 15*time.Second); err != nil {
			t.Fatal(err)
		}
	}

	for _, args := range [][]string{
		{"@127.0.0.1", "www.shop.lab"},
		{"@" + world.Pub2Addr, "+tls", "www.shop.lab"},
		{"@" + world.Pub4Addr, "+tls", "www.bank.lab"},
		{"@" + world.Pub4Addr, "+https=/dns-query", "api.iot.lab"},
		{"@" + world.Pub4Addr, "+tls", "www.shop.lab"}, // which its recursor is asked for
	} {
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
	err = within(30*time.Second, func() error {
		said, err := toldLies(record)
		for _, want := range []string{
			"FORWARDER_RESPONSE dot www.shop.lab. from " + world.Pub1Addr + " says " + forwarded + " to local",
			"CLIENT_RESPONSE dot www.bank.lab. from " + world.Pub4Addr + " says " + toTLS + " to ",
			"CLIENT_RESPONSE doh api.iot.lab. from " + world.Pub4Addr + " says " + toHTTPS + " to ",
		} {
			if !slices.Contains(said, want) {
				err = errors.Join(err, fmt.Errorf("never judged: %q", want))
			}
		}
		for _, who := range []string{"lab", "bind", "pub4", "dnsdist"} {
			if !strings.Contains(d.text(), `"a dnstap sender is heard" part=dnstap identity=`+who) {
				err = errors.Join(err, fmt.Errorf("%s is not heard", who))
			}
		}
		as, aerr := d.client.Alerts(context.Background(), true)
		if !slices.ContainsFunc(as, func(a monitor.Alert) bool {
			return a.Name == "www.shop.lab." && a.Kind == monitor.ResolverCache && slices.Contains(a.Observed, forwarded)
		}) {
			err = errors.Join(err, aerr, fmt.Errorf("no alert of the lie that is forwarded among %+v", as))
		}
		if err != nil {
			err = fmt.Errorf("%w\njudged: %q", err, said)
		}
		return err
	})
	if err != nil {
		t.Errorf("%v\n%s", err, tail(d.text(), 40))
	}
	s, err := d.status()
	if err != nil {
		t.Fatal(err)
	}
	// Some connect once for each of their threads.
	if s.Dnstap.Senders < 4 || s.Dnstap.Undecodable+s.Dnstap.Failed+s.Dnstap.Refused != 0 || s.Counts.Conflicts != 0 {
		t.Errorf("%+v, %d conflicts; want 4 senders or more, and nothing wrong with what they tell", s.Dnstap, s.Counts.Conflicts)
	}
	t.Logf("%+v, %d overheard", s.Dnstap, s.Counts.Overheard)
}

// toldLies gives what the daemon judged of what it was told by dnstap, one line each.
func toldLies(record string) (lines []string, err error) {
	f, err := os.Open(record)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	err = monitor.ReadSamples(f, func(s monitor.Sample) error {
		for _, o := range s.Answers {
			if o.Packet == nil || o.Packet.Dnstap == "" {
				continue
			}
			var data []string
			for _, r := range o.Records {
				data = append(data, r.Data)
			}
			slices.Sort(data)
			lines = append(lines, fmt.Sprintf("%s %s %s from %s says %s to %s", o.Packet.Dnstap, o.Transport, s.Question.Name, o.Server, strings.Join(data, " "), o.Role))
		}
		return nil
	})
	return lines, err
}

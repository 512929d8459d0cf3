//go:build lab

package lab

import (
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

// lyingOverTLS is an unbound that lies to whoever forwards to it over TLS.
const lyingOverTLS = `server:
  interface: %[1]s@853
  tls-service-pem: "%[2]s.crt"
  tls-service-key: "%[2]s.key"
  access-control: 0.0.0.0/0 allow
  do-daemonize: no
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  module-config: "iterator"
  local-data: "www.shop.lab. 60 IN A %[4]s"
forward-zone:
  name: "."
  forward-addr: %[3]s
`

// overTLS is an unbound that forwards to that one over TLS, and tells of both legs.
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
  forward-addr: %s@853#liar.lab
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
	socket, record := w.Path("tap.sock"), w.Path("record")
	// Witnesses of the daemon are those that do not lie.
	c := &Case{Config: Config{
		Resolvers: usualResolvers[:4],
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

	cert, err := w.Certificate("liar", world.Certificate{CA: "lab-ca", Names: []string{"liar.lab"}})
	if err != nil {
		t.Fatal(err)
	}
	write(w.Path("conf", "liar"), fmt.Sprintf(lyingOverTLS, world.EvilAddr, cert, world.Pub2Addr, forwarded))
	start := func(host, name string) {
		t.Helper()
		p, err := w.Host(host).Start(name, "unbound", "-d", "-c", w.Path("conf", name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	start("evil", "liar")
	do(w.Service("pub2").Configure(`dnstap { client; resolver; }; dnstap-output unix "` + socket + `"; dnstap-identity "bind";`))
	do(w.Service("pub4").Configure(`tap = newFrameStreamUnixLogger('` + socket + `')
addAction(QNameRule('edge.cdn.lab.'), SpoofAction('` + toTLS + `'))
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
	write(w.Path("conf", "over-tls"), fmt.Sprintf(overTLS, w.Shared("lab-ca.pem"), world.EvilAddr, socket))
	start("client", "over-tls")
	if err := d.learn(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"www.shop.lab", "edge.cdn.lab", "api.iot.lab"} {
		if err := d.awaitVerdict(name, monitor.Clean, "", 15*time.Second); err != nil {
			t.Fatal(err)
		}
	}

	ask := func(args ...string) error {
		out, err := w.Client().Run("kdig", append(args, "+short", "+time=2", "+retry=0")...)
		if err == nil && !strings.HasPrefix(out, "198.18.") {
			err = errors.New(out)
		}
		return err
	}
	for _, args := range [][]string{
		{"@127.0.0.1", "www.shop.lab"},
		{"@" + world.Pub2Addr, "+tls", "www.shop.lab"},
		{"@" + world.Pub4Addr, "+tls", "edge.cdn.lab"},
		{"@" + world.Pub4Addr, "+https=/dns-query", "api.iot.lab"},
		{"@" + world.Pub4Addr, "+tls", "www.shop.lab"}, // which its recursor is asked for
	} {
		if err := within(20*time.Second, func() error { return ask(args...) }); err != nil {
			t.Fatalf("kdig %v: %v", args, err)
		}
	}
	err = within(30*time.Second, func() error {
		said, err := toldLies(record)
		for _, want := range []string{
			"FORWARDER_RESPONSE dot www.shop.lab. from " + world.EvilAddr + " says " + forwarded + " to local",
			"CLIENT_RESPONSE dot edge.cdn.lab. from " + world.Pub4Addr + " says " + toTLS + " to ",
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
		// It is not what programs here use, which are told the truth: no alert comes of it.
		if log := d.text(); !strings.Contains(log, `name=www.shop.lab. type=A from=clean to=suspect cause="" fact="`+forwarded+" shows a certificate") {
			err = errors.Join(err, errors.New("the lie that was forwarded was never suspected"))
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

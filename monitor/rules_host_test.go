package monitor_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// The nameserver of these tests is that of voice("system", monitor.UDP).
var (
	ownServer   = voice("system", monitor.UDP).Addr.Addr()
	otherServer = netip.MustParseAddr("10.0.0.53")
	genuine     = netip.MustParseAddr("10.0.0.1")
	rogue       = netip.MustParseAddr("10.0.0.66")
)

const here = "10.0.0.1 02:00:00:00:00:01"

// settled has history know this network by other nameservers than the one it asks now.
func (m *matter) settled(ss ...monitor.Setting) *matter {
	for _, s := range ss {
		if s.Network == "" {
			s.Network = here
		}
		s.Span = monitor.Span{First: noon.Add(-240 * time.Hour), Last: noon.Add(-time.Hour), Count: 100}
		m.Base.Hosts = append(m.Base.Hosts, s)
	}
	return m
}

// host adds what this host knows by itself.
func (m *matter) host(e monitor.Evidence) *matter {
	e.Kind = monitor.EvidenceHost
	if e.Network == "" {
		e.Network = here
	}
	return m.fact(e)
}

func asks(by string, from netip.Addr, mac string) monitor.Source {
	return monitor.Source{Server: ownServer, By: by, From: from, MAC: mac}
}

var (
	before   = monitor.Setting{Server: otherServer, By: monitor.ByFile, Modules: []string{"files", "dns"}}
	leased   = monitor.Setting{Server: otherServer, By: monitor.ByDHCP, From: genuine, MAC: "02:00:00:00:00:01"}
	fromFile = []monitor.Source{asks(monitor.ByFile, netip.Addr{}, "")}
	byRogue  = []monitor.Source{asks(monitor.ByFile, netip.Addr{}, ""), asks(monitor.ByDHCP, rogue, "02:00:00:00:00:66")}
	both     = append(byRogue[:2:2], monitor.Source{Server: otherServer, By: monitor.ByDHCP, From: genuine, MAC: "02:00:00:00:00:01", Unused: true})
	byOldOne = []monitor.Source{asks(monitor.ByDHCP, genuine, "02:00:00:00:00:01")}
)

// getent adds an answer of the C library.
func (m *matter) getent(as ...string) *matter { return m.say("system", monitor.System, 0, as...) }

// hostTests are those of rules that judge by what this host knows by itself.
var hostTests = []ruleTest{
	{"host.hosts_file", "it has the false address", learntMatter().getent(evilAddr).sys(goodAddr).host(monitor.Evidence{Addresses: addrs(evilAddr)}), []string{"30 local 192.0.66.66"}},
	{"host.hosts_file", "it has another", learntMatter().getent(evilAddr).sys(goodAddr).host(monitor.Evidence{Addresses: addrs(otherEvil)}), nil},
	{"host.hosts_file", "it has the right address", learntMatter().getent(goodAddr).sys(goodAddr).host(monitor.Evidence{Addresses: addrs(goodAddr)}), nil},
	{"host.hosts_file", "the nameserver says so, and it is none of this host", learntMatter().sys(evilAddr).host(monitor.Evidence{Addresses: addrs(evilAddr)}), nil},
	{"host.getaddrinfo", "the C library alone", learntMatter().getent(evilAddr).sys(goodAddr).dot(goodAddr, four...).then(time.Minute).getent(evilAddr).sys(goodAddr), []string{"30 local 192.0.66.66"}},
	{"host.getaddrinfo", "once: it may have met another node", learntMatter().getent(evilAddr).sys(goodAddr).dot(goodAddr, four...), []string{"0 local 192.0.66.66 again"}},
	{"host.getaddrinfo", "twice in a moment", learntMatter().getent(evilAddr).sys(goodAddr).then(time.Second).getent(evilAddr).sys(goodAddr), []string{"0 local 192.0.66.66 again"}},
	{"host.getaddrinfo", "the nameserver too", learntMatter().getent(evilAddr).sys(evilAddr).dot(goodAddr, four...), nil},
	{"host.getaddrinfo", "by turns", learntMatter().getent(evilAddr).sys(goodAddr).then(time.Second).getent(goodAddr).sys(goodAddr).then(time.Second).getent(evilAddr).sys(goodAddr), nil},
	{"host.nss", "another module", learntMatter().settled(before).getent(evilAddr).sys(goodAddr).host(monitor.Evidence{Names: []string{"evil", "files", "dns"}}), []string{"5 local 192.0.66.66"}},
	{"host.nss", "the same", learntMatter().settled(before).getent(evilAddr).sys(goodAddr).host(monitor.Evidence{Names: []string{"files", "dns"}}), nil},
	{"host.nss", "another, and the answer is right", learntMatter().settled(before).getent(goodAddr).sys(goodAddr).host(monitor.Evidence{Names: []string{"dns"}}), nil},
	{"host.nss", "it was not known which", learntMatter().settled(leased).getent(evilAddr).sys(goodAddr).host(monitor.Evidence{Names: []string{"dns"}}), nil},
	{"host.resolv_conf", "a nameserver that was never asked here", learntMatter().settled(before).sys(evilAddr).host(monitor.Evidence{Sources: fromFile}), []string{"15 local 192.0.66.66"}},
	{"host.resolv_conf", "and what it says is right", learntMatter().settled(before).sys(goodAddr).host(monitor.Evidence{Sources: fromFile}), nil},
	{"host.resolv_conf", "it was asked before", learntMatter().settled(before, monitor.Setting{Server: ownServer}).sys(evilAddr).host(monitor.Evidence{Sources: fromFile}), nil},
	{"host.resolv_conf", "another network", learntMatter().settled(before).sys(evilAddr).host(monitor.Evidence{Sources: fromFile, Network: "10.9.0.1"}), nil},
	{"host.resolv_conf", "announced", learntMatter().settled(before).sys(evilAddr).host(monitor.Evidence{Sources: byRogue}), nil},
	{"host.dhcp_dns", "announced", learntMatter().settled(before).sys(evilAddr).host(monitor.Evidence{Sources: byRogue}), []string{"15 local 192.0.66.66"}},
	{"host.dhcp_dns", "written by hand", learntMatter().settled(before).sys(evilAddr).host(monitor.Evidence{Sources: fromFile}), nil},
	{"lan.control", "by somebody new", learntMatter().settled(leased).sys(evilAddr).host(monitor.Evidence{Sources: byRogue}), []string{"15 local 192.0.66.66"}},
	{"lan.control", "beside the one that was there before", learntMatter().settled(leased).sys(evilAddr).host(monitor.Evidence{Sources: both}), []string{"30 local 192.0.66.66"}},
	{"lan.control", "by the one that was there before", learntMatter().settled(leased).sys(evilAddr).host(monitor.Evidence{Sources: byOldOne}), nil},
	{"lan.control", "what it says is right", learntMatter().settled(leased).sys(goodAddr).host(monitor.Evidence{Sources: both}), nil},
}

// Which nameservers gave good answers is learnt for each network, in calm.
func TestSettingsAreLearnt(t *testing.T) {
	seen := monitor.Span{First: noon, Last: noon, Count: 1}
	for _, tt := range []struct {
		name   string
		answer string
		calm   bool
		want   []monitor.Setting
	}{
		{"good", goodAddr, true, []monitor.Setting{{Span: seen, Network: here, Server: ownServer, By: monitor.ByDHCP, From: rogue, MAC: "02:00:00:00:00:66", Modules: []string{"files", "dns"}}}},
		{"good, while somebody stands accused", goodAddr, false, nil},
		{"suspicious", evilAddr, true, nil},
	} {
		m := learntMatter().sys(tt.answer).host(monitor.Evidence{At: noon, Sources: both, Names: []string{"files", "dns"}})
		monitor.Learn(m.Base, &m.Case, tt.calm)
		if diff := cmp.Diff(tt.want, m.Base.Hosts, byValue); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// A nameserver that is new is learnt with its first good answers: what it says later
// is its own doing, and not that of who wrote it down.
func TestNewServerIsLearntAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		good time.Duration
		want monitor.Kind
	}{
		"it was right for a while":     {30 * time.Second, monitor.ResolverCache},
		"it lies from the first round": {0, monitor.LocalHost},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, c monitor.Config) {
				read, moved := c.System, false
				c.System = func() ([]monitor.Resolver, error) {
					if moved {
						return []monitor.Resolver{endpoint("other", "system", "10.0.0.9", monitor.Local, monitor.UDP)}, nil
					}
					return read()
				}
				w.facts = func(p monitor.Proof) monitor.Evidence {
					rs, err := c.System()
					if p.Kind != monitor.EvidenceHost || err != nil {
						return monitor.Evidence{Kind: p.Kind, Status: monitor.Indeterminate}
					}
					return monitor.Evidence{Network: here, Sources: []monitor.Source{{Server: rs[0].Addr.Addr(), By: monitor.ByFile}}}
				}
				w.publish(apiA, reply{addrs: []string{goodAddr}, ttl: 300})
				w.cert(evilAddr, monitor.OutcomeSelfSigned, evilKey, time.Hour)
				watch(t, w, c, func(m *monitor.Monitor) {
					wait(30 * time.Minute)
					if tt.good == 0 {
						w.lie(apiA, evilAddr, 60, "other/udp")
					}
					moved = true
					m.SystemChanged()
					wait(tt.good)
					w.lie(apiA, evilAddr, 60, "other/udp")
					wait(10 * time.Minute)
					if a := w.only(t); a.Kind != tt.want {
						t.Errorf("alert %s at %s by %s, want %s", a.Kind, a.Attribution, a.Resolver, tt.want)
					}
				})
			})
		})
	}
}

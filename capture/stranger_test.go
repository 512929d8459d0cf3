package capture_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// met lists strangers, each in a line, in order of name.
func met(ss []monitor.Stranger) (lines []string) {
	for _, s := range ss {
		var as []string
		for _, a := range s.Addresses {
			as = append(as, fmt.Sprintf("%s %dx", a.Address, a.Count))
		}
		line := fmt.Sprintf("%s %s - %s %dx [%s]", s.Question, s.First.Sub(began), s.Last.Sub(began), s.Count, strings.Join(as, ", "))
		if s.More {
			line += " and more"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func TestStrangers(t *testing.T) {
	ask := func(id uint16, name string, t uint16) datagram { return query(0, id, name, t) }
	www, six, watched := ask(1, "www.example.com.", dns.TypeA), ask(2, "www.example.com.", dns.TypeAAAA), ask(3, "api.partner.example.", dns.TypeA)
	many := []string{}
	for n := range 20 {
		many = append(many, fmt.Sprintf("203.0.113.%d", n))
	}
	chaos := ask(4, "version.bind.", dns.TypeTXT).with(func(d *datagram) { d.msg.Question[0].Qclass = dns.ClassCHAOS })
	for _, tt := range []struct {
		name    string
		packets []datagram
		want    []string
	}{
		{"one", []datagram{www, www.reply(time.Second, "203.0.113.10")}, []string{"www.example.com. A 1s - 1s 1x [203.0.113.10 1x]"}},
		{"a query alone", []datagram{www}, nil},
		{"one that is watched", []datagram{watched, watched.reply(time.Second, "203.0.113.10")}, nil},
		{"another class", []datagram{chaos, chaos.reply(time.Second)}, nil},
		{"one that is not in the name of whoever was asked", []datagram{www, www.reply(time.Second, "203.0.113.10"), ask(9, "WWW.example.com.", dns.TypeA).reply(3*time.Second, "203.0.113.10", "203.0.113.66")},
			[]string{"www.example.com. A 1s - 3s 2x [203.0.113.10 2x, 203.0.113.66 1x]"}},
		{"behind a CNAME", []datagram{www.reply(time.Second, "edge.example.net.", "203.0.113.10")}, []string{"www.example.com. A 1s - 1s 1x [203.0.113.10 1x]"}},
		{"no address", []datagram{www.reply(time.Second)}, []string{"www.example.com. A 1s - 1s 1x []"}},
		{"another type", []datagram{www.reply(time.Second, "203.0.113.10"), six.reply(2*time.Second, "2001:db8::1")},
			[]string{"www.example.com. A 1s - 1s 1x [203.0.113.10 1x]", "www.example.com. AAAA 2s - 2s 1x [2001:db8::1 1x]"}},
		{"truncated", []datagram{www.reply(time.Second).with(func(d *datagram) { d.msg.Truncated = true })}, nil},
		{"many addresses", []datagram{www.reply(time.Second, many...)}, []string{"www.example.com. A 1s - 1s 1x [" + strings.Join(many[:16], " 1x, ") + " 1x] and more"}},
		{"a third", []datagram{www.reply(0, "203.0.113.10"), six.reply(0), ask(5, "a.example.com.", dns.TypeA).reply(0)},
			[]string{"www.example.com. A 0s - 0s 1x [203.0.113.10 1x]", "www.example.com. AAAA 0s - 0s 1x []"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := capture.NewMatcher(capture.Config{Watched: []string{"api.partner.example."}, Strangers: 2})
			for n, d := range tt.packets {
				m.Take(d.frame(t, n+1))
			}
			if diff := cmp.Diff(tt.want, met(m.Strangers())); diff != "" {
				t.Errorf("met (-want +got):\n%s", diff)
			}
			if got := m.Strangers(); len(got) != 0 {
				t.Errorf("and again %v", met(got))
			}
			if want := uint64(max(0, len(tt.packets)-2)); tt.name == "a third" && m.Stats().Unkept != want {
				t.Errorf("%d had no room, want %d", m.Stats().Unkept, want)
			}
		})
	}
}

// What nobody wants is not kept, and of a flood no more than there is room for.
func TestStrangersFlood(t *testing.T) {
	for room, want := range map[int]int{0: 0, 10: 10} {
		m := capture.NewMatcher(capture.Config{Strangers: room})
		for n := range 100 {
			q := query(0, uint16(n), fmt.Sprintf("r%d.example.com.", n), dns.TypeA).with(func(d *datagram) {
				d.src = netip.AddrPortFrom(d.src.Addr(), uint16(1024+n))
			})
			m.Take(q.reply(0, "203.0.113.10").frame(t, n+1))
		}
		if got := len(m.Strangers()); got != want {
			t.Errorf("with room for %d, %d are kept", room, got)
		}
	}
}

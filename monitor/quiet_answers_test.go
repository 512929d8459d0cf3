package monitor_test

import (
	"fmt"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// quietAnswers are stories of answers that differ, for good reasons.
var quietAnswers = []quiet{
	{
		name:   "round robin over nine addresses, four at a time",
		steady: true,
		story: func(w *world) {
			w.cert("192.0.81.0/24", monitor.OutcomeOK, goodKey, old)
			w.bend(func(e string, q monitor.Question, n int) (reply, bool) {
				r := reply{ttl: 60}
				for i := range 4 {
					r.addrs = append(r.addrs, fmt.Sprintf("192.0.81.%d", 1+(dice(e, n, 9)+i)%9))
				}
				return r, true
			})
			wait(3 * time.Hour)
		},
	},
	{
		name: "GeoDNS: other addresses and another key for each resolver",
		story: func(w *world) {
			for i, e := range everyone {
				addr := fmt.Sprintf("192.0.%d.1", 100+i)
				w.cert(addr, monitor.OutcomeOK, fmt.Sprintf("sha256/region%d", i), old)
				w.lie(apiA, addr, 60, e)
			}
			wait(2 * time.Hour)
		},
	},
	{
		name:   "a pool that hands out a new address each time",
		steady: true,
		story: func(w *world) {
			w.cert("193.1.0.0/16", monitor.OutcomeOK, goodKey, old)
			w.bend(func(e string, q monitor.Question, n int) (reply, bool) {
				return reply{ttl: 5, addrs: []string{fmt.Sprintf("193.1.%d.%d", dice(e, n, 250), 1+dice(e, n+1, 250))}}, true
			})
			wait(2 * time.Hour)
		},
	},
	{
		name:   "a PoP is added near this host only",
		steady: true,
		story: func(w *world) {
			wait(30 * time.Minute)
			w.cert("192.0.99.1", monitor.OutcomeOK, goodKey, old)
			w.lie(apiA, "192.0.99.1", 60, "system/udp")
			wait(time.Hour)
		},
	},
	{
		name:   "certificate renewed with a new key",
		steady: true,
		story: func(w *world) {
			wait(time.Hour)
			w.cert(goodAddr, monitor.OutcomeOK, "sha256/renewed", time.Minute)
			w.cert(goodAddr2, monitor.OutcomeOK, "sha256/renewed", time.Minute)
			wait(26 * time.Hour)
		},
	},
	{
		name: "certificate renewed with a new key while a PoP is added",
		story: func(w *world) {
			wait(time.Hour)
			for _, a := range []string{goodAddr, goodAddr2, "192.0.99.1"} {
				w.cert(a, monitor.OutcomeOK, "sha256/renewed", time.Minute)
			}
			w.lie(apiA, "192.0.99.1", 60, "system/udp")
			wait(time.Hour)
		},
	},
	{
		name: "migration, the old address dead, this host's cache lagging",
		story: func(w *world) {
			wait(time.Hour)
			w.cert("192.0.90.1", monitor.OutcomeOK, "sha256/new", time.Minute)
			w.cert(goodAddr, monitor.OutcomeTimeout, "", 0)
			w.cert(goodAddr2, monitor.OutcomeTimeout, "", 0)
			w.tell(apiA, reply{addrs: []string{goodAddr, goodAddr2}, ttl: 30}, "system/udp")
			w.change(apiA, "192.0.90.1")
			wait(time.Hour)
			w.honest()
			wait(time.Hour)
		},
	},
	{
		name: "one witness lags behind a migration",
		story: func(w *world) {
			wait(time.Hour)
			w.cert("192.0.90.1", monitor.OutcomeOK, goodKey, old)
			w.tell(apiA, reply{addrs: []string{goodAddr}, ttl: 300}, plainAndDoT...)
			w.change(apiA, "192.0.90.1")
			wait(2 * time.Hour)
		},
	},
	{
		name:   "a witness denies by policy, NXDOMAIN with EDE 15",
		steady: true,
		story: func(w *world) {
			wait(10 * time.Minute)
			w.tell(apiA, reply{rcode: "NXDOMAIN", ede: []uint16{15}}, plainAndDoT...)
			wait(3 * time.Hour)
		},
	},
	{
		name: "a witness that filters denies without saying why",
		config: func(c *monitor.Config) {
			c.References[1].Filtering, c.Twins[1].Filtering = true, true
		},
		story: func(w *world) {
			w.tell(apiA, reply{rcode: "NXDOMAIN"}, plainAndDoT...)
			wait(3 * time.Hour)
		},
	},
	{
		name: "a witness that filters answers 0.0.0.0",
		config: func(c *monitor.Config) {
			c.References[1].Filtering, c.Twins[1].Filtering = true, true
		},
		story: func(w *world) {
			wait(10 * time.Minute)
			w.lie(apiA, "0.0.0.0", 60, plainAndDoT...)
			wait(3 * time.Hour)
		},
	},
	{
		name:   "split horizon, certificate of a configured CA",
		steady: true,
		story: func(w *world) {
			w.cert("10.1.2.3", monitor.OutcomeOK, "sha256/inside", old)
			w.lie(apiA, "10.1.2.3", 60, "system/udp")
			wait(26 * time.Hour)
		},
	},
	{
		name:   "split horizon, declared, certificate of nobody we know",
		config: func(c *monitor.Config) { c.Watches[0].Expect.Private = monitor.PrivateAllow },
		story: func(w *world) {
			w.cert("10.1.2.3", monitor.OutcomeUntrusted, "sha256/inside", old)
			w.lie(apiA, "10.1.2.3", 60, "system/udp")
			wait(26 * time.Hour)
		},
	},
	{
		name:   "DNS64 gives an AAAA that no witness has",
		config: types(monitor.TypeA, monitor.TypeAAAA),
		story: func(w *world) {
			w.cert("64:ff9b::/96", monitor.OutcomeOK, goodKey, old)
			w.lie(apiAAAA, "64:ff9b::c000:500a", 60, "system/udp")
			wait(2 * time.Hour)
		},
	},
	{
		name:   "a resolver with a TTL floor of an hour, another with a cap of ten seconds",
		steady: true,
		story: func(w *world) {
			wait(10 * time.Minute)
			w.tell(apiA, reply{addrs: []string{goodAddr, goodAddr2}, ttl: 3600}, "system/udp")
			w.tell(apiA, reply{addrs: []string{goodAddr, goodAddr2}, ttl: 10}, plainAndDoT...)
			wait(2 * time.Hour)
		},
	},
	{
		name:   "TTL 0 everywhere",
		steady: true,
		story: func(w *world) {
			w.publish(apiA, reply{addrs: []string{goodAddr, goodAddr2}})
			wait(2 * time.Hour)
		},
	},
	{
		name:   "no AAAA record",
		config: types(monitor.TypeA, monitor.TypeAAAA),
		story:  func(w *world) { wait(3 * time.Hour) },
	},
	{
		name:   "CNAME chain changes to another CDN",
		steady: true,
		story: func(w *world) {
			w.publish(apiA, reply{cname: []string{"partner.cdn-one.example."}, addrs: []string{goodAddr}, ttl: 60})
			wait(time.Hour)
			w.cert("192.0.120.7", monitor.OutcomeOK, "sha256/two", old)
			w.publish(apiA, reply{cname: []string{"p.cdn-two.example.", "edge.cdn-two.example."}, addrs: []string{"192.0.120.7"}, ttl: 60})
			wait(time.Hour)
		},
	},
	{
		name:   "AAAA only",
		config: types(monitor.TypeA, monitor.TypeAAAA),
		story: func(w *world) {
			w.change(apiA)
			w.cert("2a00:1::/32", monitor.OutcomeOK, goodKey, old)
			w.change(apiAAAA, "2a00:1::10")
			wait(3 * time.Hour)
		},
		attack: func(w *world) {
			w.cert("2a00:666::1", monitor.OutcomeSelfSigned, evilKey, time.Hour)
			w.lie(apiAAAA, "2a00:666::1", 60, everyPlain...)
		},
	},
}

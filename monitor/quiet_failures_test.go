package monitor_test

import (
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// quietFailures are stories of things that break by themselves.
var quietFailures = []quiet{
	{
		name: "resolver restarts: no answer, then full TTLs again",
		story: func(w *world) {
			for range 4 {
				wait(20 * time.Minute)
				w.kill("system/udp")
				wait(30 * time.Second)
				w.honest()
				w.tell(apiA, reply{addrs: []string{goodAddr, goodAddr2}, ttl: 86400}, "system/udp")
			}
			w.honest()
			wait(20 * time.Minute)
		},
	},
	{
		name: "three in ten answers are SERVFAIL or nothing",
		story: func(w *world) {
			w.bend(func(e string, q monitor.Question, n int) (reply, bool) {
				switch d := dice(e, n, 20); {
				case d < 3:
					return reply{rcode: "SERVFAIL", ede: []uint16{22}}, true
				case d < 6:
					return reply{err: monitor.ErrTimeout}, true
				}
				return reply{}, false
			})
			wait(6 * time.Hour)
		},
	},
	{
		name:   "no route to the addresses of one family",
		config: types(monitor.TypeA, monitor.TypeAAAA),
		story: func(w *world) {
			w.cert("2a00:1::/32", monitor.OutcomeUnreachable, "", 0)
			w.change(apiAAAA, "2a00:1::10")
			wait(3 * time.Hour)
		},
	},
	{
		name:   "the clock is set an hour back, and forward again",
		steady: true,
		story: func(w *world) {
			wait(10 * time.Minute)
			w.stepClock(-time.Hour)
			wait(30 * time.Minute)
			w.stepClock(time.Hour)
			wait(30 * time.Minute)
		},
	},
	{
		name:   "the clock is set an hour forward",
		steady: true,
		story: func(w *world) {
			wait(10 * time.Minute)
			w.stepClock(time.Hour)
			wait(30 * time.Minute)
		},
	},
	{
		name:   "the clock is set an hour back, and stays there",
		steady: true,
		story: func(w *world) {
			wait(10 * time.Minute)
			w.stepClock(-time.Hour)
			wait(10 * time.Minute)
		},
	},
	{
		name:   "one of four witnesses is down",
		steady: true,
		story: func(w *world) {
			wait(10 * time.Minute)
			w.kill(plainAndDoT...)
			wait(3 * time.Hour)
		},
	},
	{
		name:   "two of four witnesses are down",
		steady: true,
		story: func(w *world) {
			wait(10 * time.Minute)
			w.kill("alpha/dot", "alpha/udp", "charlie/dot", "charlie/udp")
			wait(3 * time.Hour)
		},
	},
	{
		name: "no network for an hour",
		story: func(w *world) {
			wait(20 * time.Minute)
			w.kill(everyone...)
			w.cert("0.0.0.0/0", monitor.OutcomeTimeout, "", 0)
			wait(time.Hour)
			w.honest()
			wait(10 * time.Minute)
		},
	},
	{
		name: "certificate expired at everybody",
		story: func(w *world) {
			wait(time.Hour)
			w.cert(goodAddr, monitor.OutcomeExpired, goodKey, 91*24*time.Hour)
			w.cert(goodAddr2, monitor.OutcomeExpired, goodKey, 91*24*time.Hour)
			wait(26 * time.Hour)
		},
		attack: func(w *world) { w.lie(apiA, evilAddr, 60, everyPlain...) },
		// No handshake can be compared with: what the path does is left, and that only makes it probable.
		want: rewrittenProbably,
	},
	{
		name: "a dead node of the CDN, handed out to this host only",
		story: func(w *world) {
			wait(time.Hour)
			w.lie(apiA, "192.0.99.9", 60, "system/udp")
			wait(time.Hour)
		},
		verdict: monitor.Suspicious,
		suspect: true,
	},
	{
		name: "the name serves no TLS: connections are refused",
		story: func(w *world) {
			w.cert(goodAddr, monitor.OutcomeRefused, "", 0)
			w.cert(goodAddr2, monitor.OutcomeRefused, "", 0)
			wait(26 * time.Hour) // until then nothing is held against a name that cannot prove itself
		},
		want: rewrittenProbably,
	},
}

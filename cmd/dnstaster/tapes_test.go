package main

import (
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dnstaster/dnstaster/capture"
)

const (
	msec = time.Millisecond
	// What a genuine answer gives, and what forged ones do.
	trueOne, trueTwo    = "171.161.116.100", "23.185.0.2"
	falseOne, falseTwo  = "10.6.6.6", "45.33.32.156"
	trueSix, falseSix   = "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "2a00:1450:4001:81b::2004"
	forgerHop, otherHop = 128, 56
)

// tapes are captures with forgeries, and captures that look like it.
var tapes = []struct {
	name string
	play func(*tape)
}{
	{"a forgery wins", func(p *tape) {
		q := p.ask(usual, 0)
		p.forged(usual, q, p.answer(usual, said{at: 2 * msec, addrs: []string{falseOne}, hop: forgerHop, mac: 0x66}), p.answer(usual, said{at: 20 * msec, addrs: []string{trueOne}}))
	}},
	{"a forgery loses", func(p *tape) {
		q := p.ask(usual, 0)
		p.forged(usual, q, p.answer(usual, said{at: 2 * msec, addrs: []string{trueOne}}), p.answer(usual, said{at: 3 * msec, addrs: []string{falseOne}, hop: forgerHop}))
	}},
	{"a forgery without a sign in its packets", func(p *tape) {
		q := p.ask(usual, 0)
		p.forged(usual, q, p.answer(usual, said{at: 2 * msec, addrs: []string{falseTwo}}), p.answer(usual, said{at: 20 * msec, addrs: []string{trueOne}}))
	}},
	{"two forgers", func(p *tape) {
		q := p.ask(usual, 0)
		p.forged(usual, q, p.answer(usual, said{at: 2 * msec, addrs: []string{falseOne}, mac: 0x66}), p.answer(usual, said{at: 3 * msec, addrs: []string{falseTwo}, mac: 0x67}),
			p.answer(usual, said{at: 20 * msec, addrs: []string{trueOne}}))
	}},
	{"half a second late, as dnsspoof is", func(p *tape) {
		q := p.ask(usual, 0)
		p.forged(usual, q, p.answer(usual, said{at: 4 * msec, addrs: []string{trueOne, trueTwo}}), p.answer(usual, said{at: 508 * msec, addrs: []string{falseTwo}, hop: 64}))
	}},
	{"each forgery seen twice, and no such name in truth", func(p *tape) {
		q := p.ask(usual, 0)
		p.forged(usual, q, p.answer(usual, said{at: 1 * msec, addrs: []string{falseOne}, mac: 0x66, hop: 64}), p.answer(usual, said{at: 2 * msec, addrs: []string{falseOne}, mac: 0x67, hop: 64}),
			p.answer(usual, said{at: 600 * msec, rcode: dnsmessage.RCodeNameError}))
	}},
	{"a forged denial", func(p *tape) {
		q := p.ask(usual, 0)
		p.forged(usual, q, p.answer(usual, said{at: 1 * msec, rcode: dnsmessage.RCodeNameError, hop: 64}), p.answer(usual, said{at: 30 * msec, addrs: []string{trueOne}}))
	}},
	{"a forgery behind a retransmit", func(p *tape) {
		q, again := p.ask(usual, 0), p.ask(usual, time.Second)
		p.forged(usual, q, again, p.answer(usual, said{at: 1001 * msec, addrs: []string{falseTwo}, hop: forgerHop, behind: 3}),
			p.answer(usual, said{at: 1020 * msec, addrs: []string{trueOne}}))
	}},
	{"a forgery with octets behind it", func(p *tape) {
		q := p.ask(usual, 0)
		p.forged(usual, q, p.answer(usual, said{at: 2 * msec, addrs: []string{falseTwo}, behind: 3}), p.answer(usual, said{at: 20 * msec, addrs: []string{trueOne}}))
	}},
	{"a forged alias", func(p *tape) {
		q := p.ask(usual, 0)
		p.forged(usual, q, p.answer(usual, said{at: 2 * msec, alias: []string{"evil.example."}, addrs: []string{falseTwo}}),
			p.answer(usual, said{at: 20 * msec, alias: []string{"www.cdn.example.net."}, addrs: []string{trueOne}}))
	}},
	{"over IPv6", func(p *tape) {
		x := exchange{"[fd00::20]:40001", "[2620:fe::fe]:53", 9, "www.example.com.", dnsmessage.TypeAAAA}
		q := p.ask(x, 0)
		p.forged(x, q, p.answer(x, said{at: 2 * msec, addrs: []string{falseSix}, hop: 64}), p.answer(x, said{at: 20 * msec, addrs: []string{trueSix}}))
	}},
	{"seen on two interfaces", func(p *tape) {
		q := p.ask(usual, 0)
		p.query(usual, said{at: msec / 10, hop: 63, mac: 1, iface: 1})
		f := p.answer(usual, said{at: 2 * msec, addrs: []string{falseTwo}, hop: forgerHop, mac: 0x66, iface: 1})
		p.answer(usual, said{at: 2*msec + msec/10, addrs: []string{falseTwo}, hop: forgerHop - 1, mac: 1})
		g := p.answer(usual, said{at: 20 * msec, addrs: []string{trueOne}, iface: 1})
		p.answer(usual, said{at: 20*msec + msec/10, addrs: []string{trueOne}, hop: 56, mac: 1})
		p.forged(usual, q, f, g)
	}},
	{"asked through two interfaces, answered through one", func(p *tape) {
		q := p.ask(usual, 0)
		p.query(usual, said{at: msec / 10, hop: 63, mac: 1, iface: 1})
		p.forged(usual, q, p.answer(usual, said{at: 2 * msec, addrs: []string{falseTwo}, iface: 1}), p.answer(usual, said{at: 20 * msec, addrs: []string{trueOne}, iface: 1}))
	}},
	{"the genuine answer cut by the capture", func(p *tape) {
		q := p.ask(usual, 0)
		p.forged(usual, q, p.answer(usual, said{at: 2 * msec, addrs: []string{falseTwo}, hop: 64}),
			p.answer(usual, said{at: 20 * msec, addrs: []string{trueOne, trueTwo}, cut: 10}))
	}},
	{"one of many", func(p *tape) {
		for i := range 50 {
			x := usual
			x.id += uint16(i)
			q := p.ask(x, time.Duration(i)*10*msec)
			frames := []int{q, p.answer(x, said{at: time.Duration(i)*10*msec + 4*msec, addrs: []string{trueOne}})}
			if i == 30 {
				frames = append(frames, p.answer(x, said{at: time.Duration(i)*10*msec + 5*msec, addrs: []string{falseTwo}, hop: 64}))
				p.forged(x, frames...)
			}
		}
	}},

	{"a retransmit, and a zone that rotates", func(p *tape) {
		p.ask(usual, 0)
		p.ask(usual, time.Second)
		p.answer(usual, said{at: 1010 * msec, addrs: []string{trueOne}})
		p.answer(usual, said{at: 1020 * msec, addrs: []string{trueTwo}, ident: 8})
	}},
	{"the same id and port for the same name, a while later", func(p *tape) {
		p.ask(usual, 0)
		p.answer(usual, said{at: 10 * msec, addrs: []string{trueOne}})
		p.ask(usual, 3*time.Second)
		p.answer(usual, said{at: 3010 * msec, addrs: []string{trueTwo}})
	}},
	{"the same id and port for another name", func(p *tape) {
		x := usual
		x.name = "other.example.com."
		p.ask(usual, 0)
		p.answer(usual, said{at: 10 * msec, addrs: []string{trueOne}})
		p.ask(x, 20*msec)
		p.answer(x, said{at: 30 * msec, addrs: []string{trueTwo}})
	}},
	{"the network doubles packets", func(p *tape) {
		for range 2 {
			p.ask(usual, 0)
		}
		for range 2 {
			p.answer(usual, said{at: 10 * msec, addrs: []string{trueOne}})
		}
	}},
	{"packets seen before and behind a router", func(p *tape) {
		p.ask(usual, 0)
		p.query(usual, said{at: msec / 10, hop: 63, mac: 1, iface: 1})
		p.answer(usual, said{at: 10 * msec, addrs: []string{trueOne, trueTwo}, iface: 1})
		p.answer(usual, said{at: 10*msec + msec/10, addrs: []string{trueOne, trueTwo}, hop: 56, mac: 1})
	}},
	{"records in another order, and older", func(p *tape) {
		p.ask(usual, 0)
		p.answer(usual, said{at: 10 * msec, addrs: []string{trueOne, trueTwo}})
		p.answer(usual, said{at: 12 * msec, addrs: []string{trueTwo, trueOne}, ttl: 59, ident: 8})
	}},
	{"an error, then an answer", func(p *tape) {
		p.ask(usual, 0)
		p.answer(usual, said{at: 10 * msec, rcode: dnsmessage.RCodeServerFailure})
		p.answer(usual, said{at: 12 * msec, addrs: []string{trueOne}, hop: otherHop})
	}},
	{"truncated, then an answer", func(p *tape) {
		p.ask(usual, 0)
		p.answer(usual, said{at: 10 * msec, tc: true})
		p.answer(usual, said{at: 12 * msec, addrs: []string{trueOne}})
	}},
	{"two nodes of one network", func(p *tape) {
		p.ask(usual, 0)
		p.answer(usual, said{at: 10 * msec, addrs: []string{trueOne}})
		p.answer(usual, said{at: 12 * msec, addrs: []string{"171.161.116.7"}, hop: otherHop})
	}},
	{"one alias, different nodes", func(p *tape) {
		p.ask(usual, 0)
		p.answer(usual, said{at: 10 * msec, alias: []string{"www.cdn.example.net.", "e1.cdn.example.net."}, addrs: []string{trueOne}})
		p.answer(usual, said{at: 12 * msec, alias: []string{"www.cdn.example.net.", "e1.cdn.example.net."}, addrs: []string{trueTwo}})
	}},
	{"answers without their query", func(p *tape) {
		p.answer(usual, said{at: 10 * msec, addrs: []string{trueOne}})
		p.answer(usual, said{at: 400 * msec, addrs: []string{trueTwo}})
	}},
	{"both families at once", func(p *tape) {
		x := usual
		x.kind, x.id = dnsmessage.TypeAAAA, usual.id+1
		p.ask(usual, 0)
		p.ask(x, 0)
		p.answer(x, said{at: 10 * msec, addrs: []string{trueSix}})
		p.answer(usual, said{at: 10 * msec, addrs: []string{trueOne}})
	}},
	{"nobody answers", func(p *tape) {
		p.ask(usual, 0)
		p.ask(usual, 5*time.Second)
	}},
}

// tapeLinks are the links that each tape is recorded on.
var tapeLinks = []struct {
	name string
	link capture.LinkType
	tags []byte
}{
	{"Ethernet", capture.LinkEthernet, nil},
	{"802.1Q", capture.LinkEthernet, []byte{0x81, 0, 0, 42}},
	{"QinQ", capture.LinkEthernet, []byte{0x88, 0xa8, 0, 7, 0x81, 0, 0, 42}},
	{"SLL", capture.LinkSLL, nil},
	{"SLL2", capture.LinkSLL2, nil},
	{"raw", capture.LinkRaw, nil},
}

// record plays a tape on a link.
func record(t *testing.T, play func(*tape), link capture.LinkType, tags []byte) *tape {
	t.Helper()
	p := &tape{t: t, link: link, tags: tags}
	play(p)
	return p
}

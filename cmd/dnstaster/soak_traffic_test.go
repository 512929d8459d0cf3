package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// soakPlan is what becomes of one query.
type soakPlan int

const (
	honest   soakPlan = iota
	early             // a forgery comes before the answer
	late              // and up to half a second behind it
	resent            // asked twice, answered twice, from a zone that rotates
	doubled           // the answer comes twice
	failing           // an error comes before the answer
	garbled           // neither query nor answer need be DNS
	soakKind          // how many there are
)

// soakWatched is how many names are watched, n0 and on.
const soakWatched = 8

func soakName(i int) string { return fmt.Sprintf("n%d.partner.example.", i) }

// soakTraffic is a resolver on loopback, those that ask it, and an attacker.
type soakTraffic struct {
	ctx     context.Context
	servers *servers
	conns   []*net.UDPConn

	mu    sync.Mutex // guards:
	plans map[soakKey]soakPlan

	sent      [soakKind]atomic.Uint64
	watched   atomic.Uint64 // forgeries of watched names that were sent
	strangers atomic.Uint64 // of others
}

type soakKey struct {
	client netip.AddrPort
	id     uint16
}

// newSoakTraffic starts the resolver at port 53 of both loopback addresses.
func newSoakTraffic(t *testing.T, ctx context.Context, s *servers) *soakTraffic {
	t.Helper()
	f := &soakTraffic{ctx: ctx, servers: s, plans: map[soakKey]soakPlan{}}
	for _, a := range []string{"127.0.0.53:53", "[::1]:53"} {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(a)))
		if err != nil {
			t.Fatal(err)
		}
		s.closeWith(c)
		f.conns = append(f.conns, c)
		s.wg.Go(func() {
			buf := make([]byte, 4096)
			for {
				n, from, err := c.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				f.answer(c, from, buf[:n])
			}
		})
	}
	return f
}

// ask asks one question after the other until the traffic ends.
func (f *soakTraffic) ask(t *testing.T) {
	for n := 0; sleep(f.ctx, time.Duration(rand.IntN(20))*time.Millisecond); n++ {
		if err := f.one(soakPlan(rand.IntN(int(soakKind))), rand.IntN(3) == 0); err != nil {
			t.Error(err)
			return
		}
	}
}

// one asks one question, from a port of its own.
func (f *soakTraffic) one(p soakPlan, watched bool) error {
	name := fmt.Sprintf("u%d.example.net.", rand.Uint32())
	if watched && p != resent && p != garbled {
		name = soakName(rand.IntN(soakWatched))
	}
	server := f.conns[rand.IntN(len(f.conns))].LocalAddr().(*net.UDPAddr)
	c, err := net.DialUDP("udp", nil, server)
	if err != nil {
		return err
	}
	defer c.Close()
	id := uint16(rand.Uint32())
	q := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	msg, err := q.Pack()
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.plans[soakKey{c.LocalAddr().(*net.UDPAddr).AddrPort(), id}] = p
	f.mu.Unlock()
	if p == garbled && rand.IntN(2) == 0 {
		garble(msg)
	}
	f.sent[p].Add(1)
	times := 1
	if p == resent {
		times = 2
	}
	for range times {
		c.Write(msg) // an error is that of an earlier answer that came too late
	}
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	c.Read(make([]byte, 4096))
	return nil
}

// answer does what is planned.
func (f *soakTraffic) answer(c *net.UDPConn, from netip.AddrPort, query []byte) {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	var q dnsmessage.Question
	if err == nil {
		q, err = p.Question()
	}
	if err != nil || head.Response {
		noise := make([]byte, rand.IntN(40))
		garble(noise)
		c.WriteToUDPAddrPort(noise, from)
		return
	}
	key := soakKey{from, head.ID}
	f.mu.Lock()
	plan, known := f.plans[key]
	if known && plan == resent {
		f.plans[key] = honest // the second time
	} else {
		delete(f.plans, key)
	}
	f.mu.Unlock()
	genuine, forged := soakAnswer(head.ID, q, demoTrue, 0), soakAnswer(head.ID, q, demoFalse, 0)
	send := func(msg []byte) {
		c.WriteToUDPAddrPort(msg, from)
	}
	lie := func() {
		send(forged)
		f.lied(q.Name.String())
	}
	switch plan {
	case early:
		lie()
		send(genuine)
	case late:
		send(genuine)
		f.servers.wg.Go(func() {
			if sleep(f.ctx, time.Duration(rand.IntN(500))*time.Millisecond) {
				lie()
			}
		})
	case resent:
		send(soakAnswer(head.ID, q, "198.18.0.1", 0))
	case doubled:
		send(genuine)
		send(genuine)
	case failing:
		send(soakAnswer(head.ID, q, "", dnsmessage.RCodeServerFailure))
		send(genuine)
	case garbled:
		garble(genuine)
		send(genuine)
	default:
		send(genuine)
	}
}

func (f *soakTraffic) lied(name string) {
	for i := range soakWatched {
		if name == soakName(i) {
			f.watched.Add(1)
			return
		}
	}
	f.strangers.Add(1)
}

func soakAnswer(id uint16, q dnsmessage.Question, addr string, code dnsmessage.RCode) []byte {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, Response: true, RecursionDesired: true, RecursionAvailable: true, RCode: code},
		Questions: []dnsmessage.Question{q},
	}
	if addr != "" && q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: demoTTL}, Body: &dnsmessage.AResource{A: netip.MustParseAddr(addr).As4()},
		}}
	}
	b, err := m.Pack()
	if err != nil {
		return nil // of a question that came garbled
	}
	return b
}

// garble changes a few octets.
func garble(b []byte) {
	for range 1 + rand.IntN(8) {
		if len(b) > 0 {
			b[rand.IntN(len(b))] = byte(rand.Uint32())
		}
	}
}

//go:build lab

package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/lab/inject"
	"github.com/dnstaster/dnstaster/lab/world"
)

// program is one on the client that asks a server again and again.
type program struct {
	server string        // address; the router's where empty
	every  time.Duration // 200 ms where 0
	port   int           // first of the local ports, in turn; any where 0
	ports  int           // how many; 1,000 where 0
	talk   func(c *dns.Conn, n int) error
}

// run starts the program. That an answer does not come is not its trouble.
func (p program) run(r *Run) (world.Undo, error) {
	if p.server == "" {
		p.server = world.RouterAddr
	}
	if p.every == 0 {
		p.every = 200 * time.Millisecond
	}
	if p.ports == 0 {
		p.ports = 1000
	}
	over, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- r.w.Client().Do(func() error {
			tick := time.NewTicker(p.every)
			defer tick.Stop()
			for n := 0; ; n++ {
				d := net.Dialer{Timeout: time.Second}
				if p.port != 0 {
					d.LocalAddr = &net.UDPAddr{IP: net.ParseIP(world.ClientAddr), Port: p.port + n%p.ports}
				}
				c, err := d.Dial("udp4", p.server+":53")
				if errors.Is(err, syscall.EADDRINUSE) && p.ports > 1 {
					continue // somebody else on the client was given that port
				}
				if err != nil {
					return err
				}
				_ = c.SetDeadline(time.Now().Add(time.Second))
				_ = p.talk(&dns.Conn{Conn: c, UDPSize: 4096}, n)
				c.Close()
				select {
				case <-over:
					return nil
				case <-tick.C:
				}
			}
		})
	}()
	var once sync.Once
	return func() (err error) {
		once.Do(func() { close(over); err = <-ended })
		return err
	}, nil
}

// plain asks for an address without EDNS, as the C library does.
func plain(name string) func(*dns.Conn, int) error {
	return func(c *dns.Conn, _ int) error { return exchange(c, new(dns.Msg).SetQuestion(name+".", dns.TypeA)) }
}

// extended asks for an address with EDNS and room for so many bytes.
func extended(name string, size uint16) func(*dns.Conn, int) error {
	return func(c *dns.Conn, _ int) error {
		return exchange(c, new(dns.Msg).SetQuestion(name+".", dns.TypeA).SetEdns0(size, false))
	}
}

// exchange asks once and waits for an answer.
func exchange(c *dns.Conn, m *dns.Msg) error {
	if err := c.WriteMsg(m); err != nil {
		return err
	}
	_, err := c.ReadMsg()
	return err
}

// unheard asks, each time for another client subnet (RFC 7871), and does not wait
// for the answer for long.
func unheard(name string) func(*dns.Conn, int) error {
	return func(c *dns.Conn, n int) error {
		m := new(dns.Msg).SetQuestion(name+".", dns.TypeA).SetEdns0(1232, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IPv4(198, 19, byte(n), 0).To4()}}
		if m.Id == 4711 {
			m.Id++ // the flood must not win: what it is for here is noise
		}
		return c.WriteMsg(m)
	}
}

// signed asks for an address with EDNS, DO, and room for so many bytes.
func signed(name string, size uint16) func(*dns.Conn, int) error {
	return func(c *dns.Conn, _ int) error {
		return exchange(c, new(dns.Msg).SetQuestion(name+".", dns.TypeA).SetEdns0(size, true))
	}
}

// guess asks for one name after the other that does not exist.
func guess(zone string) func(*dns.Conn, int) error {
	return func(c *dns.Conn, _ int) error { return plain(fmt.Sprintf("%06x.%s", rand.Uint32N(1<<24), zone))(c, 0) }
}

// overTCP asks again over TCP where the answer was cut, or did not come.
func overTCP(name string) func(*dns.Conn, int) error {
	return func(c *dns.Conn, _ int) error {
		m := new(dns.Msg).SetQuestion(name+".", dns.TypeA)
		_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond))
		if err := c.WriteMsg(m); err != nil {
			return err
		}
		if a, err := c.ReadMsg(); err == nil && !a.Truncated {
			return nil
		}
		t, err := net.DialTimeout("tcp", c.RemoteAddr().String(), time.Second)
		if err != nil {
			return err
		}
		defer t.Close()
		_ = t.SetDeadline(time.Now().Add(time.Second))
		return exchange(&dns.Conn{Conn: t}, m)
	}
}

// streamed asks over TCP alone.
func streamed(name string) func(*dns.Conn, int) error {
	return func(c *dns.Conn, _ int) error {
		t, err := net.DialTimeout("tcp", c.RemoteAddr().String(), time.Second)
		if err != nil {
			return err
		}
		defer t.Close()
		_ = t.SetDeadline(time.Now().Add(time.Second))
		return exchange(&dns.Conn{Conn: t}, new(dns.Msg).SetQuestion(name+".", dns.TypeA))
	}
}

// astray is a resolver that sends, after a while, a response to another question
// before each answer.
func astray(d time.Duration) func(*Run) inject.Handler {
	return func(*Run) inject.Handler {
		honest := inject.Forward(port53(world.ISPAddr))
		other := inject.Edit(func(_ *inject.Query, m *dns.Msg) { m.Question[0].Name = "other.shop.lab." }, honest)
		return inject.Dual(inject.Delay(d, other), time.Millisecond, honest)
	}
}

// resent asks twice, as if the first answer were lost, and waits for both.
func resent(name string, after time.Duration) func(*dns.Conn, int) error {
	return func(c *dns.Conn, _ int) error {
		_, err := pair(c, name, after)
		return err
	}
}

// pair gives two responses to a query, which is sent a second time after a
// while; 0 is once only.
func pair(c *dns.Conn, name string, after time.Duration) (ms [2]*dns.Msg, err error) {
	m := new(dns.Msg).SetQuestion(name+".", dns.TypeA)
	if err := c.WriteMsg(m); err != nil {
		return ms, err
	}
	if after > 0 {
		time.Sleep(after)
		if err := c.WriteMsg(m); err != nil {
			return ms, err
		}
	}
	for i := range ms {
		if ms[i], err = c.ReadMsg(); err != nil {
			return ms, fmt.Errorf("response %d: %w", i+1, err)
		}
	}
	return ms, nil
}

// twice proves that one query, sent once or again after a while, gets two
// responses that differ.
func twice(name string, after time.Duration) func(r *Run) error {
	return func(r *Run) error {
		return within(5*time.Second, func() error {
			c, err := r.w.Client().Dial("udp4", world.RouterAddr+":53")
			if err != nil {
				return err
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Second))
			ms, err := pair(&dns.Conn{Conn: c}, name, after)
			if err == nil && fmt.Sprint(ms[0].Answer) == fmt.Sprint(ms[1].Answer) {
				err = fmt.Errorf("both responses hold %v", ms[0].Answer)
			}
			return err
		})
	}
}

// lowered proves that a server does not keep the case of a question.
func lowered(r *Run) error {
	c, err := r.w.Client().Dial("udp4", world.RouterAddr+":53")
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	d := &dns.Conn{Conn: c}
	if err := d.WriteMsg(new(dns.Msg).SetQuestion("WWW.shop.lab.", dns.TypeA)); err != nil {
		return err
	}
	m, err := d.ReadMsg()
	if err == nil && m.Question[0].Name != "www.shop.lab." {
		err = fmt.Errorf("the question comes back as %s", m.Question[0].Name)
	}
	return err
}

// truncates proves that some answers to datagrams are cut.
func truncates(r *Run) error {
	return within(5*time.Second, func() error {
		got, err := r.w.Client().Dig(world.RouterAddr, r.name(), "A", "+ignore")
		if err == nil && !strings.HasPrefix(got, "NOERROR") {
			err = errors.New("no answer is cut")
		}
		return err
	})
}

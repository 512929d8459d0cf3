package resolver

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

func BenchmarkUDP(b *testing.B) {
	addr := udpResponder(b)
	for _, bm := range []struct {
		name   string
		linger time.Duration
	}{{"close", -1}, {"linger", 100 * time.Millisecond}} {
		b.Run(bm.name, func(b *testing.B) {
			asker := newAsker(b, Config{Linger: bm.linger})
			r := at(monitor.UDP, addr)
			b.ReportAllocs()
			for b.Loop() {
				if o := asker.Ask(b.Context(), r, question); o.Error != "" {
					b.Fatal(o.Error)
				}
			}
		})
	}
}

// BenchmarkDoT compares a connection that is kept with one made for each
// question, and reports how many times more the second costs.
func BenchmarkDoT(b *testing.B) {
	ca := newAuthority(b)
	conf := ca.server()
	conf.SessionTicketsDisabled = true // so that each handshake is a full one
	addr := streamServer(b, conf, streamResponder)
	r := at(monitor.DoT, addr)
	ask := func(b *testing.B, asker *Asker) {
		if o := asker.Ask(b.Context(), r, question); o.Error != "" {
			b.Fatal(o.Error)
		}
	}
	var reused float64
	b.Run("reused", func(b *testing.B) {
		asker := newAsker(b, Config{Roots: ca.pool})
		ask(b, asker)
		b.ReportAllocs()
		for b.Loop() {
			ask(b, asker)
		}
		reused = float64(b.Elapsed()) / float64(b.N)
	})
	b.Run("pipelined", func(b *testing.B) {
		asker := newAsker(b, Config{Roots: ca.pool})
		b.SetParallelism(50)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				ask(b, asker)
			}
		})
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			asker := New(Config{Roots: ca.pool}, discard)
			ask(b, asker)
			asker.Close()
		}
		if reused > 0 {
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/reused, "x-reused")
		}
	})
}

// BenchmarkDoH compares a stream of a connection that is kept with a connection
// made for each question.
func BenchmarkDoH(b *testing.B) {
	ca := newAuthority(b)
	conf := ca.web()
	conf.SessionTicketsDisabled = true
	r := at(monitor.DoH, webServer(b, conf, func(w http.ResponseWriter, r *http.Request) {
		q, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", mediaType)
		w.Write(respond(q))
	}))
	ask := func(b *testing.B, asker *Asker) {
		if o := asker.Ask(b.Context(), r, question); o.Error != "" {
			b.Fatal(o.Error)
		}
	}
	var reused float64
	b.Run("reused", func(b *testing.B) {
		asker := newAsker(b, Config{Roots: ca.pool})
		ask(b, asker)
		b.ReportAllocs()
		for b.Loop() {
			ask(b, asker)
		}
		reused = float64(b.Elapsed()) / float64(b.N)
	})
	b.Run("streams", func(b *testing.B) {
		asker := newAsker(b, Config{Roots: ca.pool})
		b.SetParallelism(50)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				ask(b, asker)
			}
		})
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			asker := New(Config{Roots: ca.pool}, discard)
			ask(b, asker)
			asker.Close()
		}
		if reused > 0 {
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/reused, "x-reused")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	q := new(dns.Msg).SetQuestion(question.Name, dns.TypeA)
	eight := []string{"api.partner.example. 60 IN CNAME edge.cdn.example."}
	for i := range 8 {
		eight = append(eight, fmt.Sprintf("edge.cdn.example. 20 IN A %s", netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})))
	}
	for _, bm := range []struct {
		name string
		msg  *dns.Msg
	}{
		{"A", a(q, "192.0.2.1")}, {"CNAME+8A", answer(q, eight...)},
		{"HTTPS", answer(q, `api.partner.example. 60 IN HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.1`)},
	} {
		wire := pack(bm.msg)
		b.Run("unpack/"+bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := new(dns.Msg).Unpack(wire); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("decode/"+bm.name, func(b *testing.B) {
			m := new(dns.Msg)
			if err := m.Unpack(wire); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				var o monitor.Observation
				decode(&o, m)
			}
		})
	}
}

func BenchmarkQuery(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := newQuery(question, true); err != nil {
			b.Fatal(err)
		}
	}
}

// udpResponder answers without parsing, so that the asking is what is measured.
func udpResponder(b *testing.B) net.Addr {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var buf [maxDatagram]byte
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf[:])
			if err != nil {
				return
			}
			c.WriteToUDPAddrPort(respond(buf[:n]), from)
		}
	}()
	b.Cleanup(func() { c.Close(); <-done })
	return c.LocalAddr()
}

func streamResponder(c net.Conn) {
	if s, ok := c.(*tls.Conn); ok && s.Handshake() != nil {
		return
	}
	buf := make([]byte, 2+maxDatagram)
	for {
		if _, err := io.ReadFull(c, buf[:2]); err != nil {
			return
		}
		n := int(buf[0])<<8 | int(buf[1])
		if _, err := io.ReadFull(c, buf[2:2+n]); err != nil {
			return
		}
		c.Write(framed(respond(buf[2 : 2+n])))
	}
}

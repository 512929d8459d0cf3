package capture_test

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// liveServer answers over UDP and TCP at an address, until the end of the test. Answers
// are larger than the interface takes in one.
func liveServer(t *testing.T, address string) {
	t.Helper()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		h := dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 300}
		for range 12 {
			m.Answer = append(m.Answer, &dns.TXT{Hdr: h, Txt: []string{strings.Repeat("x", 250)}})
			h.Ttl++
		}
		if err := w.WriteMsg(m); err != nil {
			t.Error(err)
		}
	})
	for _, network := range []string{"udp", "tcp"} {
		ready := make(chan struct{})
		s := &dns.Server{Addr: address, Net: network, Handler: handler, NotifyStartedFunc: func() { close(ready) }}
		done := make(chan error, 1)
		go func() { done <- s.ListenAndServe() }()
		<-ready
		t.Cleanup(func() {
			if err := s.Shutdown(); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// liveMTU says how large packets of an interface may be.
func liveMTU(t *testing.T, name string, mtu uint32) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint32(mtu)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFMTU, ifr); err != nil {
		t.Fatal(err)
	}
}

// TestLiveMatcher has a real server answer in fragments and over TCP, and a real kernel
// say that nobody is there.
func TestLiveMatcher(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		liveMTU(t, "lo", 1280)
		for _, server := range []string{"127.0.0.1:53", "[::1]:53"} {
			t.Run(server, func(t *testing.T) {
				l := liveListen(t, capture.LiveConfig{})
				m := capture.NewMatcher(capture.Config{Watched: []string{"big.example."}})
				hear := func(until func(capture.Stats) bool) (got []monitor.Sample) {
					for !until(m.Stats()) {
						f := liveNext(t, l)
						for s, ok := m.Take(f); ok; s, ok = m.More() {
							got = append(got, s)
						}
					}
					return got
				}
				q := new(dns.Msg).SetQuestion("big.example.", dns.TypeTXT)
				// Nobody is there yet.
				c, err := net.Dial("udp", server)
				if err != nil {
					t.Fatal(err)
				}
				wire, err := q.Pack()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.Write(wire); err != nil {
					t.Fatal(err)
				}
				c.Close()
				hear(func(st capture.Stats) bool { return st.QuotedQueries == 1 })

				liveServer(t, server)
				var got []monitor.Sample
				for i, network := range []string{"udp", "tcp"} {
					q.Id++
					q.SetQuestion([]string{"big.example.", "BIG.example."}[i], dns.TypeTXT)
					client := dns.Client{Net: network, UDPSize: 4096}
					if _, _, err := client.Exchange(q, server); err != nil {
						t.Fatal(err)
					}
					got = append(got, hear(func(st capture.Stats) bool { return st.Responses == uint64(i+1) })...)
				}
				var over []monitor.Transport
				for _, s := range got {
					over = append(over, s.Answers[0].Transport)
					if n := len(s.Answers[0].Records); n != 12 || s.Answers[0].Packet.Broken != "" {
						t.Errorf("%d records, %q", n, s.Answers[0].Packet.Broken)
					}
				}
				if diff := cmp.Diff([]monitor.Transport{monitor.UDP, monitor.TCP}, over); diff != "" {
					t.Errorf("over (-want +got):\n%s\n%+v", diff, m.Stats())
				}
				if st := m.Stats(); st.Fragments < 3 || st.Reassembled != 1 || st.TCPMessages != 2 || st.BadChecksum+st.Undecodable+st.Torn+st.TCPConflicts != 0 {
					t.Errorf("%+v", st)
				}
			})
		}
	})
}

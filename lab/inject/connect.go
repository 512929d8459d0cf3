//go:build lab

package inject

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"

	"github.com/miekg/dns"
)

// ConnectOptions are what a Connect proxy does with names and addresses.
type ConnectOptions struct {
	// Resolver is asked for the addresses of names, over UDP.
	Resolver netip.AddrPort
	// NamesOnly refuses addresses with 403, as proxies with a list of names do.
	NamesOnly bool
}

// A ConnectServer is an HTTP proxy that knows CONNECT alone (RFC 9110 §9.3.6).
type ConnectServer struct {
	*Relay
	mu   sync.Mutex
	seen map[string]int
}

// Connect serves an HTTP proxy on addr. It answers 405 to all but CONNECT, 403 to
// an address it refuses, and 502 where no connection can be made.
func Connect(within Within, addr netip.AddrPort, o ConnectOptions) (*ConnectServer, error) {
	s := &ConnectServer{seen: map[string]int{}}
	relay, err := startRelay(within, addr, func(ctx context.Context, r *Relay, c *net.TCPConn) {
		from := bufio.NewReader(c)
		req, err := http.ReadRequest(from)
		if err != nil {
			return
		}
		far, status := s.open(ctx, within, req, o)
		if far == nil {
			fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status, http.StatusText(status))
			return
		}
		r.relayed.Add(1)
		if _, err := io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
			far.Close()
			return
		}
		splice(ctx, from, c, far)
	})
	if err != nil {
		return nil, err
	}
	s.Relay = relay
	return s, nil
}

// open connects to the target of a request, or says the status of the refusal.
func (s *ConnectServer) open(ctx context.Context, within Within, req *http.Request, o ConnectOptions) (net.Conn, int) {
	if req.Method != http.MethodConnect {
		return nil, http.StatusMethodNotAllowed
	}
	s.mu.Lock()
	s.seen[req.Host]++
	s.mu.Unlock()

	host, service, err := net.SplitHostPort(req.Host)
	if err != nil {
		return nil, http.StatusBadRequest
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, http.StatusBadRequest
	}
	addr, err := netip.ParseAddr(host)
	if err == nil && o.NamesOnly {
		return nil, http.StatusForbidden
	}
	if err != nil {
		addr, err = lookup(ctx, within, o.Resolver, host)
	}
	if err != nil {
		return nil, http.StatusBadGateway
	}
	far, err := dial(ctx, within, "tcp", netip.AddrPortFrom(addr, uint16(port)))
	if err != nil {
		return nil, http.StatusBadGateway
	}
	return far, http.StatusOK
}

// lookup asks a resolver for the first address of a name, IPv4 before IPv6.
func lookup(ctx context.Context, within Within, resolver netip.AddrPort, name string) (netip.Addr, error) {
	for _, t := range []uint16{dns.TypeA, dns.TypeAAAA} {
		m, err := ask(ctx, within, "udp", resolver, new(dns.Msg).SetQuestion(dns.Fqdn(name), t))
		if err != nil {
			return netip.Addr{}, err
		}
		for _, rr := range m.Answer {
			switch rr := rr.(type) {
			case *dns.A:
				return netip.AddrFrom4([4]byte(rr.A.To4())), nil
			case *dns.AAAA:
				return netip.AddrFrom16([16]byte(rr.AAAA)), nil
			}
		}
	}
	return netip.Addr{}, errors.New("no address")
}

// Targets are the host:port of all CONNECT requests, refused ones too, and how
// often each was asked for.
func (s *ConnectServer) Targets() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.seen)
}

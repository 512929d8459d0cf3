package main

import (
	"log/slog"
	"net/netip"
	"sync"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
)

// newTap binds the socket to which resolvers on this host tell what they do; nil
// where there is to be none.
func newTap(c dnstapConfig, watches []monitor.Watch, log *slog.Logger) (*capture.Tap, error) {
	if c.Socket == "" {
		return nil, nil
	}
	l, err := control.Listen(c.Socket, c.Group)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	addrs := &localAddrs{}
	return capture.NewTap(l, capture.TapConfig{Watched: watchedNames(watches), Local: func(a netip.Addr) bool {
		mu.Lock()
		defer mu.Unlock()
		return addrs.has(a)
	}}, log), nil
}

// tapStatus is zero where nothing is heard that way.
func (d *daemon) tapStatus() (s monitor.DnstapStatus) {
	if d.tap == nil {
		return s
	}
	st := d.tap.Stats()
	return monitor.DnstapStatus{
		Socket: d.parts.Load().config.Dnstap.Socket, Senders: st.Senders, Queries: st.Queries, Responses: st.Responses,
		Undecodable: st.Undecodable, Failed: st.Failed, Refused: st.Refused,
	}
}

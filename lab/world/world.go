//go:build lab

package world

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// World is one small Internet. Several can stand beside each other.
type World struct {
	name     string // before the name of each namespace
	hosts    map[string]*Host
	services map[string]*Service

	mu      sync.Mutex
	running []*Process // everything that was started
}

// New builds a world and waits until all its resolvers answer. name is short,
// and differs between worlds that stand at the same time.
func New(name string) (w *World, err error) {
	w = &World{name: name, hosts: map[string]*Host{}, services: map[string]*Service{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	for _, dir := range []string{"log", "conf", "zones", "run", "cap", "knot", "kresd", "named-cdn", "named-pub2", "pdns", "nginx"} {
		if err := os.MkdirAll(w.path(dir), 0o755); err != nil {
			return w, err
		}
	}
	if err := shared(); err != nil {
		return w, err
	}
	if err := w.connect(); err != nil {
		return w, err
	}
	if err := w.configure(); err != nil {
		return w, err
	}
	// Authorities first: a resolver that finds none puts them aside for a while.
	for _, authorities := range []bool{true, false} {
		var g errgroup.Group
		for _, s := range w.services {
			if (s.host == "auth") != authorities {
				continue
			}
			g.Go(func() error {
				if err := s.start(); err != nil {
					return err
				}
				return s.Ready()
			})
		}
		if err := g.Wait(); err != nil {
			return w, err
		}
	}
	return w, nil
}

// path gives a file of the world's own.
func (w *World) path(parts ...string) string {
	return filepath.Join(append([]string{root, w.name}, parts...)...)
}

// Path gives a place for a file of the world's, which goes with it.
func (w *World) Path(parts ...string) string { return w.path(parts...) }

// Name stands, with a dash, before the name of each of the world's namespaces.
func (w *World) Name() string { return w.name }

// Host gives a host by its name in the drawing; beside those there are "lan",
// where the bridge is, and "inet", the router of all others.
func (w *World) Host(name string) *Host {
	h := w.hosts[name]
	if h == nil {
		panic("no host " + name)
	}
	return h
}

// Client is the host under attack.
func (w *World) Client() *Host { return w.Host("client") }

// Close ends everything in the world and removes it.
func (w *World) Close() error {
	w.mu.Lock()
	ps := w.running
	w.mu.Unlock()
	var g errgroup.Group
	for _, p := range ps {
		g.Go(p.Stop)
	}
	errs := []error{g.Wait()}
	var lines []string
	for name, h := range w.hosts {
		if _, err := os.Stat(filepath.Join("/run/netns", h.namespace())); err == nil {
			lines = append(lines, "netns del "+w.name+"-"+name)
		}
		errs = append(errs, os.RemoveAll(filepath.Join("/etc/netns", h.namespace())))
	}
	if len(lines) > 0 {
		errs = append(errs, w.batch("", lines...))
	}
	return errors.Join(append(errs, os.RemoveAll(w.path()))...)
}

// Undo takes a cause back.
type Undo func() error

// Nothing is the Undo of what needs none.
func Nothing() error { return nil }

// All gives the Undo of several causes, the last one first.
func All(us ...Undo) Undo {
	return func() error {
		var errs []error
		for i := len(us) - 1; i >= 0; i-- {
			errs = append(errs, us[i]())
		}
		return errors.Join(errs...)
	}
}

// NFT adds a table of nftables to a host. text is the table's body, family its
// family: ip, ip6 or inet.
func (h *Host) NFT(family, body string) (Undo, error) {
	table := fmt.Sprintf("t%d", time.Now().UnixNano())
	if _, err := h.RunInput(fmt.Sprintf("table %s %s {\n%s\n}\n", family, table, body), "nft", "-f", "-"); err != nil {
		return nil, err
	}
	// Connections that are known already keep their translation otherwise.
	forget := func() { _, _ = h.Run("conntrack", "-F") }
	forget()
	return func() error {
		_, err := h.Run("nft", "delete", "table", family, table)
		forget()
		return err
	}, nil
}

// IP runs one command of ip(8) on the host, and undo, another one, to take it back.
func (h *Host) IP(do, undo string) (Undo, error) {
	if err := h.w.batch(h.Name, do); err != nil {
		return nil, err
	}
	return func() error { return h.w.batch(h.Name, undo) }, nil
}

// Etc replaces a file that programs on the host see under /etc. It is written in
// place: programs that run have it mounted.
func (h *Host) Etc(file, text string) (Undo, error) {
	path := filepath.Join("/etc/netns", h.namespace(), file)
	old, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	write := func(b []byte) error { return os.WriteFile(path, b, 0o644) }
	return func() error { return write(old) }, write([]byte(text))
}

// Capture writes the packets on an interface of the host to a file until it is
// undone. filter is in the language of pcap-filter(7).
func (h *Host) Capture(file, iface, filter string) (Undo, error) {
	p, err := h.Start("tcpdump-"+filepath.Base(file), "tcpdump", "-Z", "root", "--immediate-mode", "-U", "-n", "-i", iface, "-w", file, filter)
	if err != nil {
		return nil, err
	}
	return p.Stop, p.Logged("listening on")
}

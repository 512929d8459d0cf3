package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// maxFile bounds what is read of a file: lists of blocked names run to megabytes,
// and beyond that nobody's hosts file goes.
const maxFile = 32 << 20

// Config says where to read. The zero value reads this host.
type Config struct {
	// Nameservers reads a file as the C library reads resolv.conf. It must be there.
	Nameservers func(io.Reader) ([]netip.Addr, error)

	Root      string                  // of the file system; "/" where it is empty
	Announced func() []monitor.Source // what was heard on the network of late; nil for nobody who listens
	Now       func() time.Time
}

// Reader gathers evidence of kind monitor.EvidenceHost. It is safe for concurrent
// use, and reads files anew each time: they are small, and few.
type Reader struct{ cfg Config }

var _ monitor.Prover = (*Reader)(nil)

// New makes a Reader.
func New(cfg Config) *Reader {
	if cfg.Root == "" {
		cfg.Root = "/"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Reader{cfg}
}

// Prove tells what this host knows of proof.Name without asking anybody, and whom it
// would ask. A file that does not exist says nothing; what else keeps one from being
// read is in Detail.
func (r *Reader) Prove(_ context.Context, proof monitor.Proof) monitor.Evidence {
	e := monitor.Evidence{Kind: monitor.EvidenceHost, At: r.cfg.Now()}
	var errs []error
	read := func(path string, take func(io.Reader)) {
		f, err := os.Open(filepath.Join(r.cfg.Root, path))
		if errors.Is(err, fs.ErrNotExist) {
			take(bytes.NewReader(nil))
			return
		}
		if err != nil {
			errs = append(errs, err)
			return
		}
		defer f.Close()
		take(io.LimitReader(f, maxFile))
	}
	read("etc/hosts", func(r io.Reader) { e.Addresses = hostsEntries(r, proof.Name) })
	read("etc/nsswitch.conf", func(r io.Reader) { e.Names = modules(r) })
	read("proc/net/route", func(route io.Reader) {
		a, iface := gateway(route)
		if !a.IsValid() {
			return
		}
		e.Network = a.String()
		read("proc/net/arp", func(arp io.Reader) {
			if mac := hardware(arp, a, iface); mac != "" {
				e.Network += " " + mac
			}
		})
	})
	read("etc/resolv.conf", func(conf io.Reader) {
		servers, err := r.cfg.Nameservers(conf)
		if err != nil {
			errs = append(errs, err)
		}
		for _, a := range servers {
			e.Sources = append(e.Sources, monitor.Source{Server: a.WithZone(""), By: monitor.ByFile})
		}
	})
	r.behind(&e, read)
	r.announced(&e)
	if err := errors.Join(errs...); err != nil {
		e.Detail = fmt.Sprintf("not all of it could be read: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return e
}

// uplinks are where local caches write down whom they ask themselves.
var uplinks = []string{"run/systemd/resolve/resolv.conf", "run/NetworkManager/no-stub-resolv.conf", "run/resolvconf/resolv.conf"}

// behind adds whom a cache on this host asks, where resolv.conf names nobody else.
func (r *Reader) behind(e *monitor.Evidence, read func(string, func(io.Reader))) {
	if !slices.ContainsFunc(e.Sources, func(s monitor.Source) bool { return s.Server.IsLoopback() }) {
		return
	}
	for _, path := range uplinks {
		if _, err := os.Stat(filepath.Join(r.cfg.Root, path)); err != nil {
			continue
		}
		read(path, func(conf io.Reader) {
			servers, _ := r.cfg.Nameservers(conf)
			for _, a := range servers {
				if a = a.WithZone(""); !a.IsLoopback() {
					e.Sources = append(e.Sources, monitor.Source{Server: a, By: monitor.ByCache})
				}
			}
		})
	}
}

// announced says of each nameserver who announced it. Those that nobody uses are
// told of too: an announcement that lost is one.
func (r *Reader) announced(e *monitor.Evidence) {
	if r.cfg.Announced == nil {
		return
	}
	for _, n := range r.cfg.Announced() {
		n.Unused = !slices.ContainsFunc(e.Sources, func(s monitor.Source) bool { return s.Server == n.Server })
		e.Sources = append(e.Sources, n)
	}
}

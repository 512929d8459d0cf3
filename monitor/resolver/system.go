package resolver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	// ResolvConf is where the C library finds its nameservers.
	ResolvConf = "/etc/resolv.conf"

	// systemName is both name and operator of what applications here use.
	systemName = "system"

	dnsPort = 53

	// maxServers is how many nameserver lines count: MAXNS of resolv.conf(5).
	maxServers = 3

	// settled is the age from which a file that looks the same is the same: a
	// second change within one tick of the file system's clock shows in nothing.
	settled = 100 * time.Millisecond
)

// ParseResolvConf reads the nameservers that the C library would use, in their
// order: at most three, as in resolv.conf(5), and 127.0.0.1 where there are
// none. As there, a line counts only if the keyword begins it, what follows the
// address is ignored, and so is a line without an address. Options and search
// lists are no matter of ours. The error is that of r, or of a line beyond
// 64 kB.
func ParseResolvConf(r io.Reader) ([]netip.Addr, error) {
	var servers []netip.Addr
	sc := bufio.NewScanner(r)
	for sc.Scan() && len(servers) < maxServers {
		rest, ok := strings.CutPrefix(sc.Text(), "nameserver")
		if !ok || rest == strings.TrimLeft(rest, " \t") {
			continue // another keyword, or a comment
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		// An IPv6 address may name the link that it is valid on: fe80::1%eth0.
		if a, err := netip.ParseAddr(fields[0]); err == nil {
			servers = append(servers, a)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read nameservers: %w", err)
	}
	if len(servers) == 0 {
		servers = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	return servers, nil
}

// SystemResolvers are what applications on this host ask: the nameservers of
// resolv.conf, read again when the file has changed, and the C library itself.
// The zero value reads ResolvConf; the methods may be called from several
// goroutines.
type SystemResolvers struct {
	Path   string
	Getent string // path of getent(1); looked for in PATH where it is empty

	mu   sync.Mutex // guards all following fields
	file os.FileInfo
	last []monitor.Resolver
}

func (s *SystemResolvers) path() string {
	if s.Path == "" {
		return ResolvConf
	}
	return s.Path
}

// Resolvers gives one resolver for each nameserver, all of the name "system",
// and behind them one of the transport monitor.System, which has no address,
// unless getent(1) is not there to ask it by.
// It costs one stat where nothing has changed: the file is replaced by rename,
// so that the inode is compared besides time and size. As for the C library, a
// file that does not exist means 127.0.0.1; other errors are returned.
func (s *SystemResolvers) Resolvers() ([]monitor.Resolver, error) {
	path := s.path()
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := os.Stat(path)
	if err == nil && s.file != nil && os.SameFile(s.file, now) &&
		s.file.ModTime().Equal(now.ModTime()) && s.file.Size() == now.Size() {
		return slices.Clone(s.last), nil
	}
	file, servers, err := readResolvConf(path)
	if err != nil {
		return nil, err
	}
	s.file, s.last = file, s.last[:0]
	for _, a := range servers {
		r := monitor.Resolver{
			Name: systemName, Operator: systemName, Role: monitor.Local,
			Transport: monitor.UDP, Addr: netip.AddrPortFrom(a, dnsPort),
		}
		// A server listed twice is asked once.
		if !slices.Contains(s.last, r) {
			s.last = append(s.last, r)
		}
	}
	if s.getent() {
		s.last = append(s.last, monitor.Resolver{
			Name: systemName, Operator: systemName, Role: monitor.Local, Transport: monitor.System,
		})
	}
	return slices.Clone(s.last), nil
}

// getent reports whether getent(1) is there.
func (s *SystemResolvers) getent() bool {
	if s.Getent != "" {
		_, err := exec.LookPath(s.Getent)
		return err == nil
	}
	_, err := findGetent()
	return err == nil
}

// readResolvConf says what path holds and, where that can be told from later
// states, which file it was.
func readResolvConf(path string) (os.FileInfo, []netip.Addr, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		servers, err := ParseResolvConf(strings.NewReader(""))
		return nil, servers, err
	}
	if err != nil {
		return nil, nil, err // names operation and path
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	servers, err := ParseResolvConf(f)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if time.Since(info.ModTime()) < settled {
		info = nil
	}
	return info, servers, nil
}

// ParseSearch reads the domains that the C library appends to short names, in
// the form of monitor.ParseName: the last search or domain line counts
// (resolv.conf(5)). What is no domain name is left out.
func ParseSearch(r io.Reader) ([]string, error) {
	var domains []string
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		fields := strings.Fields(sc.Text())
		if len(fields) < 2 || fields[0] != "search" && fields[0] != "domain" {
			continue
		}
		domains = nil
		for _, f := range fields[1:] {
			if name, err := monitor.ParseName(f); err == nil {
				domains = append(domains, name)
			}
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read search domains: %w", err)
	}
	return domains, nil
}

// Search gives the search domains of the file; none where it does not exist.
func (s *SystemResolvers) Search() ([]string, error) {
	path := s.path()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ParseSearch(f)
}

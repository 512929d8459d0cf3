package resolver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// place is a directory that looks like /etc and /run of a host.
type place struct {
	t    *testing.T
	dir  string
	conf string // its resolv.conf
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir()}
	for _, d := range []string{"etc", "run/resolve", "run/other"} {
		p.must(os.MkdirAll(filepath.Join(p.dir, d), 0o755))
	}
	p.conf = filepath.Join(p.dir, "etc/resolv.conf")
	return p
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

func servers(addrs ...string) (text string) {
	for _, a := range addrs {
		text += "nameserver " + a + "\n"
	}
	return text
}

// write writes a file in place, as an editor that saves a backup does.
func (p *place) write(name string, addrs ...string) {
	p.t.Helper()
	p.must(os.WriteFile(p.path(name), []byte(servers(addrs...)), 0o644))
}

// rename puts a new file in the place of the old, as most programs do.
func (p *place) rename(name string, addrs ...string) {
	p.t.Helper()
	p.write(name+".new", addrs...)
	p.must(os.Rename(p.path(name+".new"), p.path(name)))
}

// link makes name lead to a target, without a moment in which it leads nowhere.
func (p *place) link(target, name string) {
	p.t.Helper()
	p.must(os.Symlink(target, p.path(name+".new")))
	p.must(os.Rename(p.path(name+".new"), p.path(name)))
}

// changes are the ways in which resolv.conf becomes another, one after the
// other, and what it names then.
var changes = []struct {
	name string
	do   func(p *place)
	want string
}{
	{"written for the first time", func(p *place) { p.write("etc/resolv.conf", "192.0.2.1") }, "192.0.2.1"},
	{"renamed", func(p *place) { p.rename("etc/resolv.conf", "192.0.2.2") }, "192.0.2.2"},
	{"renamed again", func(p *place) { p.rename("etc/resolv.conf", "192.0.2.3") }, "192.0.2.3"},
	{"truncated, then written", func(p *place) {
		p.must(os.Truncate(p.conf, 0))
		p.write("etc/resolv.conf", "192.0.2.4")
	}, "192.0.2.4"},
	{"written with the old time", func(p *place) {
		st, err := os.Stat(p.conf)
		p.must(err)
		p.write("etc/resolv.conf", "192.0.2.50") // of another size
		p.must(os.Chtimes(p.conf, st.ModTime(), st.ModTime()))
	}, "192.0.2.50"},
	{"a link into run", func(p *place) {
		p.write("run/resolve/stub.conf", "127.0.0.53")
		p.link("../run/resolve/stub.conf", "etc/resolv.conf")
	}, "127.0.0.53"},
	{"what it leads to is renamed", func(p *place) { p.rename("run/resolve/stub.conf", "192.0.2.6") }, "192.0.2.6"},
	{"what it leads to is written", func(p *place) { p.write("run/resolve/stub.conf", "192.0.2.77") }, "192.0.2.77"},
	{"flipped to another", func(p *place) {
		p.write("run/other/resolv.conf", "192.0.2.8")
		p.link(p.path("run/other/resolv.conf"), "etc/resolv.conf")
	}, "192.0.2.8"},
	{"a link to a link", func(p *place) {
		p.link("../resolve/stub.conf", "run/other/link")
		p.link("../run/other/link", "etc/resolv.conf")
	}, "192.0.2.77"},
	{"the second link flipped", func(p *place) {
		p.write("run/resolve/full.conf", "192.0.2.9")
		p.link("../resolve/full.conf", "run/other/link")
	}, "192.0.2.9"},
	{"what it leads to is gone", func(p *place) { p.must(os.Remove(p.path("run/resolve/full.conf"))) }, "127.0.0.1"},
	{"and is back", func(p *place) { p.write("run/resolve/full.conf", "192.0.2.10") }, "192.0.2.10"},
	{"removed", func(p *place) { p.must(os.Remove(p.conf)) }, "127.0.0.1"},
	{"and is back as a file", func(p *place) { p.rename("etc/resolv.conf", "192.0.2.11", "2001:db8::1") }, "192.0.2.11 2001:db8::1"},
	{"its directory renamed away", func(p *place) { p.must(os.Rename(p.path("etc"), p.path("old"))) }, "127.0.0.1"},
}

// named gives the nameservers that s would have asked.
func named(t *testing.T, s *SystemResolvers) string {
	t.Helper()
	rs, err := s.Resolvers()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range rs {
		all = append(all, r.Addr.Addr().String())
	}
	return strings.Join(all, " ")
}

// TestSystemFollows reads within one call what has become of the file, by which
// way whatever: nothing is waited for.
func TestSystemFollows(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := &SystemResolvers{Path: p.conf, Getent: "/nowhere/getent"}
	for _, c := range changes {
		before := named(t, s)
		c.do(p)
		if got := named(t, s); got != c.want || got == before {
			t.Errorf("%s: nameservers %s, before %s, want %s", c.name, got, before, c.want)
		}
	}
}

// TestSystemWatch is told of each of the ways, and of no more than one change for each.
func TestSystemWatch(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := &SystemResolvers{Path: p.conf, Getent: "/nowhere/getent"}
	told := watchSystem(t, s)
	for i, c := range changes {
		c.do(p)
		waitFor(t, c.name, func() bool { return told.Load() > int64(i) })
		if n := told.Load(); n != int64(i)+1 {
			t.Fatalf("%s: told %d times of %d changes", c.name, n, i+1)
		}
		if got := named(t, s); got != c.want {
			t.Errorf("%s: nameservers %s, want %s", c.name, got, c.want)
		}
	}
}

// TestSystemWatchQuiet has much going on beside the file, and the file itself
// read and rewritten as it is: nobody is told of the former.
func TestSystemWatchQuiet(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("etc/resolv.conf", "192.0.2.1")
	told := watchSystem(t, &SystemResolvers{Path: p.conf})
	for i := range 200 {
		p.write(fmt.Sprintf("etc/other%d", i), "192.0.2.2")
		if _, err := os.ReadFile(p.conf); err != nil {
			t.Fatal(err)
		}
	}
	p.rename("etc/resolv.conf", "192.0.2.3")
	waitFor(t, "the one change", func() bool { return told.Load() > 0 })
	if n := told.Load(); n != 1 {
		t.Errorf("told %d times of one change", n)
	}
}

// watchSystem watches until the test ends, and counts.
func watchSystem(t *testing.T, s *SystemResolvers) *atomic.Int64 {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var told atomic.Int64
	ended := make(chan error, 1)
	w, err := newFileWatch([]string{s.Path})
	if err != nil {
		t.Fatal(err)
	}
	go func() { ended <- w.run(ctx, func() { told.Add(1) }) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("it does not end")
		}
	})
	return &told
}

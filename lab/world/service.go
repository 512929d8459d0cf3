//go:build lab

package world

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"text/template"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed conf zones
var texts embed.FS

// Service is a server that belongs to the world. Its configuration can be added
// to, and it can be started anew, while the world stands.
type Service struct {
	Name  string
	host  string
	argv  []string
	files []file // that it reads, written at each start
	asks  string // address at which it answers questions about DNS; empty where it does not

	w     *World
	mu    sync.Mutex
	extra []string // lines added to its configuration
	args  []string // added to its command line
	p     *Process
}

// file is a configuration to be filled in.
type file struct {
	path, template string
	values         map[string]any
}

// Service gives a service by its name: nsd-root, nsd-tld, knotd, named-cdn, isp,
// pub1, pub2, pub3, pub4-rec, pub4, router, web or evil.
func (w *World) Service(name string) *Service {
	s := w.services[name]
	if s == nil {
		panic("no service " + name)
	}
	return s
}

// configure says which services there are.
func (w *World) configure() error {
	ds, err := anchor()
	if err != nil {
		return err
	}
	tag, digest := strings.Fields(ds), ""
	if len(tag) < 4 {
		return fmt.Errorf("anchor of the root: %q", ds)
	}
	digest = strings.Join(tag[3:], "")
	conf := func(name string) string { return w.path("conf", name) }
	values := func(more ...any) map[string]any {
		m := map[string]any{
			"Dir": w.path(), "Shared": w.shared(), "DS": strings.Join(append(tag[:3:3], digest), " "),
			"Anchor": strings.Join(tag[:3], " ") + ` "` + digest + `"`, "Cert": "",
		}
		for i := 0; i < len(more); i += 2 {
			m[more[i].(string)] = more[i+1]
		}
		return m
	}
	add := func(name, host, asks string, template string, v map[string]any, argv ...string) *Service {
		v["Name"] = name
		s := &Service{Name: name, host: host, argv: argv, asks: asks, w: w, files: []file{{conf(name), template, v}}}
		w.services[name] = s
		return s
	}
	add("nsd-root", "auth", RootAddr, "nsd.conf", values("Addr", RootAddr, "Zone", ".", "File", w.shared()+"/root.zone.signed"), "nsd", "-d", "-c", conf("nsd-root"))
	add("nsd-tld", "auth", TLDAddr, "nsd.conf", values("Addr", TLDAddr, "Zone", "lab", "File", w.shared()+"/lab.zone.signed"), "nsd", "-d", "-c", conf("nsd-tld"))
	add("knotd", "auth", ZonesAddr, "knotd.conf", values(), "knotd", "-c", conf("knotd"))
	type view struct{ Name, Clients string }
	add("named-cdn", "auth", CDNAddr, "named-cdn.conf", values("Views", []view{{"isp", ISPAddr}, {"pub1", Pub1Addr}, {"pub2", Pub2Addr}, {"any", "any"}}, "Minimal", "yes"),
		"named", "-g", "-n", "1", "-c", conf("named-cdn"))
	add("isp", "isp", ISPAddr, "unbound.conf", values("Addr", ISPAddr), "unbound", "-d", "-c", conf("isp"))
	add("pub1", "pub1", Pub1Addr, "unbound.conf", values("Addr", Pub1Addr, "Cert", w.shared()+"/dns-pub1"), "unbound", "-d", "-c", conf("pub1"))
	pub2 := add("pub2", "pub2", Pub2Addr, "named-pub2.conf", values("Addr", Pub2Addr, "Cert", w.shared()+"/dns-pub2"), "named", "-g", "-n", "1", "-c", conf("pub2"))
	pub2.files = append(pub2.files, file{conf("rndc"), "rndc.conf", values()})
	add("pub3", "pub3", Pub3Addr, "kresd.conf", values("Addr", Pub3Addr, "Cert", w.shared()+"/dns-pub3"), "kresd", "-n", "-c", conf("pub3"), w.path("kresd"))
	rec := add("pub4-rec", "pub4", "", "recursor.conf", values("Addr", Pub4Addr), "pdns_recursor", "--config-dir="+w.path("pdns"))
	rec.files[0].path = w.path("pdns", "recursor.conf")
	rec.files = append(rec.files, file{conf("recursor.lua"), "recursor.lua", values()})
	add("pub4", "pub4", Pub4Addr, "dnsdist.conf", values("Addr", Pub4Addr, "Cert", w.shared()+"/dns-pub4"), "dnsdist", "--supervised", "-C", conf("pub4"))
	add("router", "router", RouterAddr, "dnsmasq.conf", values(), "dnsmasq", "-k", "-u", "root", "--log-facility=-", "--pid-file=", "--conf-file="+conf("router"))
	add("web", "web", "", "nginx-web.conf", values(), "nginx", "-c", conf("web"))
	add("evil", "evil", "", "nginx-evil.conf", values("Cert", w.shared()+"/evil"), "nginx", "-c", conf("evil"))
	return w.writeZones()
}

func fill(name string, values map[string]any) ([]byte, error) {
	t, err := template.New(name+".tmpl").Option("missingkey=error").ParseFS(texts, "*/"+name+".tmpl")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, values)
	return b.Bytes(), err
}

func (s *Service) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startLocked()
}

func (s *Service) startLocked() error {
	for _, f := range s.files {
		f.values["Extra"] = strings.Join(s.extra, "\n")
		text, err := fill(f.template, f.values)
		if err != nil {
			return err
		}
		if err := os.WriteFile(f.path, text, 0o644); err != nil {
			return err
		}
	}
	if s.Name == "pub3" {
		// What Knot Resolver knows outlives it otherwise, a poisoned answer too.
		if err := errors.Join(remove(s.w.path("kresd")), remove(s.w.path("run", "pub3.sock"))); err != nil {
			return err
		}
	}
	var err error
	s.p, err = s.w.Host(s.host).Start(s.Name, s.argv[0], append(s.argv[1:], s.args...)...)
	return err
}

// remove empties a directory, or removes a file.
func remove(path string) error {
	st, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil || !st.IsDir() {
		return err
	}
	return os.Mkdir(path, 0o755)
}

// Ready waits until the service answers a question about the world's names.
func (s *Service) Ready() error {
	if s.asks == "" {
		return nil
	}
	name, from := "www.bank.lab", "inet"
	switch s.Name {
	case "router":
		from = "client"
	case "nsd-root":
		name = "ns.root"
	case "nsd-tld":
		name = "ns.nic.lab"
	case "named-cdn":
		name = "ns1.cdn.lab"
	}
	return Within(30*time.Second, func() error {
		got, err := s.w.Host(from).Dig(s.asks, name, "A")
		if err == nil && !strings.Contains(got, "198.18.") {
			err = fmt.Errorf("answers %s", got)
		}
		if err == nil {
			return nil
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.p.Running() {
			return Stop(fmt.Errorf("%s ended: %s", s.Name, s.p.Log()))
		}
		return fmt.Errorf("%s: %w", s.Name, err)
	})
}

// Restart stops the service and starts it anew, with an empty cache.
func (s *Service) Restart() error {
	s.mu.Lock()
	err := s.p.Stop()
	if err == nil {
		err = s.startLocked()
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.Ready()
}

// Configure adds lines to the service's configuration and restarts it; for pub2
// they stand among the options. undo takes them away and restarts it again.
func (s *Service) Configure(lines string) (Undo, error) {
	s.mu.Lock()
	s.extra = append(s.extra, lines)
	s.mu.Unlock()
	undo := func() error {
		s.mu.Lock()
		for i := len(s.extra) - 1; i >= 0; i-- {
			if s.extra[i] == lines {
				s.extra = append(s.extra[:i], s.extra[i+1:]...)
				break
			}
		}
		s.mu.Unlock()
		return s.Restart()
	}
	return undo, s.Restart()
}

// Set changes a value that the service's configuration is made of, such as Cert,
// and restarts it.
func (s *Service) Set(key string, value any) (Undo, error) {
	set := func(v any) any {
		s.mu.Lock()
		defer s.mu.Unlock()
		old := s.files[0].values[key]
		s.files[0].values[key] = v
		return old
	}
	old := set(value)
	return func() error { set(old); return s.Restart() }, s.Restart()
}

// Process is the process that serves now.
func (s *Service) Process() *Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.p
}

// Freeze has the service hang until it is undone: it takes questions and answers none.
func (s *Service) Freeze() (Undo, error) {
	p := s.Process()
	return func() error { return p.Signal(unix.SIGCONT) }, p.Signal(unix.SIGSTOP)
}

// Down stops the service until it is undone: its ports are closed.
func (s *Service) Down() (Undo, error) {
	return func() error {
		if err := s.start(); err != nil {
			return err
		}
		return s.Ready()
	}, s.Process().Stop()
}

// Addr is where the service answers questions about DNS.
func (s *Service) Addr() string { return s.asks }

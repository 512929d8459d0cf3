package monitor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// hostsFile (host.hosts_file): the false address stands in this host's hosts file,
// where whoever wrote it there needs no resolver to lie. Lines for development do
// that too; those whose address is right are no sign.
func hostsFile(v *view) []Finding {
	e := v.facts.host
	if e == nil {
		return nil
	}
	var fs []Finding
	for _, o := range v.choose(local) {
		if o.Transport != System && !o.Server.IsLoopback() {
			continue // a cache of this host reads the file too
		}
		for _, a := range o.addrs {
			if c, _ := v.class(a); !c.Suspicious() || !slices.Contains(e.Addresses, a) {
				continue
			}
			f := accused(o)
			f.Address, f.Weight = a, strong
			f.Fact = fmt.Sprintf("the hosts file of this host has %s for %s", a, strings.TrimSuffix(v.Question.Name, "."))
			fs = append(fs, f)
		}
	}
	return fs
}

// hostLookup (host.getaddrinfo): the C library of this host makes something else of
// the name than every nameserver of this host, and than the witnesses: the lie is in
// a file, a cache or a module between the two.
func hostLookup(v *view) []Finding {
	if !v.onlyHere() {
		return nil
	}
	for _, o := range v.subjects() {
		if o.Role == Local && o.Transport == System && v.stands(o) == suspicious {
			f := accused(o)
			f.Address, f.Pending = v.worstOf(o), true
			f.Fact = fmt.Sprintf("the C library of this host says %s, and its nameservers never do", show(o))
			bad := slices.DeleteFunc(v.answersOf(o.Endpoint(), poolAnswers), func(o *answer) bool { return v.stands(o) != suspicious })
			if n := len(bad); n >= minorityHits && bad[n-1].At.Sub(bad[0].At) >= v.Policy.Timing.Minority {
				f.Weight, f.Pending = strong, false
			}
			return []Finding{f}
		}
	}
	return nil
}

// hostModules (host.nss): the C library looks names up by other modules, or in
// another order, than it did while its answers were good.
func hostModules(v *view) []Finding {
	e := v.facts.host
	if e == nil || v.Base == nil || len(e.Names) == 0 {
		return nil
	}
	known := slices.DeleteFunc(slices.Clone(v.Base.Hosts), func(s Setting) bool { return len(s.Modules) == 0 })
	if len(known) == 0 || slices.ContainsFunc(known, func(s Setting) bool { return slices.Equal(s.Modules, e.Names) }) {
		return nil
	}
	for _, o := range v.choose(local) {
		if o.Transport == System && v.stands(o) == suspicious {
			f := accused(o)
			f.Address, f.Weight = v.worstOf(o), weak
			f.Fact = fmt.Sprintf("names are looked up by %s on this host (nsswitch.conf), where it was %s", join(e.Names, "nothing"), join(known[len(known)-1].Modules, "nothing"))
			return []Finding{f}
		}
	}
	return nil
}

// newcomer is a nameserver of this host that gives a suspicious answer, and that
// this host never had a good one from on this network, though it knows the network.
type newcomer struct {
	*answer
	source Source
	known  []Setting // on this network
}

func (v *view) newcomers() (ns []newcomer) {
	e := v.facts.host
	if e == nil || v.Base == nil {
		return nil
	}
	known := slices.DeleteFunc(slices.Clone(v.Base.Hosts), func(s Setting) bool { return s.Network != e.Network })
	if len(known) == 0 {
		return nil // a network that is new
	}
	for _, o := range v.choose(local) {
		if o.Transport == System || v.stands(o) != suspicious || slices.ContainsFunc(known, func(s Setting) bool { return s.Server == o.Server }) {
			continue
		}
		if s, ok := e.sourceOf(o.Server); ok {
			ns = append(ns, newcomer{o, s, known})
		}
	}
	return ns
}

// sourceOf gives where a nameserver comes from, as an announcement where there was
// one.
func (e *Evidence) sourceOf(a netip.Addr) (best Source, ok bool) {
	for _, s := range e.Sources {
		if s.Server == a && !s.Unused && (!ok || s.Announced()) {
			best, ok = s, true
		}
	}
	return best, ok
}

// hostServers (host.resolv_conf): a suspicious answer comes from a nameserver that
// somebody wrote into this host's files, and that nobody on the network announced.
func hostServers(v *view) (fs []Finding) {
	for _, n := range v.newcomers() {
		if n.source.Announced() {
			continue
		}
		f := accused(n.answer)
		f.Address, f.Weight = v.worstOf(n.answer), medium
		f.Fact = fmt.Sprintf("this host asks %s, which it did not on this network while its answers were right: then it asked %s", n.Server, servers(n.known))
		fs = append(fs, f)
	}
	return fs
}

// hostLease (host.dhcp_dns): as host.resolv_conf, and the nameserver was announced
// by DHCP or by a router.
func hostLease(v *view) (fs []Finding) {
	for _, n := range v.newcomers() {
		if !n.source.Announced() {
			continue
		}
		f := accused(n.answer)
		f.Address, f.Weight = v.worstOf(n.answer), medium
		f.Fact = fmt.Sprintf("this host was told by %s to ask %s, where it asked %s on this network while its answers were right", announcer(n.source), n.Server, servers(n.known))
		fs = append(fs, f)
	}
	return fs
}

// lanControl (lan.control): and who announced it is not who announced nameservers
// on this network before; it weighs more where another one did so in the last day.
func lanControl(v *view) (fs []Finding) {
	for _, n := range v.newcomers() {
		if !n.source.Announced() || slices.ContainsFunc(n.known, func(s Setting) bool { return s.From == n.source.From && s.MAC == n.source.MAC }) {
			continue
		}
		f := accused(n.answer)
		f.Address, f.Weight = v.worstOf(n.answer), medium
		f.Fact = fmt.Sprintf("%s never announced a nameserver on this network before", announcer(n.source))
		if rival := v.rival(n.source); rival != nil {
			f.Weight = strong
			f.Fact += fmt.Sprintf(", and %s announced %s in the last day", announcer(*rival), rival.Server)
		}
		fs = append(fs, f)
	}
	return fs
}

// rival gives another announcement of the same kind, by somebody else, for another
// nameserver.
func (v *view) rival(s Source) *Source {
	for i, r := range v.facts.host.Sources {
		if r.Announced() && r.Server != s.Server && (r.From != s.From || r.MAC != s.MAC) {
			return &v.facts.host.Sources[i]
		}
	}
	return nil
}

func announcer(s Source) string {
	by := map[string]string{ByDHCP: "a DHCP server", ByDHCPv6: "a DHCPv6 server", ByRA: "a router"}[s.By]
	if s.From.IsValid() {
		by += " " + s.From.String()
	}
	if s.MAC != "" {
		by += " (" + s.MAC + ")"
	}
	return by
}

// servers lists the nameservers of settings, each once.
func servers(ss []Setting) string {
	var as []netip.Addr
	for _, s := range ss {
		if !slices.Contains(as, s.Server) {
			as = append(as, s.Server)
		}
	}
	return texts(as)
}

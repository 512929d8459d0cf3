package dnssec

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/dnstaster/dnstaster/monitor"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// testZone is a zone that is signed as it is asked.
type testZone struct {
	name       string
	algorithm  uint8 // 0 is unsigned
	hashed     bool  // NSEC3
	optOut     bool
	iterations uint16
	from       time.Time
	until      time.Time
	rrs        map[string]map[uint16][]dns.RR
	key        *dns.DNSKEY
	private    crypto.Signer
}

func rr(s string) dns.RR {
	r, err := dns.NewRR(s)
	if err != nil {
		panic(err)
	}
	return r
}

// newZone makes a zone of lines in zone file form.
func newZone(name string, algorithm uint8, lines ...string) *testZone {
	z := &testZone{name: name, algorithm: algorithm, rrs: map[string]map[uint16][]dns.RR{}, from: now.Add(-24 * time.Hour), until: now.Add(7 * 24 * time.Hour)}
	z.add(name+" 300 IN SOA ns. host. 1 2 3 4 300", name+" 300 IN NS ns.invalid.")
	z.add(lines...)
	if algorithm == 0 {
		return z
	}
	z.key = &dns.DNSKEY{
		Hdr:   dns.RR_Header{Name: name, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 600},
		Flags: 257, Protocol: 3, Algorithm: algorithm,
	}
	if algorithm == dns.ED25519 { // always the same, for fuzzing
		seed := sha256.Sum256([]byte(name))
		private := ed25519.NewKeyFromSeed(seed[:])
		z.private, z.key.PublicKey = private, base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
		z.rrs[name][dns.TypeDNSKEY] = []dns.RR{z.key}
		return z
	}
	bits := map[uint8]int{dns.RSASHA256: 1024, dns.ECDSAP256SHA256: 256}[algorithm]
	private, err := z.key.Generate(bits)
	if err != nil {
		panic(err)
	}
	z.private = private.(crypto.Signer)
	z.rrs[name][dns.TypeDNSKEY] = []dns.RR{z.key}
	return z
}

func (z *testZone) add(lines ...string) {
	for _, l := range lines {
		r := rr(l)
		h := r.Header()
		if z.rrs[h.Name] == nil {
			z.rrs[h.Name] = map[uint16][]dns.RR{}
		}
		z.rrs[h.Name][h.Rrtype] = append(z.rrs[h.Name][h.Rrtype], r)
	}
}

// ds makes the zone above point to that below.
func (z *testZone) delegate(below *testZone, digest uint8) {
	z.add(below.name + " 300 IN NS ns.invalid.")
	if below.algorithm != 0 {
		ds := below.key.ToDS(digest)
		ds.Hdr.Ttl = 600
		z.rrs[below.name][dns.TypeDS] = append(z.rrs[below.name][dns.TypeDS], ds)
	}
}

func (z *testZone) anchor() Anchor {
	ds := z.key.ToDS(dns.SHA256)
	return Anchor{z.name, ds.KeyTag, ds.Algorithm, ds.DigestType, strings.ToUpper(ds.Digest)}
}

// sign gives records with their signature, which says labels for a wildcard.
func (z *testZone) sign(rrs []dns.RR) []dns.RR {
	if z.algorithm == 0 {
		return rrs
	}
	sig := &dns.RRSIG{
		Hdr:        dns.RR_Header{Name: rrs[0].Header().Name, Rrtype: dns.TypeRRSIG, Class: dns.ClassINET, Ttl: rrs[0].Header().Ttl},
		Expiration: uint32(z.until.Unix()), Inception: uint32(z.from.Unix()),
		KeyTag: z.key.KeyTag(), SignerName: z.name, Algorithm: z.algorithm,
	}
	if err := sig.Sign(z.private, rrs); err != nil {
		panic(err)
	}
	return append(slices.Clone(rrs), sig)
}

// exists reports whether the name has records or names below it.
func (z *testZone) exists(name string) bool {
	for n := range z.rrs {
		if under(n, name) {
			return true
		}
	}
	return false
}

func (z *testZone) encloser(name string) string {
	for !z.exists(name) {
		name = parent(name)
	}
	return name
}

// deny gives what proves that names do not exist, or have no more types.
func (z *testZone) deny(names ...string) []dns.RR {
	if z.algorithm == 0 {
		return nil
	}
	var all []dns.RR
	seen := map[string]bool{}
	for _, name := range names {
		for _, r := range z.gaps() {
			own, next, at := r.Header().Name, "", name
			if z.hashed {
				at = child(strings.ToLower(dns.HashName(name, dns.SHA1, z.iterations, "ab")), z.name)
				next = child(strings.ToLower(r.(*dns.NSEC3).NextDomain), z.name)
			} else {
				next = r.(*dns.NSEC).NextDomain
			}
			last := order(own, next) >= 0
			covers := own == at || order(own, at) < 0 && (last || order(at, next) < 0) || last && z.hashed && order(at, next) < 0
			if covers && !seen[own] {
				seen[own] = true
				all = append(all, z.sign([]dns.RR{r})...)
			}
		}
	}
	return all
}

// gaps gives the NSEC or NSEC3 records of the whole zone.
func (z *testZone) gaps() []dns.RR {
	types := map[string][]uint16{}
	for name, sets := range z.rrs {
		insecure := sets[dns.TypeNS] != nil && name != z.name && sets[dns.TypeDS] == nil
		if z.hashed && z.optOut && insecure {
			continue
		}
		var kinds []uint16
		for kind := range sets {
			kinds = append(kinds, kind)
		}
		if !insecure {
			kinds = append(kinds, dns.TypeRRSIG)
		}
		if !z.hashed {
			kinds = append(kinds, dns.TypeNSEC)
		}
		slices.Sort(kinds)
		types[name] = kinds
		for above := parent(name); z.hashed && under(above, z.name) && z.rrs[above] == nil; above = parent(above) {
			types[above] = nil
		}
	}
	owner := func(name string) string {
		if z.hashed {
			return child(strings.ToLower(dns.HashName(name, dns.SHA1, z.iterations, "ab")), z.name)
		}
		return name
	}
	var names []string
	for name := range types {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return order(owner(a), owner(b)) })
	var all []dns.RR
	for i, name := range names {
		next := owner(names[(i+1)%len(names)])
		h := dns.RR_Header{Name: owner(name), Class: dns.ClassINET, Ttl: 300, Rrtype: dns.TypeNSEC}
		if !z.hashed {
			all = append(all, &dns.NSEC{Hdr: h, NextDomain: next, TypeBitMap: types[name]})
			continue
		}
		h.Rrtype = dns.TypeNSEC3
		r := &dns.NSEC3{Hdr: h, Hash: dns.SHA1, Iterations: z.iterations, SaltLength: 1, Salt: "ab", HashLength: 20, TypeBitMap: types[name]}
		r.NextDomain, _, _ = strings.Cut(strings.ToUpper(next), ".")
		if z.optOut {
			r.Flags = 1
		}
		all = append(all, r)
	}
	return all
}

// answer adds what the zone says to m, and gives the name that an alias leads to.
func (z *testZone) answer(m *dns.Msg, name string, kind uint16) (next string) {
	soa := func() { m.Ns = append(m.Ns, z.sign(z.rrs[z.name][dns.TypeSOA])...) }
	for above := parent(name); above != z.name && under(above, z.name); above = parent(above) {
		if dname := z.rrs[above][dns.TypeDNAME]; dname != nil {
			m.Answer = append(m.Answer, z.sign(dname)...)
			next = child(strings.TrimSuffix(name, "."+above), dname[0].(*dns.DNAME).Target)
			m.Answer = append(m.Answer, rr(name+" 300 IN CNAME "+next))
			return next
		}
	}
	at := name
	if !z.exists(name) {
		encloser := z.encloser(name)
		at = child("*", encloser)
		closer := suffix(name, dns.CountLabel(encloser)+1)
		if !z.exists(at) {
			m.Rcode = dns.RcodeNameError
			soa()
			if z.hashed {
				m.Ns = append(m.Ns, z.deny(encloser, closer, at)...)
			} else {
				m.Ns = append(m.Ns, z.deny(name, at)...)
			}
			return ""
		}
		switch {
		case !z.hashed:
			m.Ns = append(m.Ns, z.deny(name)...)
		case z.rrs[at][kind] == nil && z.rrs[at][dns.TypeCNAME] == nil:
			m.Ns = append(m.Ns, z.deny(encloser, closer)...)
		default:
			m.Ns = append(m.Ns, z.deny(closer)...)
		}
	}
	found := z.rrs[at][kind]
	if found == nil && z.rrs[at][dns.TypeCNAME] != nil {
		found = z.rrs[at][dns.TypeCNAME]
		next = found[0].(*dns.CNAME).Target
	}
	if found == nil {
		soa()
		if z.hashed && z.optOut && kind == dns.TypeDS {
			m.Ns = append(m.Ns, z.deny(parent(at), at)...)
			return ""
		}
		m.Ns = append(m.Ns, z.deny(at)...)
		return ""
	}
	for _, r := range z.sign(found) {
		r = dns.Copy(r)
		r.Header().Name = name
		m.Answer = append(m.Answer, r)
	}
	return next
}

// world is zones and the resolvers that ask them: honest, but for what tamper
// does to their responses. It is an Exchanger.
type world struct {
	zones  []*testZone
	tamper map[string]func(q dns.Question, m *dns.Msg) *dns.Msg // by Resolver.Name; nil is no response

	mu    sync.Mutex // guards asked
	asked []string
}

func (w *world) Exchange(ctx context.Context, r monitor.Resolver, b []byte) ([]byte, error) {
	q := new(dns.Msg)
	if err := q.Unpack(b); err != nil {
		return nil, err
	}
	if !q.CheckingDisabled || !q.RecursionDesired || !q.IsEdns0().Do() {
		return nil, fmt.Errorf("query %v", q)
	}
	w.mu.Lock()
	w.asked = append(w.asked, r.Name+" "+q.Question[0].Name+" "+dns.Type(q.Question[0].Qtype).String())
	w.mu.Unlock()
	m := w.resolve(q)
	if change := w.tamper[r.Name]; change != nil {
		if m = change(q.Question[0], m.Copy()); m == nil {
			return nil, context.DeadlineExceeded
		}
	}
	return m.Pack()
}

func (w *world) resolve(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Compress = true
	name, kind := q.Question[0].Name, q.Question[0].Qtype
	for range 20 {
		z := w.zone(home(name, kind))
		if name = z.answer(m, name, kind); name == "" {
			break
		}
	}
	return m
}

// zone gives the deepest zone that name is in.
func (w *world) zone(name string) *testZone {
	var best *testZone
	for _, z := range w.zones {
		if under(name, z.name) && (best == nil || under(z.name, best.name)) {
			best = z
		}
	}
	return best
}

// queries gives how often anybody was asked for what a proof takes; where the
// zone is delegated to is asked once more, for nobody's proof.
func (w *world) queries() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, q := range w.asked {
		if !strings.HasSuffix(q, " NS") {
			n++
		}
	}
	return n
}

// testResolver is a resolver of the world by its name.
func testResolver(name string) monitor.Resolver {
	return monitor.Resolver{Name: name, Transport: monitor.UDP, Addr: netip.MustParseAddrPort("192.0.2.53:53")}
}

// newWorld has a root, a zone test. with hashed names and opt-out, and below it
// zones of every kind.
func newWorld(t testing.TB) *world {
	t.Helper()
	root := newZone(".", dns.RSASHA256)
	tld := newZone("test.", dns.ECDSAP256SHA256)
	tld.hashed, tld.optOut = true, true
	w := &world{zones: []*testZone{root, tld}, tamper: map[string]func(dns.Question, *dns.Msg) *dns.Msg{}}
	lines := func(name string) []string {
		return []string{
			"www." + name + " 300 IN A 192.0.2.1", "www." + name + " 300 IN A 192.0.2.2", "www." + name + " 300 IN AAAA 2001:db8::1",
			"www." + name + " 300 IN HTTPS 1 CDN.example. alpn=h2",
			name + " 300 IN MX 10 Mail." + name,
			"deep.empty." + name + " 300 IN A 192.0.2.3",
			"*.wild." + name + " 300 IN A 192.0.2.4", "host.wild." + name + " 300 IN A 192.0.2.5",
			"alias." + name + " 300 IN CNAME www." + name, "dangling." + name + " 300 IN CNAME gone." + name,
			"loop." + name + " 300 IN CNAME pool." + name, "pool." + name + " 300 IN CNAME loop." + name,
			"away." + name + " 300 IN CNAME www.plain.test.", "over." + name + " 300 IN CNAME www.ed25519.test.",
			"old." + name + " 300 IN DNAME new." + name, "www.new." + name + " 300 IN A 192.0.2.6",
			"*.many." + name + " 300 IN CNAME www." + name,
		}
	}
	for _, z := range []*testZone{
		newZone("rsa.test.", dns.RSASHA256, lines("rsa.test.")...),
		newZone("ecdsa.test.", dns.ECDSAP256SHA256, lines("ecdsa.test.")...),
		newZone("ed25519.test.", dns.ED25519, lines("ed25519.test.")...),
		newZone("plain.test.", 0, append(lines("plain.test."), "back.plain.test. 300 IN CNAME www.rsa.test.")...),
	} {
		z.hashed = z.name == "ecdsa.test." || z.name == "ed25519.test."
		z.optOut = z.name == "ed25519.test."
		unsigned := newZone("open."+z.name, 0, "www.open."+z.name+" 300 IN A 192.0.2.7")
		z.delegate(unsigned, dns.SHA256)
		tld.delegate(z, dns.SHA256)
		w.zones = append(w.zones, z, unsigned)
	}
	root.delegate(tld, dns.SHA256)
	return w
}

// validator trusts the root of the world, and asks the honest resolver "chain"
// for what others do not give.
func (w *world) validator(change ...func(*Config)) *Validator {
	cfg := Config{
		Anchors: []Anchor{w.zones[0].anchor()}, Chain: []monitor.Resolver{testResolver("chain")},
		Now: func() time.Time { return now },
	}
	for _, c := range change {
		c(&cfg)
	}
	return New(cfg, w)
}

func (w *world) named(name string) *testZone {
	for _, z := range w.zones {
		if z.name == name {
			return z
		}
	}
	panic(name)
}

// unsign takes the signatures of a zone away, and what its parent says of its key.
func (w *world) unsign(name string) {
	below, above := w.named(name), w.named(parent(name))
	delete(above.rrs[name], dns.TypeDS)
	delete(below.rrs[name], dns.TypeDNSKEY)
	below.algorithm = 0
}

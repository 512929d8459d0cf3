package dnssec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

const (
	// udpSize is the largest response that is asked for over UDP: it passes
	// every common path in one piece.
	udpSize = 1232

	// maxSet is how many records of one name and type are looked at. Larger
	// sets are of no use to anybody, and each signature over one costs more.
	maxSet = 512

	// maxSets is how many names with one type are looked at in one section. A
	// denial needs three at most, or that for each alias on the way.
	maxSets = 64
)

// newQuery asks for the records themselves and their signatures (DO), checked or
// not (CD): a resolver that validates would hide what is bogus behind SERVFAIL
// (RFC 4035 §3.2.2).
func newQuery(name string, kind uint16) ([]byte, error) {
	m := new(dns.Msg).SetQuestion(name, kind)
	m.CheckingDisabled = true
	m.SetEdns0(udpSize, true)
	return m.Pack()
}

// reply is what a response says, owner names in lower case.
type reply struct {
	rcode     int
	answer    []dns.RR
	authority []dns.RR
}

// readReply reads a response to one question. Who asked held it against the
// query already; an Exchanger may be somebody else's all the same.
func readReply(b []byte, name string, kind uint16) (*reply, error) {
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		return nil, errors.New("a response that cannot be read")
	}
	switch {
	case !m.Response || m.Opcode != dns.OpcodeQuery:
		return nil, errors.New("no response")
	case len(m.Question) != 1 || lower(m.Question[0].Name) != name || m.Question[0].Qtype != kind || m.Question[0].Qclass != dns.ClassINET:
		return nil, errors.New("a response to another question")
	case m.Truncated:
		return nil, errors.New("a truncated response")
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("rcode %s", rcode(m.Rcode))
	// Unpack is content with fewer records than the header promises.
	case int(binary.BigEndian.Uint16(b[6:])) != len(m.Answer), int(binary.BigEndian.Uint16(b[8:])) != len(m.Ns):
		return nil, errors.New("a response that is cut short")
	}
	return &reply{rcode: m.Rcode, answer: inet(m.Answer), authority: inet(m.Ns)}, nil
}

func rcode(code int) string {
	if name, ok := dns.RcodeToString[code]; ok {
		return name
	}
	return fmt.Sprint(code)
}

// inet gives the records of class IN. Those without data have nothing to say
// here, and miekg/dns leaves their fields empty.
func inet(section []dns.RR) []dns.RR {
	kept := section[:0]
	for _, rr := range section {
		h := rr.Header()
		if h.Class != dns.ClassINET || h.Rdlength == 0 {
			continue
		}
		h.Name = lower(h.Name)
		kept = append(kept, rr)
	}
	return kept
}

// rrset is the records of one name and type, with their signatures.
type rrset struct {
	name string
	kind uint16
	rrs  []dns.RR
	sigs []*dns.RRSIG
}

func (r rrset) String() string { return r.name + " " + dns.Type(r.kind).String() }

// signer is the deepest zone above the set that claims to have signed it; empty
// where none does.
func (r rrset) signer() string {
	deepest := ""
	for _, sig := range r.sigs {
		if zone := lower(sig.SignerName); under(r.name, zone) && len(zone) > len(deepest) {
			deepest = zone
		}
	}
	return deepest
}

// set gathers the records of one name and type out of a section.
func set(section []dns.RR, name string, kind uint16) rrset {
	r := rrset{name: name, kind: kind}
	for _, rr := range section {
		if rr.Header().Name != name {
			continue
		}
		if sig, ok := rr.(*dns.RRSIG); ok && sig.TypeCovered == kind {
			r.sigs = append(r.sigs, sig)
		} else if rr.Header().Rrtype == kind && len(r.rrs) < maxSet {
			r.rrs = append(r.rrs, rr)
		}
	}
	return r
}

// sets gathers all records of one type out of a section, by name.
func sets(section []dns.RR, kind uint16) []rrset {
	var all []rrset
	seen := map[string]bool{}
	for _, rr := range section {
		if h := rr.Header(); h.Rrtype == kind && !seen[h.Name] && len(all) < maxSets {
			seen[h.Name] = true
			all = append(all, set(section, h.Name, kind))
		}
	}
	return all
}

// signers gives the deepest zone above name that claims to have signed a denial
// in the reply; empty where none does.
func (m *reply) signers(name string) string {
	deepest := ""
	for _, rr := range m.authority {
		if sig, ok := rr.(*dns.RRSIG); ok {
			zone := lower(sig.SignerName)
			if under(name, zone) && len(zone) > len(deepest) {
				deepest = zone
			}
		}
	}
	return deepest
}

// denies reports whether the reply claims, signed or not, that something is not
// there: a resolver that merely did not follow an alias says nothing.
func (m *reply) denies() bool {
	if m.rcode == dns.RcodeNameError {
		return true
	}
	for _, rr := range m.authority {
		switch rr.Header().Rrtype {
		case dns.TypeSOA, dns.TypeNSEC, dns.TypeNSEC3:
			return true
		}
	}
	return false
}

// alias gives the set that redirects name, and where to: a CNAME, or the DNAME
// of a name above, from which a CNAME without a signature was made (RFC 6672
// §3.1). ok is false where there is none.
func (m *reply) alias(name string) (r rrset, target string, ok bool) {
	cname := set(m.answer, name, dns.TypeCNAME)
	if len(cname.sigs) == 0 {
		for _, r := range sets(m.answer, dns.TypeDNAME) {
			if r.name == name || !under(name, r.name) {
				continue
			}
			stem := strings.TrimSuffix(name, "."+r.name)
			if r.name == "." {
				stem = strings.TrimSuffix(name, ".")
			}
			target, err := canonical(child(stem, r.rrs[0].(*dns.DNAME).Target))
			return r, target, err == nil
		}
	}
	if len(cname.rrs) == 0 {
		return rrset{}, "", false
	}
	return cname, lower(cname.rrs[0].(*dns.CNAME).Target), true
}

package monitor

import (
	"net/netip"
	"slices"
	"time"
)

// Kinds of Evidence.
const (
	EvidenceTLS      = "tls"           // a handshake with an answered address
	EvidenceDNSSEC   = "dnssec"        // what one resolver hands over, validated by ourselves from the root's keys
	EvidenceWalk     = "walk"          // what every authoritative server says, asked from the root downwards
	EvidenceASN      = "asn"           // who announces an answered address
	EvidenceDead     = "dead_resolver" // a question to a public address at which there is no resolver
	EvidenceLimited  = "ttl_limited"   // a question to a resolver whose TTL ends on the way to it
	EvidenceIdentity = "identity"      // what a resolver says that it is
	EvidenceNAT64    = "nat64"         // behind which prefix a resolver writes IPv4 addresses (RFC 7050)
	EvidenceCrowd    = "crowd"         // names that have nothing to do with each other lead to one address here
	EvidenceOthers   = "other_types"   // of which other types of the name an endpoint gives what is right
	EvidenceLooped   = "looped"        // an answer in the name of a resolver elsewhere came over this host's loopback interface
	EvidenceNoWire   = "no_wire"       // a resolver answered, and no packet of it passed a link of this host
	EvidenceNX       = "random_name"   // what a resolver says of names that nobody ever registered
	EvidenceHost     = "host"          // whom this host asks by its files and its network, and what it has in the hosts file
)

// DNSSECStatus is what validation came to (RFC 4033 §5).
type DNSSECStatus string

// The statuses. Only Secure and Bogus say anything about an answer; Insecure is
// proven too: the zone above says, signed, that there is no key below.
const (
	Secure        DNSSECStatus = "secure"
	Insecure      DNSSECStatus = "insecure"
	Bogus         DNSSECStatus = "bogus"
	Indeterminate DNSSECStatus = "indeterminate" // the chain could not be had
)

// Roles of an address that is asked for its certificate.
const (
	Suspect = "suspect" // the address in question
	Control = "control" // one believed good, asked in the same minute: does the proof work at all?
)

// Outcome is how a TLS handshake to an address ended, judged for the name that
// was asked (RFC 9525): OK is a chain to a trusted root for that name, in time.
type Outcome string

// The outcomes. NameMismatch, Untrusted and SelfSigned say that somebody else
// answers there; all others but OK say nothing either way.
const (
	OutcomeOK           Outcome = "ok"
	OutcomeNameMismatch Outcome = "name_mismatch"
	OutcomeUntrusted    Outcome = "untrusted"
	OutcomeSelfSigned   Outcome = "self_signed"
	OutcomeExpired      Outcome = "expired"
	OutcomeAlert        Outcome = "alert"   // the server refused the name (RFC 6066 §3) or the handshake
	OutcomeNonTLS       Outcome = "non_tls" // something answered that is not TLS
	OutcomeRefused      Outcome = "refused"
	OutcomeReset        Outcome = "reset"
	OutcomeTimeout      Outcome = "timeout"
	OutcomeUnreachable  Outcome = "unreachable" // no route from this host to that address family or network
	OutcomeNotDialled   Outcome = "not_dialled" // an address that is never connected to, or a spent budget
)

// Wrong reports whether the outcome is proof that the address is not the name's.
func (o Outcome) Wrong() bool {
	return o == OutcomeNameMismatch || o == OutcomeUntrusted || o == OutcomeSelfSigned
}

// Phrase says in words what the address does.
func (o Outcome) Phrase() string {
	switch o {
	case OutcomeOK:
		return "shows the right certificate"
	case OutcomeNameMismatch:
		return "shows a certificate for another name"
	case OutcomeUntrusted:
		return "shows a certificate that no trusted CA vouches for"
	case OutcomeSelfSigned:
		return "shows a self-signed certificate"
	case OutcomeExpired:
		return "shows a certificate out of its time"
	case OutcomeAlert:
		return "refuses the name"
	case OutcomeNonTLS:
		return "does not speak TLS"
	case OutcomeRefused:
		return "refuses the connection"
	case OutcomeReset:
		return "resets the connection"
	case OutcomeTimeout:
		return "does not answer"
	case OutcomeUnreachable:
		return "cannot be reached from here"
	case OutcomeNotDialled:
		return "was not asked"
	}
	return "answers in a way that is not known: " + string(o)
}

// OwnAddress ends the Detail of a handshake that was not made since the address is
// this host's own.
const OwnAddress = "this host's own address"

// Evidence is one fact gathered about an answer. Which fields count depends on Kind.
type Evidence struct {
	Kind      string     `json:"kind"`
	At        time.Time  `json:"at,omitzero"`
	Role      string     `json:"role,omitempty"`
	Address   netip.Addr `json:"address,omitzero"`
	Port      uint16     `json:"port,omitempty"`
	Outcome   Outcome    `json:"outcome,omitempty"`
	SPKI      string     `json:"spki,omitempty"`      // of the leaf: "sha256/" and base64 (RFC 7469 §2.4)
	Issuer    string     `json:"issuer,omitempty"`    // organisation or common name of the leaf's issuer
	NotBefore time.Time  `json:"not_before,omitzero"` // of the leaf
	NotAfter  time.Time  `json:"not_after,omitzero"`  // of the leaf
	Detail    string     `json:"detail,omitempty"`    // for people

	Resolver string `json:"resolver,omitempty"` // Endpoint of the resolver that dnssec, dead_resolver, identity, random_name, other_types and ttl_limited are about

	// Of dnssec and walk: what was said of the question, at the end of its CNAMEs.
	Status    DNSSECStatus `json:"status,omitempty"`    // dnssec
	Addresses []netip.Addr `json:"addresses,omitempty"` // sorted; all that any authoritative server gave, where it is a walk
	Stripped  bool         `json:"stripped,omitempty"`  // dnssec: bogus for want of the signatures that the zone has
	Late      bool         `json:"late,omitempty"`      // dnssec: indeterminate since a signature, right as it is, is for another time
	Records   []Record     `json:"records,omitempty"`   // of the type that was asked for, where that is no address
	Absent    bool         `json:"absent,omitempty"`    // that there is no such record, proven or said by authority

	// Of walk.
	PathProven  bool                  `json:"path_proven,omitempty"` // nobody on the way answers in the place of others
	Partial     bool                  `json:"partial,omitempty"`     // not all was asked that should have been, so that nothing can be missed in it
	Zone        string                `json:"zone,omitempty"`        // in which the walk ended
	Nameservers []string              `json:"ns,omitempty"`          // NS of the zone as it has them itself, sorted
	Delegation  []string              `json:"delegation,omitempty"`  // NS of the zone as its parent has them, sorted
	DS          []string              `json:"ds,omitempty"`          // of the zone at its parent, sorted; none where it is unsigned
	TTL         uint32                `json:"ttl,omitempty"`         // longest that authority gives the records, seconds
	Servers     []AuthoritativeServer `json:"servers,omitempty"`     // each of them, in order of address; of dnssec a few, as a witness has them

	Count int      `json:"count,omitempty"` // looped; no_wire: answers, in a row
	Names []string `json:"names,omitempty"` // crowd, random_name; types in other_types; of host, the modules that look names up (nsswitch.conf)

	Answered bool   `json:"answered,omitempty"` // dead_resolver, ttl_limited: something did; random_name: with an address
	NSID     string `json:"nsid,omitempty"`     // identity, or RFC 4892 id.server
	Egress   string `json:"egress,omitempty"`   // identity: from where the resolver asks, as an address

	// Of host; Addresses are those that the hosts file has for the name.
	Network string   `json:"network,omitempty"` // its default gateway, and the hardware address of that
	Sources []Source `json:"sources,omitempty"` // where the nameservers come from

	ASN    uint32       `json:"asn,omitempty"`
	Org    string       `json:"org,omitempty"`
	Prefix netip.Prefix `json:"prefix,omitzero"`  // announced by ASN; of nat64
	Shared bool         `json:"shared,omitempty"` // whoever pays has addresses in that network
}

// Source is where a nameserver of this host comes from.
type Source struct {
	Server netip.Addr `json:"server"`
	By     string     `json:"by"`               // one of the By… constants
	From   netip.Addr `json:"from,omitzero"`    // who announces it
	MAC    string     `json:"mac,omitempty"`    // of who does
	Unused bool       `json:"unused,omitempty"` // it is announced, and this host does not ask it
}

// What a nameserver is known by.
const (
	ByFile   = "resolv.conf"
	ByCache  = "cache"  // a local cache asks it
	ByDHCP   = "dhcp"   // RFC 2132 §3.8
	ByDHCPv6 = "dhcpv6" // RFC 3646
	ByRA     = "ra"     // of a router, RFC 8106
)

// Announced reports whether somebody on the network announces it.
func (s Source) Announced() bool { return s.By == ByDHCP || s.By == ByDHCPv6 || s.By == ByRA }

// AuthoritativeServer is one authoritative server in a walk.
type AuthoritativeServer struct {
	Name      string       `json:"name"`
	Address   netip.Addr   `json:"address"`
	Addresses []netip.Addr `json:"addresses,omitempty"` // it gave, over all its answers, sorted
	Records   []Record     `json:"records,omitempty"`   // where the type is no address
	Absent    bool         `json:"absent,omitempty"`
	Serial    uint32       `json:"serial,omitempty"` // of the SOA it has
	Error     string       `json:"error,omitempty"`  // as of an Observation
}

// serverAddresses lists where the zone's servers are, IPv4, sorted.
func (e Evidence) serverAddresses() (as []netip.Addr) {
	for _, s := range e.Servers {
		if s.Address.Is4() {
			as = append(as, s.Address)
		}
	}
	slices.SortFunc(as, netip.Addr.Compare)
	return slices.Compact(as)
}

// Proof asks for one piece of evidence. Which fields count depends on Kind.
type Proof struct {
	Kind    string     // of the Evidence that is wanted; EvidenceTLS where empty
	Name    string     // in question; asked for in the handshake (SNI) and checked in the certificate
	Type    Type       // in question: dnssec, walk
	Address netip.Addr // tls: to be asked; walk: from where a resolver in question asks, so that authority is asked for it too
	Port    uint16     // tls; ttl_limited: at which Via is to be had encrypted
	Role    string
	Private bool     // the address may be in a private network (RFC 1918, RFC 4193)
	Via     Resolver // to be asked: dnssec, dead_resolver (by its transport alone), identity, random_name, ttl_limited
}

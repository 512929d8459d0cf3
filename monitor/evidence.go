package monitor

import (
	"net/netip"
	"time"
)

// Kinds of Evidence.
const (
	EvidenceTLS = "tls" // a handshake with an answered address
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
}

// Proof asks an address to prove that it is the name's.
type Proof struct {
	Name    string // asked for in the handshake (SNI) and checked in the certificate
	Address netip.Addr
	Port    uint16
	Role    string
	Private bool // the address may be in a private network (RFC 1918, RFC 4193)
}

package dnssec

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/miekg/dns"
)

const (
	maxAnchorFile = 1 << 20 // octets: RFC 5011 state of one zone has a few kB
	maxAnchors    = 256
)

// Anchor is a key that is trusted because we say so, as the DS that it has
// (RFC 4035 §4.4).
type Anchor struct {
	Zone       string // lower case, fully qualified
	KeyTag     uint16
	Algorithm  uint8
	DigestType uint8
	Digest     string // hexadecimal, in upper case
}

// String gives the anchor as a line of a zone file.
func (a Anchor) String() string { return a.Zone + " IN DS " + a.data() }

func (a Anchor) data() string {
	return fmt.Sprintf("%d %d %d %s", a.KeyTag, a.Algorithm, a.DigestType, a.Digest)
}

// RootAnchors are the keys of the root as IANA publishes them: that of 2017,
// and that of 2024, which follows it.
func RootAnchors() []Anchor {
	return []Anchor{
		{".", 20326, dns.RSASHA256, dns.SHA256, "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"},
		{".", 38696, dns.RSASHA256, dns.SHA256, "683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16"},
	}
}

var errNoAnchors = errors.New("no trust anchor in it")

// state is what RFC 5011 §4.2 lets unbound write behind a key.
var state = regexp.MustCompile(`;;state=([0-9]+)`)

// ReadAnchors reads DS and DNSKEY records of any zone, in the form of a zone
// file: root.key, the state that unbound keeps by RFC 5011, or lines of its
// configuration, trust-anchor: "…". Keys that such a state calls pending,
// revoked or removed are left out, and so are keys that are no zone's or
// revoked (RFC 5011 §2.1). Other records, a line that is none, and a file
// without a single anchor are errors that give the line.
func ReadAnchors(r io.Reader) ([]Anchor, error) {
	text, err := anchorText(r)
	if err != nil {
		return nil, err
	}
	zp := dns.NewZoneParser(strings.NewReader(text), ".", "")
	zp.SetDefaultTTL(3600)
	var anchors []Anchor
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		if len(anchors) >= maxAnchors {
			return nil, fmt.Errorf("more than %d trust anchors", maxAnchors)
		}
		a, use, err := newAnchor(rr)
		if err != nil {
			return nil, err
		}
		if use {
			anchors = append(anchors, a)
		}
	}
	if err := zp.Err(); err != nil {
		return nil, err
	}
	if len(anchors) == 0 {
		return nil, errNoAnchors
	}
	return anchors, nil
}

// anchorText makes a zone file of lines that may be unbound's configuration or
// state, with as many lines. What is not trusted yet, or any more, is left out.
func anchorText(r io.Reader) (string, error) {
	limited := &io.LimitedReader{R: r, N: maxAnchorFile + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, 64<<10)
	var b strings.Builder
	for lines.Scan() {
		line := lines.Text()
		trimmed := strings.TrimSpace(line)
		if quoted, ok := strings.CutPrefix(trimmed, "trust-anchor:"); ok {
			line = strings.Trim(strings.TrimSpace(quoted), `"'`)
		}
		if strings.HasPrefix(trimmed, "$") {
			// $GENERATE makes many records of one line, $INCLUDE reads other files.
			return "", fmt.Errorf("directive %.32q: not in a file of trust anchors", trimmed)
		}
		// 2 is VALID, 3 MISSING, which is trusted still (RFC 5011 §4.2).
		if m := state.FindStringSubmatch(line); m != nil && m[1] != "2" && m[1] != "3" {
			line = ""
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	if limited.N <= 0 {
		return "", fmt.Errorf("more than %d octets", maxAnchorFile)
	}
	return b.String(), lines.Err()
}

// newAnchor makes an anchor of a record; use is false for a key that is none.
func newAnchor(rr dns.RR) (a Anchor, use bool, err error) {
	if rr.Header().Class != dns.ClassINET {
		return a, false, fmt.Errorf("%s: another class than IN", rr.Header().Name)
	}
	var ds *dns.DS
	switch x := rr.(type) {
	case *dns.DS:
		ds = x
	case *dns.DNSKEY:
		if x.Flags&dns.ZONE == 0 || x.Flags&dns.REVOKE != 0 {
			return a, false, nil
		}
		if ds = x.ToDS(dns.SHA256); ds == nil {
			return a, false, fmt.Errorf("%s: a key that cannot be read", rr.Header().Name)
		}
	default:
		return a, false, fmt.Errorf("%s %s: neither DS nor DNSKEY", rr.Header().Name, dns.Type(rr.Header().Rrtype))
	}
	name, err := canonical(rr.Header().Name)
	if err != nil {
		return a, false, fmt.Errorf("%s: %w", rr.Header().Name, err)
	}
	return Anchor{name, ds.KeyTag, ds.Algorithm, ds.DigestType, strings.ToUpper(ds.Digest)}, true, nil
}

// record gives the anchor as miekg/dns has it.
func (a Anchor) record() *dns.DS {
	return &dns.DS{
		Hdr: dns.RR_Header{
			Name: a.Zone, Rrtype: dns.TypeDS, Class: dns.ClassINET,
			Rdlength: uint16(4 + len(a.Digest)/2), // as though it came off the wire
		},
		KeyTag: a.KeyTag, Algorithm: a.Algorithm, DigestType: a.DigestType, Digest: a.Digest,
	}
}

// byZone sorts anchors into the zones that they are of.
func byZone(anchors []Anchor) map[string][]*dns.DS {
	m := map[string][]*dns.DS{}
	for _, a := range anchors {
		name := cmp.Or(lower(dns.Fqdn(a.Zone)), ".")
		m[name] = append(m[name], a.record())
	}
	return m
}

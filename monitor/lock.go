package monitor

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// LockSchema is the schema of a Lock in JSON. One that bears another is not read.
const LockSchema = "dnstaster.lock/v1"

// Lock is what names proved themselves with where that was known, written down for
// those who have no history: runners of CI, and new hosts of a fleet.
type Lock struct {
	GeneratedAt time.Time `json:"generated_at"`
	Names       []Locked  `json:"names"`
}

// Locked is what a lock says of one name. A public key in it stands for itself, as
// one does that history knows. Another one is as good as ever only if it was
// certified by an issuer in the lock, and is served from a network in it where both
// are known: so do certificates that are renewed. Without issuers there is no other.
type Locked struct {
	Name    string       `json:"name"`
	Types   []Type       `json:"types,omitempty"` // that were watched; A and AAAA where there are none
	Port    uint16       `json:"port,omitempty"`  // at which it proves itself; 443 where it is 0
	Off     bool         `json:"tls_off,omitempty"`
	Keys    []string     `json:"spki,omitempty"`    // "sha256/" and base64 (RFC 7469 §2.4)
	Issuers []string     `json:"issuers,omitempty"` // of its certificates, as Evidence has them
	ASNs    []uint32     `json:"asns,omitempty"`    // that announce its addresses; none where that is not known
	Zones   []LockedZone `json:"zones,omitempty"`   // that the name leads to, CNAMEs followed
}

// LockedZone is where a zone is delegated to.
type LockedZone struct {
	Zone        string   `json:"zone"`
	Nameservers []string `json:"ns,omitempty"` // sorted
	DS          []string `json:"ds,omitempty"` // as in zone files (RFC 4034 §5.3), sorted; none where it is unsigned
}

// Bounds of a lock.
const (
	maxLock       = 4 << 20 // bytes
	maxLocked     = 10_000  // names
	maxLockedEach = 256     // keys, issuers, networks and the like of one name
	maxLockedText = 512     // bytes of an issuer or a DS record
)

// For gives what the lock says of a name in the form of ParseName; nil for nothing.
func (l Lock) For(name string) *Locked {
	i := slices.IndexFunc(l.Names, func(n Locked) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &l.Names[i]
}

// Empty reports whether there is nothing that an answer could be held against.
func (l Locked) Empty() bool {
	return len(l.Keys)+len(l.Issuers)+len(l.ASNs)+len(l.Zones) == 0
}

type lockFields Lock

// MarshalJSON adds the schema, and writes lists that are empty as such.
func (l Lock) MarshalJSON() ([]byte, error) {
	f := lockFields(l)
	f.Names = list(f.Names)
	return json.Marshal(struct {
		Schema string `json:"schema"`
		lockFields
	}{LockSchema, f})
}

// ReadLock reads a lock of schema v1. What cannot be understood whole is an error:
// half a lock, an empty one, or one of another version must not pass for one that
// is kept.
func ReadLock(r io.Reader) (Lock, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxLock+1))
	if err != nil {
		return Lock{}, err
	}
	if len(text) > maxLock {
		return Lock{}, fmt.Errorf("larger than %d bytes", maxLock)
	}
	var version struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return Lock{}, fmt.Errorf("not a lock: %w", err)
	}
	if version.Schema != LockSchema {
		return Lock{}, fmt.Errorf("schema %q is not %q", version.Schema, LockSchema)
	}
	var v struct {
		Schema string `json:"schema"`
		lockFields
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return Lock{}, fmt.Errorf("not a lock: %w", err)
	}
	l := Lock(v.lockFields)
	return l, l.check()
}

// check finds what keeps a lock from being gone by.
func (l Lock) check() error {
	switch {
	case l.GeneratedAt.IsZero():
		return errors.New("it does not say when it was made")
	case len(l.Names) == 0:
		return errors.New("it holds no name")
	case len(l.Names) > maxLocked:
		return fmt.Errorf("it holds more than %d names", maxLocked)
	}
	seen := map[string]bool{}
	for _, n := range l.Names {
		if err := fullName(n.Name); err != nil {
			return err
		}
		if seen[n.Name] {
			return fmt.Errorf("%s is in it twice", n.Name)
		}
		seen[n.Name] = true
		if err := n.check(); err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
	}
	return nil
}

func (l Locked) check() error {
	if l.Empty() {
		return errors.New("nothing is said of it")
	}
	if len(l.Types)+len(l.Keys)+len(l.Issuers)+len(l.ASNs)+len(l.Zones) > maxLockedEach {
		return fmt.Errorf("more than %d things are said of it", maxLockedEach)
	}
	if slices.Contains(l.Types, 0) {
		return errors.New("a record type of 0")
	}
	for _, k := range l.Keys {
		digest, ok := strings.CutPrefix(k, "sha256/")
		if raw, err := base64.StdEncoding.Strict().DecodeString(digest); !ok || err != nil || len(raw) != 32 {
			return fmt.Errorf("spki: want sha256/ and 44 characters of base64, not %q", k)
		}
	}
	for _, issuer := range l.Issuers {
		if !lockable(issuer) {
			return fmt.Errorf("issuers: %q is no name of one", issuer)
		}
	}
	if slices.Contains(l.ASNs, 0) {
		return errors.New("asns: there is no AS0")
	}
	for _, z := range l.Zones {
		if err := z.check(); err != nil {
			return fmt.Errorf("zones: %w", err)
		}
	}
	return nil
}

// lockable reports whether a lock may hold the text, which somebody may have put into
// a certificate.
func lockable(s string) bool {
	return s != "" && len(s) <= maxLockedText && !strings.ContainsFunc(s, unicode.IsControl)
}

func (z LockedZone) check() error {
	for _, name := range append([]string{z.Zone}, z.Nameservers...) {
		if err := fullName(name); err != nil && name != "." {
			return err
		}
	}
	switch {
	case len(z.Nameservers)+len(z.DS) == 0:
		return fmt.Errorf("nothing is said of %s", z.Zone)
	case len(z.Nameservers)+len(z.DS) > maxLockedEach:
		return fmt.Errorf("more than %d things are said of %s", maxLockedEach, z.Zone)
	}
	for _, ds := range z.DS {
		if !isDS(ds) {
			return fmt.Errorf("%q is no DS record", ds)
		}
	}
	return nil
}

// isDS reports whether s is the data of a DS record: key tag, algorithm, digest
// type, digest (RFC 4034 §5.3).
func isDS(s string) bool {
	parts := strings.Fields(s)
	if len(parts) < 4 || len(s) > maxLockedText {
		return false
	}
	for i, bits := range []int{16, 8, 8} {
		if _, err := strconv.ParseUint(parts[i], 10, bits); err != nil {
			return false
		}
	}
	raw, err := hex.DecodeString(strings.Join(parts[3:], ""))
	return err == nil && len(raw) > 0
}

// fullName reports whether a name has the form that ParseName gives it.
func fullName(s string) error {
	switch name, err := ParseName(s); {
	case err != nil:
		return err
	case name != s:
		return fmt.Errorf("%w: write %q as %q", errName, s, name)
	}
	return nil
}

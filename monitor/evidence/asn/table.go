package asn

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// Config says what to read.
type Config struct {
	Path   string           // of the file
	Shared []uint32         // autonomous systems in which whoever pays has addresses, besides those known
	Now    func() time.Time // dates evidence; nil is time.Now
}

// Network is one entry of a table.
type Network struct {
	ASN    uint32
	Org    string       // as the table names it: one line of printable text, of 128 bytes at most
	Prefix netip.Prefix // around the address that was looked up
	Shared bool         // whoever pays has addresses in it
}

// Table is what a file says. It does not change, and is safe for concurrent use.
type Table struct {
	path   string
	source source
	shared map[uint32]bool // besides those known
	sum    [sha256.Size]byte
	now    func() time.Time
}

var _ monitor.Prover = (*Table)(nil)

// source is a file that was read.
type source interface {
	// lookup gives the narrowest network around a, with the number 0 where
	// nobody announces it.
	lookup(a netip.Addr) (Network, error)
}

const (
	maxBinary = 128 << 20 // bytes of a MaxMind DB, which is kept whole; those of today have 10 MB
	maxText   = 512 << 20 // bytes of text, of which rows are kept: a small gzip file holds much
	sniffed   = 512       // bytes that tell text from MaxMind DB, whose first nodes hold zeros
)

// Open reads the file. Its error names the file, and in text the line.
func Open(cfg Config) (*Table, error) {
	f, err := os.Open(cfg.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := &Table{path: cfg.Path, shared: map[uint32]bool{}, now: cfg.Now}
	if t.now == nil {
		t.now = time.Now
	}
	for _, n := range cfg.Shared {
		t.shared[n] = true
	}
	sum := sha256.New()
	whole := io.TeeReader(f, sum)
	if t.source, err = read(whole); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Path, err)
	}
	// gzip may leave something behind its end.
	if _, err := io.Copy(io.Discard, whole); err != nil {
		return nil, err
	}
	sum.Sum(t.sum[:0])
	return t, nil
}

// read makes a source of what r holds.
func read(r io.Reader) (source, error) {
	b := bufio.NewReader(r)
	if magic, _ := b.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) { // RFC 1952 §2.3.1
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		b = bufio.NewReader(z)
	}
	head, err := b.Peek(sniffed)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return readBinary(b)
	}
	return readText(b)
}

// Sum is the SHA-256 of the file as it was read, which tells whether another is
// there by now.
func (t *Table) Sum() [sha256.Size]byte { return t.sum }

// Lookup says who announces a; ok is false where the table has nobody.
func (t *Table) Lookup(a netip.Addr) (n Network, ok bool, err error) {
	n, err = t.source.lookup(a.Unmap().WithZone(""))
	n.Shared = n.Shared || t.shared[n.ASN] || hosting[n.ASN] != ""
	return n, err == nil && n.ASN != 0, err
}

// Prove says who announces proof.Address. An address that nobody announces has
// no ASN, and says so in Detail. It neither waits nor sends anything.
func (t *Table) Prove(_ context.Context, proof monitor.Proof) monitor.Evidence {
	e := monitor.Evidence{Kind: monitor.EvidenceASN, At: t.now(), Role: proof.Role, Address: proof.Address}
	if !proof.Address.IsValid() {
		e.Outcome, e.Detail = monitor.OutcomeNotDialled, "no address"
		return e
	}
	n, ok, err := t.Lookup(proof.Address)
	switch {
	case err != nil:
		e.Outcome, e.Detail = monitor.OutcomeNotDialled, "the table cannot be read: "+printable(err.Error())
	case !ok:
		e.Detail = "announced by nobody in the table"
	default:
		e.ASN, e.Org, e.Prefix, e.Shared = n.ASN, n.Org, n.Prefix, n.Shared
		e.Detail = cmp.Or(hosting[n.ASN], e.Detail)
	}
	return e
}

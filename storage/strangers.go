package storage

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"github.com/dnstaster/dnstaster/monitor"
)

// What was overheard of names that nobody watches is kept under HMAC-SHA256 of the
// name, and so are the addresses in the answers. The key is in a file of its own
// beside the store: a copy of the store alone tells nothing, and without the key
// nobody can, by trying names, which are guessed easily.

const (
	keyName = "unwatched.key"
	keyLen  = 32

	nameHashLen    = 16
	addressHashLen = 8

	// strangersShare of MaxSize is what they may take, strangerBytes being what one
	// does with the rest of its page.
	strangersShare = 8
	strangerBytes  = 256
	// neighbours of a new one are looked at for one that may go in its place.
	neighbours = 8
)

// readKey reads the key, or with fresh makes one.
func readKey(path string, fresh bool) ([]byte, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && fresh {
		key = make([]byte, keyLen)
		rand.Read(key) // never fails
		return key, os.WriteFile(path, key, 0o600)
	}
	if err == nil && len(key) != keyLen {
		err = fmt.Errorf("%s has %d bytes, want %d (remove it to begin anew)", path, len(key), keyLen)
	}
	return key, err
}

// keyed hashes what is of a kind: a name never has the hash of an address.
func keyed(key []byte, kind byte, what []byte, size int) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte{kind})
	h.Write(what)
	return h.Sum(nil)[:size]
}

func hashName(key []byte, name string) []byte { return keyed(key, 'n', []byte(name), nameHashLen) }

func hashAddress(key []byte, a netip.Addr) []byte {
	b := a.Unmap().As16()
	return keyed(key, 'a', b[:], addressHashLen)
}

// disguise takes strangers into a batch. Without a key they are dropped, and all else
// is written.
func (db *DB) disguise(e *encoded, ss []monitor.Stranger) {
	if len(ss) == 0 {
		return
	}
	key, err := readKey(db.keyPath(), true)
	if err != nil {
		db.log.Warn("no key for names that are not watched: what was overheard of them is not kept", "err", err)
		return
	}
	// In no order: those that come one after the other must not drive out one another's
	// neighbours.
	e.most = uint64(db.cfg.MaxSize) / strangersShare / strangerBytes
	for i := range ss {
		s := &ss[i]
		if !stamped(s.First) || !stamped(s.Last) {
			continue
		}
		row := stranger{first: stampOf(s.First), last: stampOf(s.Last), count: s.Count, more: s.More}
		for _, a := range s.Addresses {
			row.addresses = append(row.addresses, strangerAddress{[addressHashLen]byte(hashAddress(key, a.Address)), stampOf(a.First), stampOf(a.Last), a.Count})
		}
		name := binary.BigEndian.AppendUint16(hashName(key, s.Question.Name), uint16(s.Question.Type))
		e.strangers = append(e.strangers, meeting{name, row})
	}
}

func (db *DB) keyPath() string { return filepath.Join(filepath.Dir(db.cfg.Path), keyName) }

// meeting is what was overheard of a stranger in one batch.
type meeting struct {
	key []byte
	row stranger
}

// stranger is a row of the table.
type stranger struct {
	first, last stamp
	count       int
	more        bool
	addresses   []strangerAddress
}

type strangerAddress struct {
	hash        [addressHashLen]byte
	first, last stamp
	count       int
}

func (s *stranger) bytes() []byte {
	b := s.first.append(s.last.append(nil))
	b = binary.AppendVarint(b, int64(s.count))
	more := byte(0)
	if s.more {
		more = 1
	}
	b = binary.AppendUvarint(append(b, more), uint64(len(s.addresses)))
	for _, a := range s.addresses {
		b = a.last.append(a.first.append(append(b, a.hash[:]...)))
		b = binary.AppendVarint(b, int64(a.count))
	}
	return b
}

func parseStranger(k, v []byte) (s stranger, err error) {
	bad := fmt.Errorf("%w: a name that is not watched", ErrCorrupt)
	if len(k) != nameHashLen+2 || len(v) < 16 {
		return s, bad
	}
	s.last, s.first = stampAt(v), stampAt(v[8:])
	r := valueReader{b: v[16:]}
	s.count = int(r.varint())
	s.more = r.uvarint(1) == 1
	for n := r.uvarint(monitor.MaxStrangerAddresses); n > 0 && !r.bad; n-- {
		fixed := r.cut(addressHashLen+16, true)
		if r.bad {
			break
		}
		s.addresses = append(s.addresses, strangerAddress{
			[addressHashLen]byte(fixed), stampAt(fixed[addressHashLen:]), stampAt(fixed[addressHashLen+8:]), int(r.varint()),
		})
	}
	if r.bad || len(r.b) > 0 {
		return s, bad
	}
	return s, nil
}

// add takes in what was overheard since.
func (s *stranger) add(t stranger) {
	s.first, s.last, s.count, s.more = min(s.first, t.first), max(s.last, t.last), s.count+t.count, s.more || t.more
next:
	for _, a := range t.addresses {
		for i := range s.addresses {
			if b := &s.addresses[i]; b.hash == a.hash {
				b.first, b.last, b.count = min(b.first, a.first), max(b.last, a.last), b.count+a.count
				continue next
			}
		}
		if len(s.addresses) == monitor.MaxStrangerAddresses {
			s.more = true
			continue
		}
		s.addresses = append(s.addresses, a)
	}
}

// meet adds what was overheard of a stranger to what is known of it. Where there are
// too many, the one goes that was heard least of some that are near: keys are as good
// as random, so these are a fair sample, and a flood of names that are each asked for
// once drives out its like.
func (m meeting) meet(w *writer, most uint64) (forgot bool, err error) {
	row := m.row
	b := w.buckets[strangers]
	if old := b.Get(m.key); old != nil {
		known, err := parseStranger(m.key, old)
		if err != nil {
			return false, err
		}
		known.add(row)
		return false, w.replace(strangers, m.key, known.bytes())
	}
	if w.counts[strangers] >= most {
		var least []byte
		fewest, oldest := 0, stamp(0)
		c := b.Cursor()
		k, v := c.Seek(m.key)
		for range neighbours {
			if k == nil {
				if k, v = c.First(); k == nil {
					break
				}
			}
			near, err := parseStranger(k, v)
			if err != nil {
				return false, err
			}
			if least == nil || near.count < fewest || near.count == fewest && near.last < oldest {
				least, fewest, oldest = bytes.Clone(k), near.count, near.last
			}
			k, v = c.Next()
		}
		if least != nil {
			if err := w.drop(strangers, least); err != nil {
				return false, err
			}
			forgot = true
		}
	}
	return forgot, w.add(strangers, m.key, row.bytes())
}

// Unwatched tells what was overheard of a name that nobody watches, by type. Of the
// addresses in its answers only asked is told, where it is among them; the others
// are there without their address. A store that was never given any has none.
func (db *DB) Unwatched(ctx context.Context, name string, asked netip.Addr) ([]monitor.Stranger, error) {
	key, err := readKey(db.keyPath(), false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was overheard: %w", err)
	}
	var list []monitor.Stranger
	var is [addressHashLen]byte
	if asked.IsValid() {
		is = [addressHashLen]byte(hashAddress(key, asked))
	}
	prefix := hashName(key, name)
	err = db.view(ctx, func(tx *bolt.Tx) error {
		c := strangers.in(tx).Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			row, err := parseStranger(k, v)
			if err != nil {
				return err
			}
			s := monitor.Stranger{
				Question: monitor.Question{Name: name, Type: monitor.Type(binary.BigEndian.Uint16(k[nameHashLen:]))},
				First:    row.first.time(), Last: row.last.time(), Count: row.count, More: row.more, Addresses: []monitor.StrangerAddress{},
			}
			for _, a := range row.addresses {
				told := monitor.StrangerAddress{First: a.first.time(), Last: a.last.time(), Count: a.count}
				if asked.IsValid() && a.hash == is {
					told.Address = asked
				}
				s.Addresses = append(s.Addresses, told)
			}
			list = append(list, s)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what was overheard of %q: %w", name, err)
	}
	return list, nil
}

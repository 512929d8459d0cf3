package asn

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"
)

// binaryTable is a MaxMind DB. It is in memory: a mapped file that somebody
// truncates ends the process.
type binaryTable struct{ db *maxminddb.Reader }

// record is what a MaxMind DB has of a network: of MaxMind's and DB-IP's the
// first two fields, of IPinfo's the others.
type record struct {
	Number  uint32 `maxminddb:"autonomous_system_number"`
	Org     string `maxminddb:"autonomous_system_organization"`
	ASN     string `maxminddb:"asn"`
	Name    string `maxminddb:"name"`
	LongOrg string `maxminddb:"as_name"`
}

// tried bounds the networks of a file that are looked at until one has a number:
// a database of cities can be read as well, and would never say anything. Those
// without data count, or a damaged tree could be walked for ever.
const tried = 10_000

func readBinary(r io.Reader) (source, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxBinary+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxBinary {
		return nil, fmt.Errorf("more than %d bytes", maxBinary)
	}
	db, err := maxminddb.OpenBytes(b)
	if err != nil {
		return nil, fmt.Errorf("neither text nor MaxMind DB: %w", err)
	}
	n := 0
	for result := range db.Networks(maxminddb.IncludeNetworksWithoutData()) {
		var rec record
		if err := result.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", result.Prefix(), err)
		}
		if result.Found() {
			if err := result.Decode(&rec); err != nil {
				return nil, fmt.Errorf("%s: %w", result.Prefix(), err)
			}
		}
		if num, err := rec.number(); err == nil && num != 0 {
			return binaryTable{db}, nil
		}
		if n++; n == tried {
			break
		}
	}
	return nil, fmt.Errorf("a database of type %q, which has no numbers of autonomous systems", shortened(printable(db.Metadata.DatabaseType)))
}

// number gives the number of a record; 0 is none.
func (r record) number() (uint32, error) {
	if r.Number != 0 || r.ASN == "" {
		return r.Number, nil
	}
	return number(r.ASN)
}

func (t binaryTable) lookup(a netip.Addr) (Network, error) {
	if a.Is6() && t.db.Metadata.IPVersion == 4 {
		return Network{}, nil
	}
	result := t.db.Lookup(a)
	if err := result.Err(); err != nil {
		return Network{}, err
	}
	if !result.Found() {
		return Network{}, nil
	}
	var rec record
	if err := result.Decode(&rec); err != nil {
		return Network{}, err
	}
	num, err := rec.number()
	if err != nil {
		return Network{}, errors.Join(fmt.Errorf("%s", result.Prefix()), err)
	}
	n := Network{ASN: num, Prefix: result.Prefix()}
	for _, org := range []string{rec.Org, rec.LongOrg, rec.Name} {
		if n.Org == "" {
			n.Org = printable(org)
		}
	}
	return n, nil
}

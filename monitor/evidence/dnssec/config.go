package dnssec

import (
	"cmp"
	"context"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// Exchanger sends a DNS message to a resolver over whatever transport it has,
// and gives the response as it came. It must be safe for concurrent use and
// return soon after ctx ends. What it returns belongs to the caller.
type Exchanger interface {
	Exchange(ctx context.Context, r monitor.Resolver, query []byte) ([]byte, error)
}

// What a Config leaves out.
const (
	// A chain of a few CNAMEs between zones three deep needs some 40 queries
	// and 60 signatures with an empty cache; names with many labels need more.
	defaultQueries    = 100
	defaultSignatures = 200

	// A denial by NSEC3 needs a hash for each label and one for the wildcard,
	// and the digest of a key is one too.
	defaultHashes = 400

	defaultEntries = 4096 // some kilobytes each
)

const (
	maxAge     = time.Hour       // of what is remembered, whatever its TTL says
	minAge     = 5 * time.Second // so that one proof does not ask for the same twice; never beyond a signature
	failureAge = 5 * time.Second // a chain that could not be had may be had soon
)

// Config is how a Validator works. The zero Config is right for production, but
// for Chain.
type Config struct {
	// Anchors are what every chain begins with; the deepest above a name counts.
	// None is those of the root, RootAnchors.
	Anchors []Anchor

	// Chain are resolvers that are asked for DS and DNSKEY, in turn, where the
	// resolver in question does not hand over what verifies. It need not be
	// trusted: whatever it says must be signed. Without it a resolver that
	// strips signatures leaves every proof indeterminate.
	Chain []monitor.Resolver

	Now func() time.Time // by which signatures are judged; nil is time.Now

	// What one proof may cost at most, or a hostile zone makes us work for it
	// (CVE-2023-50387, CVE-2023-50868). A proof that would need more is
	// indeterminate. 0 is the default.
	MaxQueries    int // sent; 100
	MaxSignatures int // verified; 200
	MaxHashes     int // of names (NSEC3) and keys (DS); 400

	MaxEntries int // of proven facts that are remembered; 0 is 4,096
}

func (c Config) withDefaults() Config {
	if len(c.Anchors) == 0 {
		c.Anchors = RootAnchors()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.MaxQueries = cmp.Or(c.MaxQueries, defaultQueries)
	c.MaxSignatures = cmp.Or(c.MaxSignatures, defaultSignatures)
	c.MaxHashes = cmp.Or(c.MaxHashes, defaultHashes)
	c.MaxEntries = cmp.Or(c.MaxEntries, defaultEntries)
	return c
}

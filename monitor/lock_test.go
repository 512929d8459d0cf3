package monitor_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// lockKey is a public key in the form that locks have it in.
const lockKey = "sha256/hdz8y8yAO0hLsYWQ7T9tZ1hPiJ4v4vbJdpGfBkYJ3qY="

// soundLock is a lock in which nothing is left out.
const soundLock = `{"schema":"dnstaster.lock/v1","generated_at":"2026-03-01T12:00:00Z","names":[{"name":"api.partner.example.","types":["A"],"port":8443,` +
	`"spki":["` + lockKey + `"],"issuers":["Example CA"],"asns":[64500],"zones":[{"zone":"partner.example.","ns":["ns1.partner.example."],"ds":["1 13 2 00FF"]}]},` +
	`{"name":"sftp.partner.example.","tls_off":true,"asns":[64500]}]}`

func TestReadLock(t *testing.T) {
	want := monitor.Lock{GeneratedAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Names: []monitor.Locked{
		{
			Name: "api.partner.example.", Types: []monitor.Type{monitor.TypeA}, Port: 8443, Keys: []string{lockKey}, Issuers: []string{"Example CA"}, ASNs: []uint32{64500},
			Zones: []monitor.LockedZone{{Zone: "partner.example.", Nameservers: []string{"ns1.partner.example."}, DS: []string{"1 13 2 00FF"}}},
		},
		{Name: "sftp.partner.example.", Off: true, ASNs: []uint32{64500}},
	}}
	got, err := monitor.ReadLock(strings.NewReader(soundLock))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if got.For("sftp.partner.example.") == nil || got.For("ftp.partner.example.") != nil {
		t.Error("For finds what is not asked for")
	}
}

// TestReadLockErrors has what cannot be understood whole be an error, one thing wrong
// at a time.
func TestReadLockErrors(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"another version", "lock/v1", "lock/v2", `schema "dnstaster.lock/v2" is not "dnstaster.lock/v1"`},
		{"no version", `"schema":"dnstaster.lock/v1",`, ``, `schema "" is not`},
		{"another document", soundLock, `{"schema":"dnstaster.pins/v1"}`, `schema "dnstaster.pins/v1" is not`},
		{"nothing", soundLock, ``, "not a lock"},
		{"null", soundLock, `null`, `schema "" is not`},
		{"cut short", `"tls_off":true,"asns":[64500]}]}`, ``, "not a lock"},
		{"more behind it", `"tls_off":true,"asns":[64500]}]}`, `"tls_off":true,"asns":[64500]}]} {}`, "not a lock"},
		{"an unknown key", `"port"`, `"ports"`, `unknown field "ports"`},
		{"no time", `"2026-03-01T12:00:00Z"`, `"0001-01-01T00:00:00Z"`, "does not say when"},
		{"no name", `"names":[`, `"names":[],"x":[`, "unknown field"},
		{"a name twice", "sftp.", "api.", "api.partner.example. is in it twice"},
		{"a name that is none", "sftp.partner.example.", "a b.", "not a domain name"},
		{"a name in another form", "sftp.partner.example.", "SFTP.partner.example", "write"},
		{"nothing said", `"tls_off":true,"asns":[64500]`, `"tls_off":true`, "nothing is said of it"},
		{"a key that is none", lockKey, "sha256/AAAA", "spki: want sha256/"},
		{"a key without its digest", lockKey, strings.TrimPrefix(lockKey, "sha256/"), "spki: want sha256/"},
		{"an empty issuer", `"Example CA"`, `""`, "issuers"},
		{"an issuer of two lines", `"Example CA"`, `"a\nb"`, "issuers"},
		{"a network of 0", `"asns":[64500],"zones"`, `"asns":[0],"zones"`, "there is no AS0"},
		{"a network of 2^32", `"asns":[64500],"zones"`, `"asns":[4294967296],"zones"`, "not a lock"},
		{"a zone without name", `"zone":"partner.example."`, `"zone":""`, "not a domain name"},
		{"a zone of which nothing is said", `,"ns":["ns1.partner.example."],"ds":["1 13 2 00FF"]`, ``, "nothing is said of partner.example."},
		{"a name server that is none", "ns1.partner.example.", "ns1..", "not a domain name"},
		{"a DS record that is none", "1 13 2 00FF", "1 13 2", "is no DS record"},
		{"a digest that is none", "1 13 2 00FF", "1 13 2 xx", "is no DS record"},
		{"an algorithm of 9 bits", "1 13 2 00FF", "1 256 2 00FF", "is no DS record"},
		{"no type", `"types":["A"]`, `"types":["TYPE0"]`, "a record type of 0"},
		{"too much of one name", `"asns":[64500],"zones"`, `"asns":[` + strings.Repeat("1,", 300) + `1],"zones"`, "more than 256 things"},
		{"too large", `"Example CA"`, `"` + strings.Repeat("x", 5<<20) + `"`, "larger than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(soundLock, tt.old) {
				t.Fatalf("the lock does not hold %s", tt.old)
			}
			_, err := monitor.ReadLock(strings.NewReader(strings.Replace(soundLock, tt.old, tt.new, 1)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// A lock comes with a repository: what is read names something for every name, reads
// back the same, and never makes an answer good that shows no right certificate.
func FuzzReadLock(f *testing.F) {
	f.Add([]byte(soundLock))
	f.Add([]byte(`{"schema":"dnstaster.lock/v1","generated_at":"2026-03-01T12:00:00Z","names":[]}`))
	f.Add([]byte(`{"schema":"dnstaster.lock/v1","names":null}`))
	f.Add([]byte(`{"schema":"dnstaster.lock/v1","generated_at":"2026-03-01T12:00:00Z","names":[{"name":"api.partner.example.","spki":["` + lockKey + `"]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := monitor.ReadLock(bytes.NewReader(data))
		if err != nil {
			return
		}
		if len(l.Names) == 0 {
			t.Fatal("a lock without names")
		}
		text, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		again, err := monitor.ReadLock(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("what was read is not read again: %v\n%s", err, text)
		}
		if diff := cmp.Diff(l, again); diff != "" {
			t.Fatalf("it reads back as another (-was +is):\n%s", diff)
		}
		for _, n := range l.Names {
			if n.Empty() {
				t.Fatalf("nothing is said of %s", n.Name)
			}
			key := lockKey
			if len(n.Keys) > 0 {
				key = n.Keys[0]
			}
			for _, o := range []monitor.Outcome{monitor.OutcomeSelfSigned, monitor.OutcomeUntrusted, monitor.OutcomeExpired, monitor.OutcomeTimeout} {
				m := newMatter().watched(func(w *monitor.Watch) { w.Lock = &n }).sys(evilAddr).shows(evilAddr, o, key)
				if r := monitor.Judge(&m.Case); r.Verdict == monitor.Clean {
					t.Fatalf("clean by the lock, and the certificate is %s: %s", o, text)
				}
			}
		}
	})
}

// locks has a lock say something of the name.
func locks(l monitor.Locked) func(*monitor.Watch) {
	return func(w *monitor.Watch) { w.Lock = &l }
}

var renewable = monitor.Locked{Keys: []string{goodKey}, Issuers: []string{"Example CA"}, ASNs: []uint32{64500}}

// certified adds a handshake with a suspect: how old its certificate is, and whose.
func (m *matter) certified(addr string, o monitor.Outcome, key, issuer string, age time.Duration) *matter {
	return m.shake(monitor.Evidence{Address: netip.MustParseAddr(addr), Role: monitor.Suspect, Outcome: o, SPKI: key, Issuer: issuer, NotBefore: m.at.Add(-age)})
}

// announces adds who announces an address.
func (m *matter) announces(addr string, asn uint32) *matter {
	s := m.last()
	s.Evidence = append(s.Evidence, monitor.Evidence{Kind: monitor.EvidenceASN, At: m.at, Address: netip.MustParseAddr(addr), ASN: asn})
	return m
}

// delegates adds where a witness says, over TLS, that a zone is delegated to.
func (m *matter) delegates(zone string, status monitor.DNSSECStatus, ns, ds []string) *matter {
	s := m.last()
	s.Evidence = append(s.Evidence, monitor.Evidence{
		Kind: monitor.EvidenceDNSSEC, At: m.at, Resolver: "alpha|9.9.9.1|dot", Status: status, Zone: zone, Nameservers: ns, DS: ds,
	})
	return m
}

// TestLock shows what a lock makes of what is found by who has nothing else to go
// by: the verdict, and in how many ways the lock is broken.
func TestLock(t *testing.T) {
	const young = time.Hour
	zone := monitor.Locked{Keys: []string{goodKey}, Zones: []monitor.LockedZone{{Zone: "partner.example.", Nameservers: []string{"ns1.partner.example.", "ns2.partner.example."}, DS: []string{"1 13 2 00FF"}}}}
	right := func(l monitor.Locked) *matter {
		return newMatter().watched(locks(l)).sys(fresh).certified(fresh, monitor.OutcomeOK, goodKey, "Example CA", young)
	}
	twice := func(m *matter, show func(*matter)) *matter {
		show(m.sys(evilAddr))
		show(m.then(10 * time.Second).sys(evilAddr))
		return m
	}
	for _, tt := range []struct {
		name    string
		given   *matter
		verdict monitor.Verdict
		proof   string
		broken  int
	}{
		{"no lock, and a fresh certificate", newMatter().sys(fresh).certified(fresh, monitor.OutcomeOK, goodKey, "Example CA", young), monitor.Unknown, "", 0},
		{"the key in it", right(renewable), monitor.Clean, "certificate, no witness: certificate right, key in the lock", 0},
		{"the key in it, from a network that is not", right(renewable).announces(fresh, 64666), monitor.Clean, "certificate, no witness: certificate right, key in the lock", 0},
		{"the key in it, out of its time", newMatter().watched(locks(renewable)).sys(fresh).certified(fresh, monitor.OutcomeExpired, goodKey, "Example CA", young), monitor.Unknown, "", 0},
		{"no handshake", newMatter().watched(locks(renewable)).sys(fresh), monitor.Unknown, "", 0},
		{"renewed, of the same issuer, old enough",
			newMatter().watched(locks(renewable)).sys(fresh).certified(fresh, monitor.OutcomeOK, "sha256/new", "Example CA", 48*time.Hour), monitor.Clean, "certificate, no witness: certificate right, 2 days old", 0},
		{"renewed, of the same issuer, a moment ago",
			newMatter().watched(locks(renewable)).sys(fresh).certified(fresh, monitor.OutcomeOK, "sha256/new", "Example CA", young), monitor.Unknown, "", 0},
		{"renewed, of another issuer, once",
			newMatter().watched(locks(renewable)).sys(fresh).certified(fresh, monitor.OutcomeOK, "sha256/new", "Other CA", 48*time.Hour), monitor.Suspicious, "", 1},
		{"renewed, of another issuer, twice",
			twice(newMatter().watched(locks(renewable)), func(m *matter) { m.certified(evilAddr, monitor.OutcomeOK, "sha256/new", "Other CA", 48*time.Hour) }), monitor.Suspicious, "", 1},
		{"renewed, from a network that is not in it",
			newMatter().watched(locks(renewable)).sys(fresh).announces(fresh, 64666).certified(fresh, monitor.OutcomeOK, "sha256/new", "Example CA", 48*time.Hour), monitor.Suspicious, "", 1},
		{"renewed, from a network in it",
			newMatter().watched(locks(renewable)).sys(fresh).announces(fresh, 64500).certified(fresh, monitor.OutcomeOK, "sha256/new", "Example CA", 48*time.Hour), monitor.Clean, "certificate, no witness: certificate right, 2 days old", 0},
		{"a lock of keys only, and another key",
			newMatter().watched(locks(monitor.Locked{Keys: []string{goodKey}})).sys(fresh).certified(fresh, monitor.OutcomeOK, "sha256/new", "Example CA", 48*time.Hour), monitor.Suspicious, "", 1},
		{"somebody else's certificate, of the same issuer",
			newMatter().watched(locks(renewable)).sys(fresh).certified(fresh, monitor.OutcomeNameMismatch, evilKey, "Example CA", 48*time.Hour), monitor.Suspicious, "", 1},
		{"witnesses and the zone say so too, and it is broken all the same",
			twice(newMatter().watched(locks(renewable)), func(m *matter) {
				m.dot(evilAddr, four...).certified(evilAddr, monitor.OutcomeOK, "sha256/new", "Other CA", 48*time.Hour).walked(monitor.AuthoritativeServer{Addresses: []netip.Addr{netip.MustParseAddr(evilAddr)}})
			}), monitor.Suspicious, "", 1},
		{"broken once, and the key in it since",
			newMatter().watched(locks(renewable)).sys(fresh).certified(fresh, monitor.OutcomeOK, "sha256/new", "Other CA", young).
				then(time.Second).sys(fresh).certified(fresh, monitor.OutcomeOK, goodKey, "Example CA", young), monitor.Clean, "certificate, no witness: certificate right, key in the lock", 0},
		{"the owner declares the address", newMatter().watched(locks(renewable)).watched(expects(fresh+"/32")).sys(fresh).certified(fresh, monitor.OutcomeOK, "sha256/new", "Other CA", young), monitor.Clean, "pinned by expect.addresses", 0},
		{"while the owner has it changed", newMatter().watched(locks(renewable)).watched(inWindow).sys(fresh).certified(fresh, monitor.OutcomeOK, "sha256/new", "Other CA", 48*time.Hour),
			monitor.Clean, "certificate, no witness: certificate right, 2 days old", 0},
		{"history knows what the lock does not have",
			learntMatter().watched(locks(monitor.Locked{Keys: []string{"sha256/new"}})).sys(goodAddr), monitor.Unknown, "", 0},
		{"without TLS, from a network that is not in it",
			newMatter().watched(locks(monitor.Locked{Off: true, ASNs: []uint32{64500}})).watched(func(w *monitor.Watch) { w.TLS.Off = true }).sys(fresh).announces(fresh, 64666), monitor.Suspicious, "", 1},
		{"without TLS, from a network that is not in it, and witnesses say so too",
			newMatter().watched(locks(monitor.Locked{Off: true, ASNs: []uint32{64500}})).watched(func(w *monitor.Watch) { w.TLS.Off = true }).sys(fresh).dot(fresh, four...).announces(fresh, 64666),
			monitor.Clean, "given by 4 of 4 witnesses (without a certificate)", 1},
		{"without TLS, from a network that is not in it, and the owner declares the address",
			newMatter().watched(locks(monitor.Locked{Off: true, ASNs: []uint32{64500}})).watched(func(w *monitor.Watch) { w.TLS.Off = true }).watched(expects(fresh+"/32")).sys(fresh).announces(fresh, 64666),
			monitor.Clean, "pinned by expect.addresses", 0},
		{"without TLS, from a network in it",
			newMatter().watched(locks(monitor.Locked{Off: true, ASNs: []uint32{64500}})).watched(func(w *monitor.Watch) { w.TLS.Off = true }).sys(fresh).announces(fresh, 64500), monitor.Unknown, "", 0},
		{"the same delegation", right(zone).delegates("partner.example.", monitor.Secure, []string{"ns2.partner.example.", "ns3.partner.example."}, []string{"1 13 2 00FF", "2 13 2 11FF"}), monitor.Clean, "certificate, no witness: certificate right, key in the lock", 0},
		{"other name servers", right(zone).delegates("partner.example.", monitor.Secure, []string{"ns1.evil.example."}, []string{"1 13 2 00FF"}), monitor.Clean, "certificate, no witness: certificate right, key in the lock", 1},
		{"other name servers, and no DS record", right(zone).delegates("partner.example.", monitor.Insecure, []string{"ns1.evil.example."}, nil), monitor.Clean, "certificate, no witness: certificate right, key in the lock", 2},
		{"no DS record", right(zone).delegates("partner.example.", monitor.Insecure, []string{"ns1.partner.example."}, nil), monitor.Clean, "certificate, no witness: certificate right, key in the lock", 1},
		{"another DS record", right(zone).delegates("partner.example.", monitor.Secure, []string{"ns1.partner.example."}, []string{"2 13 2 11FF"}), monitor.Clean, "certificate, no witness: certificate right, key in the lock", 1},
		{"nobody knows whether there is a DS record", right(zone).delegates("partner.example.", monitor.Indeterminate, []string{"ns1.partner.example."}, nil), monitor.Clean, "certificate, no witness: certificate right, key in the lock", 0},
		{"the delegation of another zone", right(zone).delegates("cdn.example.", monitor.Insecure, []string{"ns1.cdn.example."}, nil), monitor.Clean, "certificate, no witness: certificate right, key in the lock", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := monitor.Judge(&tt.given.Case)
			if r.Verdict != tt.verdict || r.Proof != tt.proof || len(r.Breaches) != tt.broken {
				t.Errorf("%s %q, broken %q; want %s %q, broken in %d ways; reasons %v", r.Verdict, r.Proof, r.Breaches, tt.verdict, tt.proof, tt.broken, r.Reasons)
			}
			if locked := tt.verdict == monitor.Clean && strings.HasSuffix(tt.proof, "key in the lock"); r.Locked != locked {
				t.Errorf("locked is %t", r.Locked)
			}
			off, policy := tt.given.Case, *tt.given.Policy
			policy.Off = map[string]bool{"pin.violation": true}
			off.Policy = &policy
			if r := monitor.Judge(&off); len(r.Breaches) > 0 {
				t.Errorf("without the rule it is still broken: %q", r.Breaches)
			}
		})
	}
}

package asn

import (
	"bytes"
	"compress/gzip"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

var samePrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

// write puts a file into a directory of the test.
func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func zipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func network(asn uint32, org, prefix string, shared bool) Network {
	return Network{ASN: asn, Org: org, Prefix: netip.MustParsePrefix(prefix), Shared: shared}
}

const prefixes = "\ufeffnetwork,autonomous_system_number,autonomous_system_organization\r\n" +
	`198.18.0.0/24,100,"Lab, ""the"" first"` + "\r\n" +
	`# a comment, and an empty line

198.18.0.0/15,AS99,Around
198.18.90.0/24,190,Cloud,shared
198.18.91.0/24, 190 ,Cloud,
198.18.10.0/24,110
198.18.10.7,as111,One host
198.18.20.0/24,0,a hole
198.18.0.0/24,101,a second origin
2001:db8::/32,200,Six
2001:db8:1::/48,16509,Amazon
0.0.0.0/0,7,All of four`

const ranges = "1.0.0.0\t1.0.0.255\t13335\tUS\tCLOUDFLARENET\n" +
	"1.0.1.0\t1.0.3.255\t0\tNone\tNot routed\n" +
	"1.0.4.0\t1.0.7.255\t38803\tAU\tGTELECOM \"Pty\" \x1b[31mLtd\n" +
	"1.0.8.1\t1.0.8.6\t64500\t\tOdd\tshared\n" +
	"2001:200::\t2001:200:ffff:ffff:ffff:ffff:ffff:ffff\t2500\tJP\tWIDE-BB\n"

func TestLookup(t *testing.T) {
	mmdb := newDB("DBIP-ASN-Lite", 6)
	mmdb.put(t, "1.1.1.0/24", map[string]any{"autonomous_system_number": uint32(13335), "autonomous_system_organization": "Cloudflare, Inc."})
	mmdb.put(t, "2001:db8::/32", map[string]any{"autonomous_system_number": uint32(64500), "autonomous_system_organization": "Six\x07"})
	ipinfo := newDB("ipinfo lite", 6)
	ipinfo.put(t, "1.1.1.0/24", map[string]any{"asn": "AS64501", "as_name": "One"})
	four := newDB("GeoLite2-ASN", 4)
	four.put(t, "1.1.1.0/24", map[string]any{"autonomous_system_number": uint32(64502)})
	for _, tt := range []struct {
		name, address string
		file          []byte
		want          Network // nothing where nobody announces it
	}{
		{"quoted", "198.18.0.1", []byte(prefixes), network(100, `Lab, "the" first`, "198.18.0.0/24", false)},
		{"after one inside", "198.18.1.1", []byte(prefixes), network(99, "Around", "198.18.0.0/15", false)},
		{"last of one", "198.19.255.255", []byte(prefixes), network(99, "Around", "198.18.0.0/15", false)},
		{"shared", "198.18.90.9", []byte(prefixes), network(190, "Cloud", "198.18.90.0/24", true)},
		{"not shared", "198.18.91.9", []byte(prefixes), network(190, "Cloud", "198.18.91.0/24", false)},
		{"one host", "198.18.10.7", []byte(prefixes), network(111, "One host", "198.18.10.7/32", false)},
		{"beside one host", "198.18.10.8", []byte(prefixes), network(110, "", "198.18.10.0/24", false)},
		{"hole", "198.18.20.1", []byte(prefixes), Network{}},
		{"outermost", "8.8.8.8", []byte(prefixes), network(7, "All of four", "0.0.0.0/0", false)},
		{"written as six", "::ffff:198.18.0.1", []byte(prefixes), network(100, `Lab, "the" first`, "198.18.0.0/24", false)},
		{"six", "2001:db8::1", []byte(prefixes), network(200, "Six", "2001:db8::/32", false)},
		{"known as shared", "2001:db8:1::1", []byte(prefixes), network(16509, "Amazon", "2001:db8:1::/48", true)},
		{"before six", "2001:db7::1", []byte(prefixes), Network{}},
		{"four is none of six", "::1", []byte(prefixes), Network{}},
		{"gzip", "198.18.90.9", zipped(t, []byte(prefixes)), network(190, "Cloud", "198.18.90.0/24", true)},
		{"range", "1.0.0.77", []byte(ranges), network(13335, "CLOUDFLARENET", "1.0.0.0/24", true)},
		{"not routed", "1.0.2.1", []byte(ranges), Network{}},
		{"range, name as it stands", "1.0.7.1", []byte(ranges), network(38803, `GTELECOM "Pty" ?[31mLtd`, "1.0.4.0/22", false)},
		{"range that is no prefix", "1.0.8.5", []byte(ranges), network(64500, "Odd", "1.0.8.4/31", true)},
		{"end of that", "1.0.8.1", []byte(ranges), network(64500, "Odd", "1.0.8.1/32", true)},
		{"beyond that", "1.0.8.7", []byte(ranges), Network{}},
		{"range of six", "2001:200::5", []byte(ranges), network(2500, "WIDE-BB", "2001:200::/32", false)},
		{"range with commas", "192.0.2.9", []byte("192.0.2.0,192.0.2.255,64500,DE,\"Name, with\",shared"), network(64500, "Name, with", "192.0.2.0/24", true)},
		{"no name", "192.0.2.9", []byte("192.0.2.0,192.0.2.255,64500"), network(64500, "", "192.0.2.0/24", false)},
		{"MaxMind DB", "1.1.1.1", mmdb.bytes(), network(13335, "Cloudflare, Inc.", "1.1.1.0/24", true)},
		{"MaxMind DB, six", "2001:db8::1", mmdb.bytes(), network(64500, "Six?", "2001:db8::/32", false)},
		{"MaxMind DB, nobody", "9.9.9.9", mmdb.bytes(), Network{}},
		{"MaxMind DB, gzip", "1.1.1.1", zipped(t, mmdb.bytes()), network(13335, "Cloudflare, Inc.", "1.1.1.0/24", true)},
		{"IPinfo", "1.1.1.1", ipinfo.bytes(), network(64501, "One", "1.1.1.0/24", false)},
		{"MaxMind DB of four", "1.1.1.1", four.bytes(), network(64502, "", "1.1.1.0/24", false)},
		{"MaxMind DB of four, six", "2001:db8::1", four.bytes(), Network{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table, err := Open(Config{Path: write(t, "asn", tt.file)})
			if err != nil {
				t.Fatal(err)
			}
			got, ok, err := table.Lookup(netip.MustParseAddr(tt.address))
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				got = Network{}
			}
			if diff := cmp.Diff(tt.want, got, samePrefix); diff != "" {
				t.Errorf("Lookup(%s) (-want +got):\n%s", tt.address, diff)
			}
		})
	}
}

// What cannot be read is said, with the file and in text the line.
func TestOpenRefuses(t *testing.T) {
	broken := newDB("GeoLite2-ASN", 6)
	broken.put(t, "1.1.1.0/24", map[string]any{"autonomous_system_number": uint32(1)})
	cities := newDB("GeoLite2-City", 6)
	cities.put(t, "1.1.1.0/24", map[string]any{"city": "Paris"})
	long := "192.0.2.0/24,1," + strings.Repeat("x", maxLine)
	for _, tt := range []struct{ name, file, want string }{
		{"empty", "", "no network in it"},
		{"comments alone", "# nothing\n\n", "no network in it"},
		{"names of columns alone", "network,asn,name\n", "no network in it"},
		{"names of columns, later", "192.0.2.0/24,1\nnetwork,asn,name\n", `line 2: want a prefix such as 203.0.113.0/24, or an address, not "network"`},
		{"no number", "# one\n192.0.2.0/24\n", "line 2: 1 columns: want a prefix, its number"},
		{"no network", "\nx.example,64500,x\n", `line 2: want a prefix such as 203.0.113.0/24, or an address, not "x.example"`},
		{"not a number", "192.0.2.0/24,ASx\n", `line 1: want a number such as 64500 or AS64500, not "ASx"`},
		{"a large number", "192.0.2.0/24,4294967296\n", "line 1: want a number"},
		{"several origins", "192.0.2.0/24,64500_64501\n", "line 1: want a number"},
		{"beyond the length", "192.0.2.1/24,1\n", "line 1: 192.0.2.1/24 has bits beyond its length: did you mean 192.0.2.0/24?"},
		{"length", "192.0.2.0/33,1\n", "line 1: want a prefix"},
		{"four as six", "::ffff:192.0.2.0/120,1\n", "line 1: ::ffff:192.0.2.0/120 is IPv4 in the form of IPv6"},
		{"zone", "fe80::1%eth0,1\n", "line 1: want a prefix"},
		{"backwards", "192.0.2.9,192.0.2.1,1\n", "line 1: 192.0.2.9 to 192.0.2.1 is no range"},
		{"two families", "192.0.2.9,2001:db8::1,1\n", "line 1: 192.0.2.9 to 2001:db8::1 is no range"},
		{"too many columns", "192.0.2.0/24,1,Name, Inc.,shared\n", "line 1: 5 columns: want a prefix, its number, its name and shared; a name with commas in it stands in quotation marks"},
		{"last column", "192.0.2.0/24,1,Name,yes\n", `line 1: want shared or nothing in the last column, not "yes"`},
		{"unclosed", "192.0.2.0/24,1,\"Name\n", "line 1: a quotation mark is not closed"},
		{"behind a mark", "192.0.2.0/24,1,\"Name\"x\n", "line 1: text after a closing quotation mark"},
		{"overlap", "192.0.2.0,192.0.2.9,1\n192.0.2.5,192.0.2.20,2\n", "192.0.2.0 to 192.0.2.9 and 192.0.2.5 to 192.0.2.20 overlap, and neither is inside the other"},
		{"long line", "192.0.2.0/24,1\n" + long, "line 2: longer than 4096 bytes"},
		{"cut gzip", string(zipped(t, []byte(prefixes))[:40]), "unexpected EOF"},
		{"neither", "\x00\x01\x02", "neither text nor MaxMind DB"},
		{"cut MaxMind DB", string(broken.bytes()[:100]), "neither text nor MaxMind DB"},
		{"cities", string(cities.bytes()), `a database of type "GeoLite2-City", which has no numbers of autonomous systems`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "asn.csv", []byte(tt.file))
			_, err := Open(Config{Path: path})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("Open: %v, want an error of %s with %q", err, path, tt.want)
			}
		})
	}
	if _, err := Open(Config{Path: filepath.Join(t.TempDir(), "none")}); !os.IsNotExist(err) {
		t.Errorf("Open of nothing: %v", err)
	}
}

func TestProve(t *testing.T) {
	at := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	table, err := Open(Config{Path: write(t, "asn.csv", []byte(prefixes)), Shared: []uint32{110}, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	of := func(address string) monitor.Evidence {
		return monitor.Evidence{Kind: monitor.EvidenceASN, At: at, Role: monitor.Suspect, Address: netip.MustParseAddr(address)}
	}
	known := of("198.18.10.1")
	known.ASN, known.Prefix, known.Shared = 110, netip.MustParsePrefix("198.18.10.0/24"), true
	cloud := of("2001:db8:1::1")
	cloud.ASN, cloud.Org, cloud.Prefix, cloud.Shared, cloud.Detail = 16509, "Amazon", netip.MustParsePrefix("2001:db8:1::/48"), true, "Amazon Web Services"
	hole := of("198.18.20.1")
	hole.Detail = "announced by nobody in the table"
	none := monitor.Evidence{Kind: monitor.EvidenceASN, At: at, Role: monitor.Suspect, Outcome: monitor.OutcomeNotDialled, Detail: "no address"}
	for _, want := range []monitor.Evidence{known, cloud, hole, none} {
		got := table.Prove(t.Context(), monitor.Proof{Kind: monitor.EvidenceASN, Role: monitor.Suspect, Address: want.Address})
		if diff := cmp.Diff(want, got, samePrefix, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("Prove(%s) (-want +got):\n%s", want.Address, diff)
		}
	}
}

// The sum is that of the file, whatever of it was read.
func TestSum(t *testing.T) {
	content := append(zipped(t, []byte(prefixes)), "more"...)
	one, err := Open(Config{Path: write(t, "asn", zipped(t, []byte(prefixes)))})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(Config{Path: write(t, "asn", zipped(t, []byte(prefixes)))})
	if err != nil {
		t.Fatal(err)
	}
	if one.Sum() != again.Sum() || one.Sum() == [32]byte{} {
		t.Errorf("sums of equal files: %x, %x", one.Sum(), again.Sum())
	}
	if _, err := Open(Config{Path: write(t, "asn", content)}); err == nil {
		t.Error("something behind the end of gzip was passed over")
	}
}

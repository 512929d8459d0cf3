package dnssec

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	ksk2017  = "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU="
	rest2017 = "20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"
)

// TestRootAnchors has the embedded digest agree with the key that it is of.
func TestRootAnchors(t *testing.T) {
	t.Parallel()
	got, err := ReadAnchors(strings.NewReader(". 172800 IN DNSKEY 257 3 8 " + ksk2017))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(RootAnchors()[:1], got); diff != "" {
		t.Errorf("the key of 2017 (-want +got):\n%s", diff)
	}
}

// TestRootAnchorsInstalled holds them against what the system's package has.
func TestRootAnchorsInstalled(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"/usr/share/dns/root.ds", "/usr/share/dns/root.key"} {
		b, err := os.ReadFile(name)
		if err != nil {
			// A package of Debian's that others need not have; lab/install.sh brings it with
			// unbound, and .ci/run refuses the skip.
			t.Skip("dns-root-data is not installed")
		}
		got, err := ReadAnchors(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(RootAnchors(), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestReadAnchors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, file string
		want       []string
		err        string
	}{
		{name: "DS", file: ". IN DS " + rest2017, want: []string{". IN DS " + rest2017}},
		{name: "no class, another zone, lower case, comments and blank lines",
			file: "; a comment\n\nEXAMPLE. DS 1 13 2 " + strings.Repeat("ab", 32) + " ; why\n",
			want: []string{"example. IN DS 1 13 2 " + strings.Repeat("AB", 32)}},
		{name: "over several lines", file: ". IN DS (\n 20326 8 ; the tag\n 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D )\n",
			want: []string{". IN DS " + rest2017}},
		{name: "a line of unbound's configuration", file: "  trust-anchor: \". DS " + rest2017 + "\"\n",
			want: []string{". IN DS " + rest2017}},
		{name: "the state of unbound", file: "; autotrust trust anchor file\n;;id: . 1\n;;last_queried: 1790000000 ;;Sun Sep 20 2026\n" +
			".\t86400\tIN\tDNSKEY\t257 3 8 " + ksk2017 + " ;{id = 20326 (ksk), size = 2048b} ;;state=2 [  VALID  ] ;;count=0 ;;lastchange=1500000000 ;;Fri Jul 14 2017\n",
			want: []string{". IN DS " + rest2017}},
		{name: "a key that is missing is trusted still", file: ". DNSKEY 257 3 8 " + ksk2017 + " ;{id = 20326} ;;state=3 [ MISSING ]\n",
			want: []string{". IN DS " + rest2017}},
		{name: "a key that is pending is not yet", file: ". DS " + rest2017 + "\nexample. DNSKEY 257 3 8 " + ksk2017 + " ;{id = 1} ;;state=1 [ ADDPEND ]\n",
			want: []string{". IN DS " + rest2017}},
		{name: "a key that is revoked", file: ". DS " + rest2017 + "\n. DNSKEY 385 3 8 " + ksk2017 + "\n", want: []string{". IN DS " + rest2017}},
		{name: "a key that is no zone's", file: ". DS " + rest2017 + "\n. DNSKEY 1 3 8 " + ksk2017 + "\n", want: []string{". IN DS " + rest2017}},
		{name: "nothing", err: "no trust anchor in it"},
		{name: "only comments", file: "; nothing\n", err: "no trust anchor in it"},
		{name: "another record", file: ". IN NS a.root-servers.net.\n", err: ". NS: neither DS nor DNSKEY"},
		{name: "another class", file: ". CH DS " + rest2017, err: ".: another class than IN"},
		{name: "a directive", file: "$INCLUDE /etc/passwd\n", err: `directive "$INCLUDE /etc/passwd": not in a file of trust anchors`},
		{name: "not a record", file: ". IN DS " + rest2017 + "\nhello world\n", err: `dns: not a TTL: "world" at line: 2:11`},
		{name: "half a record", file: ". IN DS 20326\n", err: `dns: bad DS Algorithm: " " at line: 1:8`},
		{name: "too many", file: strings.Repeat(". DS "+rest2017+"\n", 257), err: "more than 256 trust anchors"},
		{name: "too long", file: strings.Repeat("; comment\n", 1<<17), err: "more than 1048576 octets"},
	} {
		var got []string
		anchors, err := ReadAnchors(strings.NewReader(tt.file))
		for _, a := range anchors {
			got = append(got, a.String())
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != tt.err {
			t.Errorf("%s: error %q, want %q", tt.name, text, tt.err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", tt.name, diff)
		}
	}
}

// FuzzReadAnchors reads anything. What is an anchor is one again when it is
// written down.
func FuzzReadAnchors(f *testing.F) {
	f.Add([]byte(". IN DS " + rest2017))
	f.Add([]byte("trust-anchor: \"example. DNSKEY 257 3 8 " + ksk2017 + "\" ;;state=2\n"))
	f.Add([]byte("$GENERATE 1-99999999 x$ DS 1 1 1 aa"))
	f.Fuzz(func(t *testing.T, file []byte) {
		anchors, err := ReadAnchors(bytes.NewReader(file))
		if err != nil {
			return
		}
		var b strings.Builder
		for _, a := range anchors {
			b.WriteString(a.String() + "\n")
		}
		again, err := ReadAnchors(strings.NewReader(b.String()))
		if diff := cmp.Diff(anchors, again); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", file, err, diff)
		}
	})
}

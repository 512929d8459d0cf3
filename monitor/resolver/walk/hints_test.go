package walk

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

// TestRootServers holds the embedded list against what everybody knows of it.
func TestRootServers(t *testing.T) {
	names, v4, v6 := map[string]bool{}, 0, 0
	for _, s := range rootServers() {
		names[s.Name] = true
		if s.Addr.Is4() {
			v4++
		} else {
			v6++
		}
		if what, ok := monitor.SpecialPurpose(s.Addr, nil); ok {
			t.Errorf("%s is %s", s, what)
		}
	}
	for c := 'a'; c <= 'm'; c++ {
		if name := string(c) + ".root-servers.net."; !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
	if len(names) != 13 || v4 != 13 || v6 != 13 {
		t.Errorf("%d names, %d IPv4 and %d IPv6 addresses, want 13 each", len(names), v4, v6)
	}
}

func TestReadHints(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []Server
		err        string
	}{
		{"in the way of IANA", "; comment\n.  3600000  NS  A.ROOT-SERVERS.NET.\nA.ROOT-SERVERS.NET. 3600000 A 198.41.0.4\nA.ROOT-SERVERS.NET. 3600000 AAAA 2001:503:ba3e::2:30\n",
			[]Server{{"a.root-servers.net.", netip.MustParseAddr("198.41.0.4")}, {"a.root-servers.net.", netip.MustParseAddr("2001:503:ba3e::2:30")}}, ""},
		{"without TTL, twice, in another order", "b.x. A 192.0.2.2\n. IN NS b.x.\nb.x. IN A 192.0.2.2\n",
			[]Server{{"b.x.", netip.MustParseAddr("192.0.2.2")}}, ""},
		{"an address of nobody", ". NS a.x.\na.x. A 192.0.2.1\nb.x. A 192.0.2.2\nx. NS b.x.\n",
			[]Server{{"a.x.", netip.MustParseAddr("192.0.2.1")}}, ""},
		{"nothing", "", nil, "no root server with an address in it"},
		{"names without addresses", ". NS a.x.\n", nil, "no root server with an address in it"},
		{"the owner left out", ".\t1\tIN\tNS\ta.x\n\t\t1\tIN\tNS\tb.x.\nb.x 1 IN A 192.0.2.2 ; why\n",
			[]Server{{"b.x.", netip.MustParseAddr("192.0.2.2")}}, ""},
		{"another file", ". NS a.x.\nnameserver 192.0.2.1\n", nil, "line 2: not a record of a root server"},
		{"a record of another type", ". NS a.x.\na.x. TXT hello\n", nil, "line 2: not a record of a root server"},
		{"no owner", "  NS a.x.\n", nil, "line 1: not a record of a root server"},
		{"a name that is none", ". NS a..x.\n", nil, `line 1: "a..x." is not a name`},
		{"an owner that is none", "\n\n@ NS a.x.\n", nil, `line 3: "@" is not a name`},
		{"an address that is none", "a.x. A 192.0.2\n", nil, `line 1: "192.0.2" is not an address of type A`},
		{"an address of another family", "a.x. A ::1\n", nil, `line 1: "::1" is not an address of type A`},
		{"a flood", strings.Repeat(". NS a.x.\n", 257), nil, "line 257: more than 256 records, which is no list of root servers"},
		{"one long line", strings.Repeat(".", 5000), nil, "bufio.Scanner: token too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadHints(strings.NewReader(tt.text))
			if diff := cmp.Diff(tt.want, got, sameAddr); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if err == nil && tt.err != "" || err != nil && err.Error() != tt.err {
				t.Errorf("error = %v, want %q", err, tt.err)
			}
		})
	}
}

// FuzzHints reads any file: what is read is a list that reads the same again.
func FuzzHints(f *testing.F) {
	f.Add(hints)
	for _, s := range []string{"", ". NS a.\na. A 192.0.2.1\n", " NS a.\n", "$ORIGIN x.\n", ". 1 IN NS a ; b\n\nA. 1 in aaaa ::1\n\t A 192.0.2.1", ". NS \\000.\n\\000. A 192.0.2.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ReadHints(strings.NewReader(s))
		if err != nil {
			return
		}
		if len(got) == 0 || len(got) > maxHints {
			t.Fatalf("%d servers", len(got))
		}
		var b strings.Builder
		for _, s := range got {
			kind := "AAAA"
			if s.Addr.Is4() {
				kind = "A"
			}
			b.WriteString(". 1 NS " + s.Name + "\n")
			b.WriteString(s.Name + " 1 " + kind + " " + s.Addr.String() + "\n")
		}
		if len(got) > maxHints/2 {
			return // they would be too many records
		}
		again, err := ReadHints(strings.NewReader(b.String()))
		if diff := cmp.Diff(got, again, sameAddr); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

package rpz

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dnstaster/dnstaster/monitor"
)

const head = "$TTL 300\n@ SOA localhost. root.localhost. 1 3600 600 86400 300\n@ NS localhost.\n"

func TestRead(t *testing.T) {
	block := func(as ...string) *monitor.Block {
		b := &monitor.Block{Zone: "rpz.example."}
		for _, a := range as {
			b.Addresses = append(b.Addresses, netip.MustParseAddr(a))
		}
		return b
	}
	for _, tt := range []struct {
		name, rules string
		want        *monitor.Block // of www.shop.example.; nil for none
	}{
		{"denied", "www.shop.example CNAME .\n", block()},
		{"without data", "www.shop.example CNAME *.\n", block()},
		{"silence", "www.shop.example CNAME rpz-drop.\n", block()},
		{"in capitals", "WWW.Shop.Example CNAME .\n", block()},
		{"local data", "www.shop.example A 192.0.2.1\nwww.shop.example AAAA 2001:db8::1\nwww.shop.example A 192.0.2.1\n", block("192.0.2.1", "2001:db8::1")},
		{"another name", "www.shop.example CNAME garden.example.\n", block()},
		{"all below", "*.shop.example CNAME .\n", block()},
		{"all below what is above", "*.example CNAME .\n", block()},
		{"everything", "* CNAME .\n", block()},
		{"its parent alone", "shop.example CNAME .\n", nil},
		{"below it", "*.www.shop.example CNAME .\n", nil},
		{"it may pass, and all others may not", "*.shop.example CNAME .\nwww.shop.example CNAME rpz-passthru.\n", nil},
		{"the same in the old way", "*.shop.example CNAME .\nwww.shop.example CNAME www.shop.example.\n", nil},
		{"over TCP it may pass", "www.shop.example CNAME rpz-tcp-only.\n", nil},
		{"the nearest goes first", "*.example CNAME rpz-passthru.\n*.shop.example A 192.0.2.2\n", block("192.0.2.2")},
		{"by address", "32.1.2.0.192.rpz-ip CNAME .\n", nil},
		{"other names", "mail.shop.example CNAME .\n", nil},
		{"outside the zone", "www.shop.example. CNAME .\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Read(strings.NewReader("$ORIGIN rpz.example.\n"+head+tt.rules), []string{"www.shop.example.", "api.bank.test."})
			if err != nil {
				t.Fatal(err)
			}
			if tt.name != "everything" {
				if b, ok := got["api.bank.test."]; ok {
					t.Errorf("another name is blocked: %v", b)
				}
			}
			var have *monitor.Block
			if b, ok := got["www.shop.example."]; ok {
				have = &b
			}
			if diff := cmp.Diff(tt.want, have, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("block (-want +got):\n%s", diff)
			}
		})
	}
}

// A zone at the root has names as they are.
func TestReadAtRoot(t *testing.T) {
	got, err := Read(strings.NewReader(head+"www.shop.example CNAME .\n"), []string{"www.shop.example."})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := got["www.shop.example."]; !ok {
		t.Error("the name is not blocked")
	}
}

func TestReadRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":        {"", "SOA"},
		"no SOA":         {"$TTL 300\nwww.shop.example CNAME .\n", "SOA"},
		"no zone file":   {"<html>\nnot found\n", "line: 1"},
		"a broken line":  {head + "a CNAME .\nb A 192.0.2\n", "line: 5"},
		"another's file": {head + "$INCLUDE /etc/passwd\n", "line: 4"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(strings.NewReader(tt.text), []string{"www.shop.example."})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
	in := &bounded{r: strings.NewReader("12345"), left: 3}
	if n, err := in.Read(make([]byte, 9)); n != 3 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := in.Read(make([]byte, 9)); err == nil {
		t.Error("more than the bound is read")
	}
}

// FuzzRead reads anything: it must not panic, and what it blocks was asked for.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"", head, head + "www.shop.example CNAME .\n", head + "*.shop.example A 192.0.2.1\n", head + "$GENERATE 1-9 h$ CNAME .\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, _ := Read(strings.NewReader(text), []string{"www.shop.example."})
		for name := range got {
			if name != "www.shop.example." {
				t.Errorf("%s was not asked for", name)
			}
		}
	})
}

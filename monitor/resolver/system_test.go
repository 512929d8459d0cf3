package resolver

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor"
)

func TestParseResolvConf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"one", "nameserver 192.0.2.1\n", "192.0.2.1"},
		{"no final newline", "nameserver 192.0.2.1", "192.0.2.1"},
		{"DOS", "nameserver 192.0.2.1\r\n", "192.0.2.1"},
		{"tabs and blanks", "nameserver\t \t192.0.2.1 \n", "192.0.2.1"},
		{"IPv6", "nameserver 2001:DB8::1\nnameserver fe80::1%eth0\n", "2001:db8::1 fe80::1%eth0"},
		{"unusual but good", "nameserver 127.0.0.53\nnameserver 169.254.169.253\nnameserver 0.0.0.0\n", "127.0.0.53 169.254.169.253 0.0.0.0"},
		{"three at most", "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n", "192.0.2.1 192.0.2.2 192.0.2.3"},
		{"comments", "# nameserver 192.0.2.8\n; nameserver 192.0.2.9\nnameserver 192.0.2.1 # the router\n", "192.0.2.1"},
		{"other keywords", "domain example\nsearch a.example b.example\noptions ndots:2 edns0\nsortlist 192.0.2.0\nnameserver 192.0.2.1\n", "192.0.2.1"},
		{"not at the beginning", " nameserver 192.0.2.9\nnameservers 192.0.2.8\nnameserver192.0.2.7\nNAMESERVER 192.0.2.6\n", "127.0.0.1"},
		{"no address", "nameserver\nnameserver \nnameserver dns.example\nnameserver 192.0.2.256\nnameserver 192.0.2.1:53\n", "127.0.0.1"},
		{"empty", "", "127.0.0.1"},
	} {
		servers, err := ParseResolvConf(strings.NewReader(tt.in))
		var got []string
		for _, a := range servers {
			got = append(got, a.String())
		}
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%s: ParseResolvConf = %v, %v, want %s", tt.name, got, err, tt.want)
		}
	}
	if _, err := ParseResolvConf(strings.NewReader(strings.Repeat("x", 1<<20))); err == nil {
		t.Error("a line of 1 MiB is read")
	}
}

func TestSystemResolvers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	s := &SystemResolvers{Path: path, Getent: "/nowhere/getent"} // not offered then
	want := func(addrs ...string) {
		t.Helper()
		var list []monitor.Resolver
		for _, a := range addrs {
			list = append(list, monitor.Resolver{
				Name: "system", Operator: "system", Role: monitor.Local, Transport: monitor.UDP, Addr: netip.MustParseAddrPort(a),
			})
		}
		for range 2 { // read, and remembered
			got, err := s.Resolvers()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(list, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("Resolvers() (-want +got):\n%s", diff)
			}
			got[0] = monitor.Resolver{} // the caller's own
		}
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old := func(path string) {
		t.Helper()
		if err := os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
	}

	want("127.0.0.1:53") // there is no file
	write(path, "nameserver 192.0.2.1\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n")
	want("192.0.2.1:53", "[2001:db8::1]:53")
	write(path, "nameserver 192.0.2.2\n") // at once, of another size or not
	want("192.0.2.2:53")
	write(path, "nameserver 192.0.2.3\n")
	want("192.0.2.3:53")

	old(path)
	want("192.0.2.3:53")
	// Replaced by rename, alike in time and size.
	write(path+".new", "nameserver 192.0.2.4\n")
	old(path + ".new")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	want("192.0.2.4:53")
	// What has not changed is not read: the same inode, time and size.
	write(path, "nameserver 192.0.2.5\n")
	old(path)
	want("192.0.2.4:53")
	write(path, "nameserver 192.0.2.66\n")
	old(path)
	want("192.0.2.66:53")

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	want("127.0.0.1:53")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Resolvers(); err == nil {
		t.Errorf("Resolvers() of a directory = %v", got)
	}
	if _, err := (&SystemResolvers{Path: path + "/a\x00b"}).Resolvers(); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Resolvers() of a bad path: %v", err)
	}
}

// TestSystemOffers has the C library among what applications ask where it can
// be asked, also when nothing has changed since the last call.
func TestSystemOffers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("nameserver 192.0.2.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	s := &SystemResolvers{Path: path, Getent: "/proc/self/exe"}
	for range 3 {
		rs, err := s.Resolvers()
		if err != nil || len(rs) != 2 {
			t.Fatalf("Resolvers() = %v, %v, want 2", rs, err)
		}
		if got := rs[1]; got.Transport != monitor.System || got.Role != monitor.Local || got.Addr.IsValid() || got.Encrypted() || got.String() != "system getent" {
			t.Errorf("the last is %+v, %s", got, got)
		}
	}
}

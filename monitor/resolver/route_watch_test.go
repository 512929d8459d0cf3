package resolver

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// What the kernel says that is cut off or no route is no way.
func TestParseRoute(t *testing.T) {
	lo := routes([]netip.Addr{netip.MustParseAddr("127.0.0.1")})
	if len(lo) != 1 {
		t.Fatalf("routes %v, want one", lo)
	}
	r := routeRequest(1, netip.MustParseAddr("192.0.2.1"))
	r[4] = unix.RTM_NEWROUTE
	for n := range r {
		parseRoute(r[:n])
	}
	if w := parseRoute(r[:unix.SizeofNlMsghdr]); w != (route{}) {
		t.Errorf("%+v out of a header", w)
	}
}

package capture

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// livePreloaded is a Live whose ring was filled beforehand. It has no socket.
func livePreloaded(blocks int, frames ...ringTestFrame) *Live {
	l := &Live{socket: -1, wake: -1, gone: true, buf: make([]byte, liveHeader+1<<16)}
	l.ring.block = 1 << 16
	l.ring.mem = make([]byte, blocks<<16)
	for i := range blocks {
		ringFill(&l.ring, i, frames...)
	}
	return l
}

func TestLiveFrame(t *testing.T) {
	ipv4 := filterBytes(40, 0, 0x45, 9, 17, 23, 53)
	at := time.Date(2026, 11, 20, 9, 12, 0, 123456789, time.UTC)
	seen := ringTestFrame{
		seconds: uint32(at.Unix()), nanos: 123456789, length: 1500, protocol: 0x0800, index: 0x01020304,
		hardware: unix.ARPHRD_ETHER, kind: unix.PACKET_OUTGOING, addressLength: 6,
		address: [8]byte{2, 0, 0, 0, 0, 9, 0xee, 0xee}, payload: ipv4,
	}
	echo := seen
	echo.hardware = unix.ARPHRD_LOOPBACK
	received := echo
	received.kind = unix.PACKET_HOST
	tunnel := seen
	tunnel.hardware, tunnel.addressLength = 0xfffe, 0
	infinite := seen
	infinite.addressLength = 20

	l := livePreloaded(1, echo, seen, echo, received, tunnel, infinite)
	l.dropped.Store(7)
	header := func(hardware uint16, kind, n byte, address ...byte) []byte {
		h := []byte{8, 0, 0, 0, 1, 2, 3, 4, byte(hardware >> 8), byte(hardware), kind, n}
		return slices.Concat(h, address, make([]byte, 8-len(address)), ipv4)
	}
	for _, c := range []struct {
		want []byte
		sums Sums
	}{
		{header(1, 4, 6, 2, 0, 0, 0, 0, 9), SumsSettled},
		{header(772, 0, 6, 2, 0, 0, 0, 0, 9), SumsOpen},
		{header(0xfffe, 4, 0), SumsSettled},
		{header(1, 4, 20, 2, 0, 0, 0, 0, 9, 0xee, 0xee), SumsSettled},
	} {
		got, err := l.Next()
		if err != nil {
			t.Fatal(err)
		}
		want := Frame{At: at, Link: LinkSLL2, Data: c.want, Length: 1520, Interface: 0x01020304, Sums: c.sums, Lost: 7}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if got := l.Stats(); got.Received != 4 {
		t.Errorf("received %d, want 4", got.Received)
	}
	if ringOwner(&l.ring, 0) != unix.TP_STATUS_KERNEL {
		t.Error("the block was kept after its last frame")
	}
}

// TestLiveSums has what the kernel says of checksums.
func TestLiveSums(t *testing.T) {
	for _, c := range []struct {
		name   string
		status uint32
		kind   byte
		want   Sums
	}{
		{"received", unix.TP_STATUS_USER, unix.PACKET_HOST, SumsOpen},
		{"to others", unix.TP_STATUS_USER, unix.PACKET_OTHERHOST, SumsOpen},
		{"checked by the card", unix.TP_STATUS_CSUM_VALID, unix.PACKET_HOST, SumsSettled},
		{"of a neighbour on this machine", unix.TP_STATUS_CSUMNOTREADY, unix.PACKET_HOST, SumsSettled},
		{"sent", unix.TP_STATUS_USER, unix.PACKET_OUTGOING, SumsSettled},
	} {
		if got := liveSums(c.status, c.kind); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestLiveDamaged sees that a damaged block is passed over and counted.
func TestLiveDamaged(t *testing.T) {
	l := livePreloaded(3, ringTestFrame{payload: filterBytes(40, 0, 0x45)})
	l.ring.mem[1<<16+ringBlockHeader+ringPayload] = 0
	for range 2 {
		if _, err := l.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.Stats(); got.Damaged != 1 || got.Received != 2 {
		t.Errorf("damaged %d, received %d, want 1 and 2", got.Damaged, got.Received)
	}
}

// TestLiveProtocol has what kernels say of frames with VLAN tags.
func TestLiveProtocol(t *testing.T) {
	ipv4 := filterBytes(40, 0, 0x45, 9, 17, 23, 53)
	ipv6 := filterBytes(48, 0, 0x60, 6, 17, 43, 53)
	likeTag4 := filterBytes(2048, 0, 0x45, 2, 8, 4, 0x45)
	likeTag6 := filterBytes(0x6010+40, 0, 0x60, 2, 0x86, 3, 0xdd, 4, 0x60, 5, 0x10, 6, 17)
	for _, c := range []struct {
		name    string
		given   uint16
		payload []byte
		want    uint16
	}{
		{"ipv4", etherIPv4, ipv4, etherIPv4},
		{"ipv6", etherIPv6, ipv6, etherIPv6},
		{"tag and ipv4, hidden", etherIPv4, filterTag(6, etherIPv4, ipv4), etherVLAN},
		{"tag and ipv6, hidden", etherIPv6, filterTag(6, etherIPv6, ipv6), etherVLAN},
		{"tag and ipv4, said", etherVLAN, filterTag(6, etherIPv4, ipv4), etherVLAN},
		{"tag and ipv6, said", etherQinQ, filterTag(6, etherIPv6, ipv6), etherQinQ},
		{"tag like ipv4, hidden", etherIPv4, filterTag(0x4506, etherIPv4, ipv4), etherVLAN},
		{"tag like ipv4, said", etherVLAN, filterTag(0x4506, etherIPv4, ipv4), etherVLAN},
		{"tag like ipv6, hidden", etherIPv6, filterTag(0x6006, etherIPv6, ipv6), etherVLAN},
		{"tag like ipv4 before ipv6", etherIPv6, filterTag(0x4506, etherIPv6, ipv6), etherVLAN},
		{"ipv4 where a tag was", etherVLAN, ipv4, etherIPv4},
		{"ipv6 where a tag was", etherOld, ipv6, etherIPv6},
		{"ipv4 like a tag", etherIPv4, likeTag4, etherIPv4},
		{"ipv4 like a tag, where a tag was", etherVLAN, likeTag4, etherIPv4},
		{"ipv6 like a tag", etherIPv6, likeTag6, etherIPv6},
		{"ipv4 said to be ipv6", etherIPv6, ipv4, etherIPv6},
		{"two tags more", etherVLAN, filterTag(5, etherVLAN, filterTag(6, etherIPv4, ipv4)), etherVLAN},
		{"short", etherVLAN, []byte{0x45}, etherVLAN},
		{"none of these", 0x0806, ipv4, 0x0806},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := liveProtocol(c.given, c.payload, uint32(len(c.payload))); got != c.want {
				t.Errorf("liveProtocol(%#04x) = %#04x, want %#04x", c.given, got, c.want)
			}
		})
	}
}

func TestLiveAllocations(t *testing.T) {
	l := livePreloaded(2, slices.Repeat([]ringTestFrame{{payload: make([]byte, 120)}}, 100)...)
	if n := testing.AllocsPerRun(1000, func() { liveAgain(t, l) }); n != 0 {
		t.Errorf("%v allocations a frame, want 0", n)
	}
}

func BenchmarkLiveNext(b *testing.B) {
	l := livePreloaded(4, slices.Repeat([]ringTestFrame{{payload: make([]byte, 120)}}, 250)...)
	b.ReportAllocs()
	for b.Loop() {
		liveAgain(b, l)
	}
}

// liveAgain reads a frame of a ring in which every block is always full.
func liveAgain(t testing.TB, l *Live) {
	*l.ring.status() = unix.TP_STATUS_USER
	if _, err := l.Next(); err != nil {
		t.Fatal(err)
	}
}

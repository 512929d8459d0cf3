package monitor

import (
	"net/netip"
	"testing"
	"time"
)

func TestFlagged(t *testing.T) {
	one := Transaction{
		File: "a.pcap", Time: time.Unix(1, 0), Client: netip.MustParseAddrPort("192.0.2.7:4242"), Server: netip.MustParseAddrPort("192.0.2.53:53"),
		TXID: 1, Name: "a.example.", Type: TypeA, Frames: []int{1, 2},
	}
	sameAgain, other, elsewhere := one, one, one
	sameAgain.Frames = []int{1, 2, 3}
	other.TXID = 2
	elsewhere.File = "b.pcap"
	r := Report{Alerts: []Alert{
		{Transactions: []Transaction{one, other}},
		{Transactions: []Transaction{sameAgain, elsewhere}},
		{},
	}}
	if got := r.Flagged(); got != 3 {
		t.Errorf("Flagged() = %d, want 3", got)
	}
}

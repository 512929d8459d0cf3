package main

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
)

// heard gives frames and then stops, as one that was closed does.
type heard []capture.Frame

func (h *heard) Next() (capture.Frame, error) {
	if len(*h) == 0 {
		return capture.Frame{}, capture.ErrStopped
	}
	f := (*h)[0]
	*h = (*h)[1:]
	return f, nil
}

func (h *heard) Close() error { return nil }

// Frames that the ear before it has heard as well are not taken twice; a clock
// that was set back meanwhile makes nobody deaf.
func TestEarTakesOver(t *testing.T) {
	opened := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	before := opened.Add(50 * time.Millisecond)
	var frames heard
	for i, at := range []time.Time{opened, before, before.Add(time.Nanosecond), opened.Add(-time.Hour)} {
		q := dnsmessage.Message{Header: dnsmessage.Header{ID: uint16(i)}, Questions: []dnsmessage.Question{{
			Name: dnsmessage.MustNewName("api.partner.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
		}}}
		b, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		ip, _ := packetOf(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(40000+i)), netip.MustParseAddrPort("192.0.2.53:53"), b, 64, 1)
		frames = append(frames, capture.Frame{At: at, Link: capture.LinkRaw, Data: ip, Length: len(ip)})
	}
	for name, tt := range map[string]struct {
		before time.Time
		want   uint64
	}{
		"the first ear":    {want: 4},
		"one that follows": {before: before, want: 2},
	} {
		e := &ear{opened: opened, before: tt.before, heard: make([]time.Time, 1), matchers: []*capture.Matcher{capture.NewMatcher(capture.Config{})}}
		src := append(heard{}, frames...)
		if err := e.listen(0, &src, func(monitor.Sample) bool { return true }); err != nil {
			t.Fatal(err)
		}
		if got := e.matchers[0].Stats().Queries; got != tt.want {
			t.Errorf("%s took %d queries, want %d", name, got, tt.want)
		}
		if last := opened.Add(-time.Hour); !e.heard[0].Equal(last) {
			t.Errorf("%s was heard until %s, want %s", name, e.heard[0], last)
		}
	}
}

package capture_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/dnstaster/dnstaster/capture"
)

// TestLiveClose starts and stops a thousand times, as Next waits for a frame or
// for the interface, and leaves nothing behind.
func TestLiveClose(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		defer goleak.VerifyNone(t)
		before := 0
		// The kernel waits for its readers at the end of each socket, so several
		// are ended at a time.
		const rounds, together = 100, 10
		for round := range rounds {
			if round == 1 { // what the runtime opens once is open now
				before = liveDescriptors(t)
			}
			var group sync.WaitGroup
			for i := range together {
				name := []string{"", "lo", "absent"}[i%3]
				group.Go(func() {
					if err := liveStop(name); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
		}
		if after := liveDescriptors(t); after != before {
			t.Errorf("%d descriptors, %d before", after, before)
		}
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(maps), "socket:"); n != 0 {
			t.Errorf("%d rings still mapped", n)
		}
	})
}

// liveStop closes a Live twice at once, as others use it.
func liveStop(name string) error {
	l, err := capture.Listen(capture.LiveConfig{Interface: name, RingSize: 1}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	errs := make([]error, 5)
	running := make(chan struct{})
	group.Go(func() {
		close(running)
		if _, err := l.Next(); !errors.Is(err, capture.ErrStopped) {
			errs[0] = fmt.Errorf("Next: %w", err)
		}
	})
	<-running
	group.Go(func() { errs[1] = l.Close() })
	group.Go(func() { errs[2] = l.Close() })
	group.Go(func() { l.Stats() })
	group.Wait()
	if _, err := l.Next(); err != capture.ErrStopped {
		errs[3] = fmt.Errorf("Next after Close: %w", err)
	}
	errs[4] = l.Close()
	if got := l.Stats(); got.Interfaces != 0 {
		errs = append(errs, fmt.Errorf("%+v after Close", got))
	}
	return errors.Join(errs...)
}

// TestLiveCloseDropsFrames closes with frames in the ring: these are not given.
func TestLiveCloseDropsFrames(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		l := liveListen(t, capture.LiveConfig{})
		for range 3 {
			liveSend(t, "udp", "127.0.0.1:53", "query")
		}
		f := liveNext(t, l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if got := string(f.Data[len(f.Data)-5:]); got != "query" { // the ring has gone, the frame has not
			t.Errorf("frame ends in %q", got)
		}
		if _, err := l.Next(); err != capture.ErrStopped {
			t.Errorf("Next: %v, want ErrStopped", err)
		}
		if got := l.Stats(); got.Received != 1 {
			t.Errorf("received %d, want 1", got.Received)
		}
	})
}

// TestLiveBeginsFiltered begins to hear in the middle of a flood of what it does
// not want: none may slip in before the filter.
func TestLiveBeginsFiltered(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		deaf, err := net.ListenPacket("udp", "127.0.0.1:0") // or the flood's errors would be wanted
		if err != nil {
			t.Fatal(err)
		}
		defer deaf.Close()
		c, err := net.Dial("udp", deaf.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		stop := make(chan struct{})
		var flood sync.WaitGroup
		defer flood.Wait()
		defer close(stop)
		flood.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					c.Write([]byte("flood"))
				}
			}
		})
		for range 50 {
			l := liveListen(t, capture.LiveConfig{})
			liveSend(t, "udp", "127.0.0.1:53", "wanted")
			if f := liveNext(t, l); string(f.Data[len(f.Data)-6:]) != "wanted" {
				t.Fatalf("frame %q", f.Data)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

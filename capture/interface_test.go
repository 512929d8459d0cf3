package capture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/capture"
)

// liveLog sends what is logged, as "message interface", to a channel.
type liveLog chan string

func (liveLog) Enabled(context.Context, slog.Level) bool { return true }
func (c liveLog) WithAttrs([]slog.Attr) slog.Handler     { return c }
func (c liveLog) WithGroup(string) slog.Handler          { return c }
func (c liveLog) Handle(_ context.Context, r slog.Record) error {
	s := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool { s += " " + a.Value.String(); return true })
	c <- s
	return nil
}

// TestInterfaceComesAndGoes has an interface that is not there at first, goes
// and comes again, with another index, and goes down and up.
func TestInterfaceComesAndGoes(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		const waits, hears = "INFO capture waits for its interface va", "INFO capture hears its interface va"
		log := make(liveLog, 100)
		l, err := capture.Listen(capture.LiveConfig{Interface: "va"}, slog.New(log))
		if err != nil {
			t.Fatal(err)
		}
		all := liveListen(t, capture.LiveConfig{})
		frames := make(chan capture.Frame)
		ended := make(chan error, 1)
		go func() {
			for {
				f, err := l.Next()
				if err != nil {
					ended <- err
					return
				}
				f.Data = bytes.Clone(f.Data)
				frames <- f
			}
		}()
		logged := func(want string) {
			t.Helper()
			if got := <-log; got != want {
				t.Fatalf("logged %q, want %q", got, want)
			}
			up := 1
			if want == waits {
				up = 0
			}
			if got := l.Stats().Interfaces; got != up {
				t.Errorf("%d interfaces, want %d", got, up)
			}
		}
		heard := func(payload string) {
			t.Helper()
			liveRaw(t, "va")(liveIPv4(40000, 53, payload))
			f := <-frames
			if !bytes.HasSuffix(f.Data, []byte(payload)) || f.Interface != liveIndex(t, "va") {
				t.Errorf("frame %q of interface %d, want %q of %d", f.Data, f.Interface, payload, liveIndex(t, "va"))
			}
		}
		logged(waits)
		liveVeth(t, "va", "vb")
		logged(hears)
		heard("come")
		if got := all.Stats().Interfaces; got != 3 {
			t.Errorf("%d of all interfaces up, want 3", got)
		}
		liveDelete(t, "va")
		logged(waits)
		liveVeth(t, "vc", "vd")
		liveVeth(t, "va", "vb")
		logged(hears)
		heard("come again")
		liveDown(t, "va")
		logged(waits)
		liveUp(t, "va")
		logged(hears)
		heard("up again")
		liveDown(t, "va")
		logged(waits)
		liveDelete(t, "va")

		// The one for all interfaces has gone on.
		for _, want := range []string{"come", "come again", "up again"} {
			for range 2 {
				if f := liveNext(t, all); !bytes.HasSuffix(f.Data, []byte(want)) {
					t.Errorf("frame %q, want %q", f.Data, want)
				}
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, capture.ErrStopped) {
			t.Errorf("Next: %v, want ErrStopped", err)
		}
		if len(log) > 0 {
			t.Errorf("logged %q too", <-log)
		}
	})
}

// TestInterfaceDown listens on one that is there and down.
func TestInterfaceDown(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		liveVeth(t, "va", "vb")
		liveDown(t, "va")
		log := make(liveLog, 100)
		l, err := capture.Listen(capture.LiveConfig{Interface: "va"}, slog.New(log))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if got := l.Stats().Interfaces; got != 0 {
			t.Errorf("%d interfaces, want 0", got)
		}
		liveUp(t, "va")
		got := make(chan capture.Frame)
		go func() {
			f, err := l.Next()
			if err != nil {
				t.Error(err)
			}
			got <- f
		}()
		<-log // it waits
		<-log // it hears; what is sent before is lost
		liveRaw(t, "va")(liveIPv4(40000, 53, "query"))
		if f := <-got; !bytes.HasSuffix(f.Data, []byte("query")) {
			t.Errorf("frame %q", f.Data)
		}
	})
}

// TestInterfacePromiscuous asks rtnetlink who wants what is not for this host.
func TestInterfacePromiscuous(t *testing.T) {
	liveNamespace(t, func(t *testing.T) {
		liveVeth(t, "va", "vb")
		for _, want := range []bool{true, false} {
			l := liveListen(t, capture.LiveConfig{Interface: "va", Promiscuous: want})
			if got := interfacePromiscuity(t, "va"); got > 0 != want {
				t.Errorf("promiscuity %d, want it %t", got, want)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if got := interfacePromiscuity(t, "va"); got != 0 {
				t.Errorf("promiscuity %d after Close", got)
			}
		}
	})
}

func interfacePromiscuity(t *testing.T, name string) uint32 {
	t.Helper()
	return binary.NativeEndian.Uint32(liveLink(t, name, unix.IFLA_PROMISCUITY))
}

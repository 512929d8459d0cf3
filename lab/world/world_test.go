//go:build lab

package world_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/lab/world"
)

func TestMain(m *testing.M) {
	status, inside, err := world.Enter()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
	}
	if inside {
		status = m.Run()
	}
	os.Exit(status)
}

// TestWorld has two worlds stand beside each other, each of whose resolvers gives
// what the zones say.
func TestWorld(t *testing.T) {
	for _, name := range []string{"x", "y"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			w, err := world.New(name)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("up in %s", time.Since(began))
			t.Cleanup(func() {
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			})
			for _, server := range []string{world.RouterAddr, world.ISPAddr, world.Pub1Addr, world.Pub2Addr, world.Pub3Addr, world.Pub4Addr} {
				got, err := w.Client().Dig(server, "api.iot.lab", "A")
				if err != nil || len(got) != len("198.18.60.51 198.18.60.52") {
					t.Errorf("%s: %q, %v", server, got, err)
				}
				if got, err = w.Client().Dig(server, "www.bogus.lab", "A"); got != "SERVFAIL" {
					t.Errorf("%s accepts a zone that is bogus: %q, %v", server, got, err)
				}
			}
			for _, probe := range [][]string{
				{"https://www.bank.lab", world.WebAddr, "genuine bank"}, {"https://edge.cdn.lab", world.Web2Addr, "genuine shop"},
			} {
				out, err := w.Client().Run("curl", "-s", "--cacert", w.Shared("lab-ca.pem"), "--connect-to", "::"+probe[1]+":443", probe[0])
				if err != nil || len(out) < 12 || out[:12] != probe[2] {
					t.Errorf("%s at %s: %q %v", probe[0], probe[1], out, err)
				}
			}
			if out, err := w.Client().Run("curl", "-s", "--cacert", w.Shared("lab-ca.pem"), "--connect-to", "::"+world.EvilAddr+":443", "https://www.bank.lab"); err == nil {
				t.Errorf("the attacker's certificate is accepted: %q", out)
			}
			if out, err := w.Client().Run("ping", "-c", "1", "-W", "1", world.WebAddr6); err != nil {
				t.Errorf("IPv6: %v %s", err, out)
			}
		})
	}
}

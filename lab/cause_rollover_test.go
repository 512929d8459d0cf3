//go:build lab

package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/lab/world"
)

// rollover gives bank.lab other name servers and another key-signing key, each
// with the old one beside it until every cache knows the new one (RFC 6781 §4.1.2).
func rollover(r *Run) (world.Undo, error) {
	dir := r.w.Path("run", "rollover")
	if err := os.CopyFS(filepath.Join(dir, "keys"), os.DirFS(r.w.Shared("keys"))); err != nil {
		return nil, err
	}
	old, err := keySigning(dir)
	if err != nil {
		return nil, err
	}
	if _, err := r.w.Host("auth").Run("dnssec-keygen", "-a", "ECDSAP256SHA256", "-n", "ZONE", "-q", "-K", filepath.Join(dir, "keys"), "-f", "KSK", "bank.lab"); err != nil {
		return nil, err
	}
	// First the new server and both keys, at the zone and at its parent.
	if err := publish(r, dir, 2); err != nil {
		return nil, err
	}
	undo, err := r.w.Service("nsd-tld").Set("File", filepath.Join(dir, "lab.zone.signed"))
	if err != nil {
		return undo, err
	}
	if err := flushed(r, "bank.lab"); err != nil {
		return undo, err
	}
	time.Sleep(5 * time.Second)
	// Then, when the old DS has left every cache, the new ones alone.
	for _, k := range old {
		if err := errors.Join(os.Remove(k), os.Remove(strings.TrimSuffix(k, ".key")+".private")); err != nil {
			return undo, err
		}
	}
	if err := publish(r, dir, 3); err != nil {
		return undo, err
	}
	return undo, errors.Join(r.w.Service("nsd-tld").Restart(), flushed(r, "bank.lab"))
}

// keySigning gives the files of bank.lab's key-signing keys.
func keySigning(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "keys", "Kbank.lab.+*.key"))
	if err != nil {
		return nil, err
	}
	var ksks []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(text), "DNSKEY 257") {
			ksks = append(ksks, f)
		}
	}
	return ksks, nil
}

// publish signs bank.lab and lab with the keys that are there, and has bank.lab
// served. serial is the last digit of the zone's.
func publish(r *Run, dir string, serial int) error {
	zone, err := os.ReadFile(r.w.Shared("bank.lab.zone"))
	if err != nil {
		return err
	}
	parent, err := os.ReadFile(r.w.Shared("lab.zone"))
	if err != nil {
		return err
	}
	zone = []byte(strings.NewReplacer("2026112301", fmt.Sprintf("202611230%d", serial), "NS  ns1", "NS  ns3\nns3 A "+world.Zones2Addr).Replace(string(zone)))
	var lines []string
	for line := range strings.Lines(string(parent)) {
		switch f := strings.Fields(line); {
		case len(f) > 2 && f[0] == "bank" && f[1] == "NS":
			line = "bank NS ns3.bank\nns3.bank A " + world.Zones2Addr + "\n"
		case strings.HasPrefix(line, "bank.lab.") && strings.Contains(line, " DS "):
			continue
		}
		lines = append(lines, line)
	}
	ksks, err := keySigning(dir)
	if err != nil {
		return err
	}
	for _, k := range ksks {
		ds, err := r.w.Host("auth").Run("dnssec-dsfromkey", "-2", k)
		if err != nil {
			return err
		}
		lines = append(lines, ds)
	}
	from, until := time.Now().Add(-24*time.Hour), time.Now().Add(365*24*time.Hour)
	for name, text := range map[string]string{"bank.lab": string(zone), "lab": strings.Join(lines, "")} {
		if err := os.WriteFile(filepath.Join(dir, name+".zone"), []byte(text), 0o644); err != nil {
			return err
		}
		if err := world.Sign(dir, name, name+".zone", from, until); err != nil {
			return err
		}
	}
	signed, err := os.ReadFile(filepath.Join(dir, "bank.lab.zone.signed"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.w.Path("zones", "bank.lab.zone.signed"), signed, 0o644); err != nil {
		return err
	}
	_, err = r.w.Host("auth").Run("knotc", "-b", "-s", r.w.Path("knot", "knot.sock"), "zone-reload", "bank.lab")
	return err
}

// rolled checks that resolvers follow the new servers, and validate by a key that
// was not there before.
func rolled(r *Run) error {
	before, err := os.ReadFile(r.w.Shared("ds-bank.lab.zone"))
	if err != nil {
		return err
	}
	var errs []error
	for _, server := range []string{world.ISPAddr, world.Pub2Addr} {
		ns, err := r.w.Host("inet").Dig(server, "bank.lab", "NS")
		if err != nil || ns != "ns3.bank.lab." {
			errs = append(errs, fmt.Errorf("the name servers at %s are %s (%v)", server, ns, err))
		}
		ds, err := r.w.Host("inet").Dig(server, "bank.lab", "DS")
		if err != nil || len(strings.Fields(ds)) < 4 || strings.Contains(string(before), " "+strings.Fields(ds)[0]+" ") {
			errs = append(errs, fmt.Errorf("the DS at %s is %s (%v)", server, ds, err))
		}
		out, err := r.w.Host("inet").Run("dig", "@"+server, "www.bank.lab", "A", "+dnssec")
		if err != nil || !strings.Contains(out, " ad;") && !strings.Contains(out, " ad ") {
			errs = append(errs, fmt.Errorf("%s does not validate (%v): %s", server, err, out))
		}
	}
	return errors.Join(errs...)
}

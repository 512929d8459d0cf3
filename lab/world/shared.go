//go:build lab

package world

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// common is what all worlds of a process have in common: keys, certificates and
// the signed zones above their own.
var common = root + "/common"

func (w *World) shared() string { return common }

// Shared gives a file that all worlds have: lab-ca.pem, evil-ca.pem, asn.csv, and
// certificates and keys as NAME.crt and NAME.key.
func (w *World) Shared(name string) string { return filepath.Join(common, name) }

// shared makes it, once.
var shared = sync.OnceValue(func() error {
	if err := os.MkdirAll(filepath.Join(common, "keys"), 0o755); err != nil {
		return err
	}
	if err := authorities(); err != nil {
		return err
	}
	if err := signZones(); err != nil {
		return err
	}
	ds, err := anchor()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"root.hints": ". 3600000 NS ns.root.\nns.root. 3600000 A " + RootAddr + "\n", "root.ds": ". IN DS " + ds + "\n", "asn.csv": asns,
	} {
		if err := os.WriteFile(filepath.Join(common, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
})

// asns is a table of networks and who announces them: prefix, number, name, and
// whether whoever pays has addresses there.
const asns = `198.18.1.0/24,100,LAB-ISP
198.18.11.0/24,111,LAB-PUB1
198.18.12.0/24,112,LAB-PUB2
198.18.13.0/24,113,LAB-PUB3
198.18.14.0/24,114,LAB-PUB4
198.18.20.0/24,120,LAB-WEB2
198.18.50.0/24,150,LAB-AUTH
198.18.60.0/23,110,LAB-WEB
198.18.66.0/24,166,LAB-EVIL
198.18.90.0/24,190,LAB-CLOUD,shared
`

// anchor gives the root's DS: tag, algorithm, digest type, digest.
func anchor() (string, error) {
	text, err := os.ReadFile(filepath.Join(common, "ds-root.zone"))
	if err != nil {
		return "", err
	}
	_, ds, ok := strings.Cut(strings.TrimSpace(string(text)), " DS ")
	if !ok {
		return "", fmt.Errorf("no DS of the root in %q", text)
	}
	return ds, nil
}

// signZones signs from the leaves to the root, for a parent holds its children's
// DS. bank.lab is signed and secure; bogus.lab is signed, and its DS is wrong.
func signZones() error {
	for _, z := range []struct {
		name, file string
		children   []string
	}{
		{"bank.lab", "bank.lab.zone", nil},
		{"bogus.lab", "bogus.lab.zone", nil},
		{"lab", "lab.zone", []string{"bank.lab.zone"}},
		{".", "root.zone", []string{"lab.zone"}},
	} {
		text, err := fs.ReadFile(texts, "zones/"+z.file)
		if err != nil {
			return err
		}
		for _, c := range z.children {
			ds, err := os.ReadFile(filepath.Join(common, "ds-"+c))
			if err != nil {
				return err
			}
			text = append(text, ds...)
		}
		if err := os.WriteFile(filepath.Join(common, z.file), text, 0o644); err != nil {
			return err
		}
		if err := Sign(common, z.name, z.file, time.Now().Add(-24*time.Hour), time.Now().Add(10*365*24*time.Hour)); err != nil {
			return err
		}
	}
	return nil
}

// Sign signs a zone's file in dir with the keys of the zone in dir/keys, which it
// makes where there are none, and writes FILE.signed and ds-FILE. Signatures hold
// from one time until the other: an expired zone is made by these.
func Sign(dir, zone, file string, from, until time.Time) error {
	run := func(name string, args ...string) (string, error) {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%s of %s: %w: %s", name, zone, err, errs.String())
		}
		return strings.TrimSpace(string(out)), err
	}
	var keys []string
	old, err := filepath.Glob(filepath.Join(dir, "keys", "K"+strings.TrimSuffix(zone, ".")+".+*.key"))
	if err != nil {
		return err
	}
	for _, k := range old {
		keys = append(keys, strings.TrimSuffix(filepath.Base(k), ".key"))
	}
	ksk := ""
	for _, k := range keys {
		text, err := os.ReadFile(filepath.Join(dir, "keys", k+".key"))
		if err != nil {
			return err
		}
		if strings.Contains(string(text), "DNSKEY 257") {
			ksk = k
		}
	}
	if len(keys) == 0 {
		for _, kind := range []string{"KSK", ""} {
			args := []string{"-a", "ECDSAP256SHA256", "-n", "ZONE", "-q", "-K", "keys"}
			if kind != "" {
				args = append(args, "-f", kind)
			}
			k, err := run("dnssec-keygen", append(args, zone)...)
			if err != nil {
				return err
			}
			keys = append(keys, k)
			if kind != "" {
				ksk = k
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return err
	}
	for _, k := range keys {
		key, err := os.ReadFile(filepath.Join(dir, "keys", k+".key"))
		if err != nil {
			return err
		}
		text = append(text, key...)
	}
	if err := os.WriteFile(filepath.Join(dir, file+".keyed"), text, 0o644); err != nil {
		return err
	}
	args := []string{"-K", "keys", "-o", zone, "-s", from.UTC().Format("20060102150405"), "-e", until.UTC().Format("20060102150405"), "-f", file + ".signed"}
	if zone != "." {
		args = append(args, "-3", "-", "-H", "0")
	}
	if until.Before(time.Now()) {
		args = append(args, "-P") // it would verify what it signed, and refuse what is expired
	}
	if _, err := run("dnssec-signzone", append(args, file+".keyed")...); err != nil {
		return err
	}
	ds, err := run("dnssec-dsfromkey", "-2", "keys/"+ksk+".key")
	return errors.Join(err, os.WriteFile(filepath.Join(dir, "ds-"+file), []byte(ds+"\n"), 0o644))
}

// writeZones writes the zones that differ between worlds, or within one.
func (w *World) writeZones() error {
	for _, name := range []string{"bank.lab.zone", "bogus.lab.zone"} {
		text, err := os.ReadFile(filepath.Join(common, name+".signed"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(w.path("zones", name+".signed"), text, 0o644); err != nil {
			return err
		}
	}
	for _, name := range []string{"shop.lab.zone", "iot.lab.zone"} {
		text, err := fs.ReadFile(texts, "zones/"+name)
		if err != nil {
			return err
		}
		if name == "shop.lab.zone" { // an answer that fits into no datagram
			for i := range 100 {
				text = fmt.Appendf(text, "many 300 A 198.18.61.%d\n", i+1)
			}
		}
		if err := os.WriteFile(w.path("zones", name), text, 0o644); err != nil {
			return err
		}
	}
	for i, view := range []string{"isp", "pub1", "pub2", "any"} {
		text, err := fill("cdn.lab.zone", map[string]any{"Edge": 31 + i, "Geo": 55 + i})
		if err != nil {
			return err
		}
		if err := os.WriteFile(w.path("zones", "cdn-"+view+".zone"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dnstaster/dnstaster/monitor"
)

// lockName is the file that lock writes, if no flag says otherwise.
const lockName = "dnstaster.lock"

// readLock reads the lock that the configuration names; one without names for none.
func (c *config) readLock() (monitor.Lock, error) {
	if c.Lock == "" {
		return monitor.Lock{}, nil
	}
	return readLockFile(c.beside(c.Lock))
}

func readLockFile(path string) (monitor.Lock, error) {
	f, err := os.Open(path)
	if err != nil {
		return monitor.Lock{}, fmt.Errorf("lock: %w", err)
	}
	defer f.Close()
	l, err := monitor.ReadLock(f)
	if err != nil {
		return l, fmt.Errorf("lock: %s: %w", path, err)
	}
	for _, n := range l.Names { // its names may be asked about as they stand there
		odd := func(t monitor.Type) bool { return !slices.Contains(watchable, t) }
		if strings.Contains(n.Name, "*") || slices.ContainsFunc(n.Types, odd) {
			return l, fmt.Errorf("lock: %s: %s: a wildcard, or a type that cannot be watched; there is %s", path, n.Name, joinTypes(watchable))
		}
	}
	return l, nil
}

// lockWatches says of each watch what the lock has of its name.
func (c *config) lockWatches(ws []monitor.Watch) error {
	l, err := c.readLock()
	if err != nil {
		return err
	}
	var errs []error
	for i, w := range ws {
		ws[i].Lock = l.For(w.Name)
		if c.strict && ws[i].Lock == nil {
			name := strings.TrimSuffix(w.Name, ".")
			errs = append(errs, fmt.Errorf("%s is not in %s: dnstaster lock %s", name, c.Lock, name))
		}
	}
	return errors.Join(errs...)
}

// lockedWatch gives the watch of a name that only a lock speaks of.
func lockedWatch(l monitor.Locked) watchConfig {
	return watchConfig{Name: domain(l.Name), Types: l.Types, TLS: watchTLS{Off: l.Off, Port: l.Port}}
}

func lockCommand() *cobra.Command {
	var o pinsOptions
	var output string
	cmd := &cobra.Command{
		Use:   "lock [NAME...]",
		Short: "Write down what names prove themselves with, for check --locked",
		Long: `lock writes a file with what is known of the watched names, or of those given: the
public keys that they prove themselves with, who certified them, which networks announce
their addresses, and the name servers and DS records of their zones. It is made from the
history of the daemon, or with --check from one round.

Put it under version control. 'dnstaster check --locked' holds what a runner without
history finds against it, and so does a daemon whose configuration names it (lock).
Names that are in the file and not given stay as they are in it.

A name that is not clean is not locked, and then nothing is written.
Exit status: 0 written, 1 suspect, 2 poisoned, 3 unknown.`,
		Example: `  dnstaster lock
  dnstaster lock --check --output ci/dnstaster.lock api.partner.example`,
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&output, "output", lockName, "file to write; - for standard output")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		p, err := o.pins(cmd, names)
		if err != nil {
			return err
		}
		l, err := lockOf(p)
		if err != nil {
			return err
		}
		if output == "-" {
			return printJSON(cmd, l)
		}
		if len(names) > 0 {
			if l, err = addFrom(output, l); err != nil {
				return err
			}
		}
		if err := writeLock(output, l); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d names. Next: dnstaster check --locked %s\n", output, len(l.Names), output)
		return err
	}
	return cmd
}

// lockOf makes a lock of what is known. It is an error, with the exit status of the
// worst verdict, where a name is not clean, or nothing is known of it.
func lockOf(p monitor.Pins) (monitor.Lock, error) {
	l := monitor.Lock{GeneratedAt: p.GeneratedAt}
	worst := monitor.Clean
	var errs []error
	for _, n := range p.Names {
		name := strings.TrimSuffix(n.Name, ".")
		locked := n.Locked()
		switch {
		case n.Verdict != monitor.Clean:
			worst = worst.Worse(n.Verdict)
			errs = append(errs, fmt.Errorf("%s is %s: not locked", name, n.Verdict))
		case locked.Empty():
			worst = worst.Worse(monitor.Unknown)
			errs = append(errs, fmt.Errorf("%s: nothing is known of it that a lock could hold: pin it (expect.addresses)", name))
		case !n.Off && len(locked.Keys) == 0:
			worst = worst.Worse(monitor.Unknown)
			errs = append(errs, fmt.Errorf("%s has shown no key so far: not locked; where it serves no TLS, say so (tls: off)", name))
		default:
			l.Names = append(l.Names, locked)
		}
	}
	if len(errs) > 0 {
		return monitor.Lock{}, exit{statusOf(worst), errors.Join(errs...)}
	}
	slices.SortFunc(l.Names, func(a, b monitor.Locked) int { return strings.Compare(a.Name, b.Name) })
	return l, nil
}

// addFrom adds to a lock what a file holds of other names.
func addFrom(path string, l monitor.Lock) (monitor.Lock, error) {
	old, err := readLockFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, exit{exitConfig, err}
	}
	for _, n := range old.Names {
		if l.For(n.Name) == nil {
			l.Names = append(l.Names, n)
		}
	}
	slices.SortFunc(l.Names, func(a, b monitor.Locked) int { return strings.Compare(a.Name, b.Name) })
	return l, nil
}

// writeLock writes it whole or not at all, and reads it as those do who go by it.
func writeLock(path string, l monitor.Lock) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(l); err != nil {
		return err
	}
	if _, err := monitor.ReadLock(bytes.NewReader(b.Bytes())); err != nil {
		return fmt.Errorf("lock: what is known makes none that can be read: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".dnstaster-*.lock")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // it is there no more where all went well
	_, err = f.Write(b.Bytes())
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

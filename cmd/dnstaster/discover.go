package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/discover"
	"github.com/dnstaster/dnstaster/monitor/report"
)

func discoverCommand() *cobra.Command {
	var asJSON, force bool
	var dir string
	cmd := &cobra.Command{
		Use:   "discover PATH…",
		Short: "Find the names worth watching, and what would leak a key, in source trees",
		Long: `discover reads programs and their configuration (Python, Go, JavaScript and
TypeScript, .env, YAML, Compose, Kubernetes, systemd), and lists the hostnames
that outgoing calls use, the names of the keys beside them, and what would turn
a poisoned answer into a leaked key, the worst first. It runs nothing, asks
nobody, and keeps no value of a secret. Tests, vendored code and what is too
large are passed over, and said so; names that are put together only at run time
are not seen.

With --output the names are written into a directory as files of watches.d that
the configuration can use as they are. What is watched already is left out.
Names that mean something on this network alone are written as comments where
private_zones does not keep them from leaving.

Exit status: 0 done, whatever was found; 74 a path cannot be read.`,
		Example: "  dnstaster discover /srv/app\n  dnstaster discover --output /etc/dnstaster/watches.d /srv/app && dnstaster config check\n  dnstaster discover --json . | jq -r '.weaknesses[] | [.severity, .rule, .file, .line] | @tsv'",
		Args:    cobra.MinimumNArgs(1),
	}
	jsonFlag(cmd, &asJSON)
	cmd.Flags().StringVar(&dir, "output", "", "directory to write files of watches.d into")
	cmd.Flags().BoolVar(&force, "force", false, "write over what an earlier run wrote")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := discover.Run(cmd.Context(), args)
		if err != nil {
			return err
		}
		var w watchList
		if dir != "" {
			if w, err = writeWatches(dir, r, force); err != nil {
				return err
			}
		}
		if asJSON {
			return printJSON(cmd, r)
		}
		return printDiscovered(cmd.OutOrStdout(), r, w)
	}
	return cmd
}

// watchList is what was written for the configuration.
type watchList struct {
	files   []string
	written int
	known   int // watched already
	held    int // that would leave this network, and are comments
}

// discovered is how the files that are written are called: the first without a number.
var discovered = regexp.MustCompile(`^discovered(?:-[0-9]+)?\.yaml$`)

const watchesHead = `# Written by dnstaster discover: names that calls use, and names of the keys that seem to go there.
watches:
`

// perFile is how many names one file is given.
const perFile = 200

// writeWatches writes the names that were found as files of watches.d.
func writeWatches(dir string, r discover.Report, force bool) (watchList, error) {
	watched, inside, err := watchedIn(dir)
	if err != nil {
		return watchList{}, err
	}
	var w watchList
	var entries []string
	for _, h := range r.Hosts {
		name, err := monitor.ParseName(h.Name)
		if err != nil {
			continue
		}
		switch {
		case watched[name]:
			w.known++
		case h.Inside && !inside(name):
			w.held++
			entries = append(entries, "  # of this network alone: put its zone under private_zones, then take these marks off\n"+commented(watchEntry(h)))
		default:
			w.written++
			entries = append(entries, watchEntry(h))
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return watchList{}, err
	}
	if err := clearDiscovered(dir, force); err != nil {
		return watchList{}, err
	}
	for part := range slices.Chunk(entries, perFile) {
		name := "discovered.yaml"
		if n := len(w.files); n > 0 {
			name = fmt.Sprintf("discovered-%d.yaml", n+1)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(watchesHead+strings.Join(part, "")), 0o644); err != nil {
			return watchList{}, err
		}
		w.files = append(w.files, path)
	}
	return w, nil
}

// clearDiscovered makes room for what is written, if it may.
func clearDiscovered(dir string, force bool) error {
	files, err := watchFiles(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if !discovered.MatchString(filepath.Base(f)) {
			continue
		}
		if !force {
			return exit{exitIO, fmt.Errorf("%s is there already: --force writes over it", f)}
		}
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return nil
}

// watchEntry writes one name as an entry of watches.
func watchEntry(h discover.Host) string {
	var b strings.Builder
	where := "  # " + report.Printable(fmt.Sprintf("%s:%d", h.Places[0].File, h.Places[0].Line))
	if h.Count > 1 {
		where += fmt.Sprintf(" and %d more", h.Count-1)
	}
	fmt.Fprintf(&b, "  - name: %s%s\n", yamlWord(h.Name), where)
	switch {
	case h.NoTLS:
		b.WriteString("    tls: off\n")
	case h.Port != 0:
		fmt.Fprintf(&b, "    tls: {port: %d}\n", h.Port)
	}
	if len(h.SecretNames) > 0 {
		var names []string
		for _, n := range h.SecretNames {
			names = append(names, yamlWord(n))
		}
		fmt.Fprintf(&b, "    secret_names: [%s]\n", strings.Join(names, ", "))
	}
	return b.String()
}

// plainWord is a word that YAML takes as it stands: no number, and none of the
// few that mean something.
var plainWord = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*[._][A-Za-z0-9_.-]*$`)

func yamlWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return strconv.Quote(s)
}

func commented(entry string) string {
	var b strings.Builder
	for line := range strings.Lines(entry) {
		b.WriteString("  #" + strings.TrimPrefix(line, "  "))
	}
	return b.String()
}

// watchedIn gives the names that the configuration which dir is part of watches
// without what an earlier run wrote, and which names it keeps from leaving. What
// is wrong with it is for config check to tell.
func watchedIn(dir string) (watched map[string]bool, inside func(string) bool, err error) {
	var c config
	read := func(path string, v any) error {
		text, err := readBounded(path)
		if err == nil {
			decodeYAML(filepath.Base(path), text, v)
		}
		return err
	}
	if err := read(filepath.Join(dir, "..", "dnstaster.yaml"), &c); err != nil && !os.IsNotExist(err) {
		return nil, nil, err
	}
	files, err := watchFiles(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range files {
		if discovered.MatchString(filepath.Base(f)) {
			continue
		}
		var part struct {
			Watches []watchConfig `yaml:"watches"`
		}
		if err := read(f, &part); err != nil {
			return nil, nil, err
		}
		c.Watches = append(c.Watches, part.Watches...)
	}
	watched = map[string]bool{}
	for _, w := range c.Watches {
		watched[string(w.Name)] = true
	}
	return watched, c.inside(nil), nil
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand is for whoever builds a package: users have man.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the man pages into a directory",
		Long: `man writes dnstaster.1, one page for each command, and dnstaster.yaml.5 into a
directory, which it makes. The same source gives the same pages: they bear the time
of SOURCE_DATE_EPOCH, or that of the commit that was built.`,
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := manDate(os.Getenv("SOURCE_DATE_EPOCH"))
			if err != nil {
				return err
			}
			return writeMan(cmd.Root(), args[0], date)
		},
	}
}

const manManual = "DNS poisoning monitor"

// firstManDate is borne by pages of a build that knows no time of its source.
var firstManDate = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

// manDate gives the time that pages bear: never the one at which they are made.
func manDate(epoch string) (time.Time, error) {
	if epoch != "" {
		n, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return time.Time{}, usage("SOURCE_DATE_EPOCH: want seconds since 1970, not %q", epoch)
		}
		return time.Unix(n, 0).UTC(), nil
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key != "vcs.time" {
				continue
			}
			if at, err := time.Parse(time.RFC3339, s.Value); err == nil {
				return at.UTC(), nil
			}
		}
	}
	return firstManDate, nil
}

func writeMan(root *cobra.Command, dir string, date time.Time) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root.DisableAutoGenTag = true // it would say when
	source := "dnstaster " + version()
	pages := map[string][]byte{"dnstaster.yaml.5": md2man.Render(configManual(configTemplate, source))}
	if err := commandManuals(root, source, pages); err != nil {
		return err
	}
	var errs []error
	for name, page := range pages {
		errs = append(errs, os.WriteFile(filepath.Join(dir, name), tidyManual(page, date), 0o644))
	}
	return errors.Join(errs...)
}

// commandManuals makes the page of a command and of those below it.
func commandManuals(cmd *cobra.Command, source string, pages map[string][]byte) error {
	for _, sub := range cmd.Commands() {
		if cmd.Name() == "completion" {
			sub.Hidden = true // one page tells enough of all shells
		}
		if !sub.IsAvailableCommand() {
			continue
		}
		if err := commandManuals(sub, source, pages); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	err := doc.GenMan(cmd, &doc.GenManHeader{Section: "1", Date: &firstManDate, Source: source, Manual: manManual}, &b)
	pages[strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"] = b.Bytes()
	return err
}

var (
	titleLine = regexp.MustCompile(`(?m)^(\.TH "[^"]*" "[^"]*" )"[^"]*"`)
	flagLines = regexp.MustCompile(`(?m)^(?:\.PP\n)?(\\fB-.*)\n\t(.*)$`)
)

// tidyManual gives a page its date in a form that every reader of them knows,
// and its flags as a list, where they are lines with a tab.
func tidyManual(page []byte, date time.Time) []byte {
	page = titleLine.ReplaceAll(page, []byte(`${1}"`+date.Format(time.DateOnly)+`"`))
	return flagLines.ReplaceAll(page, []byte(".TP\n${1}\n${2}"))
}

// configManual makes Markdown, as for a man page, of the commented template:
// each comment at the margin is text, and what it stands before an example of it.
func configManual(template, source string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%% \"DNSTASTER.YAML\" \"5\" \"\" %q %q\n", source, manManual)
	b.WriteString("# NAME\ndnstaster.yaml \\- what dnstaster watches, whom it asks, and whom it tells\n\n")
	b.WriteString("# SYNOPSIS\n**/etc/dnstaster/dnstaster.yaml**, **/etc/dnstaster/watches.d/*.yaml**\n\n# DESCRIPTION\n")
	for i, block := range strings.Split(strings.TrimSpace(template), "\n\n") {
		var text, yaml []string
		key := ""
		for line := range strings.Lines(block) {
			line = strings.TrimRight(line, "\n")
			comment, isText := strings.CutPrefix(line, "# ")
			if isText && !strings.HasPrefix(comment, " ") {
				text = append(text, comment)
				continue
			}
			if name, _, ok := strings.Cut(line, ":"); ok && key == "" && !strings.HasPrefix(line, "#") {
				key = name
			}
			yaml = append(yaml, line)
		}
		if i > 0 || key != "" {
			fmt.Fprintf(&b, "# %s\n", strings.ToUpper(strings.ReplaceAll(key, "_", " ")))
		}
		fmt.Fprintf(&b, "%s\n\n", escapeMarkdown(strings.Join(text, "\n")))
		if len(yaml) > 0 {
			fmt.Fprintf(&b, "```\n%s\n```\n\n", strings.Join(yaml, "\n"))
		}
	}
	b.WriteString("# FILES\nFiles that the configuration names are looked for among the credentials that systemd gives, then beside it.\n\n")
	b.WriteString("# SEE ALSO\n**dnstaster(1)**, **dnstaster-config-init(1)**, **dnstaster-config-check(1)**, **dnstaster-run(1)**\n")
	return b.Bytes()
}

// escapeMarkdown keeps prose from being taken for marks.
func escapeMarkdown(s string) string {
	return strings.NewReplacer("*", `\*`, "_", `\_`, "`", "\\`", "<", `\<`, "[", `\[`, "#", `\#`).Replace(s)
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var heading = regexp.MustCompile(`(?m)^(#+) (.+)$`)

// headings gives the headings of a page at a level. What stands in a fence is none.
func headings(text string, level int) []string {
	var hs []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		if len(m[1]) == level {
			hs = append(hs, m[2])
		}
	}
	return hs
}

// pages gives the paths, below docs, of all pages that are held against the code.
func pages(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*.md", "*/*.md"} {
		files, err := filepath.Glob(filepath.Join(docsDir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name, err := filepath.Rel(docsDir, f)
			if err != nil {
				t.Fatal(err)
			}
			if name != "ledger.md" { // of runs, which are over
				names = append(names, name)
			}
		}
	}
	return names
}

var (
	span    = regexp.MustCompile("`(dnstaster [^`]+)`")
	typed   = regexp.MustCompile(`(?m)^ *(?:[$#] |ExecStart\w*=[/a-z]*/)?(?:sudo )?(dnstaster .+)$`)
	partEnd = regexp.MustCompile(`(?: [|&>;]|  +#| #|\\$).*$`)
)

// TestCommands has every command in the pages exist, with its flags and as many
// arguments as it takes.
func TestCommands(t *testing.T) {
	found := 0
	for _, name := range pages(t) {
		text := page(t, name)
		for _, m := range span.FindAllStringSubmatch(text, -1) {
			found++
			if err := commandExists(m[1], false); err != nil {
				t.Errorf("docs/%s: %q: %v", name, m[1], err)
			}
		}
		for _, m := range typed.FindAllStringSubmatch(blocks(text), -1) {
			found++
			if err := commandExists(m[1], true); err != nil {
				t.Errorf("docs/%s: %q: %v", name, m[1], err)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d commands were found", found)
	}
	for _, wrong := range []string{"dnstaster no-such", "dnstaster status --no-such", "dnstaster explain", "dnstaster alerts no-such ID"} {
		if commandExists(wrong, true) == nil {
			t.Errorf("%q is taken for a command", wrong)
		}
	}
}

// blocks gives what stands in fences, or is indented by four.
func blocks(text string) string {
	var b strings.Builder
	fenced := false
	for l := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(l, "```"):
			fenced = !fenced
		case fenced || strings.HasPrefix(l, "    "):
			b.WriteString(l)
		}
	}
	return b.String()
}

// commandExists reports what is wrong with a command line. Within a sentence a
// command may be named without what it takes.
func commandExists(text string, typed bool) error {
	args := words(partEnd.ReplaceAllString(text, ""))[1:]
	root := newRoot(new(bytes.Buffer), new(bytes.Buffer))
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if cmd == root && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return fmt.Errorf("no command %s", rest[0])
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	left := cmd.Flags().Args()
	if cmd.HasSubCommands() && len(left) > 0 {
		return fmt.Errorf("no command %s below %s", left[0], cmd.CommandPath())
	}
	if cmd.Flags().Changed("help") || !typed && len(left) == 0 {
		return nil
	}
	return cmd.ValidateArgs(left)
}

// words splits a command line as a shell does, as far as the pages need it.
func words(text string) []string {
	var ws []string
	for _, m := range regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`).FindAllString(text, -1) {
		ws = append(ws, strings.Trim(m, `"'`))
	}
	return ws
}

// TestCommandList has each command that people may use on the page of operation.
func TestCommandList(t *testing.T) {
	text := page(t, "operate.md")
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if !sub.IsAvailableCommand() || sub.Name() == "help" || sub.Parent().Name() == "completion" {
				continue
			}
			if sub.Runnable() && !regexp.MustCompile(regexp.QuoteMeta(sub.CommandPath())+`\b`).MatchString(text) {
				t.Errorf("docs/operate.md does not name %s", sub.CommandPath())
			}
			walk(sub)
		}
	}
	walk(newRoot(new(bytes.Buffer), new(bytes.Buffer)))
}

// TestFormatList has every form of a report, and of the log, on that page.
func TestFormatList(t *testing.T) {
	text := page(t, "operate.md")
	for _, f := range reportFormats {
		if !strings.Contains(text, "\n| "+f+" | ") {
			t.Errorf("docs/operate.md does not say what --format %s is for", f)
		}
	}
	for _, f := range []string{logAuto, logJournal, logText, logJSON} {
		if _, rest, _ := strings.Cut(text, "`--log-format` is "); !strings.Contains(strings.SplitN(rest, "`--log-level`", 2)[0], f) {
			t.Errorf("docs/operate.md does not say that the log can be %s", f)
		}
	}
}

// TestMetricsPage has every metric on the page of operation, with its labels and
// what it means, and no other.
func TestMetricsPage(t *testing.T) {
	declared := metrics(t)
	if len(declared) < 30 {
		t.Fatalf("only %d metrics are found", len(declared))
	}
	documented := map[string]metric{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(dnstaster_[a-z_]+)` \\| ([a-z, ]*?) ?\\| (.*) \\|$").FindAllStringSubmatch(page(t, "operate.md"), -1) {
		documented[m[1]] = metric{m[2], m[3]}
	}
	if diff := cmp.Diff(declared, documented, cmp.AllowUnexported(metric{})); diff != "" {
		t.Errorf("metrics (-of the code +of the page):\n%s", diff)
	}
	for _, name := range pages(t) {
		for _, m := range regexp.MustCompile(`\bdnstaster_[a-z_]+\b`).FindAllString(page(t, name), -1) {
			if _, ok := declared[m]; !ok {
				t.Errorf("docs/%s names the metric %s, which there is not", name, m)
			}
		}
	}
}

// TestExitPage has every exit status on the page of operation.
func TestExitPage(t *testing.T) {
	text := page(t, "operate.md")
	for name, value := range numbers(t, ".") {
		if strings.HasPrefix(name, "exit") && !strings.Contains(text, fmt.Sprintf("\n| %d | ", value)) {
			t.Errorf("docs/operate.md lacks the exit status %d (%s)", value, name)
		}
	}
}

// TestLinks has every link in the pages lead to a file that is there.
func TestLinks(t *testing.T) {
	for _, name := range pages(t) {
		for _, m := range regexp.MustCompile(`\]\(([^):#]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(page(t, name), -1) {
			if _, err := os.Stat(filepath.Join(docsDir, filepath.Dir(name), m[1])); err != nil {
				t.Errorf("docs/%s: %v", name, err)
			}
		}
	}
}

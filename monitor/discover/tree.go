package discover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"
)

// Bounds of what is read. What is beyond is passed over, and said so.
const (
	maxFile    = 1 << 20 // bytes of a file
	maxLine    = 8 << 10 // bytes of a line of a program: longer ones are made by programs
	maxDepth   = 64      // of directories
	maxEntries = 20_000  // of a directory
	maxFiles   = 50_000  // that are read
	maxBytes   = 128 << 20
	maxWalk    = 1_000_000 // entries of a tree
)

// Reasons for which something is passed over.
const (
	tooLarge    = "larger than 1 MiB"
	tooLong     = "more than 250,000 words and signs"
	tooDeep     = "deeper than 64 directories"
	tooMany     = "beyond what one run reads"
	binaryFile  = "not UTF-8 text"
	generated   = "lines longer than 8 KiB: made by a program"
	aLink       = "links are not followed"
	special     = "no ordinary file"
	notOurs     = "code of others, or made from code"
	hiddenDir   = "hidden directories"
	testCode    = "tests, examples and documentation"
	unreadable  = "cannot be read"
	notParsed   = "not understood"
	description = "describes an API"
)

// others are directories with what somebody else wrote, or a program.
var others = wordSet("node_modules vendor bower_components site-packages dist build out target venv virtualenv __pycache__ coverage third_party thirdparty jspm_packages htmlcov")

// tests are directories with what does not run where the keys are.
var tests = wordSet("test tests testing testdata __tests__ __mocks__ spec specs e2e cypress fixtures mocks doc docs example examples sample samples storybook")

// walker goes over a tree, and over others after it, within the same bounds.
type walker struct {
	ctx    context.Context
	report *Report
	passed map[string]*Passed
	seen   int
	visit  func(name, text string, read reader)
}

func (w *walker) pass(reason, name string) {
	const few = 5
	p := w.passed[reason]
	if p == nil {
		p = &Passed{Reason: reason}
		w.passed[reason] = p
	}
	p.Count++
	if len(p.Files) < few {
		p.Files = append(p.Files, name)
	}
}

// walk reads a directory and all below it, or one file. Only what is given
// itself may be a link.
func (w *walker) walk(given string) error {
	info, err := os.Stat(given)
	if err != nil {
		return err
	}
	dir, name := given, "."
	if !info.IsDir() {
		dir, name = filepath.Split(filepath.Clean(given))
		if dir == "" {
			dir = "."
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	shown := func(name string) string { return filepath.ToSlash(filepath.Join(dir, name)) }
	if name == "." {
		return w.directory(root, name, 0, shown)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %s", given, special)
	}
	w.file(root, name, shown(name), true)
	return nil
}

func (w *walker) directory(root *os.Root, dir string, depth int, shown func(string) string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	f, err := root.Open(dir)
	if err != nil {
		if depth == 0 {
			return err
		}
		w.pass(unreadable, shown(dir))
		return nil
	}
	entries, err := f.ReadDir(maxEntries + 1)
	f.Close()
	if err != nil && !errors.Is(err, io.EOF) {
		w.pass(unreadable, shown(dir))
		return nil
	}
	if len(entries) > maxEntries {
		w.pass(tooMany, shown(dir))
		return nil
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if w.seen++; w.seen > maxWalk || w.report.Files >= maxFiles || w.report.Bytes >= maxBytes {
			w.pass(tooMany, shown(name))
			return nil
		}
		switch base := e.Name(); {
		case e.Type()&fs.ModeSymlink != 0:
			if readerOf(base) != nil {
				w.pass(aLink, shown(name))
			}
		case !e.IsDir() && !e.Type().IsRegular():
		case e.IsDir() && strings.HasPrefix(base, "."):
			w.pass(hiddenDir, shown(name))
		case e.IsDir() && (others[strings.ToLower(base)] || w.virtual(root, name)):
			w.pass(notOurs, shown(name))
		case e.IsDir() && tests[strings.ToLower(base)]:
			w.pass(testCode, shown(name))
		case e.IsDir() && depth >= maxDepth:
			w.pass(tooDeep, shown(name))
		case e.IsDir():
			if err := w.directory(root, name, depth+1, shown); err != nil {
				return err
			}
		default:
			if err := w.ctx.Err(); err != nil {
				return err
			}
			w.file(root, name, shown(name), false)
		}
	}
	return nil
}

// virtual reports whether a directory is a virtual environment of Python (PEP 405).
func (w *walker) virtual(root *os.Root, dir string) bool {
	_, err := root.Lstat(path.Join(dir, "pyvenv.cfg"))
	return err == nil
}

// file reads one file. One that was asked for by name is read whatever it is called.
func (w *walker) file(root *os.Root, name, shown string, asked bool) {
	read := readerOf(path.Base(name))
	switch {
	case read == nil:
		return
	case asked:
	case madeFile(path.Base(name)):
		w.pass(notOurs, shown)
		return
	case testFile(path.Base(name)):
		w.pass(testCode, shown)
		return
	}
	// A pipe that takes the file's place meanwhile must not hold us.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		w.pass(unreadable, shown)
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		w.pass(special, shown)
		return
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		w.pass(unreadable, shown)
		return
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	switch {
	case len(text) > maxFile:
		w.pass(tooLarge, shown)
	case bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text):
		w.pass(binaryFile, shown)
	case longestLine(text) > maxLine:
		w.pass(generated, shown)
	default:
		w.report.Files++
		w.report.Bytes += int64(len(text))
		w.visit(shown, string(text), read)
	}
}

func longestLine(text []byte) int {
	longest := 0
	for line := range bytes.Lines(text) {
		longest = max(longest, len(line))
	}
	return longest
}

// reader takes one file apart.
type reader func(text string) (*page, error)

// try reads a file. The lexers are others' work, and a file on which one of them
// panics must not keep the rest of a tree from being read.
func (r reader) try(text string) (p *page, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			p, err = nil, errFault
		}
	}()
	return r(text)
}

var errFault = errors.New("the reader fails on it")

// readers are those of files by the end of their name.
var readers = map[string]reader{
	".py": readPython, ".pyw": readPython, ".go": readGo,
	".js": readScript, ".mjs": readScript, ".cjs": readScript, ".jsx": readScript, ".ts": readScript, ".mts": readScript, ".cts": readScript, ".tsx": readScript,
	".yaml": readYAML, ".yml": readYAML, ".env": readEnv,
	".service": readUnit, ".timer": readUnit, ".socket": readUnit,
}

// readerOf gives the reader for a file of that name; nil for none.
func readerOf(base string) reader {
	if base == ".env" || strings.HasPrefix(base, ".env.") {
		return readEnv
	}
	return readers[strings.ToLower(path.Ext(base))]
}

// madeFile reports whether a file is made from others.
func madeFile(base string) bool {
	return strings.Contains(base, ".min.") || strings.Contains(base, ".bundle.") || strings.HasSuffix(base, ".pb.go") || strings.HasSuffix(base, "_pb2.py") ||
		strings.HasSuffix(base, ".d.ts") || slices.Contains([]string{"pnpm-lock.yaml", "pnpm-workspace.yaml", ".pre-commit-config.yaml"}, base)
}

// testFile reports whether a file has tests in it.
func testFile(base string) bool {
	name, ext, _ := strings.Cut(base, ".")
	switch path.Ext(base) {
	case ".go":
		return strings.HasSuffix(base, "_test.go")
	case ".py":
		return strings.HasPrefix(base, "test_") || strings.HasSuffix(name, "_test") || base == "conftest.py" || base == "setup.py"
	case ".yaml", ".yml", ".env", ".service", ".timer", ".socket":
		return false
	}
	return strings.HasPrefix(ext, "test.") || strings.HasPrefix(ext, "spec.") || strings.HasPrefix(ext, "stories.") || strings.HasPrefix(ext, "cy.")
}

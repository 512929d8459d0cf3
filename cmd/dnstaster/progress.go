package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/monitor/report"
)

// progress shows how far reading is, on a terminal and nowhere else.
type progress struct {
	w     io.Writer // nil: not shown
	file  string
	of    string
	total int64
	done  int64
	shown time.Time
	wrote bool
}

// progressEvery is how often the line is written anew; short runs show none.
const progressEvery = 300 * time.Millisecond

func newProgress(w io.Writer) *progress {
	p := &progress{shown: time.Now()}
	if f, ok := w.(*os.File); ok && terminal(f) {
		p.w = w
	}
	return p
}

// terminal reports whether f is one.
func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

func (p *progress) begin(file string, i, n int) {
	p.file, p.of, p.total, p.done = file, fmt.Sprintf("%d/%d", i+1, n), 0, 0
}

func (p *progress) size(n int64) { p.total = n }

// reader counts what is read through it.
func (p *progress) reader(r io.Reader) io.Reader { return progressReader{r, p} }

type progressReader struct {
	r io.Reader
	p *progress
}

func (r progressReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.p.add(n)
	return n, err
}

func (p *progress) add(n int) {
	p.done += int64(n)
	now := time.Now()
	if p.w == nil || now.Sub(p.shown) < progressEvery {
		return
	}
	p.shown, p.wrote = now, true
	far := fmt.Sprintf("%d MiB", p.done>>20)
	if p.total > 0 {
		far = fmt.Sprintf("%d %%", 100*p.done/p.total)
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s  %s  %s", p.of, far, report.Printable(p.file))
}

// end takes the line away.
func (p *progress) end() {
	if p.wrote {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

package capture_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/capture"
)

func TestFileVariants(t *testing.T) {
	for name, data := range fileVariants() {
		t.Run(name, func(t *testing.T) {
			frames := fileWhole(t, data)
			if len(frames) != 3 {
				t.Fatalf("read %d frames, want 3", len(frames))
			}
			for i, want := range [][]byte{fileBytes(5), fileBytes(0), fileBytes(18)} {
				if f := frames[i]; !bytes.Equal(f.Data, want) || f.Number != i+1 || f.Length < len(f.Data) {
					t.Errorf("frame %d is %+v, want data %v", i+1, f, want)
				}
			}
			// However little comes at a time, it is the same.
			r, err := capture.NewReader(iotest.OneByteReader(bytes.NewReader(data)))
			if err != nil {
				t.Fatal(err)
			}
			again, err := fileFrames(r)
			if diff := cmp.Diff(frames, again); err != io.EOF || diff != "" {
				t.Errorf("by single bytes: %v, %s", err, diff)
			}
			if !capture.IsCapture(data) || !capture.IsCapture(data[:min(512, len(data))]) {
				t.Error("IsCapture = false")
			}
		})
	}
}

func TestFileIsCapture(t *testing.T) {
	pcap := fileLittle().pcap(fileMicro, 4, 0, 1).out
	for _, c := range []struct {
		name string
		head []byte
		want bool
	}{
		{"nothing", nil, false},
		{"three bytes of pcap", pcap[:3], false},
		{"four bytes of pcap", pcap[:4], true},
		{"four bytes of pcapng", fileBig().section().out[:4], true},
		{"JSON", []byte(`{"version":1}`), false},
		{"half swapped", []byte{0xb2, 0xa1, 0xd4, 0xc3}, false},
		{"packed pcap", fileGzip(pcap), true},
		{"packed pcap, cut", fileGzip(append(pcap, fileBytes(5000)...))[:512], true},
		{"packed, cut before anything", fileGzip(pcap)[:12], false},
		{"packed text", fileGzip([]byte("a text and nothing else")), false},
		{"packed twice", fileGzip(fileGzip(pcap)), false},
		{"two bytes of gzip", []byte{0x1f, 0x8b}, false},
	} {
		if got := capture.IsCapture(c.head); got != c.want {
			t.Errorf("%s: IsCapture = %v, want %v", c.name, got, c.want)
		}
	}
}

// What is no capture is said to be none.
func TestFileNotCapture(t *testing.T) {
	mark := fileLittle().section().out
	copy(mark[8:], "\x01\x02\x03\x04")
	for name, data := range map[string][]byte{
		"nothing":                {},
		"JSON":                   []byte(`{"version":1}`),
		"packed text":            fileGzip([]byte("a text and nothing else")),
		"packed twice":           fileGzip(fileGzip(fileLittle().section().out)),
		"gzip of a wrong kind":   []byte("\x1f\x8b\x01 and what not, long enough"),
		"a section in no order":  mark,
		"line ends only":         []byte("\n\r\r\n and then a text"),
		"zeros":                  make([]byte, 100),
		"the magic, half turned": []byte("\xb2\xa1\xd4\xc3 and then a text, long enough"),
	} {
		_, err := fileRead(data)
		if !errors.Is(err, capture.ErrNotCapture) {
			t.Errorf("%s: %v, want ErrNotCapture", name, err)
		}
	}
}

// Damage to what is packed is an error, never an end.
func TestFileGzipDamage(t *testing.T) {
	plain := fileLittle().pcap(fileMicro, 4, 0, 1)
	for range 50 {
		plain.record(1, 1, 60, 60, fileBytes(60))
	}
	whole := fileGzip(plain.out)
	flip := func(at int) []byte {
		d := bytes.Clone(whole)
		d[at] ^= 0xff
		return d
	}
	for name, data := range map[string][]byte{
		"sum":              flip(len(whole) - 8),
		"length":           flip(len(whole) - 1),
		"data":             flip(40),
		"no trailer":       whole[:len(whole)-8],
		"text after it":    append(bytes.Clone(whole), "text"...),
		"half of a second": append(bytes.Clone(whole), whole[:20]...),
	} {
		if _, err := fileRead(data); err == io.EOF || err == nil {
			t.Errorf("%s: %v, want an error", name, err)
		}
	}
}

// The error says which file, which record, where, and stays.
func TestFileErrorPlace(t *testing.T) {
	b := fileLittle().pcap(fileMicro, 4, 0, 1).record(1, 1, 5, 5, fileBytes(5))
	path := filepath.Join(t.TempDir(), "cut.pcap")
	if err := os.WriteFile(path, append(b.out, 1, 2, 3), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := capture.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	_, err = r.Next()
	if want := path + ": record 2, byte 45: unexpected EOF"; !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != want {
		t.Errorf("Next: %v, want %s", err, want)
	}
	if _, again := r.Next(); again != err {
		t.Errorf("Next again: %v, want the same", again)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Next(); err != capture.ErrStopped {
		t.Errorf("Next after Close: %v, want ErrStopped", err)
	}
}

func TestFileOpen(t *testing.T) {
	dir := t.TempDir()
	if _, err := capture.Open(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of nothing: %v", err)
	}
	if _, err := capture.Open(dir); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("Open of a directory: %v", err)
	}
	path := filepath.Join(dir, "text")
	if err := os.WriteFile(path, []byte("a text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := capture.Open(path); !errors.Is(err, capture.ErrNotCapture) || !strings.HasPrefix(err.Error(), path+": ") {
		t.Errorf("Open of a text: %v", err)
	}
}

// An error of the underlying reader is neither an end nor a cut.
func TestFileReadError(t *testing.T) {
	broken := errors.New("broken")
	for name, data := range fileVariants() {
		if data[0] == 0x1f {
			continue // how much it holds back there is its own affair
		}
		for n := range data {
			r, err := capture.NewReader(io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken)))
			if err == nil {
				_, err = fileFrames(r)
			}
			if !errors.Is(err, broken) {
				t.Fatalf("%s, %d bytes: %v, want the error", name, n, err)
			}
		}
	}
	if _, err := capture.NewReader(fileNothing{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("NewReader of what never gives anything: %v", err)
	}
}

// fileNothing reads nothing, for ever.
type fileNothing struct{}

func (fileNothing) Read([]byte) (int, error) { return 0, nil }

// Close ends a Next that waits for more of a pipe.
func TestFileCloseWakesNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(fileLittle().pcap(fileMicro, 4, 0, 1).out); err != nil {
		t.Fatal(err)
	}
	r, err := capture.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() {
		_, err := r.Next()
		end <- err
	}()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-end; err != capture.ErrStopped {
		t.Errorf("Next: %v, want ErrStopped", err)
	}
}

// fileCloses closes its Reader in the middle of a Read.
type fileCloses struct{ r *capture.Reader }

func (c *fileCloses) Read([]byte) (int, error) { return 0, errors.Join(os.ErrClosed, c.r.Close()) }

// What breaks because of Close is not called an error of the file.
func TestFileCloseInRead(t *testing.T) {
	for _, head := range [][]byte{fileLittle().pcap(fileMicro, 4, 0, 1).out, fileLittle().section().out} {
		closes := &fileCloses{}
		r, err := capture.NewReader(io.MultiReader(bytes.NewReader(head), closes))
		if err != nil {
			t.Fatal(err)
		}
		closes.r = r
		if _, err := r.Next(); err != capture.ErrStopped {
			t.Errorf("Next: %v, want ErrStopped", err)
		}
	}
}

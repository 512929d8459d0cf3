package capture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// Errors of Open, NewReader and Next of a Reader. A file that ends in the
// middle of a record gives io.ErrUnexpectedEOF. All are wrapped in one that
// says where.
var (
	// ErrNotCapture is returned for a file that is neither pcap nor pcapng.
	ErrNotCapture = errors.New("neither pcap nor pcapng")
	// ErrVersion is returned for a version of either that is not known.
	ErrVersion = errors.New("unknown version of the file format")
	// ErrBadLength is returned where a length in the file cannot be right.
	ErrBadLength = errors.New("impossible length")
	// ErrNoInterface is returned for a packet of an interface that the file has
	// not described: how its bytes begin, and in what its time counts, is then
	// anybody's guess.
	ErrNoInterface = errors.New("packet of an undescribed interface")
	// ErrMalformed is returned for what is wrong in any other way.
	ErrMalformed = errors.New("malformed")
)

// maxFrame bounds the bytes of one packet. The largest that Linux captures is
// 256 KiB; what claims more is damaged, or wants our memory.
const maxFrame = 1 << 20

// Reader gives the packets of a capture file, pcap or pcapng, as it is or
// packed with gzip. It is a Source.
//
// It holds on to no more than a few MiB, whatever the file says. Times before
// 1970 or after 2262 are moved to the nearer end of that range, so that no
// arithmetic on them overflows. A record without a time has that of the one
// before it.
type Reader struct {
	name   string
	in     *fileInput
	file   io.Closer // nil where it is not ours to close
	format fileFormat
	stats  ReaderStats
	err    error // what Next returns from now on
	closed atomic.Bool
}

var _ Source = (*Reader)(nil)

// ReaderStats counts what a Reader has met so far.
type ReaderStats struct {
	Records int    // what Wireshark gives a number to: packets, journal entries, custom blocks
	Packets int    // of these
	Skipped int    // blocks that are neither packets nor about them
	Untimed int    // packets without a time, or with one that was moved
	Lost    uint64 // packets that the file says were lost when it was made
}

// fileFormat is a way to write packets down. Its next gives io.EOF only where
// a record could have begun.
type fileFormat interface {
	next(*fileInput, *ReaderStats) (Frame, error)
}

// Open opens the capture file at path.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := newReader(f, path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.file = f
	return r, nil
}

// NewReader reads the head of a capture file from r. Close does not close r.
func NewReader(r io.Reader) (*Reader, error) { return newReader(r, "capture") }

func newReader(r io.Reader, name string) (*Reader, error) {
	in, err := newFileInput(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	head, err := in.peek(4)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	format, err := fileFormat(nil), ErrNotCapture
	switch {
	case ngIs(head):
		format, err = newNG(in)
	case pcapIs(head):
		format, err = newPcap(in)
	}
	if err == ErrNotCapture {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: head of the file: %w", name, err)
	}
	return &Reader{name: name, in: in, format: format}, nil
}

// Next gives the next packet. It returns io.EOF at the end of the file, and
// ErrStopped after Close. After any error it returns the same again.
func (r *Reader) Next() (Frame, error) {
	if r.closed.Load() {
		return Frame{}, ErrStopped
	}
	if r.err != nil {
		return Frame{}, r.err
	}
	f, err := r.format.next(r.in, &r.stats)
	if err != nil {
		return Frame{}, r.fail(err)
	}
	r.stats.Records++
	r.stats.Packets++
	f.Number = r.stats.Records
	f.Lost = r.stats.Lost
	return f, nil
}

// fail makes err what Next returns from now on.
func (r *Reader) fail(err error) error {
	switch {
	case r.closed.Load():
		return ErrStopped // it was the close that broke the read
	case err == io.EOF:
		r.err = err
	default:
		r.err = fmt.Errorf("%s: record %d, byte %d: %w", r.name, r.stats.Records+1, r.in.record, err)
	}
	return r.err
}

// Stats counts what was met so far. It is for the goroutine that calls Next.
func (r *Reader) Stats() ReaderStats { return r.stats }

// Close lets go of the file. It may be called while Next waits for more of a
// pipe, which then returns.
func (r *Reader) Close() error {
	if r.closed.Swap(true) || r.file == nil {
		return nil
	}
	return r.file.Close()
}

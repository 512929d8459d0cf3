package capture

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// fileBuffer is how much is read at once. Records up to this size are given
// where they lie in the buffer, without copying them.
const fileBuffer = 128 << 10

// IsCapture reports whether a file that begins with head is one that NewReader
// reads. The first 512 bytes are enough, four where it is not packed.
func IsCapture(head []byte) bool {
	if !fileIsGzip(head) {
		return pcapIs(head) || ngIs(head)
	}
	z, err := gzip.NewReader(bytes.NewReader(head))
	if err != nil {
		return false
	}
	var first [4]byte
	_, err = io.ReadFull(z, first[:])
	return err == nil && (pcapIs(first[:]) || ngIs(first[:]))
}

func fileIsGzip(head []byte) bool { return len(head) >= 2 && head[0] == 0x1f && head[1] == 0x8b }

// fileInput is the bytes of a capture file, unpacked.
type fileInput struct {
	buf    *bufio.Reader
	big    []byte // for what does not fit into buf
	offset int64  // of the next byte
	record int64  // offset at which the record began that is being read
}

func newFileInput(r io.Reader) (*fileInput, error) {
	buf := bufio.NewReaderSize(r, fileBuffer)
	head, err := buf.Peek(2)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if !fileIsGzip(head) {
		return &fileInput{buf: buf}, nil
	}
	z, err := gzip.NewReader(buf)
	if errors.Is(err, gzip.ErrHeader) {
		return nil, fmt.Errorf("%w: %w", ErrNotCapture, err)
	}
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", fileCut(err))
	}
	return &fileInput{buf: bufio.NewReaderSize(z, fileBuffer)}, nil
}

// first gives n bytes with which a record begins, or io.EOF where there is not
// one more byte.
func (in *fileInput) first(n int) ([]byte, error) {
	in.record = in.offset
	if in.buf.Buffered() < n {
		if _, err := in.buf.Peek(1); err != nil {
			return nil, err
		}
	}
	return in.take(n)
}

// take gives the next n bytes. They are valid until the next call of any
// method. n must be bounded by the caller.
func (in *fileInput) take(n int) (b []byte, err error) {
	if n > in.buf.Size() {
		if len(in.big) < n {
			in.big = make([]byte, n)
		}
		b = in.big[:n]
		_, err = io.ReadFull(in.buf, b)
	} else if b, err = in.buf.Peek(n); err == nil {
		_, err = in.buf.Discard(n)
	}
	if err != nil {
		return nil, fileCut(err)
	}
	in.offset += int64(n)
	return b[:n:n], nil
}

// skip passes over n bytes.
func (in *fileInput) skip(n int) error {
	if _, err := in.buf.Discard(n); err != nil {
		return fileCut(err)
	}
	in.offset += int64(n)
	return nil
}

// peek gives the next n bytes, or as many as there are with an error, io.EOF
// too, and does not pass over them.
func (in *fileInput) peek(n int) ([]byte, error) { return in.buf.Peek(n) }

// fileCut is err where more bytes had to come.
func fileCut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

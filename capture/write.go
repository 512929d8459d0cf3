package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrBadTime is returned for a frame whose time cannot be written down.
var ErrBadTime = errors.New("time before 1970 or after 2262")

// Writer writes frames as pcapng, with times in nanoseconds, for Wireshark and
// for Reader. The same frames always give the same bytes.
type Writer struct {
	buf        *bufio.Writer
	interfaces map[writerKey]uint32 // their ids
	block      []byte               // that is being built
}

// writerKey is what a packet of the file must know of its interface.
type writerKey struct {
	link  LinkType
	index int
}

// NewWriter begins a file on w. It names app as the application that wrote it.
// What is written reaches w when Flush is called at the latest.
func NewWriter(w io.Writer, app string) (*Writer, error) {
	f := &Writer{buf: bufio.NewWriter(w), interfaces: map[writerKey]uint32{}}
	f.begin(ngSection)
	f.uint32(ngOrderMagic)
	f.uint32(1) // version 1.0: two bytes each
	f.uint32(math.MaxUint32)
	f.uint32(math.MaxUint32) // section of unknown length
	if err := f.text(ngOptApplication, app); err != nil {
		return nil, err
	}
	f.uint32(ngOptEnd)
	return f, f.end()
}

// Write adds a frame. The comment is shown beside it; none is written where it
// is empty. After an error from w the file is of no use.
func (f *Writer) Write(frame Frame, comment string) error {
	if len(frame.Data) > maxFrame || uint64(frame.Length) > math.MaxUint32 && frame.Length > 0 {
		return fmt.Errorf("write frame: %w: %d bytes of %d", ErrBadLength, len(frame.Data), frame.Length)
	}
	if frame.At.Before(time.Unix(0, 0)) || frame.At.After(time.Unix(0, math.MaxInt64)) {
		return fmt.Errorf("write frame: %w: %v", ErrBadTime, frame.At)
	}
	id, err := f.iface(writerKey{frame.Link, frame.Interface})
	if err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	at := uint64(frame.At.UnixNano())
	f.begin(ngPacket)
	f.uint32(id)
	f.uint32(uint32(at >> 32))
	f.uint32(uint32(at))
	f.uint32(uint32(len(frame.Data)))
	f.uint32(uint32(max(frame.Length, len(frame.Data))))
	f.bytes(frame.Data)
	if err := f.text(ngOptComment, comment); err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	if comment != "" {
		f.uint32(ngOptEnd)
	}
	return f.end()
}

// Flush hands what was written to the underlying writer.
func (f *Writer) Flush() error { return f.buf.Flush() }

// iface gives the id of an interface, and describes it where that is not done.
func (f *Writer) iface(key writerKey) (uint32, error) {
	if id, ok := f.interfaces[key]; ok {
		return id, nil
	}
	id := uint32(len(f.interfaces))
	if id == ngMaxInterfaces {
		return 0, fmt.Errorf("more than %d interfaces", ngMaxInterfaces)
	}
	f.begin(ngInterface)
	f.uint32(uint32(key.link))
	f.uint32(0) // no limit to the length of packets
	if err := f.text(ngOptDescription, "interface "+strconv.Itoa(key.index)); err != nil {
		return 0, err
	}
	f.option(ngOptResolution, 1)
	f.bytes([]byte{9})
	f.uint32(ngOptEnd)
	if err := f.end(); err != nil {
		return 0, err
	}
	f.interfaces[key] = id
	return id, nil
}

// begin begins a block. Its length follows when it is known.
func (f *Writer) begin(kind uint32) {
	f.block = f.block[:0]
	f.uint32(kind)
	f.uint32(0)
}

// end writes the block.
func (f *Writer) end() error {
	length := uint32(len(f.block) + 4)
	binary.LittleEndian.PutUint32(f.block[4:], length)
	f.uint32(length)
	_, err := f.buf.Write(f.block)
	return err
}

func (f *Writer) uint32(n uint32) { f.block = binary.LittleEndian.AppendUint32(f.block, n) }

// bytes adds b, and zeros up to a multiple of four.
func (f *Writer) bytes(b []byte) {
	f.block = append(f.block, b...)
	f.block = append(f.block, make([]byte, ngPadded(len(b))-len(b))...)
}

// option begins an option. Its value is n bytes long.
func (f *Writer) option(code uint16, n int) { f.uint32(uint32(code) | uint32(n)<<16) }

// text adds an option, unless the text is empty.
func (f *Writer) text(code uint16, text string) error {
	if text == "" {
		return nil
	}
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) > math.MaxUint16 {
		return fmt.Errorf("%w: text of %d bytes", ErrBadLength, len(text))
	}
	f.option(code, len(text))
	f.bytes([]byte(text))
	return nil
}

package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Frame Streams carry frames of data, each behind its length, and among them
// control frames, behind a length of zero (https://github.com/farsightsec/fstrm).
// A stream begins with START and ends with STOP. Over a socket the sender may
// first say READY and wait for ACCEPT; then STOP is answered with FINISH.
const (
	streamAccept = 1
	streamStart  = 2
	streamStop   = 3
	streamReady  = 4
	streamFinish = 5

	streamType        = 1 // the field of a control frame that says what the data are
	streamMostControl = 512
	streamMostFrame   = 256 << 10 // two messages of DNS, and what dnstap says of them
	streamBuffer      = 64 << 10
)

var (
	errStream     = errors.New("no Frame Stream")
	errStreamType = errors.New("a Frame Stream of another type")
	errStreamLong = errors.New("a frame that is longer than any")
)

// frameStream reads one stream. It is used by one goroutine, and holds no more than
// the longest frame and a buffer.
type frameStream struct {
	r     *bufio.Reader
	w     io.Writer // where it is answered; nil for a file
	asked bool      // the sender said READY, and waits for FINISH at the end
	buf   []byte
}

// openStream reads up to the first frame of data of a stream whose data are of
// the type. A w that is nil has nobody answered.
func openStream(r io.Reader, w io.Writer, data string) (*frameStream, error) {
	s := &frameStream{r: bufio.NewReaderSize(r, streamBuffer), w: w}
	n, err := s.length()
	if err != nil {
		return nil, err
	}
	if n != 0 {
		return nil, errStream
	}
	kind, fits, err := s.control(data)
	if err != nil {
		return nil, err
	}
	if kind == streamReady && w != nil {
		if !fits {
			return nil, errStreamType
		}
		s.asked = true
		if err := s.answer(streamAccept, data); err != nil {
			return nil, err
		}
		if n, err = s.length(); err != nil {
			return nil, err
		}
		if n != 0 {
			return nil, errStream
		}
		if kind, fits, err = s.control(data); err != nil {
			return nil, err
		}
	}
	switch {
	case kind != streamStart:
		return nil, errStream
	case !fits:
		return nil, errStreamType
	}
	return s, nil
}

// next gives the next frame of data, until the call after. It returns io.EOF after
// STOP, and io.ErrUnexpectedEOF where the stream ends without.
func (s *frameStream) next() ([]byte, error) {
	for {
		n, err := s.length()
		if err != nil {
			return nil, err
		}
		if n == 0 {
			kind, _, err := s.control("")
			if err != nil {
				return nil, err
			}
			if kind != streamStop {
				continue // what is not known yet
			}
			if s.asked {
				// Who has gone already does not wait for it.
				_ = s.answer(streamFinish, "")
			}
			return nil, io.EOF
		}
		if n > streamMostFrame {
			return nil, fmt.Errorf("%w: %d bytes", errStreamLong, n)
		}
		if cap(s.buf) < n {
			s.buf = make([]byte, n)
		}
		s.buf = s.buf[:n]
		if _, err := io.ReadFull(s.r, s.buf); err != nil {
			return nil, fileCut(err)
		}
		return s.buf, nil
	}
}

// length reads the length before a frame.
func (s *frameStream) length() (int, error) {
	var b [4]byte
	if _, err := io.ReadFull(s.r, b[:]); err != nil {
		return 0, fileCut(err)
	}
	return int(binary.BigEndian.Uint32(b[:])), nil
}

// control reads a control frame behind its escape. fits tells whether what it says of
// the type of the data allows for data; one that says nothing does.
func (s *frameStream) control(data string) (kind uint32, fits bool, err error) {
	n, err := s.length()
	if err != nil {
		return 0, false, err
	}
	if n < 4 || n > streamMostControl {
		return 0, false, errStream
	}
	var buf [streamMostControl]byte
	b := buf[:n]
	if _, err := io.ReadFull(s.r, b); err != nil {
		return 0, false, fileCut(err)
	}
	kind, fits, ok := readControl(b, data)
	if !ok {
		return 0, false, errStream
	}
	return kind, fits, nil
}

// readControl reads a control frame.
func readControl(b []byte, data string) (kind uint32, fits, ok bool) {
	kind, b = binary.BigEndian.Uint32(b), b[4:]
	fits = len(b) == 0
	for len(b) > 0 {
		if len(b) < 8 {
			return 0, false, false
		}
		field, n := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		if b = b[8:]; uint64(n) > uint64(len(b)) {
			return 0, false, false
		}
		fits = fits || field == streamType && string(b[:n]) == data
		b = b[n:]
	}
	return kind, fits, true
}

// answer sends a control frame.
func (s *frameStream) answer(kind uint32, data string) error {
	_, err := s.w.Write(controlFrame(kind, data))
	return err
}

// controlFrame gives a control frame with its escape.
func controlFrame(kind uint32, data string) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 8, 20+len(data)), kind)
	if data != "" {
		b = binary.BigEndian.AppendUint32(b, streamType)
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		b = append(b, data...)
	}
	binary.BigEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/dnstaster/dnstaster/capture"
)

// Any file cut anywhere gives the frames that are whole, and then says that it
// was cut, unless it was between two records.
func TestFileCut(t *testing.T) {
	for name, data := range fileVariants() {
		t.Run(name, func(t *testing.T) {
			whole, clean := fileWhole(t, data), 0
			for n := range data {
				frames, err := fileRead(data[:n])
				switch {
				case err == io.EOF:
					clean++
				case errors.Is(err, io.ErrUnexpectedEOF):
				case n < 4 && errors.Is(err, capture.ErrNotCapture):
				default:
					t.Errorf("cut to %d bytes: %v", n, err)
				}
				if len(frames) > len(whole) {
					t.Fatalf("cut to %d bytes: %d frames", n, len(frames))
				}
				for i, f := range frames {
					if !bytes.Equal(f.Data, whole[i].Data) || f.At != whole[i].At || f.Number != whole[i].Number {
						t.Errorf("cut to %d bytes: frame %d is %+v, want %+v", n, i, f, whole[i])
					}
				}
			}
			// Between records: after the head of a pcap and its first two packets,
			// after each block of a pcapng, and nowhere in what is packed.
			want := 3
			switch {
			case data[0] == 0x1f:
				want = 0
			case data[0] == 0x0a:
				want = fileBlocks(data) - 1
			}
			if clean != want {
				t.Errorf("%d cuts were clean, want %d", clean, want)
			}
		})
	}
}

// fileBlocks counts the blocks of a pcapng file from its end, where no byte
// order is needed but that of the block.
func fileBlocks(data []byte) (n int) {
	for at := 0; at < len(data); n++ {
		little, big := binary.LittleEndian.Uint32(data[at+4:]), binary.BigEndian.Uint32(data[at+4:])
		at += int(min(little, big))
	}
	return n
}

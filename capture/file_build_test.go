package capture_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"testing"

	"github.com/dnstaster/dnstaster/capture"
)

// fileOrder is what both byte orders can do.
type fileOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// fileBuild builds capture files, and does not mind if they are wrong.
type fileBuild struct {
	fileOrder
	out []byte
}

func fileLittle() *fileBuild { return &fileBuild{fileOrder: binary.LittleEndian} }
func fileBig() *fileBuild    { return &fileBuild{fileOrder: binary.BigEndian} }

// fileBoth gives a builder for each byte order.
func fileBoth() map[string]func() *fileBuild {
	return map[string]func() *fileBuild{"little": fileLittle, "big": fileBig}
}

func (b *fileBuild) u16(v ...uint16) []byte {
	var out []byte
	for _, v := range v {
		out = b.AppendUint16(out, v)
	}
	return out
}

func (b *fileBuild) u32(v ...uint32) []byte {
	var out []byte
	for _, v := range v {
		out = b.AppendUint32(out, v)
	}
	return out
}

func (b *fileBuild) add(parts ...[]byte) *fileBuild {
	b.out = append(b.out, bytes.Join(parts, nil)...)
	return b
}

const (
	fileMicro    = 0xa1b2c3d4
	fileNano     = 0xa1b23c4d
	fileModified = 0xa1b2cd34
)

// pcap begins a pcap file of version 2.minor.
func (b *fileBuild) pcap(magic uint32, minor uint16, snap, link uint32) *fileBuild {
	return b.add(b.u32(magic), b.u16(2, minor), b.u32(0, 0, snap, link))
}

// record adds a packet to a pcap file.
func (b *fileBuild) record(sec, fraction, captured, wire uint32, data []byte) *fileBuild {
	return b.add(b.u32(sec, fraction, captured, wire), data)
}

// pad gives data with zeros up to a multiple of four.
func filePad(data []byte) []byte {
	return append(bytes.Clone(data), make([]byte, -len(data)&3)...)
}

// block adds a pcapng block. Its body is padded.
func (b *fileBuild) block(kind uint32, body ...[]byte) *fileBuild {
	all := filePad(bytes.Join(body, nil))
	n := uint32(len(all) + 12)
	return b.add(b.u32(kind, n), all, b.u32(n))
}

// section adds a section header.
func (b *fileBuild) section(options ...[]byte) *fileBuild {
	return b.block(0x0a0d0d0a, b.u32(0x1a2b3c4d), b.u16(1, 0), b.u32(0xffffffff, 0xffffffff), bytes.Join(options, nil))
}

// iface adds the description of an interface.
func (b *fileBuild) iface(link uint16, snap uint32, options ...[]byte) *fileBuild {
	return b.block(1, b.u16(link, 0), b.u32(snap), bytes.Join(options, nil))
}

// option gives an option, padded.
func (b *fileBuild) option(code uint16, value []byte) []byte {
	return append(b.u16(code, uint16(len(value))), filePad(value)...)
}

func (b *fileBuild) uint64(v uint64) []byte { return b.AppendUint64(nil, v) }

// resolution gives options of an interface: in what its times count, and what
// is added to them.
func (b *fileBuild) resolution(unit byte, offset int64) []byte {
	return bytes.Join([][]byte{b.option(9, []byte{unit}), b.option(14, b.uint64(uint64(offset))), b.u32(0)}, nil)
}

// packet adds an enhanced packet block.
func (b *fileBuild) packet(iface uint32, at uint64, wire uint32, data []byte, options ...[]byte) *fileBuild {
	return b.block(6, b.u32(iface, uint32(at>>32), uint32(at), uint32(len(data)), wire), filePad(data), bytes.Join(options, nil))
}

// old adds a packet block as they once were.
func (b *fileBuild) old(iface, drops uint16, at uint64, wire uint32, data []byte) *fileBuild {
	return b.block(2, b.u16(iface, drops), b.u32(uint32(at>>32), uint32(at), uint32(len(data)), wire), data)
}

// simple adds a simple packet block.
func (b *fileBuild) simple(wire uint32, data []byte) *fileBuild {
	return b.block(3, b.u32(wire), data)
}

// fileGzip packs each part as a member of its own.
func fileGzip(parts ...[]byte) []byte {
	var out bytes.Buffer
	for _, p := range parts {
		z := gzip.NewWriter(&out)
		_, _ = z.Write(p)
		_ = z.Close()
	}
	return out.Bytes()
}

// fileRead reads all frames, with copies of their data, and gives the error
// that ended it.
func fileRead(data []byte) ([]capture.Frame, error) {
	r, err := capture.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return fileFrames(r)
}

func fileFrames(src capture.Source) (frames []capture.Frame, err error) {
	for {
		f, err := src.Next()
		if err != nil {
			return frames, err
		}
		f.Data = bytes.Clone(f.Data)
		frames = append(frames, f)
	}
}

// fileWhole reads all frames of a file that must not have an error.
func fileWhole(t testing.TB, data []byte) []capture.Frame {
	t.Helper()
	frames, err := fileRead(data)
	if err != io.EOF {
		t.Fatalf("read %d frames, then %v, want io.EOF", len(frames), err)
	}
	return frames
}

// fileBytes gives n bytes that differ.
func fileBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + n)
	}
	return b
}

// fileVariants gives a small file of each kind, each with three packets.
func fileVariants() map[string][]byte {
	a, b, c := fileBytes(5), fileBytes(0), fileBytes(18)
	files := map[string][]byte{}
	for name, build := range fileBoth() {
		for kind, magic := range map[string]uint32{"micro": fileMicro, "nano": fileNano} {
			files["pcap "+kind+" "+name] = build().pcap(magic, 4, 262144, 1).
				record(1, 2, 5, 5, a).record(3, 4, 0, 60, b).record(5, 6, 18, 18, c).out
		}
		old := build().pcap(fileModified, 4, 65535, 113)
		for _, data := range [][]byte{a, b, c} {
			n := uint32(len(data))
			old.add(old.u32(1, 2, n, n, 7), old.u16(8), []byte{4, 0}, data)
		}
		files["pcap modified "+name] = old.out
		ng := build().section().iface(1, 0).packet(0, 1, 5, a)
		ng.iface(276, 96, ng.resolution(9, 1)).packet(1, 2, 60, b, ng.option(1, []byte("hello")), ng.u32(0))
		files["pcapng "+name] = ng.packet(0, 3, 18, c).out
		ng = build().section().iface(101, 18)
		files["pcapng kinds "+name] = ng.simple(5, a).old(0, 3, 1, 9, b).block(4, ng.u32(0)).simple(300, c).out
		other := fileBoth()[map[string]string{"little": "big", "big": "little"}[name]]()
		other.section().iface(12, 0, other.resolution(0x8a, -1)).packet(0, 1<<40, 0, b)
		ng = build().section().iface(1, 0).packet(0, 1, 5, a).add(other.out)
		files["pcapng sections "+name] = ng.section().iface(228, 0).packet(0, 9, 18, c).out
	}
	files["pcap gzip"] = fileGzip(files["pcap micro little"])
	files["pcapng gzip"] = fileGzip(files["pcapng big"][:50], nil, files["pcapng big"][50:])
	return files
}

package capture

import (
	"encoding/binary"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The places of what the kernel writes into the ring: tpacket_block_desc,
// tpacket3_hdr and sockaddr_ll, in <linux/if_packet.h>. Numbers are in the byte
// order of the host.
const (
	ringBlockStatus = 8
	ringBlockCount  = 12
	ringBlockFirst  = 16
	ringBlockLength = 20
	ringBlockHeader = 48

	ringNextOffset = 0
	ringSeconds    = 4
	ringNanos      = 8
	ringSnapLength = 12
	ringLength     = 16
	ringStatus     = 20
	ringPayload    = 24
	ringAddress    = 48
	ringHeader     = ringAddress + unix.SizeofSockaddrLinklayer
)

const (
	// ringDefault is the size of the whole ring: half a second at 40,000
	// frames of 200 octets a second, and what one host can spare.
	ringDefault = 4 << 20
	// ringBlock is the size of a block, which must hold the largest frame: a
	// datagram of 64 KiB on the loopback interface, and its headers.
	ringBlock = 128 << 10
	// ringRetire is how long the kernel keeps a block that is not full. It is
	// the price in delay for one wake-up per block instead of one per frame.
	ringRetire = 20 * time.Millisecond
	// ringFrame is a hint that TPACKET_V3 checks and does not use.
	ringFrame = 2048
)

// ring is memory that the kernel fills with blocks of frames. A block belongs
// to either side by its status word; nobody reads or writes the rest of one that
// is not theirs. A ring is used by one goroutine.
type ring struct {
	mem   []byte
	block int // size of one
	at    int // offset in mem of the block that is read, or will be next
	open  bool

	// Of the open block:
	left    uint32 // frames not yet given
	next    int    // offset of the next one
	end     int    // of what the kernel wrote
	losing  bool   // frames were lost since the statistics were last asked for
	damaged atomic.Uint64
}

// ringPacket is a frame inside the ring, until its block is released.
type ringPacket struct {
	seconds, nanos uint32
	length         uint32 // on the wire
	status         uint32 // bits TP_STATUS_
	address        []byte // sockaddr_ll
	payload        []byte
}

// ringSizes gives the size of a block and how many there are in size octets.
func ringSizes(size int) (block, blocks int) {
	if size <= 0 {
		size = ringDefault
	}
	block = ringBlock
	for page := os.Getpagesize(); block > page && size/block < 4; {
		block /= 2
	}
	return block, max(size/block, 2)
}

// ringMap gives the socket a ring of about size octets.
func ringMap(fd, size int) ([]byte, int, error) {
	block, blocks := ringSizes(size)
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return nil, 0, os.NewSyscallError("setsockopt PACKET_VERSION", err)
	}
	req := unix.TpacketReq3{
		Block_size:     uint32(block),
		Block_nr:       uint32(blocks),
		Frame_size:     ringFrame,
		Frame_nr:       uint32(block / ringFrame * blocks),
		Retire_blk_tov: uint32(ringRetire.Milliseconds()),
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return nil, 0, os.NewSyscallError("setsockopt PACKET_RX_RING", err)
	}
	mem, err := unix.Mmap(fd, 0, block*blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, 0, os.NewSyscallError("mmap", err)
	}
	return mem, block, nil
}

// status is the word by which the block that is read next changes hands. Its
// loads and stores order those of the rest of the block.
func (r *ring) status() *uint32 {
	return (*uint32)(unsafe.Pointer(&r.mem[r.at+ringBlockStatus]))
}

// acquire opens the next block, if the kernel has handed it over.
func (r *ring) acquire() bool {
	status := atomic.LoadUint32(r.status())
	if status&unix.TP_STATUS_USER == 0 {
		return false
	}
	b := r.mem[r.at : r.at+r.block]
	r.open = true
	r.losing = status&unix.TP_STATUS_LOSING != 0
	r.left = binary.NativeEndian.Uint32(b[ringBlockCount:])
	first := binary.NativeEndian.Uint32(b[ringBlockFirst:])
	length := binary.NativeEndian.Uint32(b[ringBlockLength:])
	if r.left > 0 && (first < ringBlockHeader || length > uint32(r.block) || first > length) {
		r.spoiled()
		return true
	}
	r.next, r.end = int(first), int(length)
	return true
}

// read gives the next frame of the open block. It is false at its end. Offsets
// and lengths are looked at before they are used: they come from shared memory.
func (r *ring) read() (p ringPacket, ok bool) {
	if r.left == 0 {
		return p, false
	}
	b := r.mem[r.at : r.at+r.block : r.at+r.block]
	if r.end-r.next < ringHeader {
		r.spoiled()
		return p, false
	}
	h := b[r.next:r.end]
	offset := uint64(binary.NativeEndian.Uint16(h[ringPayload:]))
	snap := uint64(binary.NativeEndian.Uint32(h[ringSnapLength:]))
	if offset < ringHeader || offset+snap > uint64(len(h)) {
		r.spoiled()
		return p, false
	}
	p = ringPacket{
		seconds: binary.NativeEndian.Uint32(h[ringSeconds:]),
		nanos:   binary.NativeEndian.Uint32(h[ringNanos:]),
		length:  binary.NativeEndian.Uint32(h[ringLength:]),
		status:  binary.NativeEndian.Uint32(h[ringStatus:]),
		address: h[ringAddress:ringHeader],
		payload: h[offset : offset+snap],
	}
	r.left--
	if r.left > 0 {
		step := uint64(binary.NativeEndian.Uint32(h[ringNextOffset:]))
		if step < offset+snap || step > uint64(len(h)) {
			r.spoiled()
			return p, true
		}
		r.next += int(step)
	}
	return p, true
}

// spoiled gives up the rest of a block that makes no sense.
func (r *ring) spoiled() {
	r.damaged.Add(1)
	r.left = 0
}

// release hands the open block back to the kernel. What was read from it is
// gone.
func (r *ring) release() {
	if !r.open {
		return
	}
	r.open = false
	atomic.StoreUint32(r.status(), unix.TP_STATUS_KERNEL)
	if r.at += r.block; r.at+r.block > len(r.mem) {
		r.at = 0
	}
}

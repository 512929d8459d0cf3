package capture

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// MaxRings is how many rings may share what one interface hears.
const MaxRings = 16

// ListenFanout begins to hear with as many rings as said, 1 to MaxRings, each of the
// size in cfg and to be read by a goroutine of its own. The kernel spreads frames over
// them so that everything between two addresses is in one: each can have its own
// Matcher. It needs CAP_NET_RAW.
//
// The kernel's own way to spread, by a hash over addresses and ports, does so too,
// but has the fragments of a datagram, which show no ports, in another ring than the
// query that they answer; and to have it put them together first would hide from us
// which of two that overlap was there before. So a program of ours looks at addresses
// alone.
func ListenFanout(cfg LiveConfig, rings int, log *slog.Logger) ([]*Live, error) {
	if rings < 1 || rings > MaxRings {
		return nil, fmt.Errorf("capture: %d rings: want 1 to %d", rings, MaxRings)
	}
	if rings == 1 {
		l, err := Listen(cfg, log)
		if err != nil {
			return nil, err
		}
		return []*Live{l}, nil
	}
	program, err := bpf.Assemble(fanoutProgram())
	if err != nil {
		return nil, err
	}
	f := &fanout{program: program}
	lives := make([]*Live, 0, rings)
	for i := range rings {
		of := log
		if i > 0 {
			of = slog.New(slog.DiscardHandler) // they all come and go with their interface
		}
		l, err := listen(cfg, f, of)
		if err != nil {
			errs := []error{err}
			for _, l := range lives {
				errs = append(errs, l.Close())
			}
			return nil, errors.Join(errs...)
		}
		lives = append(lives, l)
	}
	return lives, nil
}

// fanout is a group of sockets among which the kernel spreads frames.
type fanout struct {
	program []bpf.RawInstruction

	mu sync.Mutex // guards:
	id uint16     // which the kernel gave; 0 for none yet
}

// join takes a socket, which must be bound, into the group. It is false where others
// are still bound to an interface that was there before.
func (f *fanout) join(socket int) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	const kind = unix.PACKET_FANOUT_CBPF << 16
	how := kind | int(f.id)
	if f.id == 0 {
		how = kind | unix.PACKET_FANOUT_FLAG_UNIQUEID<<16
	}
	switch err := unix.SetsockoptInt(socket, unix.SOL_PACKET, unix.PACKET_FANOUT, how); {
	case f.id != 0 && errors.Is(err, unix.EINVAL):
		return false, nil
	case err != nil:
		return false, os.NewSyscallError("setsockopt PACKET_FANOUT", err)
	}
	// The number is the kernel's to choose, and ours from then on: nobody else's
	// sockets come into the group, nor ours into theirs.
	if f.id == 0 {
		got, err := unix.GetsockoptInt(socket, unix.SOL_PACKET, unix.PACKET_FANOUT)
		if err != nil {
			return false, os.NewSyscallError("getsockopt PACKET_FANOUT", err)
		}
		f.id = uint16(got)
	}
	code := socketFilter(f.program)
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(socket), unix.SOL_PACKET, unix.PACKET_FANOUT_DATA,
		uintptr(unsafe.Pointer(&prog)), unsafe.Sizeof(prog), 0)
	if errno != 0 {
		return false, os.NewSyscallError("setsockopt PACKET_FANOUT_DATA", errno)
	}
	return true, nil
}

// fanoutNetwork is the offset that stands for the network header: where the packet
// itself begins depends on whether it comes or goes (linux/filter.h, SKF_NET_OFF).
const fanoutNetwork = 0xfff00000

// fanoutProgram gives a number that is the same for all packets between two addresses,
// in either direction; 0 for what is no IP, and for what is behind a second VLAN tag.
func fanoutProgram() []bpf.Instruction {
	load := func(off uint32, size int) bpf.Instruction {
		return bpf.LoadAbsolute{Off: fanoutNetwork + off, Size: size}
	}
	// Exclusive or of the addresses, or of the ends of those of IPv6, and all bits of it
	// made to count (Knuth, TAOCP 6.4: multiplication by the golden ratio).
	mix := []bpf.Instruction{
		bpf.ALUOpX{Op: bpf.ALUOpXor},
		bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: 0x9e3779b1},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 16},
		bpf.RetA{},
	}
	code := []bpf.Instruction{
		load(0, 1),
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 6, SkipTrue: uint8(5 + len(mix))},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 4, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		load(12, 4), bpf.TAX{}, load(16, 4),
	}
	code = append(code, mix...)
	code = append(code, load(20, 4), bpf.TAX{}, load(36, 4))
	return append(code, mix...)
}

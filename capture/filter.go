package capture

import (
	"fmt"
	"slices"

	"golang.org/x/net/bpf"
)

const (
	// filterMaxPorts keeps every jump of the program within the eight bits it
	// has.
	filterMaxPorts = 8
	// filterKeep is how much of a frame is kept: all of it.
	filterKeep = 1 << 18
	// filterFail stands for a jump to the end of an alternative, whose place is
	// known only when all of it is there.
	filterFail = 0xff
	// filterShortest is the length of the shortest packet of use: headers of
	// IPv4 and UDP. All loads at fixed places before it are safe.
	filterShortest = 28
)

// filterVersion gives the alternative of a version of IP at an offset.
type filterVersion func(base uint32, ports []uint16) []bpf.Instruction

// filterProgram makes the program by which the kernel picks what it puts into
// the ring. It is run on frames without their link header and lets pass
//
//   - UDP in IPv4, from or to one of the ports, whole or as first fragment (the
//     others do not say their ports);
//   - UDP in IPv6, from or to one of the ports;
//   - any IPv6 that goes on with an extension header, since a program without
//     loops cannot follow these;
//   - the same behind one VLAN tag. The outer one is taken off by the kernel,
//     so there is one only where there were two.
//
// The alternatives are tried one after the other, each falling through to the
// next. A packet could be read as either of two, for what is the version of IP
// in one is the priority in a tag. Each therefore looks at the length before it
// loads what may lie behind the end: such a load ends the program.
func filterProgram(ports []uint16) ([]bpf.RawInstruction, error) {
	if len(ports) == 0 || len(ports) > filterMaxPorts || slices.Contains(ports, 0) {
		return nil, fmt.Errorf("capture: ports %v: need 1 to %d, none of them 0", ports, filterMaxPorts)
	}
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: filterShortest, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
	for _, alternative := range [][]bpf.Instruction{
		filterIPv4(0, ports),
		filterIPv6(0, ports),
		filterTagged(etherIPv4, filterIPv4, ports),
		filterTagged(etherIPv6, filterIPv6, ports),
	} {
		program = append(program, filterJoin(alternative)...)
	}
	return bpf.Assemble(append(program, bpf.RetConstant{Val: 0}))
}

// filterJoin lets the failures of an alternative jump to its end.
func filterJoin(alternative []bpf.Instruction) []bpf.Instruction {
	for i, ins := range alternative {
		rest := uint8(len(alternative) - i - 1)
		switch ins := ins.(type) {
		case bpf.JumpIf:
			if ins.SkipTrue == filterFail {
				ins.SkipTrue = rest
				alternative[i] = ins
			}
		case bpf.JumpIfX:
			if ins.SkipTrue == filterFail {
				ins.SkipTrue = rest
				alternative[i] = ins
			}
		}
	}
	return alternative
}

func filterIPv4(base uint32, ports []uint16) []bpf.Instruction {
	code := []bpf.Instruction{
		bpf.LoadAbsolute{Off: base, Size: 1}, // version
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 4, SkipTrue: filterFail},
		bpf.LoadAbsolute{Off: base + 9, Size: 1}, // protocol
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 17, SkipTrue: filterFail},
		bpf.LoadAbsolute{Off: base + 6, Size: 2}, // fragment offset
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: filterFail},
		bpf.LoadMemShift{Off: base}, // length of the header
		bpf.TXA{},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 20, SkipTrue: filterFail},
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: base + 4}, // end of the ports
		bpf.TAX{},
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIfX{Cond: bpf.JumpLessThan, SkipTrue: filterFail},
		bpf.LoadMemShift{Off: base},
		bpf.LoadIndirect{Off: base, Size: 2}, // source
	}
	code = append(code, filterPorts(ports)...)
	code = append(code, bpf.LoadIndirect{Off: base + 2, Size: 2}) // destination
	return append(code, filterPorts(ports)...)
}

func filterIPv6(base uint32, ports []uint16) []bpf.Instruction {
	code := []bpf.Instruction{
		bpf.LoadAbsolute{Off: base, Size: 1}, // version
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 6, SkipTrue: filterFail},
		bpf.LoadAbsolute{Off: base + 6, Size: 1}, // next header
	}
	// Hop-by-hop, routing, fragment, destination options (RFC 8200, section 4).
	code = append(code, filterAccept(0, 43, 44, 60)...)
	code = append(code,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 17, SkipTrue: filterFail},
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: base + 44, SkipTrue: filterFail},
		bpf.LoadAbsolute{Off: base + 40, Size: 2}, // source
	)
	code = append(code, filterPorts(ports)...)
	code = append(code, bpf.LoadAbsolute{Off: base + 42, Size: 2}) // destination
	return append(code, filterPorts(ports)...)
}

// filterTagged is a version of IP behind a tag that says so.
func filterTagged(ether uint32, version filterVersion, ports []uint16) []bpf.Instruction {
	return append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: ether, SkipTrue: filterFail},
	}, version(4, ports)...)
}

// filterPorts lets pass what was loaded if it is one of the ports.
func filterPorts(ports []uint16) []bpf.Instruction {
	values := make([]uint32, len(ports))
	for i, port := range ports {
		values[i] = uint32(port)
	}
	return filterAccept(values...)
}

func filterAccept(values ...uint32) []bpf.Instruction {
	var code []bpf.Instruction
	for _, v := range values {
		code = append(code,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: v, SkipTrue: 1},
			bpf.RetConstant{Val: filterKeep})
	}
	return code
}

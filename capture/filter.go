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

// filterWanted is what the program is to let pass.
type filterWanted struct {
	ports   []uint16 // of DNS, from or to which
	tunnels bool     // VXLAN and GRE too, whatever is in them
}

// filterVersion gives the alternative of a version of IP at an offset.
type filterVersion func(w filterWanted, base uint32) []bpf.Instruction

// filterProgram makes the program by which the kernel picks what it puts into
// the ring. It is run on frames without their link header and lets pass
//
//   - UDP and TCP, from or to one of the ports;
//   - ICMP and ICMPv6 errors, which may quote such;
//   - what DHCP servers and IPv6 routers say, which name nameservers;
//   - any fragment of these in IPv4. All but the first do not say their ports, and
//     what the first says can be overwritten by one that overlaps it: with which the
//     whole is put together is not for the kernel to guess. How many are kept is
//     bounded where they are put together;
//   - any IPv6 that goes on with an extension header, since a program without
//     loops cannot follow these;
//   - VXLAN and GRE, if they are wanted;
//   - the same behind one VLAN tag. The outer one is taken off by the kernel,
//     so there is one only where there were two.
//
// The alternatives are tried one after the other, each falling through to the
// next. A packet could be read as either of two, for what is the version of IP
// in one is the priority in a tag. Each therefore looks at the length before it
// loads what may lie behind the end: such a load ends the program.
func filterProgram(w filterWanted) ([]bpf.RawInstruction, error) {
	if len(w.ports) == 0 || len(w.ports) > filterMaxPorts || slices.Contains(w.ports, 0) {
		return nil, fmt.Errorf("capture: ports %v: need 1 to %d, none of them 0", w.ports, filterMaxPorts)
	}
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: filterShortest, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
	for _, alternative := range [][]bpf.Instruction{
		filterIPv4(w, 0),
		filterIPv6(w, 0),
		filterTagged(etherIPv4, filterIPv4, w),
		filterTagged(etherIPv6, filterIPv6, w),
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
		case bpf.Jump:
			if ins.Skip == filterFail {
				alternative[i] = bpf.Jump{Skip: uint32(rest)}
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

func filterIPv4(w filterWanted, base uint32) []bpf.Instruction {
	code := []bpf.Instruction{
		bpf.LoadAbsolute{Off: base, Size: 1}, // version
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 4, SkipTrue: filterFail},
		bpf.LoadAbsolute{Off: base + 9, Size: 1}, // protocol
	}
	if w.tunnels {
		code = append(code, filterAccept(protocolGRE)...)
	}
	code = append(code, filterOneOf(protocolUDP, protocolTCP, protocolICMP)...)
	code = append(code,
		bpf.LoadAbsolute{Off: base + 6, Size: 2}, // more to come, and the fragment's offset
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: 0x3fff, SkipTrue: 1},
		bpf.RetConstant{Val: filterKeep},
		bpf.LoadMemShift{Off: base}, // length of the header
		bpf.TXA{},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 20, SkipTrue: filterFail},
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: base + 4}, // end of the ports
		bpf.TAX{},
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIfX{Cond: bpf.JumpLessThan, SkipTrue: filterFail},
		bpf.LoadMemShift{Off: base},
		bpf.LoadAbsolute{Off: base + 9, Size: 1},
	)
	return append(code, w.transport(protocolICMP,
		[]uint32{icmpUnreachable, icmpQuench, icmpRedirect, icmpExceeded},
		func(off uint32, size int) bpf.Instruction { return bpf.LoadIndirect{Off: base + off, Size: size} })...)
}

func filterIPv6(w filterWanted, base uint32) []bpf.Instruction {
	code := []bpf.Instruction{
		bpf.LoadAbsolute{Off: base, Size: 1}, // version
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 6, SkipTrue: filterFail},
		bpf.LoadAbsolute{Off: base + 6, Size: 1}, // next header
	}
	code = append(code, filterAccept(protocolHop, protocolRouting, protocolFragment, protocolOptions)...)
	if w.tunnels {
		code = append(code, filterAccept(protocolGRE)...)
	}
	code = append(code, filterOneOf(protocolUDP, protocolTCP, protocolICMPv6)...)
	code = append(code,
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: base + 44, SkipTrue: filterFail},
		bpf.LoadAbsolute{Off: base + 6, Size: 1},
	)
	return append(code, w.transport(protocolICMPv6,
		[]uint32{icmp6Unreachable, icmp6TooBig, icmp6Exceeded, icmp6Router},
		func(off uint32, size int) bpf.Instruction {
			return bpf.LoadAbsolute{Off: base + 40 + off, Size: size}
		})...)
}

// transport picks by what IP carries: its protocol is loaded, UDP, TCP or the given one
// of errors, and load loads from its header.
func (w filterWanted) transport(protocol uint32, errors []uint32, load func(off uint32, size int) bpf.Instruction) []bpf.Instruction {
	quotes := append([]bpf.Instruction{load(0, 1)}, filterAccept(errors...)...)
	quotes = append(quotes, bpf.Jump{Skip: filterFail})
	code := append([]bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protocol, SkipTrue: uint8(len(quotes))},
	}, quotes...)
	ports := filterPorts(w.ports)
	code = append(append(code, load(0, 2)), ports...) // source
	code = append(append(code, load(2, 2)), ports...) // destination
	code = append(code, filterAccept(portDHCP, portDHCPv6)...)
	if w.tunnels {
		code = append(code, filterAccept(portVXLAN)...)
	}
	return code
}

// filterTagged is a version of IP behind a tag that says so.
func filterTagged(ether uint32, version filterVersion, w filterWanted) []bpf.Instruction {
	return append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: ether, SkipTrue: filterFail},
	}, version(w, 4)...)
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

// filterOneOf fails for what is none of the values.
func filterOneOf(values ...uint32) []bpf.Instruction {
	var code []bpf.Instruction
	for i, v := range values {
		code = append(code, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: uint8(len(values) - i)})
	}
	return append(code, bpf.Jump{Skip: filterFail})
}

package capture

import (
	"time"

	"golang.org/x/sys/unix"
)

// liveCount is how often the kernel is asked for what was lost, while frames
// come and none are lost.
const liveCount = time.Second

// LiveStats are totals since the start, but for Interfaces.
type LiveStats struct {
	Received   uint64 // frames given
	Dropped    uint64 // frames lost, for want of room in the ring
	Freezes    uint64 // times that the ring was full
	Damaged    uint64 // blocks of the ring that made no sense
	Interfaces int    // that are heard now, being up
}

// Stats gives the totals, those of the kernel included. It may be called from
// any goroutine, after Close too.
func (l *Live) Stats() LiveStats {
	l.asking.Lock()
	l.ask()
	gone := l.gone
	l.asking.Unlock()
	s := LiveStats{
		Received: l.received.Load(),
		Dropped:  l.dropped.Load(),
		Freezes:  l.freezes.Load(),
		Damaged:  l.ring.damaged.Load(),
	}
	switch {
	case gone || !l.bound.Load():
	case l.name == "":
		s.Interfaces = interfaceCount()
	default:
		s.Interfaces = 1
	}
	return s
}

// count asks the kernel for its statistics as a block is begun: once a second,
// and where the block says that frames were lost.
func (l *Live) count() {
	now := time.Now()
	if !l.ring.losing && now.Sub(l.counted) < liveCount {
		return
	}
	l.counted = now
	l.asking.Lock()
	defer l.asking.Unlock()
	l.ask()
}

// ask adds the kernel's statistics, which begin from zero whenever they are
// read.
func (l *Live) ask() {
	if l.gone {
		return
	}
	s, err := unix.GetsockoptTpacketStatsV3(l.socket, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return // no ring yet
	}
	l.dropped.Add(uint64(s.Drops))
	l.freezes.Add(uint64(s.Freeze_q_cnt))
}

// Command sender sends the frames of a capture (pcap, Ethernet, little-endian) on
// an interface, at a steady rate or as fast as it can, and says as JSON how that
// went. It says "here", waits for the interface, says "ready", begins with a line
// on its standard input, and ends with that.
//
//	sender -interface NAME [-rate 100000] FILE
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"os"
	"os/exec"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sent is what became of it.
type Sent struct {
	Packets int     `json:"packets"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"` // seconds, of user and system
}

func main() {
	log.SetFlags(0)
	name := flag.String("interface", "", "where to send")
	rate := flag.Int("rate", 0, "frames a second; 0 for as many as go")
	flag.Parse()
	if err := run(*name, *rate, flag.Args()); err != nil {
		log.Fatal("sender: ", err)
	}
}

func run(name string, rate int, files []string) error {
	if len(files) != 1 {
		return errors.New("want one file")
	}
	frames, err := load(files[0])
	if err != nil {
		return err
	}
	if err := silence(); err != nil {
		return err
	}
	fmt.Println("here") // and so is the namespace, for the interface to be put into
	socket, err := open(name)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	fmt.Println("ready")
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		return err
	}
	used := cpu()
	began := time.Now()
	if err := send(socket, frames, rate); err != nil {
		return err
	}
	s := Sent{Packets: len(frames), Seconds: time.Since(began).Seconds(), CPU: (cpu() - used).Seconds()}
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in) // with it its namespace ends, and the interface
	return err
}

func load(file string) ([][]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	const head, record = 24, 16
	if len(text) < head || binary.LittleEndian.Uint32(text) != 0xa1b2c3d4 {
		return nil, fmt.Errorf("%s: not a capture of ours", file)
	}
	var frames [][]byte
	for at := head; at+record < len(text); {
		n := int(binary.LittleEndian.Uint32(text[at+8:]))
		at += record
		if n == 0 || at+n > len(text) {
			return nil, fmt.Errorf("%s: %w", file, unix.EBADMSG)
		}
		frames = append(frames, text[at:at+n])
		at += n
	}
	if len(frames) == 0 {
		return nil, fmt.Errorf("%s: empty", file)
	}
	return frames, nil
}

// silence has interfaces of this namespace say nothing by themselves, as IPv6 does
// when one comes up: what is sent is counted.
func silence() error {
	err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// open waits for the interface, for ten seconds, and makes a socket on it. Frames
// pass by the queue before the device: it would drop some without a word.
func open(name string) (int, error) {
	var device *net.Interface
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if device, err = net.InterfaceByName(name); err == nil {
			break
		}
		if time.Now().After(end) {
			return 0, err
		}
	}
	if out, err := exec.Command("ip", "link", "set", name, "up").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s up: %w: %s", name, err, out)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	return fd, errors.Join(
		unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: device.Index}),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 16<<20),
	)
}

// batch is how many frames a call of sendmmsg(2) takes.
const batch = 32

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	_      uint32 // octets sent
}

// attempts bounds how often a full device is tried again.
const attempts = 1_000_000

func send(socket int, frames [][]byte, rate int) error {
	var messages [batch]message
	var vectors [batch]unix.Iovec
	for i := range messages {
		messages[i].header.Iov = &vectors[i]
		messages[i].header.SetIovlen(1)
	}
	began, failed := time.Now(), 0
	for sent := 0; sent < len(frames); {
		if rate > 0 {
			wait(began.Add(time.Duration(float64(sent) / float64(rate) * float64(time.Second))))
		}
		n := min(batch, len(frames)-sent)
		for i, f := range frames[sent : sent+n] {
			vectors[i].Base = &f[0]
			vectors[i].SetLen(len(f))
		}
		for done := 0; done < n; {
			m, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(socket), uintptr(unsafe.Pointer(&messages[done])), uintptr(n-done), 0, 0, 0)
			if errno != 0 {
				if failed++; failed > attempts {
					return fmt.Errorf("sendmmsg: %w", errno)
				}
				continue
			}
			done += int(m)
		}
		sent += n
	}
	return nil
}

// wait returns at that time, which a sleep alone would miss by a tenth of a
// millisecond.
func wait(until time.Time) {
	const early = 100 * time.Microsecond
	for left := time.Until(until); left > 0; left = time.Until(until) {
		if left > 2*early {
			time.Sleep(left - early)
		}
	}
}

func cpu() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

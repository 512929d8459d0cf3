//go:build lab

package lab

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/lab/world"
	"github.com/dnstaster/dnstaster/monitor"
)

// The ends of the VPN.
const (
	vpnClient = "10.99.0.2"
	vpnServer = "10.99.0.1"
)

// vpn brings a tunnel up, with a resolver behind it that applications ask from
// then on.
var vpn = both(tunnel,
	forwarder("inet", "vpn-dns", "--user=root", "--listen-address="+vpnServer, "--cache-size=0", "--server="+world.Pub3Addr),
	lasting(func(r *Run) error { return answers(r, vpnServer) }),
	nameserver(vpnServer),
)

// tunnel joins two tun devices: what the client sends into its own comes out of
// that of the Internet's router.
func tunnel(r *Run) (world.Undo, error) {
	near, err := openTun(r.w.Client(), "tun0", vpnClient, vpnServer)
	if err != nil {
		return nil, err
	}
	far, err := openTun(r.w.Host("inet"), "tun0", vpnServer, vpnClient)
	if err != nil {
		return near.Close, err
	}
	pump := func(to, from *os.File) {
		packet := make([]byte, 65536)
		for {
			n, err := from.Read(packet)
			if err != nil {
				return // it was closed
			}
			_, _ = to.Write(packet[:n]) // packets may get lost
		}
	}
	go pump(near, far)
	go pump(far, near)
	return world.All(near.Close, far.Close), nil
}

// openTun makes a tun device, which goes when it is closed.
func openTun(h *world.Host, dev, addr, peer string) (*os.File, error) {
	var f *os.File
	err := h.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		req, err := unix.NewIfreq(dev)
		if err != nil {
			return err
		}
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
			return errors.Join(fmt.Errorf("make %s: %w", dev, err), unix.Close(fd))
		}
		f = os.NewFile(uintptr(fd), dev)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, line := range []string{fmt.Sprintf("addr add %s peer %s dev %s", addr, peer, dev), "link set " + dev + " up"} {
		if _, err := h.IP(line, ""); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

// vpnGoes takes the tunnel down, and watches for ten more rounds.
func vpnGoes(r *Run) error {
	if err := r.lift(); err != nil {
		return err
	}
	for range 10 {
		time.Sleep(time.Second)
		v, why, err := r.d.verdict(r.name())
		if err == nil && v != monitor.Clean {
			err = fmt.Errorf("when the VPN was gone: %s %s", v, why)
		}
		if err != nil {
			return err
		}
	}
	if hs := r.s.alerts(); len(hs) > 0 {
		return fmt.Errorf("when the VPN was gone: %v", hs)
	}
	return nil
}

// asleep has the daemon stand still while the VPN goes, the link is down for a
// moment, and applications get another resolver.
func asleep(r *Run) (world.Undo, error) {
	undo, err := vpn(r)
	if err != nil {
		return undo, err
	}
	time.Sleep(5 * time.Second)
	if err := r.d.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return undo, err
	}
	if err = errors.Join(undo(), replug(r)); err != nil {
		return nil, errors.Join(err, r.d.cmd.Process.Signal(syscall.SIGCONT))
	}
	back, err := nameserver(world.ISPAddr)(r)
	time.Sleep(20 * time.Second)
	return back, errors.Join(err, r.d.cmd.Process.Signal(syscall.SIGCONT), answers(r, world.ISPAddr))
}

// replug has the link of the client down for a moment.
func replug(r *Run) (err error) {
	for _, line := range []string{
		"link set eth0 down", "link set eth0 up", "addr replace " + world.ClientAddr6 + "/64 dev eth0 nodad",
		"route replace default via " + world.RouterAddr, "route replace default via " + world.RouterAddr6,
	} {
		_, e := r.w.Client().IP(line, "")
		err = errors.Join(err, e)
	}
	return err
}

// quarantine has the network answer every question itself for the first moments
// after the link came up, as one does that waits for its policy.
func quarantine(r *Run) (world.Undo, error) {
	undo, err := lyingResolver("evil", "#")(r)
	if err != nil {
		return undo, err
	}
	lift, err := r.w.Host("router").NFT("ip", `chain pre { type nat hook prerouting priority dstnat; iifname "lan0" `+udp53+` dnat to `+world.EvilAddr+`:53; }`)
	if err != nil {
		return undo, err
	}
	err = replug(r)
	time.Sleep(2200 * time.Millisecond)
	return undo, errors.Join(err, lift())
}

// sawChange checks that the daemon noticed another network.
func sawChange(r *Run) error {
	if !strings.Contains(r.d.text(), "network changed") {
		return errors.New("the daemon did not notice that the network changed")
	}
	return nil
}

// outdated has a witness and the servers of a shop and a bank show certificates that
// ended a month ago, which is what all of them are where the clock is wrong.
func outdated(r *Run) (world.Undo, error) {
	ended := world.Certificate{CA: "lab-ca", Names: []string{"dns.pub2.lab", world.Pub2Addr}, Age: 400 * 24 * time.Hour}
	path, err := r.w.Certificate("outdated", ended)
	if err != nil {
		return nil, err
	}
	ended.Names = []string{"www.shop.lab", "www.bank.lab"}
	return both(
		func(r *Run) (world.Undo, error) { return r.w.Service("pub2").Set("Cert", path) },
		served("www.shop.lab", ended), served("www.bank.lab", ended),
	)(r)
}

// toldOf checks that a condition of the daemon's health was told of, once.
func toldOf(condition string) func(*Run) error {
	return func(r *Run) error {
		n := 0
		for _, h := range r.s.all() {
			if h.kind == monitor.HealthDegraded && strings.Contains(h.text, condition) {
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("%s was told of %d times, want once", condition, n)
		}
		return nil
	}
}

package resolver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	// maxGetents bounds the processes at a time, maxListing what one may say, in
	// octets: an address takes three lines of some 50.
	maxGetents = 8
	maxListing = 64 << 10

	// notFound is what getent(1) exits with where there is no address.
	notFound = 2
)

// findGetent looks for getent(1) once.
var findGetent = sync.OnceValues(func() (string, error) { return exec.LookPath("getent") })

// lookup is one run of getent(1). Questions for both families of a name that
// come together share it, as it answers both.
type lookup struct {
	done  chan struct{} // closed when all following fields are set
	addrs []netip.Addr
	at    time.Time
	took  time.Duration
	err   error
}

// askSystem asks as applications here do: the C library goes through
// nsswitch.conf, and so through /etc/hosts, caches and modules that no
// nameserver knows of. What it gives has no lifetime, and that it gives nothing
// says nothing: it does not tell that there is no such record from a family
// that this host has no route for, nor from a server that fails. Such an
// outcome has neither error nor response code.
func (a *Asker) askSystem(ctx context.Context, r monitor.Resolver, q monitor.Question, n *tally) monitor.Observation {
	l, err := a.lookup(ctx, q, n)
	if err != nil {
		return failed(err).observation(r)
	}
	o := monitor.From(r, l.at)
	if l.err != nil {
		o.Error = describe(l.err)
		return o
	}
	o.RTT = monitor.Milliseconds(l.took)
	for _, addr := range l.addrs {
		if addr.Is4() == (q.Type == monitor.TypeA) {
			o.Rcode = "NOERROR"
			o.Records = append(o.Records, monitor.Record{Name: q.Name, Type: q.Type, Data: addr.String()})
		}
	}
	return o
}

// lookup joins the run for the name, or begins one, and waits for its end. Who
// began it may give up without spoiling it for others.
func (a *Asker) lookup(ctx context.Context, q monitor.Question, n *tally) (*lookup, error) {
	if !q.Type.Address() {
		return nil, errors.New("the system's lookup gives addresses only")
	}
	name := strings.TrimSuffix(q.Name, ".")
	if !applicable(name) {
		return nil, fmt.Errorf("no application asks for %.80q", name)
	}
	path := a.cfg.Getent
	if path == "" {
		var err error
		if path, err = findGetent(); err != nil {
			return nil, errors.New("getent is not installed")
		}
	}
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return nil, errClosed
	}
	l := a.lookups[name]
	if l == nil {
		l = &lookup{done: make(chan struct{})}
		a.lookups[name] = l
		n.queries.Add(1)
		a.wg.Go(func() {
			a.run(l, path, name)
			a.mu.Lock()
			delete(a.lookups, name)
			a.mu.Unlock()
			close(l.done)
		})
	}
	a.mu.Unlock()
	select {
	case <-l.done:
		return l, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run has getent(1) look name up, within the time of all tries over UDP.
func (a *Asker) run(l *lookup, path, name string) {
	defer func() { l.at = time.Now() }()
	ctx, cancel := context.WithTimeout(a.life, time.Duration(a.cfg.Tries)*a.cfg.Timeout)
	defer cancel()
	select {
	case a.getents <- struct{}{}:
		defer func() { <-a.getents }()
	case <-ctx.Done():
		l.err = ctx.Err()
		if a.life.Err() != nil {
			l.err = errClosed
		}
		return
	}
	began := time.Now()
	out, err := getent(ctx, path, name)
	l.took = time.Since(began)
	var ended *exec.ExitError
	switch {
	case a.life.Err() != nil:
		l.err = errClosed
	case ctx.Err() != nil:
		l.err = ctx.Err()
	case errors.As(err, &ended) && ended.ExitCode() == notFound:
	case errors.As(err, &ended):
		l.err = fmt.Errorf("getent: %s", ended.ProcessState) // a status or a signal: the same each time
	case err != nil:
		l.err = cause(err)
	default:
		l.addrs, l.err = parseAhosts(out)
	}
}

// getent runs getent(1) without a shell. The name goes without its final dot,
// with which /etc/hosts would not be found to have it; that search domains stay
// out of it is for the environment to say, see resolv.conf(5): what they would
// make of the name is another name.
func getent(ctx context.Context, path, name string) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := listing{full: cancel}
	cmd := exec.CommandContext(ctx, path, "ahosts", name)
	cmd.Env = []string{"LC_ALL=C", "LOCALDOMAIN="}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	cmd.Stdout = &out
	err := startBare(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if out.text.Len() > maxListing {
		return nil, errListing
	}
	return out.text.Bytes(), err
}

// ambient are the capabilities that a program started from here would inherit,
// see capabilities(7): those that systemd gave us.
var ambient = sync.OnceValue(func() (held []uintptr) {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if set, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, c, 0, 0); err == nil && set == 1 {
			held = append(held, c)
		}
	}
	return held
})

// startBare starts a program without them: whatever modules it loads need none.
// They are a matter of the thread, which has them back afterwards; one that has
// not is given up.
func startBare(cmd *exec.Cmd) error {
	held := ambient()
	if len(held) == 0 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		runtime.UnlockOSThread()
		return os.NewSyscallError("prctl", err)
	}
	err := cmd.Start()
	for _, c := range held {
		if unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c, 0, 0) != nil {
			return err // and the thread ends with the goroutine
		}
	}
	runtime.UnlockOSThread()
	return err
}

// errListing is of a program that is not getent(1), or of a hosts file beyond reason.
var errListing = errors.New("getent says more than 64 KiB")

// listing is output within bounds. One that is beyond them ends the process,
// which may not care that nobody reads it any more.
type listing struct {
	text bytes.Buffer // not embedded: io.Copy would fill it past Write
	full func()
}

func (l *listing) Write(b []byte) (int, error) {
	l.text.Write(b)
	if l.text.Len() > maxListing {
		l.full()
		return 0, errListing
	}
	return len(b), nil
}

// parseAhosts reads what `getent ahosts` prints: an address, a kind of socket,
// and in the first line a name. Each address is given once, in its place. An
// IPv4 address that is written as IPv6 (RFC 4291 §2.5.5.2) is IPv4: that is
// where a connection goes. The error is of output that is something else.
func parseAhosts(out []byte) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !slices.Contains([]string{"STREAM", "DGRAM", "RAW"}, fields[1]) {
			return nil, fmt.Errorf("getent says %.80q", strings.TrimSpace(line))
		}
		addr, err := netip.ParseAddr(fields[0])
		if err != nil {
			return nil, fmt.Errorf("getent says %.80q", fields[0])
		}
		addr = addr.Unmap().WithZone("")
		if !slices.Contains(addrs, addr) && len(addrs) < maxRecords {
			addrs = append(addrs, addr)
		}
	}
	return addrs, nil
}

// applicable reports whether name is one that an application would look up: of
// letters, digits, hyphens and underscores (RFC 1123 §2.1), and no option.
func applicable(name string) bool {
	return name != "" && name[0] != '-' && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

package resolver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// quiet is how long the files must rest before they are looked at: they are
	// often written in several steps, and a half-written one names no server.
	// That a directory is never at rest does not put it off for longer than restless.
	quiet    = 200 * time.Millisecond
	restless = 2 * time.Second

	// unnoticed is how often they are looked at regardless, for what inotify(7)
	// does not tell of: other mounts, network file systems, and directories far
	// up a path.
	unnoticed = 30 * time.Second

	// maxLinks is how many symbolic links are followed, as many as the kernel does.
	maxLinks = 40
)

// systemFiles are what decides how the C library looks names up, besides
// resolv.conf.
var systemFiles = []string{"/etc/hosts", "/etc/nsswitch.conf"}

// Watch calls changed when what applications on this host are told may have
// become something else: other nameservers, another hosts file, another order
// of the two. It is told so by the kernel, for the directories of the files and
// of every link on the way to them, since they are replaced by rename and may
// be links into /run; where it cannot be told, it looks every 30 s. It returns
// when ctx ends, with nil, or when there is no descriptor to be had, with an
// error; then changes are seen at the next call of Resolvers only. changed is
// called from this goroutine.
func (s *SystemResolvers) Watch(ctx context.Context, changed func()) error {
	files := []string{s.path()}
	if s.Path == "" {
		files = append(files, systemFiles...)
	}
	w, err := newFileWatch(files)
	if err != nil {
		return fmt.Errorf("watch %s: %w", s.path(), err)
	}
	return w.run(ctx, changed)
}

// fileWatch tells when one of some files is another, or has other content.
type fileWatch struct {
	*os.File     // of inotify
	fd       int // the same; File.Fd would make it block
	files    []string
	watched  map[string]int // descriptors, by path
	last     []identity     // of files
	buf      [4096]byte
}

func newFileWatch(files []string) (*fileWatch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	w := &fileWatch{File: os.NewFile(uintptr(fd), "inotify"), fd: fd, files: files, watched: map[string]int{}}
	w.follow()
	w.last = w.look()
	return w, nil
}

// run tells of changes since newFileWatch, and closes w.
func (w *fileWatch) run(ctx context.Context, changed func()) error {
	defer w.Close()
	defer context.AfterFunc(ctx, func() { w.SetReadDeadline(past) })()
	for {
		err := w.wait(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("inotify: %w", err)
		}
		w.follow() // what changes between the two is found again by the next event
		if now := w.look(); !slices.Equal(now, w.last) {
			w.last = now
			changed()
		}
	}
}

// wait returns when something has happened and is over, or may have happened.
func (w *fileWatch) wait(ctx context.Context) error {
	until, latest := unnoticed, time.Duration(0)
	for begun := time.Now(); ; until = min(quiet, latest-time.Since(begun)) {
		w.SetReadDeadline(time.Now().Add(until))
		if ctx.Err() != nil {
			return nil // the deadline may have come in between
		}
		_, err := w.Read(w.buf[:]) // which file it was is found by looking
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if latest == 0 {
			begun, latest = time.Now(), restless
		}
	}
}

// follow has the kernel tell of every file and of every directory through
// which it is named now.
func (w *fileWatch) follow() {
	const mask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
		unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
	needed := map[string]int{}
	for _, f := range w.files {
		for _, path := range way(f) {
			// An error is of what does not exist, or of too many watches: then
			// looking must do.
			if wd, err := unix.InotifyAddWatch(w.fd, path, mask); err == nil {
				needed[path] = wd
			}
		}
	}
	kept := map[int]bool{}
	for _, wd := range needed {
		kept[wd] = true
	}
	for _, wd := range w.watched {
		if !kept[wd] {
			unix.InotifyRmWatch(w.fd, uint32(wd))
		}
	}
	w.watched = needed
}

// way gives the directories in which path and the links that it leads over are
// named, and the file at its end.
func way(path string) []string {
	var all []string
	for range maxLinks {
		all = append(all, filepath.Dir(path))
		to, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return append(all, path)
}

// identity is what a file is told by: the status time changes with every
// write, whoever sets the others back. The zero value is no file.
type identity struct {
	dev, ino uint64
	size     int64
	changed  syscall.Timespec
}

func (w *fileWatch) look() []identity {
	all := make([]identity, len(w.files))
	for i, f := range w.files {
		var st syscall.Stat_t
		if syscall.Stat(f, &st) == nil {
			all[i] = identity{uint64(st.Dev), st.Ino, st.Size, st.Ctim}
		}
	}
	return all
}

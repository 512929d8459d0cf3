package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	slogjournal "github.com/systemd/slog-journal"
)

// Where the log of the daemon goes, and in which form.
const (
	logAuto    = "auto"
	logJournal = "journal"
	logText    = "text"
	logJSON    = "json"
)

// logHandler gives the handler for a format. Under systemd auto is the journal,
// with a level and fields to search by; if that cannot be had it is text, which
// systemd takes from stderr.
func logHandler(format string, level slog.Leveler, stderr io.Writer) (slog.Handler, error) {
	opts := &slog.HandlerOptions{Level: level}
	text := slog.NewTextHandler(stderr, opts)
	switch format {
	case logJSON:
		return slog.NewJSONHandler(stderr, opts), nil
	case logText:
		return text, nil
	case logAuto, logJournal:
	default:
		return nil, usage("--log-format: want auto, journal, text or json, not %q", format)
	}
	if format == logAuto && !toJournal(os.Getenv("JOURNAL_STREAM"), stderr) {
		return text, nil
	}
	h, err := slogjournal.NewHandler(&slogjournal.Options{Level: level, ReplaceAttr: journalAttr, ReplaceGroup: journalKey})
	switch {
	case err == nil:
		return newInWords(h, level), nil
	case format == logAuto:
		slog.New(text).Warn("the journal cannot be reached, logging to stderr", "err", err)
		return text, nil
	}
	return nil, fmt.Errorf("log to the journal: %w", err)
}

// toJournal reports whether stream, which holds device and inode of what systemd
// connected to the journal (systemd.exec(5)), is where stderr still leads: a
// shell under systemd inherits the variable, but not always the stream.
func toJournal(stream string, stderr io.Writer) bool {
	f, ok := stderr.(*os.File)
	if !ok || stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// inWords has the message say what the fields hold as well: that is all that
// journalctl shows.
type inWords struct {
	slog.Handler
	text slog.Handler // writes the fields into line
	line *journalLine
}

type journalLine struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func newInWords(h slog.Handler, level slog.Leveler) inWords {
	l := &journalLine{}
	return inWords{h, slog.NewTextHandler(&l.buf, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && slices.Contains([]string{slog.TimeKey, slog.LevelKey, slog.MessageKey}, a.Key) {
			return slog.Attr{}
		}
		return a
	}}), l}
}

// Handle implements slog.Handler.
func (h inWords) Handle(ctx context.Context, r slog.Record) error {
	h.line.mu.Lock()
	h.line.buf.Reset()
	err := h.text.Handle(ctx, r)
	fields := strings.TrimSpace(h.line.buf.String())
	h.line.mu.Unlock()
	if err != nil {
		return err
	}
	r = r.Clone()
	r.Message = strings.TrimSpace(r.Message + " " + fields)
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h inWords) WithAttrs(as []slog.Attr) slog.Handler {
	return inWords{h.Handler.WithAttrs(as), h.text.WithAttrs(as), h.line}
}

// WithGroup implements slog.Handler.
func (h inWords) WithGroup(name string) slog.Handler {
	return inWords{h.Handler.WithGroup(name), h.text.WithGroup(name), h.line}
}

// journalAttr has an attribute read in the journal as it does in text: there
// numbers of microseconds would stand for durations and times.
func journalAttr(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration, slog.KindTime:
		a.Value = slog.StringValue(a.Value.String())
	}
	return slog.Attr{Key: journalKey(a.Key), Value: a.Value}
}

// journalKey gives a key that the journal takes (systemd.journal-fields(7)): of
// capitals, digits and underscores, beginning with a capital, and ours alone.
func journalKey(key string) string {
	return "DNSTASTER_" + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, key)
}

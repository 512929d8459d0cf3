package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLogHandler(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "")
	for format, want := range map[string]string{
		logJSON: `"msg":"said","n":1`, logText: "msg=said n=1", logAuto: "msg=said n=1",
	} {
		var b bytes.Buffer
		h, err := logHandler(format, slog.LevelInfo, &b)
		if err != nil {
			t.Fatal(err)
		}
		slog.New(h).Info("said", "n", 1)
		slog.New(h).Debug("not said")
		if got := b.String(); !strings.Contains(got, want) || strings.Contains(got, "not said") {
			t.Errorf("%s: %q, want %q in it", format, got, want)
		}
	}
	_, err := logHandler("xml", slog.LevelInfo, os.Stderr)
	var e exit
	if !errors.As(err, &e) || e.status != exitUsage {
		t.Errorf("xml: %v", err)
	}
}

// The journal is used where stderr leads there, not where the variable alone
// was inherited.
func TestToJournal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	ours := fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	for stream, want := range map[string]bool{ours: true, "": false, "1:1": false, "nonsense": false} {
		if got := toJournal(stream, f); got != want {
			t.Errorf("%q: %t, want %t", stream, got, want)
		}
	}
	if toJournal(ours, &bytes.Buffer{}) {
		t.Error("a buffer is taken for the journal")
	}
}

func TestJournalAttr(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ in, want slog.Attr }{
		{slog.Int("n", 1), slog.Int("DNSTASTER_N", 1)},
		{slog.String("rtt.ms-2", "x"), slog.String("DNSTASTER_RTT_MS_2", "x")},
		{slog.String("_PID", "1"), slog.String("DNSTASTER__PID", "1")}, // nobody else's field
		{slog.String("größe", "x"), slog.String("DNSTASTER_GR__E", "x")},
		{slog.Duration("after", 90*time.Second), slog.String("DNSTASTER_AFTER", "1m30s")},
		{slog.Time("at", at), slog.String("DNSTASTER_AT", at.String())},
	} {
		if got := journalAttr(nil, tt.in); !got.Equal(tt.want) {
			t.Errorf("%v: got %v, want %v", tt.in, got, tt.want)
		}
	}
}

// lastMessage keeps the message of the last record.
type lastMessage struct {
	slog.Handler
	message *string
}

func (l lastMessage) Enabled(context.Context, slog.Level) bool { return true }

func (l lastMessage) Handle(_ context.Context, r slog.Record) error {
	*l.message = r.Message
	return nil
}
func (l lastMessage) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l lastMessage) WithGroup(string) slog.Handler      { return l }

func TestInWords(t *testing.T) {
	var got string
	log := slog.New(newInWords(lastMessage{slog.DiscardHandler, &got}, slog.LevelInfo))
	for _, tt := range []struct {
		say  func()
		want string
	}{
		{func() { log.Info("started") }, "started"},
		{func() { log.Warn("alert", "id", "01K", "name", "a b") }, `alert id=01K name="a b"`},
		{func() { log.With("part", "x").WithGroup("g").Info("said", "n", 1) }, "said part=x g.n=1"},
		{func() { log.Info("lines", "err", "one\ntwo") }, `lines err="one\ntwo"`},
	} {
		if tt.say(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

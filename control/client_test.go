package control_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
)

// TestClient asks for everything, and compares with what the daemon holds.
func TestClient(t *testing.T) {
	status := monitor.Status{
		Schema: monitor.StatusSchema, At: noon, Host: "app-17", Verdicts: map[monitor.Verdict]int{monitor.Clean: 1},
		Watches: []monitor.WatchStatus{{Name: "api.example.", Verdict: monitor.Clean}},
	}
	judgements := []monitor.Judgement{{
		Name: "api.example.", Type: monitor.TypeA, Verdict: monitor.Poisoned, Confidence: monitor.Confirmed, At: noon,
		Reasons: []monitor.Reason{}, Against: []string{"<nothing>"}, Answers: []monitor.Observation{},
	}}
	interval := monitor.Interval{Question: monitor.Question{Name: "api.example.", Type: monitor.TypeA}, First: noon, Last: noon, Count: 3}
	var asked []any
	f := newFeed(3)
	log := f.log()
	log.alerts = remembering.alerts
	log.history = func(_ context.Context, q monitor.HistoryQuery) ([]monitor.Interval, error) {
		asked = append(asked, q)
		return []monitor.Interval{interval}, nil
	}
	c := client(t, serve(t, backend{
		status: func(context.Context) (monitor.Status, error) { return status, nil },
		verify: func(_ context.Context, name string, settle monitor.Settle) ([]monitor.Judgement, error) {
			asked = append(asked, name, settle)
			return judgements, nil
		},
		explain: func(_ context.Context, what string) (monitor.Explanation, error) {
			asked = append(asked, what)
			return monitor.Explanation{Judgements: judgements}, nil
		},
	}, log))
	ctx := t.Context()
	check := func(what string, want, got any, err error) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	s, err := c.Status(ctx)
	check("status", status, s, err)
	r, err := c.Verify(ctx, "api.example.", monitor.WholePlan)
	check("verify", judgements, r.Watches, err)
	check("verdict", monitor.Poisoned, r.Verdict, nil)
	e, err := c.Explain(ctx, "API.example")
	check("explain", judgements, e.Judgements, err)
	q := monitor.HistoryQuery{Name: "api.example.", Type: monitor.TypeA, Resolver: "a b&c", Since: noon, Until: noon.Add(time.Hour), Limit: 5}
	is, err := c.History(ctx, q)
	check("history", []monitor.Interval{interval}, is, err)
	_, err = c.History(ctx, monitor.HistoryQuery{Name: "api.example."})
	check("bare history", nil, nil, err)
	p, err := c.Events(ctx, 2, time.Second)
	check("events", control.EventPage{Events: f.list[2:], Next: 3, Last: 3}, p, err)
	for all, want := range map[bool]int{false: 1, true: 2} {
		as, err := c.Alerts(ctx, all)
		check("alerts", want, len(as), err)
	}
	check("what was asked", []any{
		"api.example.", monitor.WholePlan, "api.example.", q, monitor.HistoryQuery{Name: "api.example.", Limit: 10_000},
	}, asked, nil)
}

// TestClientErrors shows that errors of the daemon are, here, what they are there.
func TestClientErrors(t *testing.T) {
	var now error
	c := client(t, serve(t, backend{status: func(context.Context) (monitor.Status, error) { return monitor.Status{}, now }}, memory{}))
	known := []error{monitor.ErrNotWatched, monitor.ErrNoAlert, monitor.ErrAction, context.DeadlineExceeded, control.ErrNoDaemon}
	tests := []struct {
		there error
		text  string
		is    []error
	}{
		{monitor.ErrNotWatched, "not watched", []error{monitor.ErrNotWatched, monitor.ErrNoAlert}},
		{monitor.ErrNoAlert, "no such alert", []error{monitor.ErrNotWatched, monitor.ErrNoAlert}},
		{monitor.ErrAction, "cannot be done", []error{monitor.ErrAction}},
		{context.DeadlineExceeded, "no answer in time: context deadline exceeded", []error{context.DeadlineExceeded}},
		{errors.New("on fire"), "on fire", nil},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			now = tt.there
			_, err := c.Status(t.Context())
			if err == nil || err.Error() != tt.text {
				t.Errorf("got %v, want %s", err, tt.text)
			}
			var is []error
			for _, k := range known {
				if errors.Is(err, k) {
					is = append(is, k)
				}
			}
			if fmt.Sprint(is) != fmt.Sprint(tt.is) {
				t.Errorf("it is %v, want %v", is, tt.is)
			}
		})
	}
}

// TestNoDaemon shows that the words name the socket, and what to do.
func TestNoDaemon(t *testing.T) {
	for name, before := range map[string]func(*testing.T, string){
		"missing": func(*testing.T, string) {}, "stale": stale, "busy": busy,
	} {
		t.Run(name, func(t *testing.T) {
			path := socketPath(t)
			before(t, path)
			_, err := client(t, path).Status(t.Context())
			if !errors.Is(err, control.ErrNoDaemon) || !strings.HasPrefix(err.Error(), path+": ") || strings.Contains(err.Error(), "http://") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// garbler serves something that is no daemon, and gives its path. Each
// connection is left open until the test ends, unless what says otherwise.
func garbler(t *testing.T, says func(net.Conn)) string {
	t.Helper()
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 4096))
			says(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return path
}

// TestGarbage shows that a client ends, with words, whatever the other side says.
func TestGarbage(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	say := func(s string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, s) } }
	endless := func(head, more string) func(net.Conn) {
		return func(c net.Conn) {
			more := strings.Repeat(more, 1<<20/len(more))
			sent := 0
			for n, err := io.WriteString(c, head); err == nil; n, err = io.WriteString(c, more) {
				if sent += n; sent > 80<<20 {
					t.Errorf("the client took %d bytes", sent)
					return
				}
			}
		}
	}
	tests := []struct {
		name string
		says func(net.Conn)
		want string
	}{
		{"nothing", say(""), "the daemon hung up: EOF"},
		{"no HTTP", say("220 mail.example ESMTP\r\n"), "malformed HTTP"},
		{"no JSON", say(ok + "Content-Length: 6\r\n\r\n<html>"), "read what the daemon says: invalid character"},
		{"no body", say(ok + "Content-Length: 0\r\n\r\n"), "read what the daemon says: unexpected end of JSON input"},
		{"other JSON", say(ok + "Content-Length: 2\r\n\r\n[]"), "read what the daemon says: json: cannot unmarshal"},
		{"half a body", say(ok + "Content-Length: 60\r\n\r\n{\"schema\""), "unexpected EOF"},
		{"an error that is no JSON", say("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops"), "502 Bad Gateway"},
		{"an error without words", say("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}"), "500 Internal Server Error"},
		{"a way elsewhere", say("HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\nContent-Length: 0\r\n\r\n"), "stopped after 10 redirects"},
		{"a header without end", endless(ok, "X: y\r\n"), "headers"},
		{"a body without end", endless(ok+"\r\n", "x"), "the daemon says more than 64 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := garbler(t, tt.says)
			_, err := client(t, path).Status(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			var said *control.Error
			if !errors.As(err, &said) && !strings.HasPrefix(err.Error(), path+": ") {
				t.Errorf("%v does not name the socket", err)
			}
		})
	}
}

// TestClientStops shows that a caller who leaves is not held.
func TestClientStops(t *testing.T) {
	taken := make(chan struct{})
	path := garbler(t, func(c net.Conn) {
		close(taken)
		c.Read(make([]byte, 1)) // until the client is gone
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-taken
		cancel()
	}()
	if _, err := client(t, path).Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := client(t, path).Status(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

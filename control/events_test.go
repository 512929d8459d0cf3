package control_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/control"
)

// page is what matters of an EventPage, and how long it took to come.
type page struct {
	Seqs       []uint64
	Next, Last uint64
	After      time.Duration
}

func readPage(t *testing.T, w *httptest.ResponseRecorder, took time.Duration) page {
	t.Helper()
	var p control.EventPage
	if err := json.Unmarshal(w.Body.Bytes(), &p); w.Code != 200 || err != nil {
		t.Fatalf("got %d %s: %v", w.Code, w.Body, err)
	}
	out := page{Next: p.Next, Last: p.Last, After: took}
	for _, e := range p.Events {
		out.Seqs = append(out.Seqs, e.Seq)
	}
	return out
}

// TestEvents asks a log of three events, to which a fourth comes after 20 s.
func TestEvents(t *testing.T) {
	tests := []struct {
		query string
		want  page
	}{
		{"", page{[]uint64{1, 2, 3}, 3, 3, 0}},
		{"after=1", page{[]uint64{2, 3}, 3, 3, 0}},
		{"after=1&wait=30s", page{[]uint64{2, 3}, 3, 3, 0}},
		{"after=0&max=2", page{[]uint64{1, 2}, 2, 3, 0}},
		{"after=3", page{nil, 3, 3, 0}},
		{"after=3&wait=0s", page{nil, 3, 3, 0}},
		{"after=3&wait=-5s", page{nil, 3, 3, 0}},
		{"after=3&wait=30s", page{[]uint64{4}, 4, 4, 20 * time.Second}},
		{"after=3&wait=5s", page{nil, 3, 3, 5 * time.Second}},
		{"after=3&wait=1000h", page{[]uint64{4}, 4, 4, 20 * time.Second}},
		{"after=4&wait=1000h", page{nil, 4, 4, time.Minute}},
		{"after=99&wait=30s", page{nil, 99, 4, 30 * time.Second}},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFeed(3)
				time.AfterFunc(20*time.Second, f.add)
				began := time.Now()
				w := ask(newServer(backend{}, f.log()), "GET", "/v1/events?"+tt.query, "")
				if diff := cmp.Diff(tt.want, readPage(t, w, time.Since(began))); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				time.Sleep(time.Minute) // of the bubble: the feed's timer ends too
			})
		})
	}
}

func TestEventsAreBounded(t *testing.T) {
	f := newFeed(1200)
	for _, query := range []string{"", "max=1000", "max=1001", "max=5000"} {
		w := ask(newServer(backend{}, f.log()), "GET", "/v1/events?"+query, "")
		if p := readPage(t, w, 0); len(p.Seqs) != 1000 || p.Next != 1000 || p.Last != 1200 {
			t.Errorf("%q gives %d events, next %d, last %d; want 1000, 1000, 1200", query, len(p.Seqs), p.Next, p.Last)
		}
	}
}

// TestLongPoll waits over a connection for longer than requests and responses
// may take to pass it, and then again over the same connection.
func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newFeed(0), newPipes()
		start(t, newServer(backend{}, f.log()), p)
		c := p.http(t)
		for i := range 3 {
			time.AfterFunc(50*time.Second, f.add)
			began := time.Now()
			var got control.EventPage
			// A body is of no use here, and does no harm either.
			getJSON(t, c, fmt.Sprintf("http://d/v1/events?after=%d&wait=1m", i), strings.Repeat(" ", i), &got)
			if took := time.Since(began); took != 50*time.Second || len(got.Events) != 1 || got.Next != uint64(i+1) {
				t.Errorf("after %s came %+v", took, got)
			}
			time.Sleep(time.Minute)
		}
	})
}

// TestLongPollEnds shows that nobody is waited for in vain.
func TestLongPollEnds(t *testing.T) {
	t.Run("with the server", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes()
			stop := start(t, newServer(backend{}, newFeed(0).log()), p)
			c := p.http(t)
			time.AfterFunc(3*time.Second, stop)
			began := time.Now()
			resp, err := c.Get("http://d/v1/events?wait=1m")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var got struct{ Error string }
			json.NewDecoder(resp.Body).Decode(&got)
			if resp.StatusCode != http.StatusServiceUnavailable || got.Error != "the daemon is stopping" {
				t.Errorf("got %d %q", resp.StatusCode, got.Error)
			}
			if took := time.Since(began); took != 3*time.Second {
				t.Errorf("ended after %s, want 3s", took)
			}
		})
	})
	t.Run("with the client", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			waits := make(chan error, 1)
			l := memory{
				last: func() uint64 { return 0 },
				wait: func(ctx context.Context, _ uint64) error {
					<-ctx.Done()
					waits <- context.Cause(ctx)
					return ctx.Err()
				},
			}
			p := newPipes()
			start(t, newServer(backend{}, l), p)
			began := time.Now()
			conn := p.dial(t, "GET /v1/events?wait=1m HTTP/1.1\r\nHost: d\r\n\r\n")
			synctest.Wait()
			conn.Close()
			if err := <-waits; err != context.Canceled || time.Since(began) != 0 {
				t.Errorf("the wait ended after %s with %v", time.Since(began), err)
			}
		})
	})
}

func getJSON(t *testing.T, c *http.Client, url, body string, to any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(to); err != nil {
		t.Fatal(err)
	}
}

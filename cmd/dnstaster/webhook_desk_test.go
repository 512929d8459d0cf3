package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// receiver takes what webhooks send, slowly if it is told so.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	ids  []string
	way  []string      // the path before the id
	hold chan struct{} // if not nil, an answer waits for it
	came chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{came: make(chan struct{}, 4096)}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	io.Copy(io.Discard, req.Body)
	r.mu.Lock()
	id := req.Header.Get("webhook-id")
	id = id[strings.LastIndexByte(id, '-')+1:]
	r.ids, r.way = append(r.ids, id), append(r.way, req.URL.Path+" "+id)
	hold := r.hold
	r.mu.Unlock()
	r.came <- struct{}{}
	if hold != nil {
		<-hold
	}
}

// wait waits until n requests came.
func (r *receiver) wait(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-r.came:
		case <-time.After(awaitLimit):
			t.Fatalf("only %q came", r.got())
		}
	}
}

func (r *receiver) ways() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.way)
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids)
}

// However often a webhook changes while events are on their way, each of them
// arrives once, and in order.
func TestReloadWebhooks(t *testing.T) {
	hooks := newReceiver(t)
	r := newReloadTest(t, nil)
	r.file(t, "ops.url", hooks.URL)
	r.file(t, "more.url", hooks.URL+"/more")
	secrets := []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}
	r.file(t, "ops.secret", secrets[0])
	section := "[{name: ops, url_file: ops.url, secret_file: ops.secret}]"
	r.write(t, map[string]string{"webhooks": section})
	if err := r.reread(t); err != nil {
		t.Fatal(err)
	}
	const rounds, each = 10, 5
	var want []string
	// A sender that is new starts at the end of the log: it must have begun.
	r.await(t, func() bool {
		_, ok, err := r.store.Cursor(t.Context(), "ops")
		return ok && err == nil
	})
	for i := range rounds {
		r.tell(t, each)
		for j := range each {
			want = append(want, fmt.Sprint(i*each+j+1))
		}
		r.file(t, "ops.secret", secrets[(i+1)%2])
		if i%3 == 2 { // one that is only renamed in place, one that goes elsewhere
			r.write(t, map[string]string{"webhooks": strings.Replace(section, "ops.url", []string{"more.url", "ops.url"}[i%2], 1)})
		}
		if err := r.reread(t); err != nil {
			t.Fatal(err)
		}
	}
	hooks.wait(t, len(want))
	if diff := cmp.Diff(want, hooks.got()); diff != "" {
		t.Errorf("events that arrived (-want +got):\n%s", diff)
	}
}

func (r *reloadTest) await(t *testing.T, right func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), awaitLimit)
	defer cancel()
	for !right() {
		if !sleep(ctx, 5*time.Millisecond) {
			t.Fatal("it never came to that")
		}
	}
}

// An event that is on its way when the webhook changes is waited for, and one
// that nothing is changed about goes on without noticing.
func TestReloadInFlight(t *testing.T) {
	for name, changes := range map[string]bool{"changed": true, "unchanged": false} {
		t.Run(name, func(t *testing.T) {
			hooks := newReceiver(t)
			hooks.hold = make(chan struct{})
			r := newReloadTest(t, nil)
			r.file(t, "ops.url", hooks.URL)
			r.write(t, map[string]string{"webhooks": "[{name: ops, url_file: ops.url}]"})
			if err := r.reread(t); err != nil {
				t.Fatal(err)
			}
			r.await(t, func() bool {
				_, ok, err := r.store.Cursor(t.Context(), "ops")
				return ok && err == nil
			})
			before := r.parts.Load().desks[0]
			r.tell(t, 2)
			hooks.wait(t, 1)
			if changes {
				r.file(t, "ops.url", hooks.URL+"/other")
			} else {
				r.write(t, map[string]string{"webhooks": "\n  - name: ops # in other words\n    url_file: ops.url"})
			}
			done := make(chan error, 1)
			go func() { done <- r.daemon.reread(t.Context(), r.read) }()
			if changes {
				r.await(t, func() bool {
					before.gate.mu.Lock()
					defer before.gate.mu.Unlock()
					return before.gate.closing
				})
			} else if err := <-done; err != nil {
				t.Fatal(err)
			}
			close(hooks.hold)
			if changes {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			if same := r.parts.Load().desks[0] == before; same == changes {
				t.Errorf("the sender is the same: %t", same)
			}
			r.tell(t, 1)
			hooks.wait(t, 2)
			want := []string{"/ 1", "/ 2", "/ 3"}
			if changes { // what was not on its way goes the new way already
				want = []string{"/ 1", "/other 2", "/other 3"}
			}
			if diff := cmp.Diff(want, hooks.ways()); diff != "" {
				t.Errorf("events that arrived (-want +got):\n%s", diff)
			}
		})
	}
}

// An endpoint that answers nothing keeps no reload waiting, and a webhook that
// is taken off gets nothing any more.
func TestReloadHungWebhook(t *testing.T) {
	hooks := newReceiver(t)
	hooks.hold = make(chan struct{})
	defer close(hooks.hold)
	r := newReloadTest(t, nil)
	r.file(t, "ops.url", hooks.URL)
	r.write(t, map[string]string{"webhooks": "[{name: ops, url_file: ops.url}]"})
	if err := r.reread(t); err != nil {
		t.Fatal(err)
	}
	r.await(t, func() bool {
		_, ok, err := r.store.Cursor(t.Context(), "ops")
		return ok && err == nil
	})
	r.tell(t, 1)
	hooks.wait(t, 1)
	r.write(t, nil)
	if err := r.reread(t); err != nil {
		t.Fatal(err)
	}
	if n := len(r.parts.Load().desks); n != 0 {
		t.Errorf("%d webhooks are left", n)
	}
}

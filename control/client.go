package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// ErrNoDaemon is returned when nobody answers at the socket.
var ErrNoDaemon = errors.New("no daemon answers")

// Bounds of what a client takes from a daemon that is not well.
const (
	answerTime = askTime + 5*time.Second // for an answer that waits for nothing; a daemon in order says so earlier itself
	maxAnswer  = 64 << 20
)

// Client asks the daemon. It may be used from many goroutines.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient makes a client of the daemon at a socket. Connecting may take dial
// at most: the socket is on this machine, so a daemon that does not take the
// call at once is stuck.
func NewClient(socket string, dial time.Duration) *Client {
	d := net.Dialer{Timeout: dial}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
	}}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks how everything is doing.
func (c *Client) Status(ctx context.Context) (monitor.Status, error) {
	return get[monitor.Status](ctx, c, answerTime, "/v1/status", nil)
}

// Alerts asks for open alerts, or all that are remembered; the newest first.
func (c *Client) Alerts(ctx context.Context, all bool) ([]monitor.Alert, error) {
	q := url.Values{}
	if all {
		q.Set("state", "all")
	}
	page, err := get[struct{ Alerts []monitor.Alert }](ctx, c, answerTime, "/v1/alerts", q)
	return page.Alerts, err
}

// Act carries out an action on an alert.
func (c *Client) Act(ctx context.Context, id string, a monitor.Action, n monitor.Note) (monitor.Alert, error) {
	return post[monitor.Alert](ctx, c, "/v1/alerts/"+url.PathEscape(id)+"/"+url.PathEscape(string(a)), n)
}

// Events asks for the events after one, waiting at most wait for the first.
func (c *Client) Events(ctx context.Context, after uint64, wait time.Duration) (EventPage, error) {
	return get[EventPage](ctx, c, answerTime+min(max(wait, 0), maxWait), "/v1/events", url.Values{"after": {strconv.FormatUint(after, 10)}, "wait": {wait.String()}})
}

// History asks what each resolver answered.
func (c *Client) History(ctx context.Context, q monitor.HistoryQuery) ([]monitor.Interval, error) {
	v := url.Values{"name": {q.Name}}
	if q.Type != 0 {
		v.Set("type", q.Type.String())
	}
	if q.Resolver != "" {
		v.Set("resolver", q.Resolver)
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.Format(time.RFC3339))
	}
	if !q.Until.IsZero() {
		v.Set("until", q.Until.Format(time.RFC3339))
	}
	if q.Via != "" {
		v.Set("via", string(q.Via))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	page, err := get[struct{ Intervals []monitor.Interval }](ctx, c, answerTime, "/v1/history", v)
	return page.Intervals, err
}

// Unwatched asks what was overheard of a name that nobody watches. asked is an address
// that may be in its answers; it need not be valid.
func (c *Client) Unwatched(ctx context.Context, name string, asked netip.Addr) ([]monitor.Stranger, error) {
	v := url.Values{"name": {name}}
	if asked.IsValid() {
		v.Set("address", asked.String())
	}
	page, err := get[struct{ Unwatched []monitor.Stranger }](ctx, c, answerTime, "/v1/unwatched", v)
	return page.Unwatched, err
}

// Verify asks for a fresh verdict on a watched name.
func (c *Client) Verify(ctx context.Context, name string, settle monitor.Settle) (monitor.Report, error) {
	return get[monitor.Report](ctx, c, answerTime+verifyTime, "/v1/verify", url.Values{"name": {name}, "whole": {strconv.FormatBool(bool(settle))}})
}

// Explain asks for every reason and fact about a name or an alert.
func (c *Client) Explain(ctx context.Context, what string) (monitor.Explanation, error) {
	return get[monitor.Explanation](ctx, c, answerTime, "/v1/explain", url.Values{"what": {what}})
}

// Pins asks what may be pinned of a watched name, or of all where it is empty.
func (c *Client) Pins(ctx context.Context, name string) (monitor.Pins, error) {
	v := url.Values{}
	if name != "" {
		v.Set("name", name)
	}
	return get[monitor.Pins](ctx, c, answerTime, "/v1/pins", v)
}

func get[T any](ctx context.Context, c *Client, within time.Duration, path string, q url.Values) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	u := "http://dnstaster" + path
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		var zero T
		return zero, err
	}
	return do[T](c, req)
}

func post[T any](ctx context.Context, c *Client, path string, what any) (v T, err error) {
	body, err := json.Marshal(what)
	if err != nil {
		return v, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://dnstaster"+path, bytes.NewReader(body))
	if err != nil {
		return v, err
	}
	return do[T](c, req)
}

// do sends a request and reads the answer. Errors that the daemon names come
// back as what they are.
func do[T any](c *Client, req *http.Request) (v T, err error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return v, c.explain(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return v, c.explain(err)
	}
	if len(body) > maxAnswer {
		return v, fmt.Errorf("%s: the daemon says more than %d MiB", c.socket, maxAnswer>>20)
	}
	if resp.StatusCode != http.StatusOK {
		var e struct{ Error string }
		if json.Unmarshal(body, &e) != nil || e.Error == "" {
			e.Error = resp.Status
		}
		return v, &Error{Status: resp.StatusCode, Text: e.Error}
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("%s: read what the daemon says: %w", c.socket, err)
	}
	return v, nil
}

// explain turns what a socket says into what a person can act on.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w: join the group of the socket (usermod -aG dnstaster USER) and log in again", c.socket, fs.ErrPermission)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: %w: is it running? (systemctl status dnstaster, or dnstaster run)", c.socket, ErrNoDaemon)
	case errors.Is(err, syscall.EAGAIN): // as many calls wait as the kernel lets wait
		return fmt.Errorf("%s: %w: it is stuck and takes no more calls", c.socket, ErrNoDaemon)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s: the daemon hung up: %w", c.socket, io.EOF)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: the daemon does not answer in time: %w", c.socket, context.DeadlineExceeded)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%s: %w", c.socket, err)
}

// Error is what the daemon answers in place of what was asked for.
type Error struct {
	Status int // of HTTP
	Text   string
}

func (e *Error) Error() string { return e.Text }

// Is tells errors that the daemon names apart by their status.
func (e *Error) Is(target error) bool {
	switch target {
	case monitor.ErrNotWatched, monitor.ErrNoAlert:
		return e.Status == http.StatusNotFound
	case monitor.ErrAction:
		return e.Status == http.StatusBadRequest
	case context.DeadlineExceeded:
		return e.Status == http.StatusGatewayTimeout
	}
	return false
}

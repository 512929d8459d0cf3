package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/monitor"
)

// Backend is what judges.
type Backend interface {
	Status(ctx context.Context) (monitor.Status, error)
	Verify(ctx context.Context, name string, settle monitor.Settle) ([]monitor.Judgement, error)
	Explain(ctx context.Context, what string) (monitor.Explanation, error)
	Act(ctx context.Context, id string, a monitor.Action, n monitor.Note) (monitor.Alert, error)
	Drill(ctx context.Context, d monitor.DrillOrder) (monitor.Alert, error)
	Pins(ctx context.Context, name string) (monitor.Pins, error)
}

// Log is what remembers.
type Log interface {
	Events(ctx context.Context, after uint64, most int) ([]monitor.Event, error)
	Wait(ctx context.Context, after uint64) error
	Last() uint64
	History(ctx context.Context, q monitor.HistoryQuery) ([]monitor.Interval, error)
	Unwatched(ctx context.Context, name string, asked netip.Addr) ([]monitor.Stranger, error)
	Alerts(ctx context.Context, since time.Time) ([]monitor.Alert, error)
	Proofs(ctx context.Context, alert string) ([]monitor.Sample, error)
}

// Config is what a Server works with.
type Config struct {
	Backend Backend
	Log     Log
	Metrics http.Handler // serves /metrics
}

// Server answers on the control socket.
type Server struct {
	cfg  Config
	log  *slog.Logger
	mux  *http.ServeMux
	http *http.Server
}

// Bounds of what one request may ask for.
const (
	askTime      = 10 * time.Second // for the core, or the log, to answer
	verifyTime   = 2 * time.Minute
	maxWait      = time.Minute // of /v1/events
	maxEvents    = 1000
	maxIntervals = 10_000
)

// New makes a server; Serve starts it.
func New(cfg Config, log *slog.Logger) *Server {
	s := &Server{cfg: cfg, log: log, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /v1/status", within(askTime, s.status))
	s.mux.HandleFunc("GET /v1/alerts", within(askTime, s.alerts))
	s.mux.HandleFunc("POST /v1/alerts/{id}/{action}", within(askTime, s.act))
	s.mux.HandleFunc("POST /v1/drill", within(askTime, s.drill))
	s.mux.HandleFunc("GET /v1/events", within(askTime+maxWait, s.events))
	s.mux.HandleFunc("GET /v1/history", within(askTime, s.history))
	s.mux.HandleFunc("GET /v1/unwatched", within(askTime, s.unwatched))
	s.mux.HandleFunc("GET /v1/verify", within(verifyTime, s.verify))
	s.mux.HandleFunc("GET /v1/explain", within(askTime, s.explain))
	s.mux.HandleFunc("GET /v1/pins", within(askTime, s.pins))
	s.mux.HandleFunc("GET /v1/evidence/{id}", within(askTime, s.evidence))
	s.mux.HandleFunc("GET /v1/health", within(askTime, s.health))
	if cfg.Metrics != nil {
		s.mux.Handle("GET /metrics", cfg.Metrics)
	}
	s.http = &http.Server{
		Handler: s, ReadTimeout: requestTime, MaxHeaderBytes: 16 << 10, IdleTimeout: 2 * time.Minute,
		ConnContext: withPeer, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve answers until ctx ends, and returns nil then. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	requests, cancel := context.WithCancel(ctx)
	defer cancel()
	s.http.BaseContext = func(net.Listener) context.Context { return requests }
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if s.http.Shutdown(short) != nil {
			s.http.Close()
		}
	})
	err := s.http.Serve(l)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		s.http.Close()
		return err
	}
	<-stopped
	return nil
}

type peerKey struct{}

// withPeer keeps the user id of whoever connected.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	uid := -1
	if u, ok := c.(*net.UnixConn); ok {
		if raw, err := u.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) {
				if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
					uid = int(cred.Uid)
				}
			})
		}
	}
	return context.WithValue(ctx, peerKey{}, uid)
}

// peer gives the user id of whoever asks, -1 where the kernel did not say.
func peer(ctx context.Context) int {
	if uid, ok := ctx.Value(peerKey{}).(int); ok {
		return uid
	}
	return -1
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	st, err := s.cfg.Backend.Status(r.Context())
	reply(w, st, err)
}

func (s *Server) alerts(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	all := state == "all"
	if !all && state != "open" && state != "" {
		fail(w, http.StatusBadRequest, "state: neither open nor all")
		return
	}
	since := time.Now()
	if all {
		since = time.Time{}
	}
	as, err := s.cfg.Log.Alerts(r.Context(), since)
	out := []monitor.Alert{}
	for i := len(as) - 1; i >= 0; i-- {
		if all || as[i].State != monitor.Resolved {
			out = append(out, as[i])
		}
	}
	reply(w, map[string]any{"alerts": out}, err)
}

func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	var n monitor.Note
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		fail(w, http.StatusBadRequest, "body: "+err.Error())
		return
	}
	n.UID = peer(r.Context())
	a, err := s.cfg.Backend.Act(r.Context(), r.PathValue("id"), monitor.Action(r.PathValue("action")), n)
	reply(w, a, err)
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	after, err := strconv.ParseUint(cmp.Or(q.Get("after"), "0"), 10, 64)
	if err != nil {
		fail(w, http.StatusBadRequest, "after: not a number")
		return
	}
	wait, err := time.ParseDuration(cmp.Or(q.Get("wait"), "0"))
	if err != nil {
		fail(w, http.StatusBadRequest, "wait: not a duration")
		return
	}
	most, err := strconv.Atoi(cmp.Or(q.Get("max"), "0"))
	if err != nil || most < 0 {
		fail(w, http.StatusBadRequest, "max: not a number")
		return
	}
	if most == 0 || most > maxEvents {
		most = maxEvents
	}
	if wait > 0 && s.cfg.Log.Last() <= after {
		ctx, cancel := context.WithTimeout(r.Context(), min(wait, maxWait))
		err := s.cfg.Log.Wait(ctx, after)
		cancel()
		if err != nil && r.Context().Err() != nil {
			reply(w, nil, r.Context().Err())
			return
		}
	}
	es, err := s.cfg.Log.Events(r.Context(), after, most)
	if es == nil {
		es = []monitor.Event{}
	}
	next := after
	if len(es) > 0 {
		next = es[len(es)-1].Seq
	}
	reply(w, EventPage{Events: es, Next: next, Last: s.cfg.Log.Last()}, err)
}

func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	q := monitor.HistoryQuery{Resolver: v.Get("resolver"), Limit: maxIntervals}
	var err error
	if q.Name, err = monitor.ParseName(v.Get("name")); err != nil {
		fail(w, http.StatusBadRequest, "name: "+err.Error())
		return
	}
	if t := v.Get("type"); t != "" {
		if q.Type, err = monitor.ParseType(t); err != nil {
			fail(w, http.StatusBadRequest, "type: "+err.Error())
			return
		}
	}
	switch q.Via = monitor.Via(v.Get("via")); q.Via {
	case "", monitor.Probe, monitor.Wire:
	default:
		fail(w, http.StatusBadRequest, "via: want probe or wire")
		return
	}
	for key, to := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if t := v.Get(key); t != "" {
			if *to, err = time.Parse(time.RFC3339, t); err != nil {
				fail(w, http.StatusBadRequest, key+": not a time of RFC 3339")
				return
			}
		}
	}
	if n := v.Get("limit"); n != "" {
		if q.Limit, err = strconv.Atoi(n); err != nil || q.Limit < 1 || q.Limit > maxIntervals {
			fail(w, http.StatusBadRequest, "limit: not a number from 1 to 10000")
			return
		}
	}
	is, err := s.cfg.Log.History(r.Context(), q)
	if is == nil {
		is = []monitor.Interval{}
	}
	reply(w, map[string]any{"intervals": is}, err)
}

// unwatched tells what was overheard of a name that nobody watches.
func (s *Server) unwatched(w http.ResponseWriter, r *http.Request) {
	name, err := monitor.ParseName(r.URL.Query().Get("name"))
	if err != nil {
		fail(w, http.StatusBadRequest, "name: "+err.Error())
		return
	}
	var asked netip.Addr
	if a := r.URL.Query().Get("address"); a != "" {
		if asked, err = netip.ParseAddr(a); err != nil {
			fail(w, http.StatusBadRequest, "address: not an IP address")
			return
		}
	}
	ss, err := s.cfg.Log.Unwatched(r.Context(), name, asked)
	if ss == nil {
		ss = []monitor.Stranger{}
	}
	reply(w, map[string]any{"unwatched": ss}, err)
}

func (s *Server) verify(w http.ResponseWriter, r *http.Request) {
	name, err := monitor.ParseName(r.URL.Query().Get("name"))
	if err != nil {
		fail(w, http.StatusBadRequest, "name: "+err.Error())
		return
	}
	whole, err := strconv.ParseBool(cmp.Or(r.URL.Query().Get("whole"), "false"))
	if err != nil {
		fail(w, http.StatusBadRequest, "whole: neither true nor false")
		return
	}
	js, err := s.cfg.Backend.Verify(r.Context(), name, monitor.Settle(whole))
	reply(w, monitor.NewReport(time.Now(), js, nil), err)
}

// EventPage is what /v1/events gives.
type EventPage struct {
	Events []monitor.Event `json:"events"`
	Next   uint64          `json:"next"` // what to ask for after these
	Last   uint64          `json:"last"` // the newest there is
}

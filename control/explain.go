package control

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// shortID is how much of an alert's id must be given at least, as in the core.
const shortID = 8

// explain takes a name, or the id of an alert, which holds no dot. The core
// knows the alerts that may still change, the log all that are remembered.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	what := r.URL.Query().Get("what")
	name, err := monitor.ParseName(what)
	if err != nil { // every id is a name too, in its form
		fail(w, http.StatusBadRequest, "what: "+err.Error())
		return
	}
	if strings.Contains(what, ".") {
		e, err := s.cfg.Backend.Explain(r.Context(), name)
		reply(w, e, err)
		return
	}
	e, unknown := s.cfg.Backend.Explain(r.Context(), what)
	if !errors.Is(unknown, monitor.ErrNotWatched) {
		reply(w, e, unknown)
		return
	}
	e, found, err := s.remembered(r.Context(), what)
	if found || err != nil {
		reply(w, e, err)
		return
	}
	if e, err = s.cfg.Backend.Explain(r.Context(), name); errors.Is(err, monitor.ErrNotWatched) {
		err = unknown // in the words that were asked in
	}
	reply(w, e, err)
}

// remembered explains the one alert in the log whose id begins so: the alert as
// it was written last, beside what is held of its name today.
func (s *Server) remembered(ctx context.Context, id string) (e monitor.Explanation, found bool, err error) {
	if len(id) < shortID {
		return e, false, nil
	}
	as, err := s.cfg.Log.Alerts(ctx, time.Time{})
	if err != nil {
		return e, false, err
	}
	for _, a := range as {
		if strings.HasPrefix(a.ID, strings.ToUpper(id)) {
			e.Alerts = append(e.Alerts, a)
		}
	}
	if len(e.Alerts) != 1 {
		return e, false, nil
	}
	now, err := s.cfg.Backend.Explain(ctx, e.Alerts[0].Name)
	if err != nil && !errors.Is(err, monitor.ErrNotWatched) {
		return e, false, err
	}
	if e.Judgements = now.Judgements; e.Judgements == nil {
		e.Judgements = []monitor.Judgement{}
	}
	return e, true, nil
}

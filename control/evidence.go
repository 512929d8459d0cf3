package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// Evidence is an alert with the samples that it rests on, as they were kept
// when it opened, rose, or came to rest on other rules.
type Evidence struct {
	Alert   monitor.Alert    `json:"alert"`
	Samples []monitor.Sample `json:"samples"`
}

// evidence takes the id of an alert, or its first characters.
func (s *Server) evidence(w http.ResponseWriter, r *http.Request) {
	e, err := s.proofs(r.Context(), r.PathValue("id"))
	reply(w, e, err)
}

func (s *Server) proofs(ctx context.Context, id string) (e Evidence, err error) {
	e.Samples = []monitor.Sample{}
	as, err := s.cfg.Log.Alerts(ctx, time.Time{})
	if err != nil {
		return e, err
	}
	found := 0
	for _, a := range as {
		if len(id) >= shortID && strings.HasPrefix(a.ID, strings.ToUpper(id)) {
			e.Alert = a
			found++
		}
	}
	if found != 1 {
		return e, fmt.Errorf("%s: %w", id, monitor.ErrNoAlert)
	}
	ss, err := s.cfg.Log.Proofs(ctx, e.Alert.ID)
	if ss != nil {
		e.Samples = ss
	}
	return e, err
}

// Evidence asks for what an alert rests on.
func (c *Client) Evidence(ctx context.Context, id string) (Evidence, error) {
	return get[Evidence](ctx, c, answerTime, "/v1/evidence/"+url.PathEscape(id), nil)
}

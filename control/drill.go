package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// drillBody is what POST /v1/drill takes.
type drillBody struct {
	Name         string       `json:"name"`
	Kind         monitor.Kind `json:"kind,omitempty"`          // resolver_cache where it is left out
	ResolveAfter string       `json:"resolve_after,omitempty"` // as time.ParseDuration reads it; 1m where it is left out
}

// drill raises an alert that says so. Who asked for it is told by the kernel,
// not by the body.
func (s *Server) drill(w http.ResponseWriter, r *http.Request) {
	var b drillBody
	if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
		fail(w, http.StatusBadRequest, "body: "+err.Error())
		return
	}
	d := monitor.DrillOrder{Kind: b.Kind, UID: peer(r.Context())}
	var err error
	if d.Name, err = monitor.ParseName(b.Name); err != nil {
		fail(w, http.StatusBadRequest, "name: "+err.Error())
		return
	}
	if b.ResolveAfter != "" {
		if d.ResolveAfter, err = time.ParseDuration(b.ResolveAfter); err != nil {
			fail(w, http.StatusBadRequest, "resolve_after: not a duration")
			return
		}
	}
	a, err := s.cfg.Backend.Drill(r.Context(), d)
	reply(w, a, err)
}

// Drill has the daemon raise a marked alert. The UID of the order is left out:
// the daemon knows whose the call is.
func (c *Client) Drill(ctx context.Context, d monitor.DrillOrder) (monitor.Alert, error) {
	b := drillBody{Name: d.Name, Kind: d.Kind}
	if d.ResolveAfter != 0 {
		b.ResolveAfter = d.ResolveAfter.String()
	}
	return post[monitor.Alert](ctx, c, "/v1/drill", b)
}

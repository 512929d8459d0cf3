package control

import (
	"net/http"

	"github.com/dnstaster/dnstaster/monitor"
)

// HealthPage is what /v1/health gives.
type HealthPage struct {
	Status     string                 `json:"status"` // ok, degraded, down
	Conditions []monitor.HealthStatus `json:"conditions"`
	Error      string                 `json:"error,omitempty"` // why the core says nothing
}

// health says ok with 200 and everything else with 503, for probes that read
// the status alone. A core that does not answer is down.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	st, err := s.cfg.Backend.Status(r.Context())
	h := HealthPage{Status: "ok", Conditions: []monitor.HealthStatus{}}
	status := http.StatusServiceUnavailable
	switch {
	case err != nil:
		h.Status, h.Error = "down", err.Error()
	case len(st.Health) > 0:
		h.Status, h.Conditions = "degraded", st.Health
	default:
		status = http.StatusOK
	}
	send(w, status, h)
}

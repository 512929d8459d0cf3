package control

import (
	"net/http"

	"github.com/dnstaster/dnstaster/monitor"
)

// pins gives what may be pinned of one watched name, or of all of them.
func (s *Server) pins(w http.ResponseWriter, r *http.Request) {
	name := ""
	if q := r.URL.Query(); q.Has("name") {
		var err error
		if name, err = monitor.ParseName(q.Get("name")); err != nil {
			fail(w, http.StatusBadRequest, "name: "+err.Error())
			return
		}
	}
	p, err := s.cfg.Backend.Pins(r.Context(), name)
	reply(w, p, err)
}

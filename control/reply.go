package control

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/dnstaster/dnstaster/monitor"
)

const contentType = "application/json"

// reply sends v, or err with the status that fits it.
func reply(w http.ResponseWriter, v any, err error) {
	switch {
	case err == nil:
		send(w, http.StatusOK, v)
	case errors.Is(err, monitor.ErrNotWatched), errors.Is(err, monitor.ErrNoAlert):
		fail(w, http.StatusNotFound, err.Error())
	case errors.Is(err, monitor.ErrAction):
		fail(w, http.StatusBadRequest, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		fail(w, http.StatusGatewayTimeout, "no answer in time: "+err.Error())
	case errors.Is(err, context.Canceled), errors.Is(err, monitor.ErrStopped):
		// Whoever went away does not read this.
		fail(w, http.StatusServiceUnavailable, "the daemon is stopping")
	default:
		fail(w, http.StatusInternalServerError, err.Error())
	}
}

func fail(w http.ResponseWriter, status int, what string) {
	send(w, status, map[string]string{"error": what})
}

// send writes v as a whole: what cannot be written is an error, not half a
// document.
func send(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		fail(w, http.StatusInternalServerError, "write as JSON: "+err.Error())
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}

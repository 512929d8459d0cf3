package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Bounds of what one client may hold up.
const (
	requestTime = 5 * time.Second  // for a request to come, with its body
	writeTime   = 10 * time.Second // for a response to be taken, once there is one
	maxBody     = 64 << 10
)

// ServeHTTP answers one request. It must come whole, and the response must be
// taken, within a time of their own: what lies between may last, as an event
// that is waited for does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &response{ResponseWriter: w}
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		fail(a, http.StatusBadRequest, "query: "+err.Error())
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status := http.StatusBadRequest
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			status = http.StatusRequestEntityTooLarge
		case errors.Is(err, os.ErrDeadlineExceeded):
			status = http.StatusRequestTimeout
		}
		// The rest of the body would be taken for the next request.
		w.Header().Set("Connection", "close")
		fail(a, status, "body: "+err.Error())
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mux.ServeHTTP(a, r)
}

// within bounds how long a handler may wait for others.
func within(d time.Duration, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), d)
		defer cancel()
		h(w, r.WithContext(ctx))
	}
}

// response has to be taken within writeTime of its beginning. Errors that
// others write, such as those of the mux, are put in our form.
type response struct {
	http.ResponseWriter
	begun    bool
	replaced bool // ours was sent in place of what is still to come
}

func (a *response) WriteHeader(status int) {
	if a.begun || status < http.StatusOK {
		a.ResponseWriter.WriteHeader(status)
		return
	}
	a.begun = true
	http.NewResponseController(a.ResponseWriter).SetWriteDeadline(time.Now().Add(writeTime))
	if status >= http.StatusMultipleChoices && a.Header().Get("Content-Type") != contentType {
		a.replaced = true
		fail(a.ResponseWriter, status, strings.ToLower(http.StatusText(status)))
		return
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *response) Write(b []byte) (int, error) {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	if a.replaced {
		return len(b), nil
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *response) Unwrap() http.ResponseWriter { return a.ResponseWriter }

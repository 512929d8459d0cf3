package resolver

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

const (
	mediaType = "application/dns-message" // RFC 8484 §6

	// maxBody is the largest DNS message, in octets: what is longer is none,
	// whatever its length was said to be.
	maxBody = 65535
)

// webReply is a response over HTTPS.
type webReply struct {
	message []byte
	age     uint32 // seconds that it lay in a cache of HTTP
}

// readWebReply takes the message out of a response. What cannot be one is a
// badResponse: another status than success (RFC 8484 §4.2.1; redirections are
// not followed, since they lead to a name or another operator), another media
// type, and more than a message can hold.
func readWebReply(res *http.Response) (webReply, error) {
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return webReply{}, badResponse("HTTP status " + strconv.Itoa(res.StatusCode))
	}
	of := res.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(of); err != nil || media != mediaType {
		return webReply{}, badResponse(fmt.Sprintf("content of type %.64q", of))
	}
	if coding := res.Header.Get("Content-Encoding"); coding != "" {
		return webReply{}, badResponse(fmt.Sprintf("content encoded as %.64q, unasked", coding))
	}
	message, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return webReply{}, err
	}
	if len(message) > maxBody {
		return webReply{}, badResponse("more than 65,535 octets")
	}
	got := webReply{message: message}
	// What cannot be read as a number of seconds is as good as absent (RFC 9111 §5.1).
	if age, err := strconv.ParseUint(res.Header.Get("Age"), 10, 31); err == nil {
		got.age = uint32(age)
	}
	return got, nil
}

// ripen takes the age of the response off the lifetime of its records: the
// cache that it lay in did not (RFC 8484 §5.1).
func (r webReply) ripen(m *dns.Msg) {
	for _, rr := range m.Answer {
		h := rr.Header()
		h.Ttl -= min(h.Ttl, r.age)
	}
}

// streamError has the shape of what net/http gives when a peer ends a stream;
// its own type has no name outside.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string {
	return fmt.Sprintf("the server ended the stream with HTTP/2 error %d", e.Code)
}

// streamCause strips from an error of HTTP/2 what differs each time, such as the
// number of the stream.
func streamCause(err error) error {
	var reset streamError
	switch text := err.Error(); {
	case errors.As(err, &reset):
		return reset
	case strings.Contains(text, "GOAWAY"), strings.Contains(text, "not usable"), strings.Contains(text, "force closed"):
		return errHangup
	}
	return cause(err)
}

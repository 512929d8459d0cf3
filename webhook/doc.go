// Package webhook tells HTTP endpoints what happened: from the event log to
// each of them at least once, in order, signed as Standard Webhooks 1.0 asks.
//
// # Nouns
//
// A [Sender] serves one endpoint: it reads the [Log] after the endpoint's
// cursor, posts each event that the endpoint wants, and moves the cursor when
// the endpoint took it. A [Reaction] is what becomes of an event after one try;
// each status has exactly one. A [Dialer] finds an address that can prove to be
// the endpoint's host, although the DNS of this very host is what is under
// suspicion. A [URL] and a [Secret] are never shown.
//
// # What an endpoint sees
//
// A POST of {"type","timestamp","data"}, at most 20,000 bytes. An alert that is
// longer loses transactions first, then evidence, then reasons and text, and
// says "truncated":true. Addresses of clients leave as their /24 or /56.
// The webhook-id is the store's id, a hyphen and the event's sequence number:
// the same on every retry, while timestamp and signature are fresh.
//
// # When it is tried again
//
//	2xx                      done
//	no answer, 408, 5xx      after 1 s, doubling with jitter up to 15 min
//	429, 503                 the same, but not before Retry-After (at most 1 h)
//	3xx, other 4xx, others   after 5 to 15 min from the start: somebody must act
//	410                      never: the endpoint is off until restart or reload
//
// Redirects are never followed. An event that is older than [Config.GiveUp],
// at an endpoint that failed all that time, is dead: logged, counted, listed in
// [Stats], and left behind.
//
// # Caveats
//
// At least once means now and then twice: a stop between the answer and the
// move of the cursor repeats that one event, with the same webhook-id, by which
// a receiver drops it.
//
// In order means that an event which the endpoint refuses holds up those after
// it until it is dead. Only this endpoint waits.
//
// An endpoint without a cursor starts at the end of the log, not at its
// beginning.
//
// Over plain http nobody proves to be the endpoint's host: a false answer to
// its name diverts the webhook unseen. Use https.
//
// Free text of an alert is sent as it is; whoever writes it leaves clients out.
package webhook

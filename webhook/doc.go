// Package webhook tells HTTP endpoints what happened: from the event log to
// each of them at least once, in order, signed as Standard Webhooks 1.0 asks;
// as messages for Slack and its like; or as alerts that stand, to Alertmanager.
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
// Always a POST of JSON, in one of three formats. Headers are the same in all;
// only where there is a secret is there a signature.
//
// Standard: {"type","timestamp","data"}, at most 20,000 bytes, with an alert
// ([monitor.Alert]), a condition or a change as data. An alert that is longer
// loses transactions first, then evidence, then reasons and text, and
// says "truncated":true. Addresses of clients leave as their /24 or /56.
// The webhook-id is the store's id, a hyphen and the event's sequence number:
// the same on every retry, while timestamp and signature are fresh.
//
// Slack: {"text","blocks"}, as incoming webhooks take it. The text alone says
// what happened and what to do first, for Mattermost, Discord (its /slack URL)
// and notifications, which leave blocks out. The blocks are a heading, the
// summary, the facts, what to do, and the runbook; each is cut to what Slack
// takes (150 characters of a heading, 3,000 of a section, 2,000 of a field).
// Whatever comes from outside is only text: &, < and > are escaped, so that it
// holds no link and calls nobody.
//
// Alertmanager: a list of alerts, at most 64 at a time, for /api/v2/alerts,
// which is added to the URL where it is not there.
//
//	labels       alertname (DnstasterAlert, DnstasterHealth, DnstasterTest), severity
//	             (critical; warning for high and medium; info for low), kind, name, host,
//	             owner, key, condition, drill, and the external labels, which give way
//	annotations  summary, description, runbook_url, and more that may change: id, type,
//	             severity, confidence, verdict, state, note, resolver, observed, expected,
//	             secret_names, leak
//	startsAt     when the alert was opened, or the condition began
//	endsAt       when it was resolved; absent while it fires
//
// # Alertmanager
//
// It is told what stands rather than what happened: at once after a start, on
// each event, and every [Config.Resend], all that fires, and for a quarter of an
// hour what ended. Alertmanager lets go by itself, after its resolve_timeout, of
// what it does not hear of. So a restart needs no memory, and nothing old is
// told after something newer. Nothing is sent while there is nothing to tell. An
// Alertmanager that cannot be reached is tried every [Config.Resend] at least.
//
// What is acknowledged or silenced here fires on there, with the same labels:
// its end would look as if all were well. Where kind or severity rise, the
// labels change, and what the alert went by before ends in the same body; after
// a restart, it ends by resolve_timeout. Conditions are those of now; one that
// ended while the daemon was down ends in the same way. A single alert that is
// refused (400) does not keep the others from being told.
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
// # Heartbeats
//
// An endpoint that asks for it gets a heartbeat at an interval, with verdict
// counts and health, so that whoever takes it learns from its absence that
// nobody watches any more. A heartbeat is not in the log: it is made when it is
// sent, and anew at every try, so that an outage delivers no pile but the latest
// one. It goes when no event waits: it says that all before it was taken, and an
// endpoint that refuses events, or a core that does not answer, has none. Tries
// follow the same waits as events, until one is taken; the rhythm then goes on
// as if there had been no outage. The webhook-id is the store's id, "-heartbeat-"
// and the time in milliseconds.
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

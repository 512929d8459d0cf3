package webhook

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	// maxBody is the longest body in bytes (Standard Webhooks 1.0, "Payload
	// structure": keep it under 20 kB).
	maxBody = 20_000
	// maxString bounds a text in data of a kind that has no cuts of its own.
	maxString = 1000
	// maxWord bounds what a stub repeats.
	maxWord = 100
)

// format makes what is sent of an event, in JSON.
type format func(Config, monitor.Event) []byte

// formats by the names that a configuration uses.
var formats = map[string]format{
	Standard:     func(_ Config, e monitor.Event) []byte { return standardBody(e) },
	Slack:        slackBody,
	Alertmanager: alertmanagerBody,
}

// envelope is the body of Standard Webhooks 1.0.
type envelope struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Data      any    `json:"data"`
}

func encode(e monitor.Event, data any) ([]byte, error) {
	return json.Marshal(envelope{e.Type, e.At.UTC().Format(time.RFC3339Nano), data})
}

// standardBody gives valid JSON of at most maxBody bytes for every event, also
// for one whose data cannot be read.
func standardBody(e monitor.Event) []byte {
	write := dataBody
	if strings.HasPrefix(e.Type, "alert.") {
		write = alertBody
	}
	body, err := write(e)
	if err == nil && len(body) <= maxBody {
		return body
	}
	e.Type = cutString(e.Type, maxWord)
	body, _ = encode(e, struct {
		ID        string `json:"id"`
		Truncated bool   `json:"truncated"`
	}{cutString(e.Alert, maxWord), true})
	return body
}

// alertBody encodes an alert without its clients' addresses, and shorter and
// shorter until it fits.
func alertBody(e monitor.Event) ([]byte, error) {
	var a monitor.Alert
	if err := json.Unmarshal(e.Data, &a); err != nil {
		return nil, err
	}
	hideClients(&a)
	body, err := encode(e, a)
	for _, cut := range cuts {
		for err == nil && len(body) > maxBody && cut(&a) {
			a.Truncated = true
			body, err = encode(e, a)
		}
	}
	return body, err
}

// cuts take parts of an alert away, in the order in which a reader misses them
// least. Each halves one part, and reports whether there was anything left of it.
var cuts = []func(*monitor.Alert) bool{
	func(a *monitor.Alert) bool { return halve(&a.Transactions) },
	func(a *monitor.Alert) bool { return halve(&a.Evidence) },
	func(a *monitor.Alert) bool { return halve(&a.Voices) },
	func(a *monitor.Alert) bool { return halve(&a.Exposure.Clients) },
	func(a *monitor.Alert) bool { return halve(&a.Exposure.Units) },
	func(a *monitor.Alert) bool { return halve(&a.References) },
	func(a *monitor.Alert) bool { return halve(&a.Reasons) },
	func(a *monitor.Alert) bool { return halve(&a.Against) },
	func(a *monitor.Alert) bool { return halveString(&a.Text) },
	func(a *monitor.Alert) bool { return halve(&a.Guidance) },
	func(a *monitor.Alert) bool { return halve(&a.Expected) },
	func(a *monitor.Alert) bool { return halve(&a.Observed) },
	func(a *monitor.Alert) bool { return halve(&a.Names) },
	func(a *monitor.Alert) bool { return halve(&a.Owners) },
	func(a *monitor.Alert) bool { return halve(&a.Exposure.SecretNames) },
	func(a *monitor.Alert) bool { return halveString(&a.WouldChange) },
	func(a *monitor.Alert) bool { had := a.Note != nil; a.Note = nil; return had },
	func(a *monitor.Alert) bool { had := len(a.Labels) > 0; a.Labels = nil; return had },
	func(a *monitor.Alert) bool { return halveString(&a.Summary) },
}

func halve[T any](list *[]T) bool {
	had := len(*list) > 0
	*list = (*list)[:len(*list)/2]
	return had
}

func halveString(s *string) bool {
	had := *s != ""
	*s = cutString(*s, len(*s)/2)
	return had
}

// cutString gives at most n bytes of s, and no part of a character.
func cutString(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// dataBody encodes data as it is, or with its texts cut where that is too long.
func dataBody(e monitor.Event) ([]byte, error) {
	body, err := encode(e, e.Data)
	if err != nil || len(body) <= maxBody {
		return body, err
	}
	var data map[string]any
	d := json.NewDecoder(bytes.NewReader(e.Data))
	d.UseNumber() // a float64 would change large numbers
	if err := d.Decode(&data); err != nil || data == nil {
		return body, err
	}
	for key, value := range data {
		if s, ok := value.(string); ok {
			data[key] = cutString(s, maxString)
		}
	}
	data["truncated"] = true
	return encode(e, data)
}

// hideClients leaves of each client only its network: whom a lie was told is
// for the host's own log, not for a third party.
func hideClients(a *monitor.Alert) {
	var networks []string
	for _, c := range a.Exposure.Clients {
		if p, ok := clientNetwork(c); ok {
			networks = append(networks, p.String())
		}
	}
	slices.Sort(networks)
	a.Exposure.Clients = slices.Compact(networks)
	for i := range a.Transactions {
		t := &a.Transactions[i]
		if t.Client.IsValid() {
			// The port would tell clients behind one address apart.
			t.Client = netip.AddrPortFrom(network(t.Client.Addr()).Addr(), 0)
		}
	}
}

// clientNetwork reads a client as address, address and port, or prefix. What it
// cannot read may be a name, which would tell more than an address.
func clientNetwork(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		n := network(p.Addr())
		if p.Bits() < n.Bits() && !p.Addr().Is4In6() {
			return p.Masked(), true
		}
		return n, true
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return network(a), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return network(ap.Addr()), true
	}
	return netip.Prefix{}, false
}

// network gives the /24 or /56 that an address is in.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 56
	if a.Is4() {
		bits = 24
	}
	return netip.PrefixFrom(a, bits).Masked()
}

package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"golang.org/x/net/http/httpproxy"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/evidence"
	"github.com/dnstaster/dnstaster/monitor/resolver/probe"
	"github.com/dnstaster/dnstaster/webhook"
)

// planSchema is the schema of a plan in JSON.
const planSchema = "dnstaster.plan/v1"

// plan is everything that a configuration sends and to whom, for whoever has to
// let it through.
type plan struct {
	Schema  string       `json:"schema"`
	Config  string       `json:"config"`
	Names   []planName   `json:"names"`
	Rows    []planRow    `json:"rows"`
	Rates   planRates    `json:"rates"`
	Learned []planReader `json:"learned"`
	Notes   []string     `json:"notes"`
}

type planName struct {
	Name     string   `json:"name"`
	Types    []string `json:"types"`
	Interval float64  `json:"interval_seconds"`
	Inside   bool     `json:"inside"` // it never leaves
}

// planRow is one line of a firewall ticket.
type planRow struct {
	Direction   string  `json:"direction"`   // out, in, local
	Destination string  `json:"destination"` // address, host, path, or what it depends on
	Port        uint16  `json:"port,omitempty"`
	Transport   string  `json:"transport"` // udp, tcp, udp+tcp, unix, packet
	Party       string  `json:"party"`
	Purpose     string  `json:"purpose"`
	Routine     float64 `json:"queries_per_second"` // in quiet times, in the mean
	When        string  `json:"when"`
}

// planRates are questions a second in quiet times, in the mean.
type planRates struct {
	Own      float64 `json:"own_path"`     // to each resolver of this host
	Operator float64 `json:"per_operator"` // to each operator
	Formula  string  `json:"formula"`
}

// planReader is somebody who learns something.
type planReader struct {
	Party  string `json:"party"`
	Learns string `json:"learns"`
}

// surroundings is what a plan depends on besides the configuration.
type surroundings struct {
	own    []monitor.Resolver // of this host
	err    error              // why they are not known
	search []string
	proxy  *httpproxy.Config
}

// plan says what the configuration means here.
func (c *config) plan(here surroundings) plan {
	inside := c.inside(here.search)
	watches, t := c.watches(inside), c.timing()
	p := plan{Schema: planSchema, Config: c.path, Names: []planName{}, Rows: []planRow{}, Learned: []planReader{}, Notes: []string{}}
	outside, leaving := 0, 0
	for _, w := range watches {
		every := t.Interval
		if w.Interval > 0 {
			every = w.Interval / time.Duration(t.Factor)
		}
		n := planName{Name: strings.TrimSuffix(w.Name, "."), Interval: every.Seconds(), Inside: w.Inside}
		for _, q := range w.Questions() {
			n.Types = append(n.Types, q.Type.String())
		}
		p.Names = append(p.Names, n)
		p.Rates.Own = rounded(p.Rates.Own + float64(len(n.Types))/every.Seconds())
		if !w.Inside {
			outside += len(n.Types)
			leaving++
		}
	}
	p.Rates.Operator = rounded(float64(outside) / t.WitnessInterval.Seconds())
	p.Rates.Formula = fmt.Sprintf("own path: the sum over names of types / interval; an operator: %d questions that leave / %s ± 20 %%, and a round more at each change",
		outside, model.Duration(t.WitnessInterval))
	if len(watches) > 0 {
		p.own(c, here)
		p.witnesses(c, here, leaving, t)
		p.proofs(watches, t)
		p.probes(c, leaving)
	}
	p.webhooks(c, here)
	p.listeners(c, len(watches))
	p.kept(inside, watches)
	return p
}

// rounded gives a rate that can be read.
func rounded(r float64) float64 { return math.Round(r*1e6) / 1e6 }

func (p *plan) row(r planRow) { p.Rows = append(p.Rows, r) }

func (p *plan) learns(party, format string, args ...any) {
	p.Learned = append(p.Learned, planReader{party, fmt.Sprintf(format, args...)})
}

func (p *plan) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// own is what this host's resolvers are asked.
func (p *plan) own(c *config, here surroundings) {
	if !c.system() {
		p.Rates.Own = 0
		p.note("this host's own resolvers are not asked: 'system' is not among resolvers")
		return
	}
	if here.err != nil {
		p.note("this host's resolvers are not known here: %v", here.err)
	}
	for _, r := range here.own {
		row := planRow{Direction: "out", Destination: "the C library's own lookup", Transport: string(r.Transport), Party: r.Name,
			Purpose: "what applications here get", Routine: p.Rates.Own, When: "every round"}
		if r.Addr.IsValid() {
			row.Destination, row.Port, row.Transport, row.When = r.Addr.Addr().String(), r.Addr.Port(), "udp+tcp", "every round; tcp where an answer is cut"
		}
		p.row(row)
	}
	p.learns("this host's resolvers", "%d names, as from any application here, whether or not one asks just then", len(p.Names))
}

// witnesses are the resolvers of others: in routine one endpoint of each
// operator, and the plain ones only where a suspicion asks for it.
func (p *plan) witnesses(c *config, here surroundings, leaving int, t monitor.Timing) {
	refs, twins := c.references()
	if leaving == 0 || len(refs) == 0 {
		p.Rates.Operator = 0
		if len(refs) > 0 {
			p.note("no witness is asked: no watched name may leave")
		}
		return
	}
	first := map[string]bool{}
	var operators []string
	for _, r := range refs {
		row := planRow{Direction: "out", Destination: r.Addr.Addr().String(), Port: r.Addr.Port(), Transport: "tcp", Party: r.Operator,
			Purpose: "witness, " + string(r.Transport), Routine: p.Rates.Operator, When: "at a change, and every " + model.Duration(t.WitnessInterval).String()}
		if !r.Encrypted() {
			row.Transport, row.Purpose = "udp+tcp", "plain, no witness"
			if r.Transport == monitor.TCP {
				row.Transport = "tcp"
			}
		}
		if r.Encrypted() && first[r.Operator] {
			row.Routine, row.When = 0, "while those before it fail"
		}
		if r.Encrypted() {
			first[r.Operator] = true
		}
		if r.Transport == monitor.DoH {
			if via := here.via(url.URL{Scheme: "https", Host: r.Addr.String()}); via != "" {
				row.When += "; through the proxy " + via
			}
		}
		p.row(row)
		if !slices.Contains(operators, r.Operator) {
			operators = append(operators, r.Operator)
		}
	}
	for _, r := range twins {
		p.row(planRow{Direction: "out", Destination: r.Addr.Addr().String(), Port: r.Addr.Port(), Transport: "udp+tcp", Party: r.Operator,
			Purpose: "plain twin", When: fmt.Sprintf("only to confirm a suspicion: %d times in its first minute, then every %s", len(t.Plan)-1, model.Duration(t.Recheck))})
	}
	for _, o := range operators {
		p.learns(o, "%d names, that this address watches them, and how often", leaving)
	}
	p.learns("the networks on the way", "whom this host asks over TLS; the names where it asks in plain, as to confirm a suspicion, and by handshakes (SNI)")
}

// proofs are handshakes with the addresses that are answered.
func (p *plan) proofs(ws []monitor.Watch, t monitor.Timing) {
	ports := map[uint16][]string{}
	for _, w := range ws {
		if !w.TLS.Off {
			ports[w.Port()] = append(ports[w.Port()], strings.TrimSuffix(w.Name, "."))
		}
	}
	for _, port := range sortedKeys(ports) {
		p.row(planRow{Direction: "out", Destination: "any address answered for " + few(ports[port]), Port: port, Transport: "tcp", Party: "partners",
			Purpose: "proof by certificate", When: fmt.Sprintf("once every %s for each address, %s apart; at a suspicion at once; at most %d a minute to an address, %d to a /24 or /48",
				model.Duration(t.ProofInterval), model.Duration(t.ProofSpacing), evidence.DefaultPerAddress, evidence.DefaultPerPrefix)})
	}
	if len(ports) > 0 {
		p.learns("who holds an answered address", "the name (SNI) and this address, from a TLS handshake without a request; an attacker's address too")
	}
}

// confirming is when evidence is gathered that nobody needs in quiet times.
const confirming = "only to confirm a suspicion"

// doubting is when the zone itself is heard.
const doubting = "to confirm a suspicion, or where nobody vouches for an answer: once an hour for a name at most"

// probes are what is asked to confirm a suspicion, besides resolvers and
// handshakes.
func (p *plan) probes(c *config, leaving int) {
	if leaving == 0 {
		p.note("no dead address, and no authoritative server, is asked: no watched name may leave")
	} else {
		for _, a := range c.dead() {
			p.row(planRow{Direction: "out", Destination: a.Addr().String(), Port: a.Port(), Transport: "udp+tcp", Party: "nobody", Purpose: "dead address",
				When: fmt.Sprintf("%s: twice, at most %d times a minute for a name", confirming, probe.DefaultPerTarget)})
		}
		p.row(planRow{Direction: "out", Destination: "authoritative servers, from the root down", Port: 53, Transport: "udp+tcp", Party: "authority",
			Purpose: "walk from the root", When: doubting})
		p.learns("the networks to dead addresses", "a name in question, %s", confirming)
		p.learns("authoritative servers", "a name in question and this address, %s", doubting)
	}
	if c.system() || leaving > 0 {
		var names []string
		for _, n := range c.Probes.Whoami {
			names = append(names, strings.TrimSuffix(string(n), "."))
		}
		p.learns("who serves "+strings.Join(names, ", "), "where a resolver in doubt and the witnesses beside it ask from, and what they tell of this address, %s: each once a minute at most; no watched name", confirming)
		p.learns("the registries of "+strings.ReplaceAll(strings.Join(probe.DefaultZones(), ", "), ".", ""), "names made at random, %s; no watched name", confirming)
		p.note("a resolver of this host is asked for ipv4only.arpa where an IPv6 address in its answer is in question")
		if !c.DNSSEC.Off {
			p.note("whoever is asked for a name is also asked for its signatures and for the keys of the zones above it, once a day, one witness once an hour, and to confirm a suspicion")
		}
	}
}

func (p *plan) webhooks(c *config, here surroundings) {
	for _, h := range c.Webhooks {
		row := planRow{Direction: "out", Transport: "tcp", Party: "webhook " + h.Name, Purpose: cmp.Or(h.Format, webhook.DefaultFormat), When: "at each event"}
		if h.Heartbeat > 0 {
			row.When += ", and every " + model.Duration(h.Heartbeat).String()
		}
		u, err := webhook.ReadURLFile(c.beside(h.URLFile), slog.New(slog.DiscardHandler))
		if err != nil {
			row.Destination = "the host in " + h.URLFile + ", which cannot be read here"
			p.row(row)
			continue
		}
		row.Destination, row.Port = u.Place()
		scheme := "https"
		if row.Port == 80 {
			scheme = "http"
		}
		via := here.via(url.URL{Scheme: scheme, Host: hostPort(row.Destination, row.Port)})
		if h.HTTP.set && h.HTTP.ProxyURL.URL != nil {
			via = h.HTTP.ProxyURL.Host
		}
		if via != "" {
			row.When += "; through the proxy " + via
		}
		p.row(row)
	}
	if len(c.Webhooks) > 0 {
		p.learns("whoever runs the webhooks", "alerts: names, addresses, names of secrets (never values), clients as /24 and /56")
		p.note("the host of a webhook is looked up by this host's resolvers, and by encrypted witnesses if no address of theirs proves itself")
	}
}

// listeners are who may come to us, and what is overheard.
func (p *plan) listeners(c *config, watched int) {
	p.row(planRow{Direction: "local", Destination: c.Control.Socket, Transport: "unix", Party: "control", Purpose: "status, alerts, metrics",
		When: "open to root and " + cmp.Or(c.Control.Group, "the daemon's own group")})
	if d := c.Dnstap; d.Socket != "" {
		p.row(planRow{Direction: "local", Destination: d.Socket, Transport: "unix", Party: "dnstap", Purpose: "resolvers here tell what they are asked and answered",
			When: "open to root and " + cmp.Or(d.Group, "the daemon's own group")})
	}
	if m := c.Metrics; m.Listen != "" {
		when := "open to whoever reaches it: no web_config_file"
		if m.WebConfigFile != "" {
			when = "as " + m.WebConfigFile + " says"
		}
		at, _ := netip.ParseAddrPort(m.Listen)
		if !at.IsValid() { // without an address
			at, _ = netip.ParseAddrPort("[::]" + m.Listen)
		}
		p.row(planRow{Direction: "in", Destination: at.Addr().String(), Port: at.Port(), Transport: "tcp", Party: "metrics", Purpose: "Prometheus, health", When: when})
		p.learns("whoever reads the metrics", "the watched names and their verdicts; no answer, no client")
	}
	if c.Capture.Enabled.on() && watched > 0 {
		kept := "a count is kept"
		if c.Capture.Unwatched == unwatchedHash {
			kept = "keyed hashes are kept"
		}
		p.row(planRow{Direction: "local", Destination: strings.Join(c.Capture.Interfaces, ", "), Transport: "packet", Party: "capture", Purpose: "DNS on the wire is overheard",
			When: "always; CAP_NET_RAW; nothing is sent, and of unwatched names only " + kept})
	}
}

// kept says which names never leave.
func (p *plan) kept(inside func(string) bool, ws []monitor.Watch) {
	var in []string
	for _, w := range ws {
		if inside(w.Name) {
			in = append(in, strings.TrimSuffix(w.Name, "."))
		}
	}
	if len(in) > 0 {
		p.note("never sent outside: %s", few(in))
	}
}

// via gives the proxy for a request, empty for none.
func (h surroundings) via(u url.URL) string {
	if h.proxy == nil {
		return ""
	}
	proxy, err := h.proxy.ProxyFunc()(&u)
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Host
}

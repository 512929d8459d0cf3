package control

import (
	"context"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dnstaster/dnstaster/monitor"
)

// Collector shows the state of the monitor to Prometheus. Labels carry names
// that the configuration holds, never what an answer said.
type Collector struct {
	backend Backend
	version string
}

// NewCollector makes a collector to be registered.
func NewCollector(b Backend, version string) *Collector { return &Collector{b, version} }

var (
	descBuild    = desc("build_info", "The running build; always 1.", "version", "goversion")
	descUp       = desc("core_up", "Whether the core answered this scrape in time.")
	descStart    = desc("start_time_seconds", "When the daemon started, in seconds since 1970.")
	descVerdict  = desc("watch_verdict", "1 for the verdict that a watched name has now, 0 for the others.", "watch", "type", "verdict")
	descAnswered = desc("watch_answered_timestamp_seconds", "When this host's own path last gave an answer, in seconds since 1970.", "watch", "type")
	descLastGood = desc("watch_last_good_timestamp_seconds", "When this host's own path last gave an answer that was ruled clean, in seconds since 1970; missing while there was none.", "watch", "type")
	descAlerts   = desc("alerts", "Alerts that are not resolved, without drills.", "severity", "state")
	descDrills   = desc("drills", "Drills that are not resolved.", "kind")
	descHealth   = desc("health_condition", "1 for each condition that keeps the daemon from its work.", "condition", "severity")
	descRounds   = desc("rounds_total", "Rounds begun.")
	descLate     = desc("rounds_late_total", "Rounds that began more than a tenth of their interval late.")
	descSamples  = desc("samples_total", "Samples judged.")
	descDropped  = desc("samples_dropped_total", "Samples that found no room.")
	descCases    = desc("cases_total", "Cases opened.")
	descProofs   = desc("proofs_total", "Handshakes with answered addresses.")
	descHeard    = desc("overheard_total", "Samples from the wire about watched names.")
	descConflict = desc("conflicts_total", "Queries overheard that got contradicting answers.", "watched")
	descUnheeded = desc("overheard_unheeded_total", "Samples from the wire that nobody was asked about, for want of budget.")
	descUnkept   = desc("overheard_unkept_total", "Answers overheard that passive DNS had no room for.")
	descMoves    = desc("alert_transitions_total", "What became of alerts and of suspicions, by reason.", "transition")
	descQueries  = desc("resolver_queries_total", "Queries sent.", "resolver", "transport", "role")
	descFailures = desc("resolver_failures_total", "Queries that no answer came to.", "resolver", "transport", "role")
	descResolver = desc("resolver_up", "Whether the resolver answers.", "resolver", "transport", "role")
	descRTT      = desc("resolver_rtt_seconds", "Time that its last answer took.", "resolver", "transport", "role")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("dnstaster_"+name, help, labels, nil)
}

// scrapeTime bounds what a scrape waits for the core.
const scrapeTime = 5 * time.Second

// Describe sends nothing: what there is to see depends on what is watched.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect takes one snapshot and shows it.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, valid(labels)...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), valid(labels)...)
	}
	gauge(descBuild, 1, c.version, runtime.Version())
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	st, err := c.backend.Status(ctx)
	gauge(descUp, flag(err == nil))
	if err != nil {
		return
	}
	gauge(descStart, seconds(st.Started))
	for _, w := range st.Watches {
		for _, q := range w.Types {
			for _, v := range []monitor.Verdict{monitor.Clean, monitor.Suspicious, monitor.Poisoned, monitor.Unknown} {
				gauge(descVerdict, flag(q.Verdict == v), w.Name, q.Type.String(), string(v))
			}
			gauge(descAnswered, seconds(q.Answered), w.Name, q.Type.String())
			if !q.LastGood.IsZero() {
				gauge(descLastGood, seconds(q.LastGood), w.Name, q.Type.String())
			}
		}
	}
	type kind struct {
		severity monitor.Severity
		state    monitor.State
	}
	alerts := map[kind]int{}
	for _, s := range []monitor.Severity{monitor.Low, monitor.Medium, monitor.High, monitor.Critical} {
		for _, st := range []monitor.State{monitor.Open, monitor.Acknowledged, monitor.Silenced} {
			alerts[kind{s, st}] = 0
		}
	}
	drills := map[monitor.Kind]int{}
	for _, a := range st.Alerts {
		if a.Drill {
			drills[a.Kind]++
			continue
		}
		alerts[kind{a.Severity, a.State}]++
	}
	for k, n := range drills {
		gauge(descDrills, float64(n), string(k))
	}
	for k, n := range alerts {
		gauge(descAlerts, float64(n), k.severity.String(), string(k.state))
	}
	for _, h := range st.Health {
		gauge(descHealth, 1, h.Condition, h.Severity)
	}
	counter(descRounds, st.Counts.Rounds)
	counter(descLate, st.Counts.Late)
	counter(descSamples, st.Counts.Samples)
	counter(descDropped, st.Counts.Dropped)
	counter(descCases, st.Counts.Cases)
	counter(descProofs, st.Counts.Proofs)
	counter(descHeard, st.Counts.Overheard)
	counter(descConflict, st.Counts.Conflicts, "true")
	counter(descConflict, st.Counts.Strangers, "false")
	counter(descUnheeded, st.Counts.Unheeded)
	counter(descUnkept, st.Counts.Unkept)
	for t, n := range st.Counts.Transitions {
		counter(descMoves, n, string(t))
	}
	for _, r := range st.Resolvers {
		labels := []string{r.Resolver, string(r.Transport), string(r.Role)}
		counter(descQueries, r.Queries, labels...)
		counter(descFailures, r.Failures, labels...)
		gauge(descResolver, flag(r.OK), labels...)
		gauge(descRTT, time.Duration(r.RTT).Seconds(), labels...)
	}
}

// valid puts labels right that are not UTF-8, which a metric must not carry:
// the zone of an address in resolv.conf may be any bytes.
func valid(labels []string) []string {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	return labels
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

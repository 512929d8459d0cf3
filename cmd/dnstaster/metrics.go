package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// partsCollector shows the counters of the parts beside the monitor.
type partsCollector struct{ d *daemon }

func partDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("dnstaster_"+name, help, labels, nil)
}

var (
	descConfigGood    = partDesc("config_last_reload_successful", "Whether the configuration was taken when it was last read.")
	descConfigTime    = partDesc("config_last_reload_success_timestamp_seconds", "When the configuration in use was read, in seconds since 1970.")
	descStoreBytes    = partDesc("store_size_bytes", "Size of the store's file.")
	descStoreUsed     = partDesc("store_used_bytes", "Bytes of it that hold something.")
	descCommits       = partDesc("store_commits_total", "Commits that are on disk.")
	descCommitErrors  = partDesc("store_commit_errors_total", "Commits that failed.")
	descCommitTime    = partDesc("store_last_commit_duration_seconds", "Time that the last commit took.")
	descCommitLast    = partDesc("store_last_commit_timestamp_seconds", "When the last commit was, in seconds since 1970.")
	descSetAside      = partDesc("store_set_aside_total", "Damaged files that were set aside.")
	descForgotten     = partDesc("store_forgotten_total", "Names that are not watched which were forgotten for others.")
	descEvents        = partDesc("events_total", "Events ever committed to the log.")
	descDelivered     = partDesc("webhook_delivered_total", "Events that the endpoint took.", "webhook")
	descFailed        = partDesc("webhook_failures_total", "Tries that failed, by what was made of them.", "webhook", "reaction")
	descDead          = partDesc("webhook_dead_total", "Events that were given up.", "webhook")
	descPending       = partDesc("webhook_pending", "Events after the endpoint's cursor.", "webhook")
	descDisabled      = partDesc("webhook_disabled", "1 where the endpoint said 410 Gone.", "webhook")
	descHookSuccess   = partDesc("webhook_last_success_timestamp_seconds", "When the endpoint last took an event, in seconds since 1970.", "webhook")
	descBeats         = partDesc("webhook_heartbeats_total", "Heartbeats that the endpoint took.", "webhook")
	descIgnored       = partDesc("resolver_ignored_total", "Messages on our sockets that answer no query of ours.", "resolver", "address", "transport")
	descLateAnswers   = partDesc("resolver_late_total", "Further answers to one query, other than the first.", "resolver", "address", "transport")
	descConnections   = partDesc("resolver_connections_total", "TCP and TLS connections made.", "resolver", "address", "transport")
	descWirePackets   = partDesc("wire_packets_total", "Packets overheard.")
	descWireLost      = partDesc("wire_lost_packets_total", "Packets that the kernel had no room for.")
	descWireMessages  = partDesc("wire_messages_total", "DNS messages overheard.", "kind")
	descWireTrans     = partDesc("wire_transactions_total", "Distinct queries overheard.")
	descWireBroken    = partDesc("wire_undecodable_total", "Messages that claim to be DNS and cannot be read.")
	descWireBlind     = partDesc("wire_blind_total", "Transactions and packets that there was no room for.")
	descWireUnkept    = partDesc("wire_unkept_total", "Responses about names that are not watched, for which passive DNS had no room.")
	descWireEarly     = partDesc("wire_shortened_total", "Transactions that ended early for want of room, a second after their answer or later.")
	descWireOpen      = partDesc("wire_open_transactions", "Transactions that are open.")
	descWireRoom      = partDesc("wire_room_transactions", "Transactions that there is room for: capture.transactions.")
	descWireHold      = partDesc("wire_hold_seconds", "How long a transaction is held after its answer: 5 s, or less while there is no room.")
	descWireWithheld  = partDesc("wire_withheld_total", "Answers for watched names that were not judged, beyond what is judged in a flood.")
	descWireStrays    = partDesc("wire_strays_total", "Responses to an open port with an id that was not asked with.")
	descWireFragments = partDesc("wire_fragments_total", "Fragments of datagrams overheard.")
	descWireWhole     = partDesc("wire_reassembled_total", "Datagrams put together from fragments, and messages taken out of TCP.", "kind")
	descWireTorn      = partDesc("wire_torn_total", "Datagrams whose fragments contradict each other, and TCP segments that contradict others.", "kind")
	descWireGivenUp   = partDesc("wire_tcp_given_up_total", "TCP connections that could not be followed to their end, or one side of them.")
	descWireChecksum  = partDesc("wire_bad_checksum_total", "Packets that their receivers drop, for their checksum.")
	descWireQuoted    = partDesc("wire_icmp_errors_total", "ICMP errors about DNS, by what they quote.", "quoted")
	descWireUp        = partDesc("wire_interfaces", "Interfaces that are listened to; 1 may stand for all.")
	descTapSenders    = partDesc("dnstap_senders", "Resolvers that tell what they do and are connected now.")
	descTapMessages   = partDesc("dnstap_messages_total", "DNS messages that resolvers told of.", "kind")
	descTapBroken     = partDesc("dnstap_undecodable_total", "Messages of resolvers that cannot be read.")
	descTapFailed     = partDesc("dnstap_failures_total", "Connections of resolvers that were ended, for what came over them or for want of room.")
	descHandshakes    = partDesc("proof_outcomes_total", "Handshakes with answered addresses, by outcome.", "outcome")
)

// Describe sends nothing: endpoints come and go.
func (p *partsCollector) Describe(chan<- *prometheus.Desc) {}

// Collect shows the counters as they are.
func (p *partsCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	loaded, parts, senses := p.d.loaded.Load(), p.d.parts.Load(), p.d.senses.current()
	good := 0.0
	if loaded.good {
		good = 1
	}
	gauge(descConfigGood, good)
	gauge(descConfigTime, float64(loaded.Loaded.UnixMilli())/1000)
	st := p.d.store.Stats()
	gauge(descStoreBytes, float64(st.FileBytes))
	gauge(descStoreUsed, float64(st.UsedBytes))
	counter(descCommits, st.Commits)
	counter(descCommitErrors, st.CommitErrors)
	gauge(descCommitTime, st.LastCommitDuration.Seconds())
	if !st.LastCommit.IsZero() {
		gauge(descCommitLast, float64(st.LastCommit.UnixMilli())/1000)
	}
	counter(descSetAside, st.SetAsides)
	counter(descForgotten, st.Forgotten)
	counter(descEvents, st.LastEvent)
	for _, s := range parts.desks {
		st := s.Stats()
		counter(descDelivered, st.Delivered, st.Endpoint)
		for r, n := range st.Failed {
			counter(descFailed, n, st.Endpoint, r.String())
		}
		counter(descDead, st.Dead, st.Endpoint)
		gauge(descPending, float64(st.Pending), st.Endpoint)
		counter(descBeats, st.Heartbeats, st.Endpoint)
		disabled := 0.0
		if st.Disabled {
			disabled = 1
		}
		gauge(descDisabled, disabled, st.Endpoint)
		if !st.LastSuccess.IsZero() {
			gauge(descHookSuccess, float64(st.LastSuccess.UnixMilli())/1000, st.Endpoint)
		}
	}
	for _, r := range senses.asker.Stats() {
		labels := []string{r.Resolver, "", string(r.Transport)}
		if r.Server.IsValid() { // not for what has no address, the C library
			labels[1] = r.Server.String()
		}
		counter(descIgnored, r.Ignored, labels...)
		counter(descLateAnswers, r.Late, labels...)
		counter(descConnections, r.Opened, labels...)
	}
	w := parts.ear.status()
	gauge(descWireUp, float64(len(w.Interfaces)))
	if len(w.Interfaces) > 0 {
		counter(descWirePackets, w.Packets)
		counter(descWireLost, w.Lost)
		counter(descWireMessages, w.Queries, "query")
		counter(descWireMessages, w.Responses, "response")
		counter(descWireTrans, w.Transactions)
		counter(descWireBroken, w.Undecodable)
		counter(descWireBlind, w.Blind)
		counter(descWireUnkept, w.Unkept)
		d := parts.ear.decoded()
		counter(descWireFragments, d.Fragments)
		counter(descWireWhole, d.Reassembled, "datagram")
		counter(descWireWhole, d.TCPMessages, "tcp")
		counter(descWireTorn, d.Torn, "datagram")
		counter(descWireTorn, d.TCPConflicts, "tcp")
		counter(descWireGivenUp, d.TCPGivenUp)
		counter(descWireChecksum, d.BadChecksum)
		counter(descWireQuoted, d.QuotedQueries, "query")
		counter(descWireQuoted, d.QuotedResponses, "response")
		counter(descWireEarly, w.Shortened)
		counter(descWireWithheld, w.Withheld)
		counter(descWireStrays, w.Strays)
		gauge(descWireOpen, float64(w.Open))
		gauge(descWireRoom, float64(w.Room))
		gauge(descWireHold, time.Duration(w.Hold).Seconds())
	}
	if t := p.d.tapStatus(); t.Socket != "" {
		gauge(descTapSenders, float64(t.Senders))
		counter(descTapMessages, t.Queries, "query")
		counter(descTapMessages, t.Responses, "response")
		counter(descTapBroken, t.Undecodable)
		counter(descTapFailed, t.Failed+t.Refused)
	}
	for o, n := range senses.prover.Stats().Outcomes {
		counter(descHandshakes, n, string(o))
	}
}

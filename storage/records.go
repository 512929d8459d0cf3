package storage

import (
	"encoding/json"
	"fmt"

	"github.com/dnstaster/dnstaster/monitor"
)

// Baselines, alerts and events are JSON. Before it, alerts have when they were
// resolved and events when they happened, eight bytes that pruning reads alone.
// Their names in the key are the ones that count: JSON cannot carry every byte.

func parseBaseline(k, v []byte) (b monitor.Baseline, err error) {
	if err := json.Unmarshal(v, &b); err != nil {
		return b, fmt.Errorf("%w: baseline: %w", ErrCorrupt, err)
	}
	b.Name, err = parseNameKey(k)
	return b, err
}

// endOf is when a was resolved.
func endOf(a *monitor.Alert) stamp {
	switch {
	case a.State != monitor.Resolved:
		return never
	case a.ResolvedAt == nil:
		return stampOf(a.LastSeenAt)
	}
	return stampOf(*a.ResolvedAt)
}

func parseAlert(k, v []byte) (a monitor.Alert, err error) {
	end, err := parseStamped(v, &a)
	a.ID = string(k)
	if err == nil && end != endOf(&a) {
		err = fmt.Errorf("%w: alert %q was resolved at two times", ErrCorrupt, k)
	}
	return a, err
}

func parseProofs(v []byte) (ss []monitor.Sample, err error) {
	if err := json.Unmarshal(v, &ss); err != nil {
		return nil, fmt.Errorf("%w: proofs: %w", ErrCorrupt, err)
	}
	return ss, nil
}

func parseEvent(k, v []byte) (e monitor.Event, err error) {
	if _, err = parseStamped(v, &e); err == nil {
		e.Seq, err = parseSeq(k)
	}
	return e, err
}

func appendStamped(s stamp, v any) ([]byte, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append(s.append(make([]byte, 0, 8+len(doc))), doc...), nil
}

func parseStamped(b []byte, v any) (stamp, error) {
	if len(b) < 8 {
		return 0, fmt.Errorf("%w: value of %d bytes", ErrCorrupt, len(b))
	}
	if err := json.Unmarshal(b[8:], v); err != nil {
		return 0, fmt.Errorf("%w: value: %w", ErrCorrupt, err)
	}
	return stampAt(b), nil
}

// parse reads a record of the table only to see that it can be read.
func (t table) parse(k, v []byte) (err error) {
	if len(v) > maxValue {
		return fmt.Errorf("%w: value of %d bytes", ErrCorrupt, len(v))
	}
	switch t {
	case current:
		var s series
		if s, err = parseSeriesKey(k); err != nil {
			return err
		}
		if k, v, err = cutCurrent(v); err == nil {
			_, err = parseInterval(s, k, v)
		}
	case past:
		_, err = parseInterval(series{}, k, v)
	case baselines:
		_, err = parseBaseline(k, v)
	case alerts:
		_, err = parseAlert(k, v)
	case proofs:
		_, err = parseProofs(v)
	case ends:
		_, _, err = parseEndKey(k)
	case events:
		_, err = parseEvent(k, v)
	case cursors:
		_, err = parseSeq(v)
	case heard:
		_, err = parseHeard(k, v)
	case strangers:
		_, err = parseStranger(k, v)
	}
	return err
}

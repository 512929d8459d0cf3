package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/dnstaster/dnstaster/monitor"
)

// Baselines reads what is known of every name, in no particular order.
func (db *DB) Baselines(ctx context.Context) ([]monitor.Baseline, error) {
	var list []monitor.Baseline
	err := db.view(ctx, func(tx *bolt.Tx) error {
		c := baselines.in(tx).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			b, err := parseBaseline(k, v)
			if err != nil {
				return err
			}
			list = append(list, b)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read baselines: %w", err)
	}
	return list, nil
}

// Alerts reads those that are not resolved, and those resolved after since,
// ordered by id, which is to say by when they were opened.
func (db *DB) Alerts(ctx context.Context, since time.Time) ([]monitor.Alert, error) {
	var list []monitor.Alert
	err := db.view(ctx, func(tx *bolt.Tx) error {
		c := ends.in(tx).Cursor()
		for k, _ := c.Seek((stampOf(since) + 1).append(nil)); k != nil; k, _ = c.Next() {
			_, id, err := parseEndKey(k)
			if err != nil {
				return err
			}
			a, ok, err := getAlert(tx, id)
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("%w: alert %q is missing", ErrCorrupt, id)
			}
			list = append(list, a)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	slices.SortFunc(list, func(a, b monitor.Alert) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// Alert reads one alert; ok is false where there is none of that id.
func (db *DB) Alert(ctx context.Context, id string) (a monitor.Alert, ok bool, err error) {
	err = db.view(ctx, func(tx *bolt.Tx) (err error) {
		a, ok, err = getAlert(tx, id)
		return err
	})
	if err != nil {
		return monitor.Alert{}, false, fmt.Errorf("read alert %q: %w", id, err)
	}
	return a, ok, nil
}

func getAlert(tx *bolt.Tx, id string) (a monitor.Alert, ok bool, err error) {
	k := []byte(id)
	v := alerts.in(tx).Get(k)
	if v == nil {
		return a, false, nil
	}
	a, err = parseAlert(k, v)
	return a, err == nil, err
}

// Proofs reads the samples that an alert rests on; none where none were kept.
func (db *DB) Proofs(ctx context.Context, id string) (ss []monitor.Sample, err error) {
	err = db.view(ctx, func(tx *bolt.Tx) (err error) {
		if v := proofs.in(tx).Get([]byte(id)); v != nil {
			ss, err = parseProofs(v)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read proofs of alert %q: %w", id, err)
	}
	return ss, nil
}

package storage

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dnstaster/dnstaster/monitor"
)

// benchSeries gives the first interval of each of n series: names with two
// types and five endpoints each, and four addresses in an answer.
func benchSeries(n int) []monitor.Interval {
	list := make([]monitor.Interval, n)
	for s := range list {
		name := fmt.Sprintf("api%d.partner.example.com.", s/10)
		i := interval(name, fmt.Sprintf("operator%d 192.0.2.%d", s%5, s%5), t0)
		i.Question.Type = []monitor.Type{monitor.TypeA, monitor.TypeAAAA}[s/5%2]
		i.Records = nil
		for a := range 4 {
			i.Records = append(i.Records, monitor.Record{Name: name, Type: i.Question.Type, Data: fmt.Sprintf("198.51.100.%d", (s+a)%256), TTL: 60})
		}
		list[s] = i
	}
	return list
}

// One commit in which every series of the batch begins another interval.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run("new-"+strconv.Itoa(n), func(b *testing.B) {
			benchCommit(b, n, func(i *monitor.Interval) { i.First = i.First.Add(time.Hour) })
		})
		b.Run("grown-"+strconv.Itoa(n), func(b *testing.B) {
			benchCommit(b, n, func(i *monitor.Interval) { i.Count++ })
		})
	}
}

func benchCommit(b *testing.B, n int, next func(*monitor.Interval)) {
	db, _ := openAt(b, Config{MaxSize: 16 << 30})
	batch := monitor.Batch{Intervals: benchSeries(n)}
	for range 5 {
		commit(b, db, batch)
		for i := range batch.Intervals {
			next(&batch.Intervals[i])
		}
	}
	var slowest time.Duration
	for b.Loop() {
		for i := range batch.Intervals {
			next(&batch.Intervals[i])
			batch.Intervals[i].Last = batch.Intervals[i].First.Add(time.Minute)
		}
		commit(b, db, batch)
		slowest = max(slowest, db.Stats().LastCommitDuration)
	}
	s := db.Stats()
	b.ReportMetric(float64(s.UsedBytes)/float64(s.Intervals), "B/record")
	b.ReportMetric(float64(slowest.Microseconds())/1000, "ms-slowest")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/interval")
}

// The alert path: one batch as a detection makes it.
func BenchmarkCommitAlert(b *testing.B) {
	db, _ := openAt(b, Config{})
	n := 0
	for b.Loop() {
		n++
		a := alert(fmt.Sprint(n), time.Time{})
		commit(b, db, monitor.Batch{Alerts: []monitor.Alert{a}, Events: []monitor.Event{event(t0, "x")}})
	}
}

func BenchmarkHistory(b *testing.B) {
	db, _ := openAt(b, Config{MaxSize: 16 << 30})
	batch := monitor.Batch{Intervals: benchSeries(1000)}
	const each = 200
	for range each {
		commit(b, db, batch)
		for i := range batch.Intervals {
			batch.Intervals[i].First = batch.Intervals[i].First.Add(time.Hour)
			batch.Intervals[i].Last = batch.Intervals[i].First.Add(time.Minute)
		}
	}
	one := batch.Intervals[555]
	q := monitor.HistoryQuery{Name: one.Question.Name, Type: one.Question.Type, Resolver: one.Resolver}
	for b.Loop() {
		if list, err := db.History(b.Context(), q); err != nil || len(list) != each {
			b.Fatal(len(list), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*each), "ns/interval")
}

// Cursors of endpoints that all deliver at once.
func BenchmarkSetCursor(b *testing.B) {
	for _, endpoints := range []int{1, 8} {
		b.Run(strconv.Itoa(endpoints), func(b *testing.B) {
			db, _ := openAt(b, Config{})
			commit(b, db, monitor.Batch{Events: []monitor.Event{event(t0, "x")}})
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for e := range endpoints {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if err := db.SetCursor(b.Context(), strconv.Itoa(e), 1); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// BenchmarkPolls is twelve hours of 10,000 series that are polled each minute,
// of which 1 % change, with one commit a minute: as the monitor does it, which
// writes an interval when it begins, at each 64th poll, and when it ends; and
// half an hour as it would be with a record for every poll. One run says it all:
// go test -bench Polls -benchtime 1x.
func BenchmarkPolls(b *testing.B) {
	b.Run("intervals", func(b *testing.B) { benchPolls(b, 12*60, 64, 100) })
	b.Run("every", func(b *testing.B) { benchPolls(b, 30, 1, 1) })
}

func benchPolls(b *testing.B, minutes, writeEach, changeEach int) {
	const nseries = 10_000
	for b.Loop() {
		db, _ := openAt(b, Config{MaxSize: 16 << 30})
		noise := rand.New(rand.NewPCG(1, 2))
		open := benchSeries(nseries)
		for s := range open {
			open[s].Count = noise.IntN(writeEach)
		}
		var took []time.Duration
		var spent, cpu time.Duration
		for m := range minutes {
			now := t0.Add(time.Duration(m) * time.Minute)
			var batch monitor.Batch
			for s := range open {
				i := &open[s]
				if noise.IntN(changeEach) == 0 {
					if changeEach > 1 {
						batch.Intervals = append(batch.Intervals, *i) // as it ended
					}
					i.First, i.Count = now, 0
					i.Records = slices.Clone(i.Records)
					i.Records[0].Data = fmt.Sprintf("203.0.113.%d", noise.IntN(256))
				}
				i.Last = now
				if i.Count++; writeEach == 1 || i.Count%writeEach == 1 {
					batch.Intervals = append(batch.Intervals, *i)
				}
			}
			start, busy := time.Now(), cpuTime(b)
			commit(b, db, batch)
			took = append(took, time.Since(start))
			spent += took[m]
			cpu += cpuTime(b) - busy
		}
		slices.Sort(took)
		s := db.Stats()
		polls := float64(nseries * minutes)
		b.ReportMetric(float64(s.FileBytes)/polls, "file-B/poll")
		b.ReportMetric(float64(s.UsedBytes)/float64(s.Intervals), "B/record")
		b.ReportMetric(float64(cpu.Nanoseconds())/polls, "cpu-ns/poll")
		b.ReportMetric(float64(spent.Nanoseconds())/polls, "wall-ns/poll")
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-commit-p50")
		b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-commit-max")
	}
}

// cpuTime is what this process has used of processors.
func cpuTime(b *testing.B) time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

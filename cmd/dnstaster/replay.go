package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// replayOptions are the flags of replay.
type replayOptions struct {
	checkOptions
	without []string
}

func replayCommand() *cobra.Command {
	var o replayOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "replay FILE...",
		Short: "Judge captures and written samples, without a daemon",
		Long: `replay reads captures (pcap or pcapng, gzip or not) and dnstap files through the detectors
that listen to the wire, and samples (one JSON document a line) through the judge. It
tells them apart by content, asks nobody, and reads standard input for "-".

A capture shows forged answers by their contradicting the genuine ones. Whether a
lone answer is right, it cannot tell.

Exit status: 0 clean, 1 suspect, 2 poisoned, 3 unknown, 64 usage, 78 configuration.`,
		Example: `  dnstaster replay capture.pcapng
  dnstaster replay --json *.pcap.gz > report.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			if asJSON {
				o.format = "json"
			}
			return replay(cmd, files, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.config, "config", "", "configuration file, for what its watches expect")
	reportFlags(cmd, &o.checkOptions)
	f.StringSliceVar(&o.without, "without", nil, "rules that are left out")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func replay(cmd *cobra.Command, files []string, o replayOptions) error {
	if err := o.valid(); err != nil {
		return err
	}
	mc := monitor.Config{Timing: monitor.DefaultTiming(), Off: o.without}
	if o.config != "" {
		c, err := loadConfig(o.config)
		if err != nil {
			return configFailure(err)
		}
		mc.Watches, mc.Timing, mc.Exempt = c.watches(c.inside(nil)), c.timing(), prefixes(c.SpecialPurpose.Exempt)
		if err := c.declare(mc.Watches); err != nil {
			return exit{exitConfig, err}
		}
	}
	for _, id := range o.without {
		if !monitor.IsRule(id) {
			return usage("--without: there is no rule %q", id)
		}
	}
	// Most of what is held are packets, which are wanted for seconds and hold nothing
	// to look at: as much again need not be waste.
	defer debug.SetGCPercent(debug.SetGCPercent(replayWaste))
	began := time.Now()
	p := &player{judge: monitor.NewReplay(mc), progress: newProgress(cmd.ErrOrStderr())}
	var failed []error
	for i, file := range files {
		p.progress.begin(file, i, len(files))
		err := p.play(cmd.Context(), file, cmd.InOrStdin())
		if cmd.Context().Err() != nil {
			break // what was read so far is still worth showing
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	p.progress.end()
	r := p.judge.Report(time.Now())
	r.Stats = p.stats
	r.Stats.Flagged = r.Flagged()
	cut := cmd.Context().Err() != nil
	for _, err := range failed {
		fmt.Fprintln(cmd.ErrOrStderr(), "dnstaster:", err)
		// A capture that ends in the middle of a record was cut off, as by a full
		// disk: what it holds was judged. Anything else leaves us not knowing.
		cut = cut || !errors.Is(err, io.ErrUnexpectedEOF)
	}
	if len(r.Watches) == 0 && r.Stats.Transactions > 0 {
		r.Verdict = monitor.Clean
	}
	if cut {
		r.Verdict = r.Verdict.Worse(monitor.Unknown)
	}
	took := time.Since(began)
	w := written{r, took, func(w io.Writer) error { return report.Replay(w, r, took) }, placeIn(r, files)}
	if err := writeReport(cmd.OutOrStdout(), w, o.checkOptions); err != nil {
		return err
	}
	return failOn(r, o.failOn)
}

// player reads files into the judge.
type player struct {
	judge    *monitor.Replay
	progress *progress
	stats    monitor.Stats
}

// play reads one file to its end.
func (p *player) play(ctx context.Context, name string, stdin io.Reader) error {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if st, err := f.Stat(); err == nil && st.IsDir() {
			return &fs.PathError{Op: "read", Path: name, Err: errors.New("is a directory")}
		} else if err == nil {
			p.progress.size(st.Size())
		}
		in = f
	}
	p.judge.File(name)
	b := bufio.NewReaderSize(p.progress.reader(in), 64<<10)
	head, err := b.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", name, err)
	}
	if bytes.HasPrefix(head, []byte{0x1f, 0x8b}) && !capture.IsCapture(head) {
		return fmt.Errorf("%s: packed, and no capture: if it is an evidence archive, unpack it (tar xzf) and replay its samples.jsonl", name)
	}
	switch {
	case capture.IsCapture(head):
		err = p.capture(ctx, b)
	case capture.IsTap(head):
		err = p.tap(ctx, b)
	default:
		err = monitor.ReadSamples(b, func(s monitor.Sample) error {
			p.judge.Take(s)
			p.stats.Packets++
			p.stats.Responses += uint64(len(s.Answers))
			return ctx.Err()
		})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// sniffed is how much of a file tells what it is.
const sniffed = 512

// What a file may take, so that nothing that is in it has to make room for
// something else: enough for 10 s of 100,000 packets a second. It is taken only as
// it is needed, and reading waits for the judge.
const (
	replayTransactions = 1 << 20
	replayConnections  = 1024
	replayMemory       = 256 << 20
	replayWaste        = 20 // percent of what is held
)

// interruptible is a reader that fails once its context has ended.
type interruptible struct {
	ctx context.Context
	io.Reader
}

func (u interruptible) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(b)
}

func (p *player) tap(ctx context.Context, in io.Reader) error {
	st, err := capture.ReadTap(interruptible{ctx, in}, func(s monitor.Sample) error {
		p.judge.Take(s)
		return nil
	})
	p.stats.Packets += st.Packets
	p.stats.Queries += st.Queries
	p.stats.Responses += st.Responses
	p.stats.Transactions += st.Transactions
	p.stats.Undecodable += st.Undecodable
	return err
}

func (p *player) capture(ctx context.Context, in io.Reader) error {
	src, err := capture.NewReader(in)
	if err != nil {
		return err
	}
	defer src.Close()
	m := capture.NewMatcher(capture.Config{Transactions: replayTransactions, Memory: replayMemory, Connections: replayConnections, Patient: true, Tunnels: true})
	defer func() {
		st := m.Stats()
		p.stats.Packets += st.Packets
		p.stats.Queries += st.Queries
		p.stats.Responses += st.Responses
		p.stats.Transactions += st.Transactions
		p.stats.Undecodable += st.Undecodable
		p.stats.TCP += st.TCPMessages
		p.stats.Dropped += st.Shortened + st.Blind + st.Refused + st.Forgotten
	}()
	for n := 0; ; n++ {
		f, err := src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if f.Tagged() {
			p.stats.VLAN++
		}
		for s, ok := m.Take(f); ok; s, ok = m.More() {
			p.judge.Take(s)
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

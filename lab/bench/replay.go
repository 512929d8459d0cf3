package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/dnstaster/dnstaster/lab/bench/traffic"
)

// tsharkPackets is how many packets tshark gets of a large capture. It takes a
// hundred times as long as the others, for each as for the first.
const tsharkPackets = 100_000

// replay has programs read the same capture, in turns.
func replay(ctx context.Context, o options, t tools) (*Part, error) {
	file := filepath.Join(t.dir, "traffic.pcap")
	truth, err := t.traffic(ctx, file, "-packets", strconv.Itoa(o.packets))
	if err != nil {
		return nil, err
	}
	all, err := readers(t, file, truth)
	if err != nil {
		return nil, err
	}
	turns := make([][]turn, len(all))
	for round := range o.rounds {
		for i, c := range all {
			fmt.Fprintf(os.Stderr, "replay, round %d of %d: %s\n", round+1, o.rounds, c.name)
			taken, err := c.takeTurn(ctx, filepath.Join(t.dir, fmt.Sprintf("out-%d-%d", i, round)))
			if err != nil {
				return nil, err
			}
			turns[i] = append(turns[i], taken)
		}
	}
	p := &Part{
		Title:  "Replay of a capture",
		About:  about(truth, o.rounds),
		Rounds: o.rounds,
	}
	for i, c := range all {
		p.Rows = append(p.Rows, c.row(turns[i]))
	}
	p.relate(dnstop)
	for i, c := range all {
		if c.check == nil {
			continue
		}
		for _, x := range turns[i] {
			if err := c.check(x.output); err != nil {
				p.fault(fmt.Sprintf("%s: %v", c.name, err))
			}
		}
	}
	p.Criteria = replayCriteria(p)
	return p, nil
}

func about(truth traffic.Truth, rounds int) string {
	return fmt.Sprintf("%d packets with %d queries, %d messages over TCP, %d packets with a VLAN tag and %d forged answers, %d of them beside the genuine one. Contenders take turns, %d each; CPU is user and system, the median. No peak is less than that of the program that measures.",
		truth.Packets, truth.Queries, truth.TCP, truth.VLAN, len(truth.Forged), truth.Answered(), rounds)
}

// readers are the contenders.
func readers(t tools, file string, truth traffic.Truth) ([]contender, error) {
	plugins, err := filepath.Glob("/usr/lib/*/dnscap/txtout.so")
	if err != nil || len(plugins) == 0 {
		return nil, fmt.Errorf("dnscap's plugin txtout is not installed (%v): lab/install.sh does that", err)
	}
	few := min(truth.Packets, tsharkPackets)
	fields := []string{}
	for _, f := range []string{"frame.time_epoch", "ip.src", "ip.dst", "udp.srcport", "udp.dstport", "dns.id", "dns.flags.response", "dns.flags.rcode", "dns.qry.name", "dns.qry.type", "dns.a", "dns.aaaa", "dns.resp.ttl"} {
		fields = append(fields, "-e", f)
	}
	return []contender{
		{ours, "everything: pairs, compares, judges by every rule, writes a report", []string{t.dnstaster, "replay", "--json", "--fail-on", "never", file}, truth.Packets,
			func(output string) error { return checkReplay(output, truth) }},
		{"naive", "pairs and compares: gopacket, miekg/dns, a Go map", []string{t.naive, file}, truth.Packets,
			func(output string) error { return checkNaive(output, truth) }},
		{dnstop, "counts by client, type and name", []string{"dnstop", "-l", "3", file}, truth.Packets, nil},
		{"dnscap", "copies DNS packets into another file", []string{"dnscap", "-T", "-N", "-r", file, "-w", filepath.Join(t.dir, "copy")}, truth.Packets, nil},
		{"dnscap txtout", "a line of text for each message", []string{"dnscap", "-T", "-r", file, "-P", plugins[0], "-o", "/dev/null", "-s"}, truth.Packets, nil},
		{"tshark", fmt.Sprintf("13 fields of each message, of the first %d packets", few), append([]string{"tshark", "-n", "-r", file, "-c", strconv.Itoa(few), "-Y", "dns", "-T", "fields"}, fields...), few, nil},
	}, nil
}

// report is what dnstaster says of a capture, as far as it is checked.
type report struct {
	Stats struct {
		Packets, Queries, Responses, TCP, VLAN, Flagged, Undecodable, Dropped int
	}
	Alerts []struct {
		Transactions []struct {
			Client, Server netip.AddrPort
			TXID           uint16
			Name           string
		}
	}
}

// checkReplay holds a report against the truth.
func checkReplay(output string, truth traffic.Truth) error {
	var r report
	if err := readJSON(output, &r); err != nil {
		return err
	}
	type key struct {
		client, server netip.AddrPort
		id             uint16
		name           string
	}
	forged, flagged := map[key]bool{}, map[key]bool{}
	for _, f := range truth.Forged {
		if f.Answered {
			forged[key{f.Client, f.Server, f.ID, f.Name}] = true
		}
	}
	missed, wrong := len(forged), 0
	for _, a := range r.Alerts {
		for _, t := range a.Transactions {
			k := key{t.Client, t.Server, t.TXID, t.Name}
			switch {
			case flagged[k]:
			case forged[k]:
				missed--
			default:
				wrong++
			}
			flagged[k] = true
		}
	}
	s := r.Stats
	return compare([]count{
		{"packets", s.Packets, truth.Packets}, {"queries", s.Queries, truth.Queries}, {"responses", s.Responses, truth.Responses},
		{"messages over TCP", s.TCP, truth.TCP}, {"packets with a VLAN tag", s.VLAN, truth.VLAN}, {"flagged transactions", s.Flagged, len(forged)},
		{"forgeries missed", missed, 0}, {"transactions flagged that are right", wrong, 0}, {"undecodable", s.Undecodable, 0}, {"dropped", s.Dropped, 0},
	})
}

// checkNaive holds what the naive reader found against the truth.
func checkNaive(output string, truth traffic.Truth) error {
	var f struct{ Packets, Queries, Responses, TCP, VLAN, Flagged int }
	if err := readJSON(output, &f); err != nil {
		return err
	}
	return compare([]count{
		{"packets", f.Packets, truth.Packets}, {"queries", f.Queries, truth.Queries}, {"responses", f.Responses, truth.Responses},
		{"messages over TCP", f.TCP, truth.TCP}, {"packets with a VLAN tag", f.VLAN, truth.VLAN}, {"flagged transactions", f.Flagged, truth.Answered()},
	})
}

func readJSON(file string, v any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

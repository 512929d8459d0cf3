package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/dnstaster/dnstaster/capture"
	"github.com/dnstaster/dnstaster/control"
	"github.com/dnstaster/dnstaster/monitor"
)

func evidenceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "evidence", Short: "What an alert rests on, to be judged by others"}
	export := &cobra.Command{
		Use:   "export ID",
		Short: "Write the evidence of an alert into one archive",
		Long: `export writes a tar.gz with the alert, the samples that it rests on (which,
unpacked, dnstaster replay judges again), the resolvers that were asked, the packets that
were captured as pcapng, and a manifest with the SHA-256 of each.

It holds nothing but the transactions that the alert is about.`,
		Example: "  dnstaster evidence export 01KAT3Q7W2 --output case.tar.gz",
		Args:    cobra.ExactArgs(1),
	}
	socket := socketFlag(cmd)
	output := export.Flags().String("output", "", `file to write; "-" for standard output, and dnstaster-ID.tar.gz where it is empty`)
	export.RunE = func(cmd *cobra.Command, args []string) error {
		e, err := client(*socket).Evidence(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		b, err := bundle(e)
		if err != nil {
			return err
		}
		if *output == "-" {
			_, err := cmd.OutOrStdout().Write(b)
			return err
		}
		name := *output
		if name == "" {
			name = "dnstaster-" + e.Alert.ID + ".tar.gz"
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), name)
		return nil
	}
	cmd.AddCommand(export)
	return cmd
}

// manifest lists what a bundle holds.
type manifest struct {
	Schema  string            `json:"schema"`
	Alert   string            `json:"alert"`
	Version string            `json:"version"`
	Files   map[string]string `json:"files"` // SHA-256, in hexadecimal, by name
}

const manifestSchema = "dnstaster.evidence/v1"

// member is one file of a bundle.
type member struct {
	name string
	data []byte
}

// bundle packs evidence. The same evidence gives the same bytes.
func bundle(e control.Evidence) ([]byte, error) {
	alert, err := json.MarshalIndent(e.Alert, "", "  ")
	if err != nil {
		return nil, err
	}
	samples, err := sampleLines(e.Samples)
	if err != nil {
		return nil, err
	}
	resolvers, err := json.MarshalIndent(resolversIn(e.Samples), "", "  ")
	if err != nil {
		return nil, err
	}
	files := []member{{"alert.json", append(alert, '\n')}, {"samples.jsonl", samples}, {"resolvers.json", append(resolvers, '\n')}}
	packets, err := packetsIn(e.Samples)
	if err != nil {
		return nil, err
	}
	if packets != nil {
		files = append(files, member{"packets.pcapng", packets})
	}
	m := manifest{Schema: manifestSchema, Alert: e.Alert.ID, Version: version(), Files: map[string]string{}}
	for _, f := range files {
		sum := sha256.Sum256(f.data)
		m.Files[f.name] = hex.EncodeToString(sum[:])
	}
	list, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	files = append(files, member{"manifest.json", append(list, '\n')})

	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	t := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Name: "dnstaster-" + e.Alert.ID + "/" + f.name, Mode: 0o600, Size: int64(len(f.data)), ModTime: e.Alert.LastSeenAt.Truncate(time.Second)}
		if err := t.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := t.Write(f.data); err != nil {
			return nil, err
		}
	}
	err = errors.Join(t.Close(), z.Close())
	return buf.Bytes(), err
}

// sampleLines writes samples as replay reads them.
func sampleLines(ss []monitor.Sample) ([]byte, error) {
	var b bytes.Buffer
	err := writeSamples(&b, ss)
	return b.Bytes(), err
}

func writeSamples(w io.Writer, ss []monitor.Sample) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, s := range ss {
		if err := enc.Encode(s); err != nil {
			return err
		}
	}
	return nil
}

// asked is one resolver of a bundle, with what it said last.
type asked struct {
	Resolver  string              `json:"resolver"`
	Server    string              `json:"server"`
	Operator  string              `json:"operator"`
	Role      monitor.Role        `json:"role"`
	Transport monitor.Transport   `json:"transport"`
	Answers   int                 `json:"answers"`
	Last      monitor.Observation `json:"last"`
}

// resolversIn lists who was asked, in the order of their first answer.
func resolversIn(ss []monitor.Sample) []*asked {
	list := []*asked{}
	by := map[string]*asked{}
	for _, s := range ss {
		for _, o := range s.Answers {
			a := by[o.Endpoint()]
			if a == nil {
				a = &asked{Resolver: o.Resolver, Operator: o.Operator, Role: o.Role, Transport: o.Transport}
				if o.Server.IsValid() { // not of the C library, which has no address
					a.Server = o.Server.String()
				}
				by[o.Endpoint()] = a
				list = append(list, a)
			}
			o.Packet = nil
			a.Answers, a.Last = a.Answers+1, o
		}
	}
	return list
}

// packetsIn gives the captured packets as pcapng; nil where there are none.
func packetsIn(ss []monitor.Sample) ([]byte, error) {
	var b bytes.Buffer
	w, err := capture.NewWriter(&b, "dnstaster "+version())
	if err != nil {
		return nil, err
	}
	n := 0
	seen := map[string]bool{}
	put := func(p monitor.Packet, comment string) error {
		// A transaction that grew was written down more than once.
		key := p.At.String() + string(p.Raw)
		if len(p.Raw) == 0 || seen[key] {
			return nil
		}
		seen[key] = true
		n++
		return w.Write(capture.Frame{At: p.At, Link: capture.LinkType(p.Link), Data: p.Raw, Length: len(p.Raw), Interface: p.Iface}, comment)
	}
	for _, s := range ss {
		for _, p := range s.Queries {
			if err := put(p, "query for "+s.Question.String()); err != nil {
				return nil, err
			}
		}
		for i, o := range s.Answers {
			if o.Packet == nil {
				continue
			}
			if err := put(*o.Packet, fmt.Sprintf("answer %d of %d", i+1, len(s.Answers))); err != nil {
				return nil, err
			}
		}
	}
	if n == 0 {
		return nil, nil
	}
	err = w.Flush()
	return b.Bytes(), err
}

package monitor

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Via says how a sample came about.
type Via string

const (
	Probe Via = "probe" // we asked
	Wire  Via = "wire"  // we overheard
)

// SampleSchema is the schema of a Sample in JSON.
const SampleSchema = "dnstaster.sample/v1"

// Sample is every answer to one question in one short window, together with
// evidence gathered about them: a round over resolvers, or one overheard query
// with all responses that claim to answer it. A sample is the comparison; what
// the judge knows beyond its history came to it in samples.
type Sample struct {
	At       time.Time     `json:"at"`
	Via      Via           `json:"via"`
	Question Question      `json:"question"`
	Queries  []Packet      `json:"queries,omitempty"` // overheard: each time the query was sent
	Answers  []Observation `json:"answers"`
	Strays   *Strays       `json:"strays,omitempty"` // overheard: responses aimed at it that answer something else; nil for none
	Noise    *Noise        `json:"noise,omitempty"`  // overheard: what else came in the name of its server; nil for nothing
	Evidence []Evidence    `json:"evidence"`
	Baseline *Baseline     `json:"baseline,omitempty"` // what history says, where the reader has none
	State    []string      `json:"state,omitempty"`
	Case     *Progress     `json:"case,omitempty"`  // how far the daemon was; nil where nobody gathered more
	Watch    *Watch        `json:"watch,omitempty"` // expectations, where the reader has none
}

// Progress is how far a daemon was with the case about a question when it had
// judged a sample.
type Progress struct {
	Opened    time.Time `json:"opened,omitzero"`     // since when a case was open; zero for none
	Waiting   bool      `json:"waiting,omitempty"`   // more was asked for first, and nothing made known
	Concluded bool      `json:"concluded,omitempty"` // the plan had run its course: what was left standing was an alert
}

type sampleFields Sample

// MarshalJSON adds the schema, and writes lists that are empty as such.
func (s Sample) MarshalJSON() ([]byte, error) {
	f := sampleFields(s)
	f.Answers, f.Evidence = list(f.Answers), list(f.Evidence)
	return json.Marshal(struct {
		Schema string `json:"schema"`
		sampleFields
	}{SampleSchema, f})
}

// UnmarshalJSON reads a sample of schema v1.
func (s *Sample) UnmarshalJSON(b []byte) error {
	var v struct {
		Schema string `json:"schema"`
		sampleFields
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	if v.Schema != SampleSchema {
		return fmt.Errorf("schema %q is not %q", v.Schema, SampleSchema)
	}
	name, err := ParseName(v.Question.Name)
	if err != nil {
		return err
	}
	v.Question.Name = name
	if v.At.IsZero() {
		return errors.New("a sample without time")
	}
	if v.Via == "" {
		v.Via = Probe
	}
	if v.Baseline != nil {
		v.Baseline.normalize()
	}
	*s = Sample(v.sampleFields)
	return nil
}

// maxSampleLine bounds one line of a file of samples.
const maxSampleLine = 4 << 20

// ReadSamples reads one sample a line and hands each to yield, until yield
// returns an error or the input ends. An error names the line.
func ReadSamples(r io.Reader, yield func(Sample) error) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), maxSampleLine)
	for line := 1; sc.Scan(); line++ {
		if len(sc.Bytes()) == 0 {
			continue
		}
		var s Sample
		if err := json.Unmarshal(sc.Bytes(), &s); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		if err := yield(s); err != nil {
			return err
		}
	}
	return sc.Err()
}

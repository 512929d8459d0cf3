package report

import (
	"cmp"
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// cofRecord is one record in the common output format of passive DNS
// (draft-dulaunoy-dnsop-passive-dns-cof).
type cofRecord struct {
	Name   string `json:"rrname"`
	Type   string `json:"rrtype"`
	Data   string `json:"rdata"`
	First  int64  `json:"time_first"` // seconds since 1970
	Last   int64  `json:"time_last"`
	Count  int    `json:"count"`
	Sensor string `json:"sensor_id"`
}

// COF writes the records of intervals in the common output format of passive DNS, one
// JSON object a line, those that were seen last first. A record of several answers is
// one line for each way in which it was seen: overheard on the wire of host, or asked
// for from there. Answers without records have none.
func COF(w io.Writer, host string, is []monitor.Interval) error {
	type key struct{ name, rtype, data, sensor string }
	seen := map[key]*cofRecord{}
	for _, i := range is {
		via := cmp.Or(i.Via, monitor.Probe)
		for _, r := range i.Records {
			name := cmp.Or(r.Name, i.Question.Name)
			k := key{name, r.Type.String(), r.Data, host + "/" + string(via)}
			first, last := i.First.Unix(), i.Last.Unix()
			c := seen[k]
			if c == nil {
				c = &cofRecord{Name: name, Type: k.rtype, Data: r.Data, First: first, Last: last, Sensor: k.sensor}
				seen[k] = c
			}
			c.First, c.Last, c.Count = min(c.First, first), max(c.Last, last), c.Count+i.Count
		}
	}
	var list []*cofRecord
	for _, c := range seen {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *cofRecord) int {
		return cmp.Or(cmp.Compare(b.Last, a.Last), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Data, b.Data), cmp.Compare(a.Sensor, b.Sensor))
	})
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, c := range list {
		if err := e.Encode(c); err != nil {
			return err
		}
	}
	return nil
}

// Unwatched writes what was overheard of a name that nobody watches, an entry a type.
func Unwatched(w io.Writer, ss []monitor.Stranger) error {
	p := &printer{w: w}
	for _, s := range ss {
		n := len(s.Addresses)
		more := ""
		if s.More {
			more = " or more"
		}
		p.line("%s - %s  %5dx  %-5s not watched, overheard; %d%s different addresses", s.First.UTC().Format(time.DateTime), since(s.Last, s.First), s.Count,
			s.Question.Type, n, more)
		for _, a := range s.Addresses {
			if a.Address.IsValid() {
				p.line("%s - %s  %5dx  %-5s %s was among them", a.First.UTC().Format(time.DateTime), since(a.Last, a.First), a.Count, s.Question.Type, a.Address)
			}
		}
	}
	return p.err
}

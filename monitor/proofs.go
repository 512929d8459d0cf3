package monitor

import (
	"context"
	"slices"
)

// rawBudget bounds the octets of captured frames that the proofs of one alert
// keep. The oldest matter most: they show how it began.
const rawBudget = 512 << 10

// proofs gives the samples of the case, to be judged again elsewhere: the first
// carries what the watch says, and what history said before it.
func (q *question) proofs() []Sample {
	ss := slices.Clone(q.samples)
	left := rawBudget
	for i := range ss {
		ss[i].Queries = slices.Clone(ss[i].Queries)
		ss[i].Answers = slices.Clone(ss[i].Answers)
		for j := range ss[i].Queries {
			left = trimRaw(&ss[i].Queries[j], left)
		}
		for j, o := range ss[i].Answers {
			if o.Packet != nil {
				p := *o.Packet
				left = trimRaw(&p, left)
				ss[i].Answers[j].Packet = &p
			}
		}
	}
	if len(ss) > 0 {
		w := q.subject.watch
		ss[0].Watch = &w
		base := q.subject.base
		if q.before != nil {
			base = q.before
		}
		if base != nil {
			b := base.copy()
			ss[0].Baseline = &b
		}
	}
	return ss
}

func trimRaw(p *Packet, left int) int {
	if len(p.Raw) > left {
		p.Raw = nil
	}
	return left - len(p.Raw)
}

// keepProofs has the samples of the case written beside its alert.
func (m *Monitor) keepProofs(alert string, q *question) {
	m.batch.Proofs = slices.DeleteFunc(m.batch.Proofs, func(p Proofs) bool { return p.Alert == alert })
	m.batch.Proofs = append(m.batch.Proofs, Proofs{alert, q.proofs()})
}

// Samples gives what the present judgement of a name rests on, by type.
func (m *Monitor) Samples(ctx context.Context, name string) ([]Sample, error) {
	var ss []Sample
	err := m.do(ctx, func() {
		if s := m.subjects[name]; s != nil {
			for _, q := range s.questions {
				ss = append(ss, q.proofs()...)
			}
		}
	})
	return ss, err
}

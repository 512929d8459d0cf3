package report

import (
	"fmt"

	"github.com/dnstaster/dnstaster/monitor"
)

// score shows how well a report does, and how that comes about.
func (p *printer) score(s monitor.Score) {
	p.line("")
	p.line("SCORE  %s", s.Arithmetic())
	for i, n := range s.Names {
		p.field("points", i, "%s", scoreLine(n))
	}
}

func scoreLine(n monitor.ScoreLine) string {
	return fmt.Sprintf("%s %s  %d = %d right + %d proven + %d backed + %d signed", short(n.Name), n.Type, n.Points, n.Right, n.Proven, n.Backed, n.Signed)
}

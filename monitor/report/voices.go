package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dnstaster/dnstaster/monitor"
)

// voices shows by what a lie is attributed: each answer with its standing and
// all who gave it, those that lie first, and what follows from that.
func (p *printer) voices(vs []monitor.Voice, because string) {
	if len(vs) == 0 {
		return
	}
	for _, s := range []monitor.Standing{monitor.StandsWrong, monitor.StandsDenied, monitor.StandsUnproven, monitor.StandsRight, monitor.StandsSilent} {
		var said []string // what is said with that standing, in the order of who says it
		for _, v := range vs {
			if what := strings.Join(v.Said, ", "); v.Standing == s && !slices.Contains(said, what) {
				said = append(said, what)
			}
		}
		word := string(s)
		if s == monitor.StandsWrong {
			word = "WRONG"
		}
		for i, what := range said {
			p.sayers(word, i, what, slices.DeleteFunc(slices.Clone(vs), func(v monitor.Voice) bool {
				return v.Standing != s || strings.Join(v.Said, ", ") != what
			}))
		}
	}
	if because != "" {
		p.field("so it is", 0, "%s", because)
	}
}

// sayers shows one answer, and who gave it over what.
func (p *printer) sayers(word string, i int, what string, vs []monitor.Voice) {
	if len(vs[0].Said) > maxShown {
		what = some(vs[0].Said)
	}
	var whose, overs []string
	by := map[string][]string{}
	for _, v := range vs {
		if !slices.Contains(whose, v.Group) {
			whose = append(whose, v.Group)
		}
		over := overOf(v)
		if by[over] == nil {
			overs = append(overs, over)
		}
		who := v.Resolver
		if v.Role != monitor.Local && v.Group != "" && !strings.HasPrefix(who, v.Group+" ") && who != v.Group {
			who += " (" + v.Group + ")"
		}
		by[over] = append(by[over], who)
	}
	if len(whose) > 1 && vs[0].Standing != monitor.StandsSilent {
		what += fmt.Sprintf("  %d agree", len(whose))
	}
	p.field(word, i, "%s", what)
	for _, over := range overs {
		p.field("", 0, "  %-6s %s", over, strings.Join(by[over], ", "))
	}
}

// overOf says over what a voice came.
func overOf(v monitor.Voice) string {
	switch {
	case v.Heard:
		return "heard"
	case v.Transport == monitor.DoH:
		return "https"
	case v.Encrypted:
		return "tls"
	}
	return string(v.Transport)
}

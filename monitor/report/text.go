package report

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dnstaster/dnstaster/monitor"
)

// width is the column that a heading's right end stands at.
const width = 100

// Text writes a report for people. took is how long it took to come by; 0
// leaves it out.
func Text(w io.Writer, r monitor.Report, took time.Duration) error {
	p := &printer{w: w}
	for i, group := range byName(r.Watches) {
		if i > 0 {
			p.line("")
		}
		p.name(group, r.Alerts, took)
	}
	return p.err
}

// printer keeps the first error of its writer.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, strings.TrimRight(Printable(fmt.Sprintf(format, args...)), " ")+"\n")
	}
}

// heading writes text with something at the right end of the line.
func (p *printer) heading(text, right string) {
	p.line("%-*s %s", width-len(right)-1, text, right)
}

// Printable replaces what a terminal or a log would act on.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, s)
}

// byName puts the types of a name together where they are all clean, so that
// they take one block.
func byName(js []monitor.Judgement) [][]monitor.Judgement {
	var groups [][]monitor.Judgement
	for _, j := range js {
		n := len(groups) - 1
		if n >= 0 && j.Verdict == monitor.Clean && groups[n][0].Verdict == monitor.Clean && groups[n][0].Name == j.Name {
			groups[n] = append(groups[n], j)
			continue
		}
		groups = append(groups, []monitor.Judgement{j})
	}
	return groups
}

func (p *printer) name(js []monitor.Judgement, alerts []monitor.Alert, took time.Duration) {
	j := js[0]
	var types []string
	for _, j := range js {
		types = append(types, j.Type.String())
	}
	head := fmt.Sprintf("%s  %s  %s", strings.ToUpper(string(j.Verdict)), short(j.Name), strings.Join(types, " "))
	switch {
	case j.Kind != "" && j.Verdict != monitor.Clean:
		head += fmt.Sprintf("   %s: %s", j.Kind, j.Kind.Phrase())
	case j.Verdict == monitor.Unknown:
		head += fmt.Sprintf("   %s", j.Cause)
	}
	right := ""
	if took > 0 {
		right = fmt.Sprintf("%.1f s", took.Seconds())
	}
	p.heading(head, right)
	if j.Verdict == monitor.Clean {
		for _, j := range js {
			p.clean(j, len(js) > 1)
		}
		return
	}
	p.answers(j)
	for i, r := range j.Reasons {
		p.field("why", i, "%s", r.Fact)
	}
	for i, a := range j.Against {
		p.field("but", i, "%s", a)
	}
	for _, a := range alerts {
		if a.Name == j.Name && (a.Type == j.Type || len(alerts) == 1) {
			p.field("risk", 0, "%s", Risk(a.Exposure.Leak))
			for i, g := range a.Guidance {
				p.field("do", i, "%d %s", i+1, g)
			}
			break
		}
	}
	if j.Verdict == monitor.Unknown && j.Cure != "" {
		p.field("cure", 0, "%s", j.Cure)
	} else if j.WouldChange != "" {
		p.field("changes", 0, "%s", j.WouldChange)
	}
}

func (p *printer) field(label string, i int, format string, args ...any) {
	if i > 0 {
		label = ""
	}
	p.line("  %-8s %s", label, fmt.Sprintf(format, args...))
}

// Risk says in a line what a leak is worth.
func Risk(l monitor.Leak) string {
	switch l {
	case monitor.LeakUnchecked:
		return "clients that check certificates refuse it; verify=False or http:// hands over the key"
	case monitor.LeakIfHijacked:
		return "certificate checks do not protect here: count what was sent as known to others"
	}
	return "no application of this host asks there"
}

// clean says in a few lines what makes a name clean.
func (p *printer) clean(j monitor.Judgement, several bool) {
	label := "your path"
	if several {
		label = "your path " + j.Type.String()
	}
	own, witnesses := split(j)
	p.line("  %-14s %-30s %s", label, addresses(own, j), j.Proof)
	if n := len(witnesses); n > 0 {
		same := 0
		for _, o := range witnesses {
			if overlap(own, o, j) {
				same++
			}
		}
		what := fmt.Sprintf("%d of %d say the same", same, n)
		if same < n && len(own) > 0 && len(own[0].Addresses(j.Question())) > 0 {
			what = fmt.Sprintf("%d of %d give other addresses: normal for a CDN", n-same, n)
		}
		p.line("  %-14s %s", "witnesses", what)
	}
}

// split gives the latest answers of this host's path and those of witnesses.
func split(j monitor.Judgement) (own, witnesses []monitor.Observation) {
	for _, o := range j.Answers {
		switch {
		case o.Role == monitor.Local:
			own = append(own, o)
		case o.Witness() && o.Error == "":
			witnesses = append(witnesses, o)
		}
	}
	return own, witnesses
}

func overlap(own []monitor.Observation, o monitor.Observation, j monitor.Judgement) bool {
	for _, p := range own {
		if p.Canon(j.Question()).Equal(o.Canon(j.Question())) {
			return true
		}
		for _, a := range p.Addresses(j.Question()) {
			if slices.Contains(o.Addresses(j.Question()), a) {
				return true
			}
		}
	}
	return false
}

// addresses lists what answers hand out, the common beginning of IPv4
// addresses said once.
func addresses(os []monitor.Observation, j monitor.Judgement) string {
	var as []netip.Addr
	for _, o := range os {
		for _, a := range o.Addresses(j.Question()) {
			if !slices.Contains(as, a) {
				as = append(as, a)
			}
		}
	}
	if len(as) == 0 {
		switch {
		case len(os) == 0:
			return "no answer"
		case os[0].Error != "":
			return os[0].Error
		case len(os[0].Records) > 0:
			return os[0].Records[0].Data
		}
		return "no " + j.Type.String()
	}
	slices.SortFunc(as, netip.Addr.Compare)
	var ss []string
	for i, a := range as {
		s := a.String()
		if i > 0 && a.Is4() {
			if net, err := as[i-1].Prefix(24); err == nil && net.Contains(a) {
				s = s[strings.LastIndexByte(s, '.'):]
			}
		}
		ss = append(ss, s)
	}
	if len(ss) > 4 {
		return strings.Join(ss[:4], ", ") + fmt.Sprintf(" and %d more", len(ss)-4)
	}
	return strings.Join(ss, ", ")
}

// answers shows who said what, those who said the same on one line.
func (p *printer) answers(j monitor.Judgement) {
	type key struct{ role, over, what, mark string }
	groups := map[key][]string{}
	var order []key
	rank := map[monitor.Role]int{monitor.Local: 0, monitor.Reference: 1, monitor.Authority: 2}
	os := slices.Clone(j.Answers)
	slices.SortStableFunc(os, func(a, b monitor.Observation) int {
		return cmp.Or(cmp.Compare(rank[a.Role], rank[b.Role]), cmp.Compare(flag(a.Encrypted), flag(b.Encrypted)))
	})
	for _, o := range os {
		over := string(o.Transport)
		if o.Encrypted {
			over = "tls"
		}
		k := key{string(o.Role), over, addresses([]monitor.Observation{o}, j), mark(o, j)}
		if groups[k] == nil {
			order = append(order, k)
		}
		who := o.Resolver
		if o.Role == monitor.Local {
			who = o.Label()
		}
		if !slices.Contains(groups[k], who) {
			groups[k] = append(groups[k], who)
		}
	}
	for _, k := range order {
		p.line("  %-28s %-4s %-24s %s", strings.Join(groups[k], ", "), k.over, k.what, k.mark)
	}
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// mark says what is known of the addresses of an answer.
func mark(o monitor.Observation, j monitor.Judgement) string {
	if o.Error != "" {
		return ""
	}
	for _, a := range o.Addresses(j.Question()) {
		if slices.Contains(j.Observed, a.String()) {
			return "WRONG  " + certificate(a, j)
		}
	}
	for _, a := range o.Addresses(j.Question()) {
		if slices.Contains(j.Expected, a.String()) {
			return "right  " + certificate(a, j)
		}
	}
	for _, a := range o.Addresses(j.Question()) {
		return "?      " + certificate(a, j)
	}
	return ""
}

// certificate says what the latest handshake with a showed.
func certificate(a netip.Addr, j monitor.Judgement) string {
	for _, e := range slices.Backward(j.Evidence) {
		if e.Address != a || e.Kind != monitor.EvidenceTLS {
			continue
		}
		if e.Outcome == monitor.OutcomeOK {
			return fmt.Sprintf("certificate right, %s old, %s", age(e.At.Sub(e.NotBefore)), e.Issuer)
		}
		return e.Outcome.Phrase()
	}
	return ""
}

func age(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func short(name string) string { return strings.TrimSuffix(name, ".") }

package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dnstaster/dnstaster/monitor"
)

// maxShown bounds the records of an answer that are shown.
const maxShown = 4

// given lists the addresses that answers hand out, each once, in order.
func given(os []monitor.Observation, j monitor.Judgement) []netip.Addr {
	var as []netip.Addr
	for _, o := range os {
		for _, a := range o.Addresses(j.Question()) {
			if !slices.Contains(as, a) {
				as = append(as, a)
			}
		}
	}
	slices.SortFunc(as, netip.Addr.Compare)
	return as
}

// addresses shows what answers hand out, the common beginning of IPv4 addresses
// said once, or says why there is none.
func addresses(os []monitor.Observation, j monitor.Judgement) string {
	var ss []string
	as := given(os, j)
	for i, a := range as {
		s := a.String()
		if i > 0 && a.Is4() {
			if net, err := as[i-1].Prefix(24); err == nil && net.Contains(a) {
				s = s[strings.LastIndexByte(s, '.'):]
			}
		}
		ss = append(ss, s)
	}
	if len(ss) > 0 {
		return some(ss)
	}
	what := "no answer"
	for i, o := range os {
		if i == 0 || o.Error == "" {
			what = records(o, j)
		}
	}
	return what
}

// records shows an answer that holds no address.
func records(o monitor.Observation, j monitor.Judgement) string {
	if o.Error != "" {
		return o.Error
	}
	switch o.Canon(j.Question()).Content {
	case monitor.NXDomain:
		return "no such name"
	case monitor.NoData:
		return "no " + j.Type.String()
	case monitor.None:
		if o.Has("TC") {
			return "cut short"
		}
		return orA(o.Rcode, "no answer")
	}
	var ss []string
	for _, r := range o.Records {
		if r.Type == j.Type {
			ss = append(ss, r.Data)
		}
	}
	return some(ss)
}

// some joins the first few of a list and counts the rest.
func some(ss []string) string {
	if len(ss) > maxShown {
		return strings.Join(ss[:maxShown], ", ") + fmt.Sprintf(" and %d more", len(ss)-maxShown)
	}
	return strings.Join(ss, ", ")
}

// answers shows who said what, those who said the same on one line.
func (p *printer) answers(j monitor.Judgement) {
	type key struct{ role, over, what, word, detail string }
	groups := map[key][]string{}
	var order []key
	rank := map[monitor.Role]int{monitor.Local: 0, monitor.Reference: 1, monitor.Authority: 2}
	os := slices.Clone(j.Answers)
	slices.SortStableFunc(os, func(a, b monitor.Observation) int {
		return cmp.Or(cmp.Compare(rank[a.Role], rank[b.Role]), cmp.Compare(flag(a.Encrypted), flag(b.Encrypted)))
	})
	for _, o := range os {
		over := string(o.Transport)
		if o.Packet != nil {
			over = "heard" // on the wire, or told of by a resolver here: an answer to somebody else, or to a question of ours
		}
		switch {
		case o.Transport == monitor.DoH:
			over = "https"
		case o.Encrypted:
			over = "tls"
		}
		k := key{role: string(o.Role), over: over, what: addresses([]monitor.Observation{o}, j)}
		k.word, k.detail = mark(o, j)
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
	wide, last := 28, ""
	for _, k := range order {
		if n := columns(Printable(strings.Join(groups[k], ", "))); n <= maxName {
			wide = max(wide, n)
		}
	}
	for _, k := range order {
		detail := k.detail
		if detail != "" && k.word+k.what+detail == last {
			detail = "same"
		}
		last = k.word + k.what + k.detail
		p.line("  %-*s  %-6s %-24s %-5s  %s", wide, strings.Join(groups[k], ", "), k.over, k.what, k.word, detail)
	}
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// mark says in a word, and in detail, what is known of the addresses of an
// answer: WRONG and right are what was shown, known is what witnesses or history
// say without a certificate, and a question mark is everything else.
func mark(o monitor.Observation, j monitor.Judgement) (word, detail string) {
	as := o.Addresses(j.Question())
	at := func(a netip.Addr) string {
		detail := certificate(a, j)
		if e, ok := handshake(a, j); ok && e.Outcome == monitor.OutcomeOK {
			detail = "certificate in order, " + detail
		}
		if len(as) > 1 && detail != "" {
			return a.String() + " " + detail
		}
		return detail
	}
	accused := slices.DeleteFunc(slices.Clone(as), func(a netip.Addr) bool { return !slices.Contains(j.Observed, a.String()) })
	for _, a := range accused {
		if e, ok := handshake(a, j); ok && e.Outcome.Wrong() && (j.Verdict == monitor.Poisoned || controlled(j)) {
			return "WRONG", at(a)
		}
	}
	switch {
	case len(accused) > 0 && j.Verdict == monitor.Poisoned:
		return "WRONG", at(accused[0])
	case len(accused) > 0:
		return "?", at(accused[0])
	}
	for _, a := range as {
		if !slices.Contains(j.Expected, a.String()) {
			continue
		}
		if e, ok := handshake(a, j); ok && e.Outcome == monitor.OutcomeOK {
			return "right", certificate(a, j)
		}
		return "known", at(a)
	}
	if len(as) > 0 {
		return "?", at(as[0])
	}
	return "", ""
}

// controlled reports whether any address showed the right certificate: without
// one, a wrong certificate elsewhere shows nothing.
func controlled(j monitor.Judgement) bool {
	return slices.ContainsFunc(j.Evidence, func(e monitor.Evidence) bool { return e.Outcome == monitor.OutcomeOK })
}

// handshake gives the latest one with a.
func handshake(a netip.Addr, j monitor.Judgement) (monitor.Evidence, bool) {
	for _, e := range slices.Backward(j.Evidence) {
		if e.Address == a && e.Kind == monitor.EvidenceTLS && e.Outcome != monitor.OutcomeNotDialled {
			return e, true
		}
	}
	return monitor.Evidence{}, false
}

// certificate says what the latest handshake with a showed.
func certificate(a netip.Addr, j monitor.Judgement) string {
	e, ok := handshake(a, j)
	switch {
	case !ok:
		return "not asked for its certificate"
	case e.Outcome == monitor.OutcomeOK:
		var parts []string
		if !e.NotBefore.IsZero() {
			parts = append(parts, age(e.At.Sub(e.NotBefore))+" old")
		}
		if e.Issuer != "" {
			parts = append(parts, e.Issuer)
		}
		return orA(strings.Join(parts, ", "), "of unknown age")
	case e.Outcome == monitor.OutcomeSelfSigned && strings.HasPrefix(e.Detail, "self-signed"):
		return e.Detail
	case e.Outcome.Wrong() && e.Detail != "":
		return "certificate " + e.Detail
	}
	return e.Outcome.Phrase()
}

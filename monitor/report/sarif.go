package report

import (
	"cmp"
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnstaster/dnstaster/monitor"
)

const (
	sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	toolURI     = "https://github.com/dnstaster/dnstaster"

	// ruleFalse is the rule of a judgement that has no kind; what is clean passes it.
	ruleFalse = "false_answer"
	// ruleUnverifiable is the rule of what nothing can prove.
	ruleUnverifiable = "unverifiable"
	// ruleLock is the rule of a clean name whose lock is broken.
	ruleLock = "pin.violation"
)

// Place says where a name is watched, for readers that show a result beside a
// file.
type Place struct {
	File string // path, as it was given; empty where no file names it
	Line int    // from 1; 0 where it is not known
}

type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		Properties  *sarifScore       `json:"properties,omitempty"`
	}
	sarifScore struct {
		Score monitor.Score `json:"score"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		URI     string      `json:"informationUri"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID         string    `json:"id"`
		Short      sarifText `json:"shortDescription"`
		Full       sarifText `json:"fullDescription"`
		Help       sarifText `json:"help"`
		HelpURI    string    `json:"helpUri,omitempty"`
		Properties struct {
			Tags []string `json:"tags"`
		} `json:"properties"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Kind         string            `json:"kind"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"fingerprints"`
		Partial      map[string]string `json:"partialFingerprints"`
		Properties   sarifProperties   `json:"properties"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	}
	sarifRegion struct {
		Line int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifProperties struct {
		Verdict     string   `json:"verdict"`
		Cause       string   `json:"cause,omitempty"`
		Attribution string   `json:"attribution,omitempty"`
		Confidence  string   `json:"confidence,omitempty"`
		Alerts      []string `json:"alerts,omitempty"`
	}
)

// SARIF writes a report as one log of SARIF 2.1.0 with one result for each
// watched name and type that is not clean, or has an alert beside it. What
// passes has none: readers that leave the kind of a result out of account, as
// GitHub does, would raise an alarm for it. version is that of this program, and may be empty;
// where says which place a name is shown at, and may be nil.
//
// Poisoned is an error, as is a broken lock, suspect a warning. Unknown has the kind open, or review
// where only a person can end it, and is a note: SARIF §3.27.10 asks for the
// level none, which the same readers do not show. Whatever the kind, properties.verdict says the verdict in our words.
//
// A run that could not judge all that it was given is not successful, and has a
// notification that says so.
func SARIF(w io.Writer, r monitor.Report, version string, where func(name string) Place) error {
	run := sarifRun{Results: []sarifResult{}, Invocations: []sarifInvocation{{Successful: true}}}
	run.Tool.Driver = sarifDriver{Name: "dnstaster", Version: Printable(version), URI: toolURI, Rules: []sarifRule{}}
	for _, c := range cases(r) {
		if c.Verdict == monitor.Clean && c.alert.ID == "" && len(c.asides) == 0 && len(c.Breaches) == 0 {
			continue
		}
		var at Place
		if where != nil {
			at = where(c.Name)
		}
		run.add(c, at)
	}
	if r.Score != nil {
		s := *r.Score
		s.Because, s.Names = Printable(s.Because), slices.Clone(s.Names)
		for i := range s.Names {
			s.Names[i].Name = Printable(s.Names[i].Name)
		}
		run.Properties = &sarifScore{s}
	}
	if beyond(r) {
		run.Invocations[0] = sarifInvocation{Notifications: []sarifNotification{{"error", sarifMessage(sum(r))}}}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}})
}

func (run *sarifRun) add(c verdictCase, at Place) {
	rule := sarifRuleOf(c)
	i := slices.IndexFunc(run.Tool.Driver.Rules, func(r sarifRule) bool { return r.ID == rule.ID })
	if i < 0 {
		i = len(run.Tool.Driver.Rules)
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
	}
	kind, level := sarifKind(c.Judgement)
	text := c.headline() + "."
	for _, p := range c.points() {
		text += "\n" + p.label + ": " + p.text
	}
	// The alert's key, with the type: one alert may stand for two of them.
	key := Printable(cmp.Or(c.alert.Key, c.Name+"/"+string(monitor.Local)) + "/" + c.Type.String())
	res := sarifResult{
		RuleID: rule.ID, RuleIndex: i, Kind: kind, Level: level, Message: sarifMessage(text),
		Locations:    []sarifLocation{{Physical: at.physical(), Logical: []sarifLogical{{c.title(), "resource"}}}},
		Fingerprints: map[string]string{"dnstasterAlertKey/v1": key},
		Partial:      map[string]string{"primaryLocationLineHash": key}, // the one that GitHub reads
		Properties: sarifProperties{
			Verdict: strings.ToLower(c.word()), Cause: Printable(string(c.Cause)), Attribution: Printable(string(c.Attribution)), Confidence: c.Confidence.String(),
		},
	}
	if c.alert.ID != "" {
		res.Properties.Alerts = append(res.Properties.Alerts, Printable(c.alert.ID))
	}
	for _, a := range c.asides {
		res.Properties.Alerts = append(res.Properties.Alerts, Printable(a.ID))
	}
	run.Results = append(run.Results, res)
}

// sarifKind gives the kind of a result and its level (SARIF §3.27.9, §3.27.10).
func sarifKind(j monitor.Judgement) (kind, level string) {
	if len(j.Breaches) > 0 {
		return "fail", "error"
	}
	switch j.Verdict {
	case monitor.Clean:
		return "pass", "none"
	case monitor.Poisoned:
		return "fail", "error"
	case monitor.Suspicious:
		return "fail", "warning"
	}
	switch j.Cause {
	case monitor.CauseNoProof, monitor.CauseCaptive, monitor.CauseTLSInspected, monitor.CauseClock:
		return "review", "note"
	}
	return "open", "note"
}

// sarifRuleOf gives the rule that a case is a result of: what happened, by its
// kind, or else the first rule of ours that spoke.
func sarifRuleOf(c verdictCase) sarifRule {
	var r sarifRule
	r.Properties.Tags = []string{"security", "dns"}
	runbook := c.alert.RunbookURL
	switch {
	case c.Verdict != monitor.Clean && c.Kind != "":
		r.ID, r.Short.Text = string(c.Kind), c.Kind.Phrase()
		runbook = cmp.Or(runbook, monitor.RunbookBase+url.PathEscape(string(c.Kind))+".md")
	case (c.Verdict == monitor.Suspicious || c.Verdict == monitor.Poisoned) && len(c.Reasons) > 0 && c.Reasons[0].Rule != "":
		r.ID, r.Short.Text = c.Reasons[0].Rule, "a sign that an answer is false"
	case c.Verdict == monitor.Clean && len(c.Breaches) > 0:
		r.ID, r.Short.Text = ruleLock, "what is here is not what the lock has"
	case c.Verdict == monitor.Clean, c.Verdict == monitor.Suspicious, c.Verdict == monitor.Poisoned:
		r.ID, r.Short.Text = ruleFalse, "the answer for a watched name is false"
	default:
		r.ID, r.Short.Text = ruleUnverifiable, "whether the answer for a watched name is right cannot be said"
	}
	r.HelpURI = httpURL(runbook)
	r.ID, r.Short = Printable(r.ID), sarifMessage(r.Short.Text)
	r.Full.Text = "dnstaster holds what DNS answers on this host against independent witnesses and the certificates at the answered addresses: " + r.Short.Text + "."
	r.Help.Text = "Reasons, and what to do, stand in each result."
	if r.HelpURI != "" {
		r.Help.Text += " Runbook: " + r.HelpURI
	}
	return r
}

// httpURL gives s if it is an absolute http or https URL, in an encoding that
// holds nothing but ASCII.
func httpURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || Printable(s) != s || strings.ContainsAny(s, "<>\"'`|()[]{}\\ ") {
		return ""
	}
	return u.String()
}

// sarifMessage makes a text that is only text: in messages, {0} is a
// placeholder (SARIF §3.11.5) and [text](target) a link (§3.11.6), and readers
// differ in which escapes they know.
func sarifMessage(s string) sarifText {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = Printable(lines[i])
	}
	// One after the other: a brace that becomes a parenthesis must not make a link.
	text := strings.NewReplacer("{", "(", "}", ")").Replace(strings.Join(lines, "\n"))
	return sarifText{strings.ReplaceAll(text, "](", "] (")}
}

// physical gives the place as a location, nil where there is no file.
func (p Place) physical() *sarifPhysical {
	if p.File == "" {
		return nil
	}
	u := url.URL{Path: filepath.ToSlash(p.File)}
	if filepath.IsAbs(p.File) {
		u.Scheme = "file"
	}
	var l sarifPhysical
	l.Artifact.URI = u.String()
	if p.Line > 0 {
		l.Region = &sarifRegion{p.Line}
	}
	return &l
}

package discover

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// shown are words of names whose values people read, follow or compare, and
// programs do not call.
var shown = wordSet(`doc docs documentation help homepage link links href license licence icon icons image images img avatar logo thumb thumbnail
	screenshot reference references resources schema schemas xmlns namespace referer referrer comment description desc title example examples
	placeholder sponsor sponsors funding author badge scope scopes contact issues changelog support terms tos privacy tooltip label message msg
	hint caption banner social community forum wiki tutorial faq blog site canonical agent favicon poster backdrop repo repository pattern
	regex redirect callback origin origins cors csp allowed trusted blocked whitelist blacklist allowlist denylist ignore ignored dashboard invite
	share html src style font fonts readme source maintainer maintainers organization publisher vendor annotations labels`)

// called are words that make a value one that programs call all the same, and
// told those that make it one to read even so.
var (
	called = wordSet("api endpoint endpoints server host hostname upstream backend gateway")
	told   = wordSet("doc docs documentation help homepage link links href example examples placeholder reference image icon schema readme license")
)

// spoken are functions that print, compare and take apart, by their last word.
var spoken = wordSet(`print println printf fprintf fprint fprintln errorf fatal fatalf panic panicf log logf debug debugf info infof warn warnf warning
	warningf error exception critical trace notice success fail succeed echo secho write writeln writeline startswith endswith hasprefix hassuffix contains includes indexof
	replace replaceall trimprefix trimsuffix trim strip lstrip rstrip removeprefix removesuffix cutprefix split match matchall test compile
	mustcompile regexp equal equals describe it expect input prompt colorizelink useragent register_namespace register qname setdescription
	setfooter setauthor setthumbnail seturl setimage setlabel add_field alert reply help tr t`)

// speaking are the modules whose functions all do that.
var speaking = wordSet("log logger logging console re regexp assert chalk warnings")

// calling are words of names whose values are hosts that are called.
var calling = wordSet(`host hostname server servers endpoint endpoints url uri base api addr address broker brokers upstream backend gateway smtp imap
	ftp ldap registry netloc authority fqdn node nodes bootstrap`)

// dialling are functions that connect to the host they are given, by their last word.
var dialling = wordSet(`dial dialtimeout dialtls dialcontext connect create_connection createconnection smtp smtp_ssl imap4 imap4_ssl ftp ftp_tls lookuphost
	lookupip gethostbyname getaddrinfo resolve httpsconnection httpconnection plainauth ldap connection`)

// service are first labels of hosts that serve programs.
var service = wordSet("api smtp imap pop pop3 mqtt ftp ldap db amqp mail gateway auth oauth ws broker redis kafka")

// identifying are domains whose addresses name things, or are read by people,
// and are called by nobody.
var identifying = []string{
	"w3.org", "xmlsoap.org", "schema.org", "json-schema.org", "purl.org", "openxmlformats.org", "xmlns.com", "ogp.me", "schemas.microsoft.com",
	"ietf.org", "rfc-editor.org", "readthedocs.io", "readthedocs.org", "wikipedia.org", "stackoverflow.com", "creativecommons.org", "opensource.org",
}

// pages are paths at which people read of a project.
var pages = regexp.MustCompile(`^https?://(?:www\.)?(?:github|gitlab|bitbucket)\.(?:com|org)/[\w.~-]+/?(?:[\w.~-]+/?(?:(?:-/)?(?:blob|tree|issues|wiki|pull|pulls|discussions|commit|commits|compare|releases)\b.*)?)?(?:[#?].*)?$|` +
	`^https?://github\.com/(?:sponsors|apps|marketplace)/|^https://www\.googleapis\.com/auth/|^https?://(?:docs|wiki|help)\.`)

// targets gives whom a literal has the program call.
func (l literal) targets() []target {
	if l.compared || l.passive() {
		return nil
	}
	text := strings.TrimSpace(l.text)
	if isShell(text) {
		return shellTargets(text)
	}
	if isProse(text) || pages.MatchString(text) {
		return nil
	}
	if strings.Contains(text, "://") {
		ts := addressed(text, l.after)
		return slices.DeleteFunc(ts, func(t target) bool {
			return slices.ContainsFunc(identifying, func(d string) bool { return t.name == d || strings.HasSuffix(t.name, "."+d) })
		})
	}
	if t, ok := l.bare(text); ok {
		return []target{t}
	}
	return nil
}

// passive reports whether the literal is for people, or for comparison.
func (l literal) passive() bool {
	if ws := words(l.key); hasAny(ws, shown) && !(hasAny(ws, called) && !hasAny(ws, told)) || slices.ContainsFunc(l.within, func(k string) bool { return hasAny(words(k), shown) }) {
		return true
	}
	head, last := l.call, l.call
	if i := strings.LastIndexByte(l.call, '.'); i >= 0 {
		head, last = l.call[:i], l.call[i+1:]
	}
	first, _, _ := strings.Cut(head, ".")
	if l.later && strings.HasPrefix(strings.ToLower(last), "replace") {
		return false // it is what is put in
	}
	return spoken[strings.ToLower(last)] || speaking[strings.ToLower(first)] || l.call == "errors.New" ||
		strings.HasSuffix(last, "Error") || strings.HasSuffix(last, "Exception")
}

// isProse reports whether a text is meant to be read: words follow the first.
func isProse(text string) bool {
	i := strings.IndexFunc(text, unicode.IsSpace)
	if i < 0 {
		return false
	}
	n := 0
	for _, w := range strings.Fields(text[i:]) {
		if strings.IndexFunc(w, unicode.IsLetter) == 0 && !strings.ContainsAny(w, "=&%") {
			n++
		}
	}
	return n >= 2
}

// sourceFiles are top-level domains that are ends of names of files more often.
var sourceFiles = wordSet("py sh md rs pl so zip mov ps cc app js ts name")

// sorts are words of names whose values look like hosts and say what something is.
var sorts = wordSet("version group groups kind type class package module plugin provisioner driver finalizer annotation hosts domains")

// bare gives the host that a literal is, where what stands around it says that
// it is called.
func (l literal) bare(text string) (target, bool) {
	host, port, hasPort := strings.Cut(text, ":")
	if strings.ContainsAny(text, " /@_") || l.before && strings.HasPrefix(host, ".") || !isHost(host) {
		return target{}, false
	}
	labels := strings.Split(strings.ToLower(host), ".")
	top := labels[len(labels)-1]
	zone, in := zoneInside(strings.ToLower(host))
	ws := words(l.key)
	if in && zone == top && !insideLabels[top] || sourceFiles[top] && !hasAny(ws, called) || hasAny(ws, sorts) {
		return target{}, false // it is a path of attributes, a file, or a sort of thing
	}
	_, last, _ := cutLast(l.call, ".")
	switch {
	case hasAny(ws, calling), dialling[strings.ToLower(last)]:
	case slices.Contains(ws, "domain") && len(labels) > 2:
	case service[labels[0]] && len(labels) > 2 && (l.call != "" || l.key != ""):
	default:
		return target{}, false
	}
	t := newTarget(host)
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && err == nil {
		t.port = uint16(n)
	}
	t.noTLS = slices.Contains([]string{"smtp", "ftp", "db", "redis", "kafka", "ldap", "mqtt", "amqp"}, labels[0])
	return t, true
}

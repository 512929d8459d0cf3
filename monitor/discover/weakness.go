package discover

// Rule says what is weak.
type Rule string

const (
	// UnverifiedTLS accepts any certificate.
	UnverifiedTLS Rule = "unverified_tls"
	// PlainHTTPKey sends a key without TLS.
	PlainHTTPKey Rule = "plain_http_key"
	// PlainHTTP calls without TLS.
	PlainHTTP Rule = "plain_http"
	// KeyInQuery puts a key into the address.
	KeyInQuery Rule = "key_in_query"
	// NoTimeout waits for an answer for ever.
	NoTimeout Rule = "no_timeout"
)

// ruleTexts are what is said of a weakness.
var ruleTexts = map[Rule]struct{ text, guidance, reference string }{
	UnverifiedTLS: {
		"the certificate is not checked: one poisoned answer is enough to read and change everything that is sent",
		"check it: give the program the CA of the other side (verify=\"ca.pem\", RootCAs, ca:, --cacert) in place of turning the check off; rotate what was sent meanwhile if an alert names this host",
		"CWE-295",
	},
	PlainHTTPKey: {
		"a key goes over plain HTTP: whoever is answered for this name, or stands between, has it",
		"call it by https; where there is none, send no key that is good for anything else, and ask dnstaster verify first",
		"CWE-319",
	},
	PlainHTTP: {
		"plain HTTP: nothing tells the genuine server from a false one",
		"call it by https, so that a false address is refused",
		"CWE-319",
	},
	KeyInQuery: {
		"a key stands in the address: it ends up in logs of servers and proxies, and goes along with a redirect",
		"send it in a header, and follow no redirect to another host",
		"CWE-598",
	},
	NoTimeout: {
		"no time-out: who is answered for this name can hold the call for as long as it likes",
		"give a time-out for the connection and for the whole call",
		"CWE-1088",
	},
}

// severityOrder puts the worst first.
var severityOrder = map[Severity]int{Critical: 0, High: 1, Medium: 2, Low: 3}

// severity says how bad it is, by whether a key is known to be sent.
func (r Rule) severity(key bool) Severity {
	switch r {
	case UnverifiedTLS:
		if key {
			return Critical
		}
		return High
	case PlainHTTPKey:
		return Critical
	case KeyInQuery:
		return Medium
	}
	return Low
}

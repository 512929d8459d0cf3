package discover

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// words splits an identifier at everything that sets words off, in lower case:
// userAPIKey, user_api_key and User-Api-Key are user, api, key.
func words(s string) []string {
	var out []string
	start, runes := 0, []rune(s)
	flush := func(end int) {
		if end > start {
			out = append(out, strings.ToLower(string(runes[start:end])))
		}
		start = end
	}
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush(i)
			start = i + 1
		case unicode.IsUpper(r) && i > start && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			flush(i)
		}
	}
	flush(len(runes))
	return out
}

// keyWords make a name one of a secret.
var keyWords = wordSet(`key apikey token secret password passwd passphrase passwort pwd credential credentials creds dsn authtoken accesstoken`)

// harmless make it something about a secret, or another sort of key.
var harmless = wordSet(`public primary foreign sort partition cache max min limit count length size ttl expiry expires expire expiration
	lifetime board word words names type types kind column field pair tokens tokenizer invalid missing error err bucket endpoint
	url uri header prefix required algorithm needs has is not new parse validate find resolver regex manager adapter identifier
	query resume next page rating metadata routing shortcut ref`)

// generic words say nothing of whose secret it is.
var generic = wordSet(`api key apikey token secret password passwd passphrase pwd credential credentials creds dsn auth access client app
	application user username id private public bearer refresh session security x my the env config service server account admin
	default root login base url uri host hostname endpoint domain http https com net org io www prod production dev test live
	webhook signing alert alerts event events search hooks chat mail send proxy oauth jwt v1 v2 file web site data db database path port`)

func wordSet(s string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(s) {
		set[w] = true
	}
	return set
}

func hasAny(ws []string, set map[string]bool) bool {
	return slices.ContainsFunc(ws, func(w string) bool { return set[w] })
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)

// secretKey reports whether what is called so holds a secret.
func secretKey(name string) bool {
	if len(name) > 64 || !identifier.MatchString(name) {
		return false
	}
	ws := words(name)
	return hasAny(ws, keyWords) && !hasAny(ws, harmless)
}

// constant is how variables of an environment are written.
var constant = regexp.MustCompile(`^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$`)

// settingName reports whether a text is the name of a secret somebody sets: a
// variable of the environment, or a setting that says whose key it is. What
// could be the secret itself is none.
func settingName(name string) bool {
	if !secretKey(name) || strings.Contains(name, "-") || isValue(name) {
		return false
	}
	ws := words(name)
	if constant.MatchString(name) {
		return len(ws) > 1
	}
	return len(ws) > 1 && slices.ContainsFunc(ws, func(w string) bool { return !generic[w] })
}

// issued are what keys begin with that say whose they are.
var issued = regexp.MustCompile(`^(?:sk|pk|rk)[-_]|^gh[a-z]_|^github_pat|^xox|^xapp|^AKIA|^ASIA|^AIza|^eyJ|^glpat|^whsec|^npm_|^SG\.|^dop_v1|^hf_|^shp[a-z]{2}_|^ya29`)

// isValue reports whether a text looks like a secret rather than its name: keys
// are long and mix letters with digits.
func isValue(s string) bool {
	if issued.MatchString(s) {
		return true
	}
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == '_' || r == '.' || r == '-' }) {
		digits, changes, was := 0, 0, false
		for i, r := range part {
			is := unicode.IsDigit(r)
			if is {
				digits++
			}
			if i > 0 && is != was {
				changes++
			}
			was = is
		}
		if len(part) > 30 || len(part) >= 8 && (digits >= 4 || changes >= 3) {
			return true
		}
	}
	return false
}

// queryKey finds a key among the parameters of an address.
var queryKey = regexp.MustCompile(`[?&]([A-Za-z_][A-Za-z0-9_.-]{0,40})=`)

// keyInQuery reports whether an address that is called has a key in it.
func keyInQuery(text string) bool {
	if m := address.FindStringSubmatch(text); m != nil {
		if _, ok := protocols[strings.ToLower(m[1])]; !ok {
			return false // it is no such address: otpauth://
		}
	}
	for _, m := range queryKey.FindAllStringSubmatch(text, 32) {
		if secretKey(m[1]) {
			return true
		}
	}
	return false
}

// authorization reports whether a text is a header that carries a key, or the
// beginning of what it says (RFC 9110 §11.6.2, RFC 6750 §2.1).
func authorization(text string) bool {
	return strings.EqualFold(text, "authorization") || strings.HasPrefix(text, "Bearer ") || strings.HasPrefix(text, "Basic ")
}

// likeness gives the words by which a name and a host show that they belong together.
func likeness(name string) []string {
	var out []string
	for _, w := range words(name) {
		if len(w) > 2 && !generic[w] {
			out = append(out, w)
		}
	}
	return out
}

// hostLikeness gives the same of a host. That it has an API is part of many a
// domain: googleapis is google's.
func hostLikeness(host string) []string {
	name := host[:max(0, strings.LastIndexByte(host, '.'))]
	out := likeness(name)
	for _, w := range out {
		for _, end := range []string{"apis", "api", "hq", "cloud"} {
			if short, ok := strings.CutSuffix(w, end); ok && len(short) > 2 && !generic[short] {
				out = append(out, short)
				break
			}
		}
	}
	return out
}

package discover

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/dnstaster/dnstaster/monitor"
)

// target is whom a text has a program call.
type target struct {
	name   string // without the root's dot
	port   uint16 // 0 where it is not known
	plain  bool   // http
	noTLS  bool   // another protocol, that does not begin with TLS
	inside bool
	secret bool // a password stands in the address
}

// protocol says what is spoken to an address of a scheme.
type protocol struct {
	port  uint16
	plain bool // HTTP without TLS
	noTLS bool
}

// protocols are those of addresses that programs call.
var protocols = map[string]protocol{
	"https": {443, false, false}, "http": {80, true, false}, "wss": {443, false, false}, "ws": {80, true, false},
	"grpcs": {443, false, false}, "grpc": {0, false, true}, "ftp": {21, false, true}, "ftps": {990, false, false}, "sftp": {22, false, true}, "ssh": {22, false, true},
	"ldap": {389, false, true}, "ldaps": {636, false, false}, "smtp": {25, false, true}, "smtps": {465, false, false}, "imap": {143, false, true}, "imaps": {993, false, false},
	"amqp": {5672, false, true}, "amqps": {5671, false, false}, "mqtt": {1883, false, true}, "mqtts": {8883, false, false}, "nats": {4222, false, true}, "tls": {0, false, false},
	"redis": {6379, false, true}, "rediss": {6379, false, false}, "postgres": {5432, false, true}, "postgresql": {5432, false, true}, "mysql": {3306, false, true}, "mariadb": {3306, false, true},
	"mongodb": {27017, false, true}, "mongodb+srv": {27017, false, true}, "clickhouse": {9000, false, true}, "cockroachdb": {26257, false, true}, "kafka": {9092, false, true},
	"tcp": {0, false, true}, "udp": {0, false, true}, "sqlserver": {1433, false, true}, "mssql": {1433, false, true}, "elasticsearch": {9200, false, true}, "git": {9418, false, true},
}

// address begins an address; SQLAlchemy and JDBC put a driver beside the scheme.
var address = regexp.MustCompile(`^(?:jdbc:)?([A-Za-z][A-Za-z0-9]*(?:\+[A-Za-z0-9_]+)?)://`)

// addressed gives whom an address calls, or nothing: the host may be put in only
// at run time. More says that text follows that is not seen.
func addressed(text string, more bool) []target {
	m := address.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	scheme := strings.ToLower(m[1])
	p, ok := protocols[scheme]
	if !ok {
		scheme, _, _ = strings.Cut(scheme, "+")
		if p, ok = protocols[scheme]; !ok {
			return nil
		}
	}
	rest := text[len(m[0]):]
	end := strings.IndexAny(rest, "/?#\\ \t\r\n\"'`<>|;)]")
	authority := rest
	if end >= 0 {
		authority = rest[:end]
	}
	user, hosts, hasUser := cutLast(authority, "@")
	_, password, hasPassword := strings.Cut(user, ":")
	var out []target
	for host := range strings.SplitSeq(hosts, ",") {
		host, port, hasPort := strings.Cut(host, ":")
		if end < 0 && !hasPort && more && strings.HasSuffix(host, ".") || !isHost(host) {
			continue
		}
		t := newTarget(host)
		t.plain, t.noTLS, t.secret = p.plain, p.noTLS, hasUser && hasPassword && password != ""
		t.port = p.port
		if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
			t.port = uint16(n)
		}
		out = append(out, t)
	}
	return out
}

// cutLast cuts s at the last sep; without one all of it comes after.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

func newTarget(host string) target {
	name, _ := monitor.ParseName(host)
	name = strings.TrimSuffix(name, ".")
	return target{name: name, inside: inside(name)}
}

// documentation are domains that stand for others (RFC 2606 §3), or for none.
var documentation = []string{"example.com.", "example.net.", "example.org.", "invalid.", "localhost.", "localdomain.", "yourdomain.com.", "mydomain.com.", "your-domain.com.", "domain.com.", "example."}

// isHost reports whether a text is a hostname of more than one label that can be watched.
func isHost(host string) bool {
	if len(host) < 4 || strings.ContainsAny(host, "*%{}$\x00") || strings.HasSuffix(host, ".") || strings.HasPrefix(host, "-") {
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	name, err := monitor.ParseName(host)
	if err != nil {
		return false
	}
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	top := labels[len(labels)-1]
	if len(labels) < 2 || !strings.ContainsFunc(top, func(r rune) bool { return r >= 'a' && r <= 'z' }) || strings.ContainsRune(top, '_') {
		return false
	}
	return !slices.ContainsFunc(documentation, func(zone string) bool {
		// The domains that stand for others are watched by none, names below .example by our own manual.
		return monitor.Under(name, zone) && !(zone == "example." && len(labels) > 2)
	})
}

// insideLabels are what a network calls the part of its zone that only it knows.
var insideLabels = wordSet("internal intranet intern corp lan local localnet priv private svc consul vpn")

// zoneInside gives the zone below which a name means something on its own network alone:
// a top-level domain that there is not in the public DNS (RFC 6761, RFC 6762,
// RFC 8375, .internal), or a part of a zone that is named so.
func zoneInside(name string) (zone string, ok bool) {
	labels := strings.Split(name, ".")
	top := labels[len(labels)-1]
	if strings.HasSuffix(name, ".home.arpa") {
		return "home.arpa", true
	}
	if !registered(top) {
		return top, true
	}
	for i := len(labels) - 2; i > 0; i-- {
		if insideLabels[labels[i]] && registered(top) && len(labels)-i > 2 {
			return strings.Join(labels[i:], "."), true
		}
	}
	return "", false
}

func inside(name string) bool { _, ok := zoneInside(name); return ok }

// registered reports whether there is such a top-level domain. Those of manuals
// and tests stand for one (RFC 2606 §2).
func registered(top string) bool {
	if top == "example" || top == "test" {
		return true
	}
	_, icann := publicsuffix.PublicSuffix("a.b." + top)
	return icann
}

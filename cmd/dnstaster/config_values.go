package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"github.com/dnstaster/dnstaster/monitor"
)

// duration is written as in Prometheus: 90d, 1h30m, 500ms.
type duration time.Duration

func (d *duration) UnmarshalText(b []byte) error {
	p, err := model.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("want a duration such as 60s, 15m or 90d, not %q", b)
	}
	*d = duration(p)
	return nil
}

func (d duration) MarshalText() ([]byte, error) { return []byte(model.Duration(d).String()), nil }

// moment is a time with its zone (RFC 3339).
type moment time.Time

func (m *moment) UnmarshalText(b []byte) error {
	t, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return fmt.Errorf("want a time such as 2026-11-24T03:00:00Z, not %q", b)
	}
	*m = moment(t)
	return nil
}

func (m moment) MarshalText() ([]byte, error) { return time.Time(m).MarshalText() }

// size is a number of bytes, with KiB, MiB or GiB behind it.
type size int64

var sizePattern = regexp.MustCompile(`^([0-9]{1,9})(B|KiB|MiB|GiB)$`)

func (s *size) UnmarshalText(b []byte) error {
	m := sizePattern.FindStringSubmatch(string(b))
	if m == nil {
		return fmt.Errorf("want a size such as 256MiB, not %q", b)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return err
	}
	*s = size(n << map[string]int{"B": 0, "KiB": 10, "MiB": 20, "GiB": 30}[m[2]])
	return nil
}

func (s size) MarshalText() ([]byte, error) {
	for _, u := range []struct {
		shift int
		name  string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if s != 0 && s%(1<<u.shift) == 0 {
			return []byte(strconv.FormatInt(int64(s)>>u.shift, 10) + u.name), nil
		}
	}
	return []byte(strconv.FormatInt(int64(s), 10) + "B"), nil
}

// capacity is how many queries are held at once.
type capacity int

const (
	minCapacity = 1 << 10
	maxCapacity = 1 << 22
)

func (c *capacity) UnmarshalText(b []byte) error {
	n, err := strconv.Atoi(string(b))
	if err != nil || n < minCapacity || n > maxCapacity {
		return fmt.Errorf("want a whole number from %d to %d, not %q", minCapacity, maxCapacity, b)
	}
	*c = capacity(n)
	return nil
}

// domain is a domain name.
type domain string

func (n *domain) UnmarshalText(b []byte) error {
	name, err := monitor.ParseName(string(b))
	*n = domain(name)
	return err
}

func (n domain) MarshalText() ([]byte, error) { return []byte(strings.TrimSuffix(string(n), ".")), nil }

// prefix is an address, or a block of them.
type prefix netip.Prefix

func (p *prefix) UnmarshalText(b []byte) error {
	if a, err := netip.ParseAddr(string(b)); err == nil && a.Zone() == "" {
		a = a.Unmap()
		*p = prefix(netip.PrefixFrom(a, a.BitLen()))
		return nil
	}
	n, err := netip.ParsePrefix(string(b))
	if err != nil {
		return fmt.Errorf("want an address or a prefix such as 203.0.113.0/24, not %q", b)
	}
	if n.Masked() != n {
		return fmt.Errorf("%s has bits beyond its length: did you mean %s?", n, n.Masked())
	}
	*p = prefix(n)
	return nil
}

func (p prefix) MarshalText() ([]byte, error) {
	n := netip.Prefix(p)
	if n.IsSingleIP() {
		return n.Addr().MarshalText()
	}
	return n.MarshalText()
}

// pin is the public key of a certificate (RFC 7469 §2.4).
type pin string

func (p *pin) UnmarshalText(b []byte) error {
	digest, ok := strings.CutPrefix(string(b), "sha256/")
	raw, err := base64.StdEncoding.DecodeString(digest)
	if !ok || err != nil || len(raw) != 32 {
		return fmt.Errorf("want a pin such as sha256/ and 44 characters of base64, not %q", b)
	}
	*p = pin(b)
	return nil
}

// endpoint is an address with or without a port.
type endpoint netip.AddrPort

func (e *endpoint) UnmarshalText(b []byte) error {
	ap, err := netip.ParseAddrPort(string(b))
	if a, aerr := netip.ParseAddr(string(b)); aerr == nil {
		ap, err = netip.AddrPortFrom(a, 0), nil
	} else if err == nil && ap.Port() == 0 {
		err = errors.New("port 0")
	}
	switch {
	case err != nil:
		return fmt.Errorf("want an address such as 192.0.2.1 or [2001:db8::1]:853, not %q: resolvers are never looked up by name", b)
	case ap.Addr().IsUnspecified() || ap.Addr().IsMulticast():
		return fmt.Errorf("%s is not the address of a resolver", ap.Addr())
	}
	*e = endpoint(ap)
	return nil
}

func (e endpoint) MarshalText() ([]byte, error) {
	ap := netip.AddrPort(e)
	if ap.Port() == 0 && ap.IsValid() {
		return ap.Addr().MarshalText()
	}
	return ap.MarshalText()
}

// decodeNode reads the tls key of a watch: off, false, or what is expected.
func (t *watchTLS) decodeNode(d *decoder, n ast.Node) {
	switch s := n.(type) {
	case *ast.StringNode:
		if s.Value != "off" {
			d.fail(n, "want off, or port and pins, not %q", s.Value)
		}
		t.Off = true
	case *ast.BoolNode:
		if s.Value {
			d.fail(n, "TLS is the default: leave tls out, or give port and pins")
		}
		t.Off = true
	default:
		type plain watchTLS
		d.decode(n, reflectElem((*plain)(t)))
	}
}

// decodeNode reads a resolver: a name of the catalogue, or an endpoint.
func (r *resolverConfig) decodeNode(d *decoder, n ast.Node) {
	r.At = d.place(n)
	if s, ok := n.(*ast.StringNode); ok {
		r.Known = s.Value
		return
	}
	type plain resolverConfig
	d.decode(n, reflectElem((*plain)(r)))
}

// httpConfig is http_config as in Prometheus, read by its own code.
type httpConfig struct {
	promconfig.HTTPClientConfig
	set bool
}

func (h *httpConfig) decodeNode(d *decoder, n ast.Node) {
	if _, ok := d.entries(n); !ok || !d.plain(n) {
		return
	}
	c, err := promconfig.LoadHTTPConfig(n.String() + "\n")
	if err != nil {
		d.fail(n, "http_config: %s", promError(err))
		return
	}
	if holdsSecret(reflect.ValueOf(*c)) || passwordIn(c.ProxyURL) {
		d.fail(n, "http_config holds a secret: secrets stay out of this file, give password_file, credentials_file and the like")
		return
	}
	h.HTTPClientConfig, h.set = *c, true
}

func passwordIn(u promconfig.URL) bool {
	if u.URL == nil {
		return false
	}
	_, set := u.User.Password()
	return set
}

// holdsSecret reports whether there is a secret anywhere in v, by its type.
func holdsSecret(v reflect.Value) bool {
	if v.Type() == reflect.TypeFor[promconfig.Secret]() {
		return v.Len() > 0
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && holdsSecret(v.Elem())
	case reflect.Struct:
		for _, f := range v.Fields() {
			if holdsSecret(f) {
				return true
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if holdsSecret(v.Index(i)) {
				return true
			}
		}
	case reflect.Map:
		for _, x := range v.Seq2() {
			if holdsSecret(x) {
				return true
			}
		}
	}
	return false
}

// promNoise is what Prometheus's decoder says besides: lines counted from the
// start of http_config, and values, which may be secrets.
var promNoise = regexp.MustCompile("yaml: |unmarshal errors: |line [0-9]+: |in type [a-zA-Z.]+| into [a-zA-Z.*]+| `[^`]*`")

func promError(err error) string {
	return strings.TrimSpace(promNoise.ReplaceAllString(strings.Join(strings.Fields(err.Error()), " "), ""))
}

// asNumber is the number of an autonomous system.
type asNumber uint32

func (n *asNumber) UnmarshalText(b []byte) error {
	digits := b
	if len(b) > 2 && strings.EqualFold(string(b[:2]), "AS") {
		digits = b[2:]
	}
	i, err := strconv.ParseUint(string(digits), 10, 32)
	if err != nil || i == 0 {
		return fmt.Errorf("want a number such as 64500 or AS64500, not %q", b)
	}
	*n = asNumber(i)
	return nil
}

func (n asNumber) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(n), 10), nil }

// labels are put on every alert.
type labels map[string]string

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// decodeNode reads labels, each at its place.
func (l *labels) decodeNode(d *decoder, n ast.Node) {
	es, ok := d.entries(n)
	if !ok {
		return
	}
	*l = labels{}
	for _, e := range es {
		key := e.Key.GetToken().Value
		if !labelName.MatchString(key) {
			d.fail(e.Key, "%q is not a label name: want letters, digits and underscores", key)
		}
		var text string
		d.decode(e.Value, reflectElem(&text))
		(*l)[key] = text
	}
}

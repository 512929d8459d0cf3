package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestHidden(t *testing.T) {
	const hush = "hush-7f3a"
	u := mustURL(t, "https://"+hush+".example/"+hush)
	s := mustSecret(t)
	words := []string{hush, testSecret, strings.TrimPrefix(testSecret, "whsec_")}
	if u.Reveal() != "https://"+hush+".example/"+hush || s.Reveal() != testSecret {
		t.Errorf("Reveal() = %q, %q", u.Reveal(), s.Reveal())
	}

	type open struct {
		U  URL
		S  Secret
		PU *URL
	}
	type closed struct {
		u URL
		s Secret
	}
	var out bytes.Buffer
	for _, v := range []any{u, s, &u, &s, open{u, s, &u}, &open{u, s, &u}, closed{u, s}, []any{u, s}, map[string]any{"u": u}, Config{URL: u, Secret: s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%10v"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("m", "v", v)
		}
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		if b, err := yaml.Marshal(v); err == nil {
			out.Write(b)
		}
	}
	for _, w := range words {
		if strings.Contains(out.String(), w) {
			t.Errorf("%q is shown:\n%s", w, out.String())
		}
	}
	if got := fmt.Sprint(u, " ", s, " ", u.String(), s.GoString()); got != "*** *** ******" {
		t.Errorf("Sprint = %q", got)
	}
	if b, err := json.Marshal(open{U: u, S: s}); err != nil || string(b) != `{"U":"***","S":"***","PU":null}` {
		t.Errorf("Marshal = %s, %v", b, err)
	}
	if (Secret{}).Reveal() != "" || !(Secret{}).IsZero() || s.IsZero() {
		t.Error("the zero Secret is not empty")
	}
}

func TestNewURL(t *testing.T) {
	tests := []struct{ in, want string }{ // an empty want is an error
		{"https://hooks.example/x?y=z", "https://hooks.example/x?y=z"},
		{"HTTPS://Hooks.Example:8443/Path", "https://hooks.example:8443/Path"},
		{"https://bücher.example:8443/x", "https://xn--bcher-kva.example:8443/x"},
		{"http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080/"},
		{"https://user:pass@hooks.example/", "https://user:pass@hooks.example/"},
		{"", ""},
		{"hush-7f3a", ""},
		{"hooks.example/hush-7f3a", ""},
		{"ftp://hush-7f3a.example/", ""},
		{"https://", ""},
		{"https://:443/hush-7f3a", ""},
		{"https://hush-7f3a.example:port/", ""},
		{"https://hush-7f3a.example:99999/", ""},
		{"https://hush-7f3a.example:0/", ""},
		{"https://hush-7f3a.example/\x7f", ""},
		{"https://hush-7f3a.example/%zz", ""},
		{"file:///hush-7f3a", ""},
	}
	for _, tt := range tests {
		u, err := NewURL(tt.in)
		if u.Reveal() != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("NewURL(%q) = %q, %v, want %q", tt.in, u.Reveal(), err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hush-7f3a") {
			t.Errorf("NewURL(%q) tells it: %v", tt.in, err)
		}
	}
}

func TestNewSecret(t *testing.T) {
	tests := []struct {
		in string
		ok bool
	}{
		{testSecret, true},
		{strings.TrimPrefix(testSecret, "whsec_"), true},
		{"", false},
		{"whsec_", false},
		{"whsec_hush-7f3a", false},
		{"whsec_aHVzaA==", false}, // 4 bytes
	}
	for _, tt := range tests {
		s, err := NewSecret(tt.in)
		if (err == nil) != tt.ok || s.IsZero() == tt.ok {
			t.Errorf("NewSecret(%q) = %v, want ok %t", tt.in, err, tt.ok)
		}
		if err != nil && (strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "openssl rand")) {
			t.Errorf("NewSecret(%q) = %v, want the cure and not the secret", tt.in, err)
		}
	}
}

func TestReadFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		return path
	}
	const warning = "secret file can be read by everybody"

	var out lines
	s, err := ReadSecretFile(write("secret", testSecret+"\r\n", 0o640), out.logger())
	if err != nil || s.Reveal() != testSecret || out.String() != "" {
		t.Errorf("ReadSecretFile = %q, %v, log %q", s.Reveal(), err, &out)
	}
	u, err := ReadURLFile(write("url", "https://hooks.example/x\n", 0o644), out.logger())
	if err != nil || u.Reveal() != "https://hooks.example/x" {
		t.Errorf("ReadURLFile = %q, %v", u.Reveal(), err)
	}
	out.has(t, warning)

	for _, tt := range []struct{ path, want string }{
		{write("empty", "\n", 0o600), "is empty (put the value in it, on one line)"},
		{write("bad", "hush-7f3a", 0o600), "bad: "},
		{filepath.Join(dir, "absent"), "no such file"},
	} {
		_, errURL := ReadURLFile(tt.path, out.logger())
		_, errSecret := ReadSecretFile(tt.path, out.logger())
		for _, err := range []error{errURL, errSecret} {
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("reading %s: %v, want %q", filepath.Base(tt.path), err, tt.want)
			}
		}
	}
	if strings.Contains(out.String(), "hooks.example") {
		t.Errorf("the URL is in the log:\n%s", &out)
	}
}

// TestPlace gives what a firewall has to know of an endpoint, and no more.
func TestPlace(t *testing.T) {
	for text, want := range map[string]string{
		"https://user:hunter2@Hooks.Example/secret/path?token=x": "hooks.example 443",
		"http://192.0.2.7/secret":                                "192.0.2.7 80",
		"https://[2001:db8::7]:8443/secret":                      "2001:db8::7 8443",
	} {
		host, port := mustURL(t, text).Place()
		if got := fmt.Sprint(host, " ", port); got != want {
			t.Errorf("Place() of %s = %s, want %s", text, got, want)
		}
	}
	if host, port := (URL{}).Place(); host != "" || port != 0 {
		t.Errorf("Place() of no URL = %s %d", host, port)
	}
}

package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/webhook"
)

// page reads a page of docs.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docsDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// fenced gives the one block of a page in a language.
func fenced(t *testing.T, text, language string) string {
	t.Helper()
	var found []string
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	if len(found) != 1 {
		t.Fatalf("the page has %d blocks of %s, want one", len(found), language)
	}
	return found[0]
}

// TestWebhookExample has the body in the page fit the schema.
func TestWebhookExample(t *testing.T) {
	wantFit(t, "webhook", []byte(fenced(t, page(t, "webhooks.md"), "json")))
}

// TestWebhookTypes has every type of event in the page's table, and no other.
func TestWebhookTypes(t *testing.T) {
	text := page(t, "webhooks.md")
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z., ]+) \| .* \| (yes|no) \|$`).FindAllStringSubmatch(text, -1) {
		for kind := range strings.SplitSeq(row[1], ", ") {
			listed[kind] = true
		}
	}
	for _, kind := range constants(t, "../../monitor")["event.go"] {
		if !listed[kind] {
			t.Errorf("docs/webhooks.md does not list %s", kind)
		}
		delete(listed, kind)
	}
	for kind := range listed {
		t.Errorf("docs/webhooks.md lists %s, which there is not", kind)
	}
}

// TestWebhookFormatPage has every format on the page, with the alerts that it makes
// elsewhere.
func TestWebhookFormatPage(t *testing.T) {
	text := page(t, "webhooks.md")
	for _, f := range webhook.Formats() {
		if f != webhook.DefaultFormat && !strings.Contains(text, "\n`format: "+f+"` ") {
			t.Errorf("docs/webhooks.md does not say what the format %s is", f)
		}
	}
	for _, name := range constants(t, "../../webhook")["alertmanager.go"] {
		if strings.HasPrefix(name, "Dnstaster") && !strings.Contains(text, "\n| "+name+" | ") {
			t.Errorf("docs/webhooks.md does not list %s", name)
		}
	}
}

// TestWebhookVerification runs the code of the page over what is signed by the
// library that the daemon signs with, and over forgeries.
func TestWebhookVerification(t *testing.T) {
	text := page(t, "webhooks.md")
	dir := t.TempDir()
	files := map[string]string{
		"check.py": fenced(t, text, "python") + "\nimport sys\nverify(sys.argv[1], {'webhook-id': sys.argv[2], 'webhook-timestamp': sys.argv[3], 'webhook-signature': sys.argv[4]}, sys.argv[5].encode())\n",
		"check.go": fenced(t, text, "go"),
		"main.go": `package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	h := http.Header{}
	h.Set("webhook-id", os.Args[2])
	h.Set("webhook-timestamp", os.Args[3])
	h.Set("webhook-signature", os.Args[4])
	if _, err := verify(os.Args[1], h, []byte(os.Args[5]), time.Now()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
`,
		"go.mod": "module check\n\ngo 1.26\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", "check", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the page's Go does not compile: %v\n%s", err, out)
	}
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("24 bytes are the least ."))
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	body := fmt.Sprintf(`{"type":%q}`, monitor.AlertOpened)
	sign := func(at time.Time) (string, string) {
		s, err := signer.Sign("store-7", at, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return strconv.FormatInt(at.Unix(), 10), s
	}
	stamp, good := sign(now)
	oldStamp, old := sign(now.Add(-time.Hour))
	for _, tt := range []struct {
		name                       string
		id, stamp, signature, body string
		want                       bool
	}{
		{"right", "store-7", stamp, good, body, true},
		{"right among others", "store-7", stamp, "v1,AAAA v2,x " + good, body, true},
		{"another body", "store-7", stamp, good, body + " ", false},
		{"another id", "store-8", stamp, good, body, false},
		{"too old", "store-7", oldStamp, old, body, false},
		{"another time", "store-7", strconv.FormatInt(now.Unix()+1, 10), good, body, false},
		{"no signature", "store-7", stamp, "", body, false},
	} {
		for language, command := range map[string][]string{
			"Python": {"/usr/bin/python3", filepath.Join(dir, "check.py")}, "Go": {filepath.Join(dir, "check")},
		} {
			t.Run(tt.name+" in "+language, func(t *testing.T) {
				out, err := exec.Command(command[0], append(command[1:], secret, tt.id, tt.stamp, tt.signature, tt.body)...).CombinedOutput()
				if got := err == nil; got != tt.want {
					t.Errorf("verified: %v, want %v: %s", got, tt.want, out)
				}
			})
		}
		// The library that signs is of the same opinion.
		h := http.Header{}
		h.Set(standardwebhooks.HeaderWebhookID, tt.id)
		h.Set(standardwebhooks.HeaderWebhookTimestamp, tt.stamp)
		h.Set(standardwebhooks.HeaderWebhookSignature, tt.signature)
		if got := signer.Verify([]byte(tt.body), h) == nil; got != tt.want {
			t.Errorf("%s: the library says %v, want %v", tt.name, got, tt.want)
		}
	}
}

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDiscoverDocs holds the rules and severities of discover against its schema
// and its page.
func TestDiscoverDocs(t *testing.T) {
	words := constants(t, "../../monitor/discover")
	for sort, path := range map[string]string{"Rule": "$defs.weakness.properties.rule", "Severity": "$defs.weakness.properties.severity"} {
		documented := map[string]bool{}
		for _, w := range enum(t, "discover", path) {
			documented[w] = true
		}
		coded := map[string]bool{}
		for _, w := range words[sort] {
			coded[w] = true
		}
		if diff := cmp.Diff(coded, documented); diff != "" || len(coded) < 4 {
			t.Errorf("%s (-of the code +of the schema):\n%s", sort, diff)
		}
	}
	text := page(t, "discover.md")
	for _, rule := range words["Rule"] {
		if !strings.Contains(text, "\n| `"+rule+"` | ") {
			t.Errorf("docs/discover.md does not have %s in its table", rule)
		}
	}
}

package main

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/monitor/resolver"
)

// documentedKey is one row of docs/configuration.md.
type documentedKey struct{ what, kind, fallback, bounds, example, change string }

var keyRow = regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| (.*?) ?\\| (.*?) ?\\| (.*?) ?\\| (.*?) ?\\| `(.*?)` \\| ([a-z]+) \\|$")

func documentedKeys(t *testing.T) map[string]documentedKey {
	t.Helper()
	keys := map[string]documentedKey{}
	for _, m := range keyRow.FindAllStringSubmatch(page(t, "configuration.md"), -1) {
		if _, twice := keys[m[1]]; twice {
			t.Errorf("docs/configuration.md has %s twice", m[1])
		}
		keys[m[1]] = documentedKey{m[2], m[3], m[4], m[5], m[6], m[7]}
	}
	return keys
}

// TestConfigurationPage has every key of the configuration on its page, and no
// other, with what a change of it takes.
func TestConfigurationPage(t *testing.T) {
	known := map[string]bool{}
	keysKnown(reflect.TypeFor[config](), "", known)
	documented := documentedKeys(t)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(documented))); diff != "" {
		t.Errorf("keys (-of the code +of the page):\n%s", diff)
	}
	for key, row := range documented {
		if row.kind == "" {
			t.Errorf("%s: the page does not say of what type it is", key)
		}
		want := "restart"
		if top, _, _ := strings.Cut(key, "."); slices.Contains(reloadable, top) {
			want = "reload"
		}
		if row.change != want {
			t.Errorf("%s: the page says that a change takes a %s; it takes a %s", key, row.change, want)
		}
	}
}

// TestConfigurationDefaults has the defaults on the page be those in force.
func TestConfigurationDefaults(t *testing.T) {
	clearEnv(t)
	var c config
	c.setDefaults()
	documented := documentedKeys(t)
	n := 0
	var walk func(tree any, path string)
	walk = func(tree any, path string) {
		if items, ok := tree.(yaml.MapSlice); ok {
			for _, item := range items {
				walk(item.Value, strings.TrimPrefix(path+"."+item.Key.(string), "."))
			}
			return
		}
		text, err := yaml.MarshalWithOptions(tree, yaml.Flow(true))
		if err != nil {
			t.Fatal(err)
		}
		n++
		want := strings.Trim(strings.TrimSpace(string(text)), `"`)
		if got := strings.Trim(documented[path].fallback, "`"); got != want {
			t.Errorf("%s: the page's default is %q, that of the code %q", path, got, want)
		}
	}
	walk(c.shown(), "")
	if n < 8 {
		t.Errorf("only %d defaults were looked at", n)
	}
}

// TestConfigurationExamples has every example on the page load.
func TestConfigurationExamples(t *testing.T) {
	clearEnv(t)
	for key, row := range documentedKeys(t) {
		text := configWith(key, row.example)
		files := map[string]string{"dnstaster.yaml": text}
		if strings.HasPrefix(key, "maintenance") {
			files["watches.d/a.yaml"] = "watches: [{name: api.partner.example}]\n"
		}
		c, err := loadConfig(writeTree(t, files))
		if err != nil {
			t.Errorf("%s: %v\n%s", key, err, text)
			continue
		}
		if top, _, _ := strings.Cut(key, "."); reflect.DeepEqual(reflect.ValueOf(*c).FieldByIndex(fieldOf(top)).Interface(), reflect.Zero(reflect.TypeOf(*c).FieldByIndex(fieldOf(top)).Type).Interface()) && !strings.Contains(row.example, "[]") {
			t.Errorf("%s: the example sets nothing:\n%s", key, text)
		}
	}
}

func fieldOf(key string) []int {
	for i := range reflect.TypeFor[config]().NumField() {
		if reflect.TypeFor[config]().Field(i).Tag.Get("yaml") == key {
			return []int{i}
		}
	}
	return nil
}

// neighbours are the keys that must stand beside another in a list.
var neighbours = map[string][][2]string{
	"watches":     {{"name", "api.partner.example"}},
	"resolvers":   {{"name", "office"}, {"address", "192.0.2.53"}, {"transport", "doh"}, {"tls_name", "dns.example.com"}},
	"maintenance": {{"names", "[api.partner.example]"}, {"from", "2031-05-03T22:00:00Z"}, {"until", "2031-05-04T04:00:00Z"}},
	"webhooks":    {{"name", "ops"}, {"url_file", "ops.url"}},
}

// companions are those that must stand beside one key only.
var companions = map[string][][2]string{
	"webhooks.heartbeat":      {{"events", "[alert., heartbeat]"}},
	"metrics.web_config_file": {{"listen", "127.0.0.1:9953"}},
}

// configWith gives a configuration in which one key has a value.
func configWith(key, value string) string {
	parts := strings.Split(key, ".")
	var b strings.Builder
	list, inList := neighbours[parts[0]]
	list = slices.Concat(list, companions[key])
	if len(parts) == 1 {
		return key + ": " + value + "\n"
	}
	fmt.Fprintf(&b, "%s:\n", parts[0])
	indent := "  "
	if inList {
		indent = "  - "
	}
	for _, kv := range list {
		if kv[0] != parts[1] {
			fmt.Fprintf(&b, "%s%s: %s\n", indent, kv[0], kv[1])
			indent = strings.Repeat(" ", len(indent))
		}
	}
	for i, p := range parts[1:] {
		fmt.Fprintf(&b, "%s%s:", indent, p)
		if i == len(parts)-2 {
			fmt.Fprintf(&b, " %s\n", value)
			break
		}
		b.WriteByte('\n')
		indent = strings.Repeat(" ", len(indent)) + "  "
	}
	return b.String()
}

// TestCatalogueList has every resolver that is known by name on the page.
func TestCatalogueList(t *testing.T) {
	text := page(t, "configuration.md")
	_, rest, _ := strings.Cut(text, "Names of the catalogue: ")
	list, _, _ := strings.Cut(rest, ";")
	names := strings.Split(strings.Join(strings.Fields(list), " "), ", ")
	var want []string
	for _, o := range resolver.Catalogue() {
		want = append(want, o.Name)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-of the catalogue +of the page):\n%s", diff)
	}
}

package discover

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// allReaders are the readers by a name of a file that each is for.
var allReaders = map[string]reader{
	"a.py": readPython, "a.ts": readScript, "a.go": readGo, "a.yaml": readYAML, ".env": readEnv, "a.service": readUnit,
}

// hostile are pieces that cost much where they are many: levels, open ends, and
// what a pattern could match in more than one way.
var hostile = []string{
	"(", "[", "{", "((", "[{", "{[", "a(", "a{", "a.", "a()", "()", ")", "`${", "${`", "${", "'", `"`, "`", `\`, `\'`, `\\`, `"\`, "'''", `"""`, "f'{", "{a}",
	"/", "/*", "*/", "/[", "=/[\\", "//", "a:", "a: ", "- ", "-", "? ", ": ", "- a:\n", "&a ", "*a ", "!a ", "| ", ">", "[a,", "{a: ", "{{", "}}", "a=", "a=\\\n", "=", "\n",
	"a\n", "a:\n  b:\n", "http://", "https://a.b?", "https://a,", "https://@", "?a=", "&key=", "$A", "curl ", "curl -k\n", "a_", "aA", "A_", "A1", "Aé", "a.b.c,", "<a ", "<", "x?", "x?.", "x??",
	"x => {", "return (", "+", "\"\"+", "a+", "-a", "!a", "func(){", "case ", "struct{", "[]", "*", "\u2028", "\u00a0", "\ufeff", "\r", "\r\"0", "\r0", "\r\n", ">+0", "\t", "é", "漢",
}

// TestHostile has every reader go through many of each, in lines as long as they
// may be. Work that grows as powers do would not end in the time that a test has.
func TestHostile(t *testing.T) {
	for name, read := range allReaders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range hostile {
				line := strings.Repeat(piece, (maxLine-20)/len(piece))
				sane(t, read, "package x\nvar x = "+line)
			}
		})
	}
}

// sane reads a text, and holds what is found against what must hold of any.
func sane(t interface{ Errorf(string, ...any) }, read reader, text string) {
	p, err := read(text)
	if err != nil {
		return
	}
	lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1 // either ends one
	for _, l := range p.literals {
		if l.line < 1 || l.line > lines {
			t.Errorf("line %d of %d", l.line, lines)
		}
		for _, h := range l.targets() {
			if !isHost(h.name) || strings.ToLower(h.name) != h.name {
				t.Errorf("%q is no host", h.name)
			}
		}
	}
	for _, m := range p.secrets {
		if !identifier.MatchString(m.name) || m.line < 1 || m.line > lines {
			t.Errorf("%q on line %d of %d is no name", m.name, m.line, lines)
		}
		if isValue(m.name) {
			t.Errorf("%q may be a value", m.name)
		}
	}
	for _, s := range p.spots {
		if _, ok := ruleTexts[s.rule]; !ok || s.line < 1 || s.line > lines {
			t.Errorf("%s on line %d of %d", s.rule, s.line, lines)
		}
	}
}

// TestFault has a reader that panics be one that does not understand the file.
func TestFault(t *testing.T) {
	p, err := reader(func(string) (*page, error) { panic("x") }).try("text")
	if p != nil || err != errFault {
		t.Errorf("%v, %v", p, err)
	}
}

func fuzzReader(f *testing.F, read reader, seeds ...string) {
	for _, s := range append(seeds, hostile...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 || longestLine([]byte(text)) > maxLine || !utf8.ValidString(text) {
			return // what is no text does not come to a reader
		}
		sane(t, read, text)
	})
}

func FuzzPython(f *testing.F) {
	fuzzReader(f, readPython, "import requests\nrequests.get(f'https://a.test/{x}?key={k}', verify=False)\n", "x: str = os.environ['A_KEY']\n", "d = {'params': {'token': 1}}")
}

func FuzzScript(f *testing.F) {
	fuzzReader(f, readScript, "fetch(`https://a.test/${x ? `y${z}` : 'w'}`, { headers: { a: process.env.A_KEY } });", "<a href=\"https://a.test\">don't {f('https://b.test')}</a>", "x = /['\"/]/.test(y)")
}

func FuzzGo(f *testing.F) {
	fuzzReader(f, readGo, "package x\nvar u = url.URL{Host: \"a.com\"}\nfunc f() { q.Set(\"key\", os.Getenv(\"A_KEY\")) }", "package x\ntype t struct { H string `default:\"a.com\" env:\"A_KEY\"` }")
}

func FuzzYAML(f *testing.F) {
	fuzzReader(f, readYAML, "a: {url: https://a.test}\nenv:\n- name: A\n  valueFrom: {secretKeyRef: {key: k}}\n---\nkind: Secret\ndata:\n  k: v\n", "run: |\n  curl -k https://a.test\n")
}

func FuzzEnv(f *testing.F) {
	fuzzReader(f, readEnv, "export A_URL=\"https://a.test\" # x\nA_KEY=1\n")
}

func FuzzUnit(f *testing.F) {
	fuzzReader(f, readUnit, "[Service]\nEnvironment=\"A=https://a.test\"\nExecStart=/bin/curl -k \\\n https://b.test\nSetCredential=k:v\n")
}

// TestPlanted puts secrets where secrets are, and looks for them in all that
// comes out.
func TestPlanted(t *testing.T) {
	files := map[string]string{
		"a.py":      "KEY = '%'\nrequests.get('http://a.test/?api_key=%', headers={'Authorization': 'Bearer %', 'X-Token': '%'}, auth=('u', '%'))\nos.getenv('A_KEY', '%')\nlogin('%', password='%')\nx = {'secret': '%', '%': 1}\nurl = 'https://u:%@b.test/%'\n",
		"a.ts":      "const key = '%';\nfetch(`http://a.test/?token=%`, { headers: { Authorization: `Bearer %` }, apiKey: '%' });\nx = process.env.A_KEY || '%'; login('%');\n",
		"a.go":      "package x\n\nconst key = \"%\"\n\nfunc f() {\n\tq.Set(\"token\", \"%\")\n\tlogin(\"%\", url.UserPassword(\"u\", \"%\"), c{Password: \"%\"})\n\tget(\"https://u:%@a.test/%?key=%\")\n}\n",
		"a.yaml":    "kind: Secret\nstringData:\n  A_KEY: \"%\"\n---\nstripe: {api_key: \"%\", url: \"https://u:%@a.test/%\"}\nenv:\n  - A_TOKEN=%\n  - name: B_TOKEN\n    value: \"%\"\n",
		".env":      "A_KEY=%\nB_TOKEN='%'\nC_URL=https://u:%@a.test/%?key=%\n",
		"a.service": "[Service]\nEnvironment=A_KEY=% \"B_TOKEN=%\"\nSetCredential=c_token:%\nExecStart=/usr/bin/curl -u u:% -H \"Authorization: Bearer %\" https://a.test/%\n",
	}
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.OneOf(
			rapid.StringMatching(`[A-Za-z0-9]{20,40}`), rapid.StringMatching(`sk_live_[A-Za-z0-9]{24}`), rapid.StringMatching(`[a-z]{5,8}[0-9]{4,6}`),
			rapid.StringMatching(`[A-Za-z0-9+]{30}==`), rapid.StringMatching(`[0-9a-f]{32}`), rapid.StringMatching(`correct-horse-[a-z]{6}-staple`),
			rapid.StringMatching(`[A-Z]{4}_[A-Z]{6}_KEY`),
		).Draw(rt, "secret")
		planted := map[string]string{}
		for name, text := range files {
			planted[name] = strings.ReplaceAll(text, "%", secret)
		}
		for name, text := range planted {
			if strings.Contains(saidOf(rt, name, text), secret) {
				rt.Errorf("%s: %q is told", name, secret)
			}
		}
	})
}

// saidOf gives all that a report says of one file.
func saidOf(t interface{ Fatal(...any) }, name, text string) string {
	p, err := readerOf(name)(text)
	if err != nil {
		t.Fatal(err)
	}
	c := collection{hosts: map[string]*found{}}
	c.add(name, p)
	c.pair()
	var r Report
	c.fill(&r)
	out, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

package discover

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seen is what a reader finds in a text, in one line each.
type seen struct {
	hosts   []string // name, or name:port where it is not that of HTTPS
	secrets []string
	weak    []string // rule:line
}

func look(t *testing.T, read reader, text string) seen {
	t.Helper()
	p, err := read(text)
	if err != nil {
		t.Fatal(err)
	}
	var s seen
	for _, l := range p.literals {
		for _, h := range l.targets() {
			name := h.name
			if h.port != 0 && h.port != 443 {
				name = fmt.Sprintf("%s:%d", name, h.port)
			}
			s.hosts = append(s.hosts, name)
		}
	}
	for _, m := range p.secrets {
		if !slices.Contains(s.secrets, m.name) {
			s.secrets = append(s.secrets, m.name)
		}
	}
	for _, w := range p.spots {
		s.weak = append(s.weak, fmt.Sprintf("%s:%d", w.rule, w.line))
	}
	return s
}

func compare(t *testing.T, want, got seen) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(seen{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPython(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       seen
	}{
		{"assigned", `URL = "https://a.test/v1"`, seen{hosts: []string{"a.test"}}},
		{"annotated", `url: str = 'https://a.test/v1'`, seen{hosts: []string{"a.test"}}},
		{"f-string", `f'https://a.test/{self.word}?x={y}'`, seen{}},
		{"f-string given", `x = f'https://a.test/{self.word}'`, seen{hosts: []string{"a.test"}}},
		{"host put in", `x = f'https://{self.host}/v1' + 'https://{}.a.test'.format(y) + "https://%s/v1"`, seen{}},
		{"host begun", `x = 'https://api.' + region`, seen{}},
		{"host whole", `x = 'https://api.a.test' + path`, seen{hosts: []string{"api.a.test"}}},
		{"port", `x = 'http://a.test:8080/'`, seen{hosts: []string{"a.test:8080"}}},
		{"comment", `# https://a.test/`, seen{}},
		{"docstring", "def f():\n    '''https://a.test/'''\n    \"\"\"\n    https://b.test/\n    \"\"\"\n", seen{}},
		{"long string", "x = '''https://a.test/v1'''", seen{hosts: []string{"a.test"}}},
		{"open string", "x = 'https://a.test\ny = 'https://b.test'", seen{hosts: []string{"a.test", "b.test"}}},
		{"message", `raise ValueError('https://a.test/')`, seen{}},
		{"log", `logger.info('https://a.test/', 1)`, seen{}},
		{"prose", `x = 'see https://a.test/ for more'`, seen{}},
		{"prose after", `x = 'https://a.test/ is what to read'`, seen{}},
		{"compared", "if x == 'https://a.test' or 'https://b.test' in y or y in ('https://c.test',): pass", seen{}},
		{"documentation", `docs_url = 'https://a.test/'`, seen{}},
		{"in a list of links", `links = ['https://a.test/', {'url': 'https://b.test/'}]`, seen{}},
		{"namespace", `x = 'http://www.w3.org/2000/svg'`, seen{}},
		{"replaced", `x.replace('https://a.test', 'https://b.test')`, seen{hosts: []string{"b.test"}}},
		{"bare, by its name", `self.server = 'www.a.com'`, seen{hosts: []string{"www.a.com"}}},
		{"bare, of nothing", `x = 'www.a.com'`, seen{}},
		{"bare, an attribute", `logging.getLogger('a.trace')`, seen{}},
		{"bare, connected to", `http.client.HTTPSConnection("h.a.com", 8443)`, seen{hosts: []string{"h.a.com"}}},
		{"default of a setting", `x = rule.get('chat_api_url', 'api.a.com')`, seen{hosts: []string{"api.a.com"}}},
		{"file", `host = 'config.py'; name = 'setup.py'`, seen{hosts: []string{"config.py"}}}, // Paraguay has such hosts
		{"single label, address, local", `x = ['http://redis:6379', 'http://127.0.0.1/', 'http://[::1]/', 'http://localhost/', 'http://x.localhost']`, seen{}},
		{"placeholder", `x = ['https://example.com', 'https://api.example.org/', 'https://example']`, seen{}},
		{"password in the address", `x = 'postgres://u:p@db.a.test/x'`, seen{hosts: []string{"db.a.test:5432"}}},
		{"driver", `x = 'postgresql+psycopg2://u:p@db.a.test/x'`, seen{hosts: []string{"db.a.test:5432"}}},
		{"several", `x = 'mongodb://u:p@a.test:1,b.test:2/x'`, seen{hosts: []string{"a.test:1", "b.test:2"}}},
		{"other script", `x = 'https://bücher.de/'`, seen{hosts: []string{"xn--bcher-kva.de"}}},

		{"environment", `k = [os.environ["A_KEY"], os.getenv('B_TOKEN', 'x'), os.environ.get("C_SECRET"), env.str("D_PASSWORD")]`, seen{secrets: []string{"A_KEY", "B_TOKEN", "C_SECRET"}}},
		{"setting", `k = settings.STRIPE_KEY; s = rule.get('telegram_bot_token')`, seen{secrets: []string{"STRIPE_KEY", "telegram_bot_token"}}},
		{"of an answer", `k = r.json()["access_token"]; n = d.get("next_page_token")`, seen{}},
		{"a value", `login(password="A_SECRET_VALUE"); get("sk_live_abcdefg_key"); get("key_9f8a7b6c5d4e3f2a")`, seen{}},
		{"the default is a value", `os.getenv('B_TOKEN', 'HIDDEN_TOKEN_VALUE')`, seen{secrets: []string{"B_TOKEN"}}},

		{"unchecked", "requests.get(u, verify=False, timeout=1)\ns.verify = False\nctx.check_hostname = False\nctx.verify_mode = ssl.CERT_NONE\nssl._create_unverified_context()",
			seen{weak: []string{"unverified_tls:1", "unverified_tls:2", "unverified_tls:3", "unverified_tls:4", "unverified_tls:5"}}},
		{"checked", "requests.get(u, verify=True, timeout=1)\nx = dict(verbose=False)\nfrom ssl import CERT_NONE", seen{}},
		{"switched off", "os.environ['PYTHONHTTPSVERIFY'] = '0'", seen{weak: []string{"unverified_tls:1"}}},
		{"no time-out", "requests.post(u)\nurllib.request.urlopen(u)\nrequests.get(u, timeout=3)\nrequests.get(u, **kw)\nurlopen(u, None, 3)\nsession.get(u)",
			seen{weak: []string{"no_timeout:1", "no_timeout:2"}}},
		{"time-out on another line", "requests.post(\n    u,\n    json={'timeout_x': 1},\n    timeout=(1, 2),\n)", seen{}},
		{"key in the query", "x = f'https://a.test/?api_key={k}'\nrequests.get(u, params={'q': 1, 'token': k}, timeout=1)\ny = 'https://a.test/?monkey=1&page_token=2'",
			seen{hosts: []string{"a.test", "a.test"}, weak: []string{"key_in_query:1", "key_in_query:2"}}},
		{"key in another sort of address", `x = "otpauth://totp/x?secret=" + y`, seen{}},
		{"curl", `subprocess.run(["curl", "-s", "-k", "https://a.test/"]); os.system("curl -fsSk https://b.test/ -H $C_TOKEN"); os.system("curl https://c.test/?k=1")`,
			seen{hosts: []string{"a.test", "b.test", "c.test"}, secrets: []string{"C_TOKEN"}, weak: []string{"unverified_tls:1"}}},
	} {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.want, look(t, readPython, tt.text)) })
	}
}

func TestScript(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       seen
	}{
		{"fetch", "await fetch('https://a.test/v1', { signal })", seen{hosts: []string{"a.test"}}},
		{"template", "get(`https://a.test/${encode(`x${'https://b.test'}`)}/y`)", seen{hosts: []string{"a.test", "b.test"}}},
		{"host put in", "get(`https://${host}/v1`); get(`https://${x}.a.test/`); get('https://' + h)", seen{}},
		{"typed", "private baseUrl: string = 'https://a.test/'", seen{hosts: []string{"a.test"}}},
		{"ternary", "const u = docs ? 'https://a.test' : 'https://b.test'", seen{hosts: []string{"a.test", "b.test"}}},
		{"no semicolons", "const docs = 'https://a.test'\nfetch('https://b.test', opts)", seen{hosts: []string{"b.test"}}},
		{"in a function of that name", "const help = () => { return call('https://a.test') }", seen{hosts: []string{"a.test"}}},
		{"returned", "return { docs: { url: 'https://a.test' }, url: 'https://b.test' }", seen{hosts: []string{"b.test"}}},
		{"value on the next line", "x = {\n  url:\n    'https://a.test',\n  icon:\n    'https://b.test'\n}", seen{hosts: []string{"a.test"}}},
		{"comments", "// https://a.test\n/* fetch('https://b.test') ** */ x = 'https://c.test'", seen{hosts: []string{"c.test"}}},
		{"pattern", "x = s.replace(/['\"]/g, ''); y = /^https?:\\/\\//.test(z); u = 'https://a.test'", seen{hosts: []string{"a.test"}}},
		{"JSX", "return <p>It's <a target=\"_blank\"\n  href=\"https://a.test\">don't</a><img src='https://b.test/x.png'/>{call('https://c.test')}</p>", seen{hosts: []string{"c.test"}}},
		{"console", "console.log('https://a.test'); throw new Error('https://b.test')", seen{}},
		{"compared", "if (x === 'https://a.test' || ['https://b.test'].indexOf(x)) {} switch (x) { case 'https://c.test': }", seen{hosts: []string{"b.test"}}},
		{"imported", "import x from 'https://a.test/x.js'; require('https://b.test')", seen{}},
		{"escaped", `x = 'https:\/\/a.test\/'`, seen{hosts: []string{"a.test"}}},
		{"bare", "const opts = { hostname: 'h.a.com', path: '/x.y' }", seen{hosts: []string{"h.a.com"}}},

		{"environment", "const k = process.env.A_KEY || process.env['B_TOKEN'] || import.meta.env.C_SECRET; config.get('stripe.secret')", seen{secrets: []string{"A_KEY", "B_TOKEN", "C_SECRET", "stripe.secret"}}},
		{"unchecked", "new Agent({ rejectUnauthorized: false })\nprocess.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'\nprocess.env['NODE_TLS_REJECT_UNAUTHORIZED'] = 0\nx = { ssl: false, strictSSL: false }",
			seen{weak: []string{"unverified_tls:1", "unverified_tls:2", "unverified_tls:3", "unverified_tls:4"}}},
		{"no time-out", "fetch('https://a.test')\nfetch('https://a.test', { method: 'PUT' })\nfetch('https://a.test', { signal: s })\nfetch('https://a.test', opts)\nfetch(u)\naxios.create({})\naxios.create({ timeout: 1 })\naxios.get('https://a.test', { ...o })",
			seen{hosts: []string{"a.test", "a.test", "a.test", "a.test", "a.test"}, weak: []string{"no_timeout:1", "no_timeout:2", "no_timeout:6"}}},
		{"key in the query", "axios.get(u, { params: { 'api_key': k } })\nx = `https://a.test/?token=${t}`", seen{hosts: []string{"a.test"}, weak: []string{"key_in_query:1", "key_in_query:2"}}},
	} {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.want, look(t, readScript, tt.text)) })
	}
}

func TestGo(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       seen
	}{
		{"constant", `const base = "https://a.test/v1"`, seen{hosts: []string{"a.test"}}},
		{"put together", `func f() { get("https://a.test/" + x); get("https://" + x); get("https://api." + x); get(fmt.Sprintf("https://b.test/%s", x)) }`, seen{hosts: []string{"a.test", "b.test"}}},
		{"url.URL", `var u = url.URL{Scheme: "https", Host: "a.com", Path: "/x"}`, seen{hosts: []string{"a.com"}}},
		{"prefix", `var u = url.URL{Host: p + "sync.a.com"}; var v = url.URL{Host: p + ".b.com"}`, seen{hosts: []string{"sync.a.com"}}},
		{"tag", "type t struct { Host string `default:\"a.com\" json:\"b.com\"`; Key string `env:\"A_KEY,required\"` }", seen{hosts: []string{"a.com"}, secrets: []string{"A_KEY"}}},
		{"imports", `import "https://a.test"`, seen{}},
		{"comment", "// https://a.test\n/* https://b.test */ var x int", seen{}},
		{"errors and logs", `func f() { errors.New("https://a.test"); fmt.Errorf("https://b.test"); log.Printf("https://c.test") }`, seen{}},
		{"compared", `func f() { switch x { case "https://a.test": get("https://b.test") }; _ = x == "https://c.test"; strings.HasPrefix(x, "https://d.test") }`, seen{hosts: []string{"b.test"}}},
		{"replaced", `func f() { strings.ReplaceAll(x, "https://a.test", "https://b.test") }`, seen{hosts: []string{"a.test", "b.test"}}},
		{"field for people", `var x = page{Docs: "https://a.test", Links: []string{"https://b.test"}, API: "https://c.test"}`, seen{hosts: []string{"c.test"}}},
		{"dialled", `func f() { net.Dial("tcp", "a.com:25"); smtp.PlainAuth("", u, p, "b.com") }`, seen{hosts: []string{"a.com:25", "b.com"}}},
		{"broken", "const base = \"https://a.test/v1\"\nfunc f( {", seen{hosts: []string{"a.test"}}},

		{"environment", `func f() { os.Getenv("A_KEY"); os.LookupEnv("B_TOKEN"); viper.GetString("stripe.secret"); m["C_KEY"] = 1; cfg["d.token"] }`, seen{secrets: []string{"A_KEY", "B_TOKEN", "stripe.secret", "d.token"}}},
		{"a value", `var c = client{Password: "A_SECRET_VALUE"}`, seen{}},
		{"unchecked", "var c = tls.Config{InsecureSkipVerify: true}\nfunc f() { c.InsecureSkipVerify = true; c.InsecureSkipVerify = false }", seen{weak: []string{"unverified_tls:2", "unverified_tls:3"}}},
		{"no time-out", "func f() {\nhttp.Get(u)\n_ = http.Client{}\n_ = &http.Client{Timeout: t}\nclient.Get(u)\nhttp.DefaultClient.Do(r)\n}", seen{weak: []string{"no_timeout:3", "no_timeout:4", "no_timeout:7"}}},
		{"key in the query", "func f() {\nq.Set(\"api_key\", k)\nr.Header.Set(\"X-Api-Key\", k)\nvalues.Add(\"q\", k)\n}", seen{weak: []string{"key_in_query:3"}}},
		{"curl", `var c = exec.Command("curl", "-k", "https://a.test")`, seen{hosts: []string{"a.test"}, weak: []string{"unverified_tls:2"}}},
	} {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.want, look(t, readGo, "package x\n"+tt.text)) })
	}
}

func TestYAML(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       seen
	}{
		{"setting", "api: {url: 'https://a.test', key: x}\nhost: b.com\nport: 25", seen{hosts: []string{"a.test", "b.com"}, secrets: nil}},
		{"whose key", "stripe:\n  api_key: x\n  url: https://a.test", seen{hosts: []string{"a.test"}, secrets: []string{"stripe.api_key"}}},
		{"Compose, list", "services:\n  app:\n    image: r.a.test/app\n    environment:\n      - URL=https://a.test\n      - A_TOKEN\n      - B_TOKEN=x", seen{hosts: []string{"a.test"}, secrets: []string{"A_TOKEN", "B_TOKEN"}}},
		{"Compose, mapping", "services:\n  app:\n    environment:\n      URL: https://a.test\n      A_TOKEN: x", seen{hosts: []string{"a.test"}, secrets: []string{"A_TOKEN"}}},
		{"Kubernetes", "kind: Deployment\nspec:\n  env:\n  - name: URL\n    value: https://a.test\n  - {name: A_HOST, value: h.a.com}\n  - name: DB\n    valueFrom:\n      secretKeyRef:\n        name: db\n        key: dsn\n  - name: X\n    value: y",
			seen{hosts: []string{"a.test", "h.a.com"}, secrets: []string{"DB"}}},
		{"Secret", "kind: Secret\ndata:\n  tls.crt: aHR0cHM6Ly9hLnRlc3Q=\nstringData:\n  url: https://a.test", seen{secrets: []string{"tls.crt", "url"}}},
		{"group", "apiVersion: rbac.authorization.k8s.io/v1\napiGroup: rbac.authorization.k8s.io", seen{}},
		{"documents", "a: https://a.test\n---\nb: https://b.test\n...\n", seen{hosts: []string{"a.test", "b.test"}}},
		{"for people", "homepage: https://a.test\nrepo_url: https://b.test\nmaintainers:\n  - url: https://c.test", seen{}},
		{"comment", "# https://a.test\na: 1 # https://b.test", seen{}},
		{"template", "a: {{ .Values.x }}\nurl: https://a.test\n{{- if x }}\nurl2: \"https://b.test\"\n{{- end }}", seen{hosts: []string{"a.test", "b.test"}}},
		{"anchor", "a: &x\n  url: https://a.test\nb:\n  <<: *x", seen{hosts: []string{"a.test"}}},
		{"unchecked", "tls_skip_verify: true\ntls: {insecure_skip_verify: true}\nenv: {NODE_TLS_REJECT_UNAUTHORIZED: \"0\"}\ninsecureSkipVerify: false", seen{weak: []string{"unverified_tls:1", "unverified_tls:2", "unverified_tls:3"}}},
		{"command", "run: |\n  make\n  curl -k https://a.test?key=$A_KEY\n", seen{hosts: []string{"a.test"}, secrets: []string{"A_KEY"}, weak: []string{"unverified_tls:3", "key_in_query:3"}}},
	} {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.want, look(t, readYAML, tt.text)) })
	}
}

func TestEnv(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       seen
	}{
		{"settings", "A_URL=https://a.test\nexport B_HOST = \"b.com\" # x\n# C=https://c.test\nD_KEY=\nE_URL='https://e.test", seen{hosts: []string{"a.test", "b.com", "e.test"}, secrets: []string{"D_KEY"}}},
		{"a password in the address", "DATABASE_URL=postgres://u:p@a.test/x\nCACHE_URL=redis://a.test", seen{hosts: []string{"a.test:5432", "a.test:6379"}, secrets: []string{"DATABASE_URL"}}},
		{"unchecked", "NODE_TLS_REJECT_UNAUTHORIZED=0\nGIT_SSL_NO_VERIFY=true", seen{weak: []string{"unverified_tls:1", "unverified_tls:2"}}},
	} {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.want, look(t, readEnv, tt.text)) })
	}
}

func TestUnit(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       seen
	}{
		{"environment", "[Service]\nEnvironment=URL=https://a.test \"A_KEY=x y\" 'B=https://b.test'\nPassEnvironment=C_TOKEN", seen{hosts: []string{"a.test", "b.test"}, secrets: []string{"A_KEY", "C_TOKEN"}}},
		{"credentials", "LoadCredential=partner-key:/etc/x\nSetCredential=b.token:value\nLoadCredentialEncrypted=sk-live-0123456789:/x", seen{secrets: []string{"partner-key", "b.token"}}},
		{"for people", "Documentation=https://a.test\nDescription=see https://b.test\n; x=https://c.test\n#y=https://d.test", seen{}},
		{"command", "ExecStart=/usr/bin/app --url https://a.test \\\n  --other https://b.test\nExecStartPre=-/usr/bin/curl -k https://c.test", seen{hosts: []string{"a.test", "b.test", "c.test"}, weak: []string{"unverified_tls:3"}}},
		{"open end", "ExecStart=/bin/x https://a.test \\", seen{hosts: []string{"a.test"}}},
	} {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.want, look(t, readUnit, tt.text)) })
	}
}

func TestSecretNames(t *testing.T) {
	for _, tt := range []struct {
		name    string
		is      bool // the name of a secret's variable or setting
		secret  bool // called like a secret
		isValue bool
	}{
		{"API_KEY", true, true, false}, {"STRIPE_API_KEY", true, true, false}, {"DB_PASSWORD", true, true, false}, {"KEY", false, true, false},
		{"stripe.api_key", true, true, false}, {"stripeApiKey", true, true, false}, {"api_key", false, true, false}, {"accessToken", false, true, false},
		{"PUBLIC_KEY", false, false, false}, {"MAX_TOKENS", false, false, false}, {"keyboard", false, false, false}, {"monkey", false, false, false},
		{"X-Api-Key", false, true, false}, {"PRIMARY_KEY", false, false, false}, {"NEXT_PAGE_TOKEN", false, false, false},
		{"sk_live_abcdef_key", false, true, true}, {"ghp_token", false, true, true}, {"key_8f14e45fceea167a", false, true, true}, {"AKIAIOSFODNN7_KEY", false, true, true},
		{"TOKEN_" + strings.Repeat("A", 31), false, true, true}, {"OAUTH2_TOKEN", true, true, false}, {"S3_SECRET_KEY", true, true, false},
		{"a b", false, false, false}, {"", false, false, false}, {strings.Repeat("KEY_", 20), false, false, false},
	} {
		if got := settingName(tt.name); got != tt.is {
			t.Errorf("settingName(%q) is %v", tt.name, got)
		}
		if got := secretKey(tt.name); got != tt.secret {
			t.Errorf("secretKey(%q) is %v", tt.name, got)
		}
		if got := isValue(tt.name); got != tt.isValue {
			t.Errorf("isValue(%q) is %v", tt.name, got)
		}
	}
}

func TestInside(t *testing.T) {
	for name, want := range map[string]string{
		"api.a.com": "", "api.partner.example": "", "a.test": "", "db.internal": "internal", "x.svc.cluster.local": "local", "nas.home.arpa": "home.arpa",
		"api.internal.a.com": "internal.a.com", "a.corp.b.co.uk": "corp.b.co.uk", "internal.a.com": "", "a.local.com": "", "x.consul": "consul", "x.company": "", "x.b.ck": "",
	} {
		if got, ok := zoneInside(name); got != want || ok != (want != "") {
			t.Errorf("zoneInside(%q) is %q", name, got)
		}
	}
}

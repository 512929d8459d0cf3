//go:build container

package systemd_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	configPath = "/etc/dnstaster/dnstaster.yaml"
	oneWatch   = `watches:
  - name: api.partner.example
    tls: off
    expect: {addresses: [203.0.113.0/24]}
resolvers: [system, {name: mute, address: "127.0.0.1:5301", transport: udp}]
timing: {profile: lab}
`
)

// TestContainer installs the package under a real systemd and lives through
// what happens to a service, in order: each step goes on where the last ended.
func TestContainer(t *testing.T) {
	b := boot(t)
	mute := b.silence(t)
	steps := []struct {
		name string
		do   func(*testing.T)
	}{
		{"install", func(t *testing.T) { install(t, b) }},
		{"sandbox", func(t *testing.T) { sandbox(t, b) }},
		{"configure", func(t *testing.T) { configure(t, b) }},
		{"refuse", func(t *testing.T) { refuse(t, b) }},
		{"group", func(t *testing.T) { group(t, b) }},
		{"credentials", func(t *testing.T) { credentials(t, b, mute) }},
		{"stop", func(t *testing.T) { stop(t, b, mute) }},
		{"crash", func(t *testing.T) { crash(t, b) }},
		{"hang", func(t *testing.T) { hang(t, b) }},
		{"remove", func(t *testing.T) { remove(t, b) }},
		{"purge", func(t *testing.T) { purge(t, b) }},
	}
	for _, s := range steps {
		if !t.Run(s.name, s.do) {
			t.FailNow()
		}
	}
}

func install(t *testing.T, b *box) {
	text, err := os.ReadFile(filepath.Join(b.dir, "dnstaster.deb"))
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, "/var/tmp/dnstaster.deb", string(text), 0o644)
	b.run(t, "dpkg", "-i", "/var/tmp/dnstaster.deb")
	b.want(t, "ActiveState", "active")
	b.want(t, "UnitFileState", "enabled")
	b.awaitStatus(t, "idle: nothing is watched, put watches into "+configPath)
	if out := b.run(t, "dnstaster", "config", "check"); !strings.Contains(out, "0 watches") {
		t.Errorf("config check says %q", out)
	}
	b.run(t, "dnstaster", "status")
	for _, file := range []string{"/usr/share/man/man1/dnstaster.1.gz", "/usr/share/bash-completion/completions/dnstaster", "/usr/share/doc/dnstaster/examples/dnstaster.yaml"} {
		if !b.there(file) {
			t.Errorf("there is no %s", file)
		}
	}
	idle := slices.IndexFunc(b.journal(t), func(e map[string]any) bool {
		return e["PRIORITY"] == "4" && e["DNSTASTER_CONFIG"] == configPath && strings.HasPrefix(fmt.Sprint(e["MESSAGE"]), "idle: ")
	})
	if idle < 0 {
		t.Errorf("the journal has no warning with fields that the daemon is idle: %v", b.journal(t))
	}
}

// sandbox looks at what the process may, and at what its programs see.
func sandbox(t *testing.T, b *box) {
	pid := b.show(t, "MainPID")
	status := b.run(t, "cat", "/proc/"+pid+"/status")
	uid := b.run(t, "id", "-u", "dnstaster")
	for _, want := range []string{"CapEff:\t0000000000002000", "CapBnd:\t0000000000002000", "NoNewPrivs:\t1", "Seccomp:\t2", "Uid:\t" + uid} {
		if !strings.Contains(status, want) {
			t.Errorf("the process has not %q:\n%s", want, status)
		}
	}
	inside := []string{"nsenter", "-t", pid, "-m", "--"}
	b.run(t, append(inside, "/usr/bin/getent", "ahosts", "localhost")...)
	b.fails(t, "ermission denied", append(inside, "/bin/sh", "-c", "true")...)
	b.fails(t, "", append(inside, "/usr/bin/getent", "ahosts", "no.such.name.invalid")...)
	if mode := b.run(t, "stat", "-c", "%a %U %G", "/run/dnstaster", "/run/dnstaster/dnstaster.sock", "/var/lib/dnstaster"); mode != "750 dnstaster dnstaster\n660 dnstaster dnstaster\n700 dnstaster dnstaster" {
		t.Errorf("modes and owners are\n%s", mode)
	}
}

func configure(t *testing.T, b *box) {
	b.write(t, configPath, oneWatch, 0o644)
	b.run(t, "systemctl", "reload", "dnstaster")
	b.awaitStatus(t, "watching 1 name: ")
	b.want(t, "NRestarts", "0")
	b.want(t, "ActiveState", "active")
	if out := b.run(t, "dnstaster", "status", "--json"); !strings.Contains(out, `"any"`) {
		t.Errorf("it does not listen: %s", out)
	}
}

// refuse has configurations that cannot be used leave all as it was.
func refuse(t *testing.T, b *box) {
	for want, text := range map[string]string{
		"unknown key":                      strings.Replace(oneWatch, "watches:", "watchs:", 1),
		"storage.path changed: that needs": oneWatch + "storage: {path: /var/lib/dnstaster/other.db}\n",
	} {
		b.write(t, configPath, text, 0o644)
		out, err := b.try("systemctl", "reload", "dnstaster")
		if bad := !strings.Contains(text, "storage"); bad && err == nil {
			t.Errorf("systemctl reload is content with\n%s\n%s", text, out)
		}
		b.awaitStatus(t, want)
		b.awaitStatus(t, "watching 1 name: ")
		b.want(t, "ActiveState", "active")
		if out := b.run(t, "dnstaster", "status", "--json"); !strings.Contains(out, want) {
			t.Errorf("status does not say %q: %s", want, out)
		}
		if got := b.scrape(t, "dnstaster_config_last_reload_successful"); !slices.Equal(got, []string{"dnstaster_config_last_reload_successful 0"}) {
			t.Errorf("metrics say %q", got)
		}
	}
	b.write(t, configPath, oneWatch+"  # as before\n", 0o644)
	b.run(t, "systemctl", "reload", "dnstaster")
	b.await(t, "StatusText", func(s string) bool { return !strings.Contains(s, "refused") })
	if got := b.scrape(t, "dnstaster_config_last_reload_successful"); !slices.Equal(got, []string{"dnstaster_config_last_reload_successful 1"}) {
		t.Errorf("metrics say %q", got)
	}
}

// group shows who may ask the daemon.
func group(t *testing.T, b *box) {
	b.run(t, "useradd", "-M", "-G", "dnstaster", "member")
	b.run(t, "useradd", "-M", "stranger")
	as := func(user string) []string {
		return []string{"setpriv", "--reuid", user, "--regid", user, "--init-groups", "dnstaster", "status"}
	}
	b.run(t, as("member")...)
	b.fails(t, "permission denied", as("stranger")...)
}

// credentials has the address of a webhook given by systemd alone. From here on
// the watchdog is quick as well.
func credentials(t *testing.T, b *box, mute <-chan struct{}) {
	b.write(t, "/etc/credstore/ops.url", "http://127.0.0.1:8080/hook-of-ops\n", 0o600)
	b.write(t, "/etc/systemd/system/dnstaster.service.d/test.conf", "[Service]\nLoadCredential=ops.url:/etc/credstore/ops.url\nWatchdogSec=3\n", 0o644)
	b.write(t, configPath, oneWatch+"webhooks: [{name: ops, url_file: ops.url, events: [health., alert., verdict.]}]\n", 0o644)
	b.run(t, "systemctl", "daemon-reload")
	b.run(t, "systemctl", "restart", "dnstaster")
	b.want(t, "ActiveState", "active")
	b.run(t, "systemctl", "reload", "dnstaster")
	b.await(t, "StatusText", func(s string) bool { return strings.HasPrefix(s, "watching") && !strings.Contains(s, "refused") })
	// Somebody tampers with what applications here get, so that there is something to tell.
	b.run(t, "sh", "-c", "echo 192.0.2.66 api.partner.example >>/etc/hosts")
	if out := b.run(t, "dnstaster", "config", "check"); !strings.Contains(out, "credential") {
		t.Errorf("config check of somebody else says %q", out)
	}
	select {
	case <-mute:
	case <-time.After(patience):
		t.Fatalf("the webhook was never called: %s", b.run(t, "dnstaster", "events"))
	}
	if out := b.run(t, "journalctl", "-u", "dnstaster", "--no-pager", "-o", "export"); strings.Contains(out, "hook-of-ops") {
		t.Error("the address of the webhook is in the journal")
	}
}

// stop stops the service while a resolver and a webhook answer nothing.
func stop(t *testing.T, b *box, mute <-chan struct{}) {
	began := time.Now()
	b.run(t, "systemctl", "stop", "dnstaster")
	t.Logf("stopped within %v, of which systemctl takes some", time.Since(began).Round(time.Millisecond))
	// It was not killed: TimeoutStopSec is what a stop may take at most.
	b.want(t, "Result", "success")
	b.want(t, "ExecMainStatus", "0")
	if b.there("/run/dnstaster") {
		t.Error("the socket's directory is left")
	}
	b.run(t, "systemctl", "start", "dnstaster")
	b.want(t, "NRestarts", "0")
}

func crash(t *testing.T, b *box) {
	b.run(t, "kill", "-KILL", b.show(t, "MainPID"))
	b.restarted(t, 1)
	b.run(t, "dnstaster", "status")
}

func hang(t *testing.T, b *box) {
	b.run(t, "kill", "-STOP", b.show(t, "MainPID"))
	b.restarted(t, 2)
	if out := b.run(t, "journalctl", "-u", "dnstaster", "--no-pager"); !strings.Contains(out, "Watchdog timeout") {
		t.Errorf("the watchdog did not end it:\n%s", out)
	}
	b.run(t, "dnstaster", "status")
}

// remove takes the package off and puts it on again: what the administrator
// wrote stays.
func remove(t *testing.T, b *box) {
	b.run(t, "dpkg", "--remove", "dnstaster")
	if b.there("/usr/bin/dnstaster") || b.there("/run/dnstaster/dnstaster.sock") {
		t.Error("the program or its socket is left")
	}
	b.run(t, "dpkg", "-i", "/var/tmp/dnstaster.deb")
	b.want(t, "ActiveState", "active")
	b.want(t, "UnitFileState", "enabled")
	b.awaitStatus(t, "watching 1 name: ")
	// Nor does an upgrade enable or start what somebody switched off.
	b.run(t, "systemctl", "disable", "--now", "dnstaster")
	b.run(t, "dpkg", "-i", "/var/tmp/dnstaster.deb")
	b.want(t, "UnitFileState", "disabled")
	b.run(t, "systemctl", "enable", "--now", "dnstaster")
}

func purge(t *testing.T, b *box) {
	b.run(t, "dpkg", "--purge", "dnstaster")
	for _, path := range []string{"/usr/bin/dnstaster", "/etc/dnstaster", "/var/lib/dnstaster", "/run/dnstaster", "/usr/lib/systemd/system/dnstaster.service", "/usr/share/doc/dnstaster"} {
		if b.there(path) {
			t.Errorf("%s is left", path)
		}
	}
	b.want(t, "LoadState", "not-found")
	if out := b.run(t, "systemctl", "list-units", "--failed", "--plain", "--no-legend"); strings.Contains(out, "dnstaster") {
		t.Errorf("failed units: %s", out)
	}
}

// TestMake installs without a package and takes everything off again.
func TestMake(t *testing.T) {
	root := t.TempDir()
	for _, goal := range []string{"install", "uninstall"} {
		if out, err := command("make", "-C", "..", goal, "DESTDIR="+root, "PREFIX=/opt/dns"); err != nil {
			t.Fatalf("make %s: %v\n%s", goal, err, out)
		}
		var files []string
		if err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				files = append(files, strings.TrimPrefix(path, root))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if goal == "uninstall" {
			if !slices.Equal(files, []string{configPath}) {
				t.Errorf("left after uninstall: %q", files)
			}
			return
		}
		for _, want := range []string{configPath, "/opt/dns/bin/dnstaster", "/opt/dns/lib/systemd/system/dnstaster.service", "/opt/dns/lib/sysusers.d/dnstaster.conf", "/opt/dns/share/man/man1/dnstaster.1.gz"} {
			if !slices.Contains(files, want) {
				t.Errorf("install leaves out %s: %q", want, files)
			}
		}
		unit, err := os.ReadFile(filepath.Join(root, "/opt/dns/lib/systemd/system/dnstaster.service"))
		if err != nil || bytes.Contains(unit, []byte("/usr/bin/dnstaster")) {
			t.Errorf("the unit starts another program: %v\n%s", err, unit)
		}
	}
}

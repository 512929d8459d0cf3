package report_test

import (
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/report"
)

// known are two names: one that proved itself and has an address that it did not,
// and one without TLS.
var known = monitor.Pins{GeneratedAt: begin, Names: []monitor.Pinnable{
	{
		Name: "api.partner.example.", Verdict: monitor.Clean, Types: []monitor.Type{monitor.TypeA, monitor.TypeAAAA}, Port: 8443,
		Addresses: []monitor.PinnableAddress{
			{Address: netip.MustParseAddr(trueAddr), Proven: true, By: "certificate", At: begin, SPKI: trueKey, ASN: 64500},
			{Address: netip.MustParseAddr(trueAddr2), By: "witnesses only: google, quad9", At: begin},
			{Address: netip.MustParseAddr("2001:db8::10"), Proven: true, By: "certificate", At: begin, SPKI: trueKey},
		},
		Keys:  []monitor.PinnableKey{{SPKI: trueKey, Issuer: "Example CA", First: begin, Last: begin}},
		Zones: []monitor.LockedZone{{Zone: "partner.example.", Nameservers: []string{"ns1.partner.example."}}},
	},
	{
		Name: "sftp.bank.example.", Verdict: monitor.Clean, Types: []monitor.Type{monitor.TypeA}, Port: 443, Off: true,
		Addresses: []monitor.PinnableAddress{{Address: netip.MustParseAddr("203.0.113.20"), Proven: true, By: "the zone's signature", At: begin}},
	},
}}

func pinned(t interface{ Fatal(...any) }, form string, p monitor.Pins) string {
	var b strings.Builder
	if err := report.PinForms[form](&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPins(t *testing.T) {
	for form := range report.PinForms {
		golden(t, "pins_"+form, pinned(t, form, known))
	}
}

// TestPinsHostile has nothing of a certificate or a witness's name leave its comment.
func TestPinsHostile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := filled[monitor.Pins](t)
		for i := range p.Names {
			p.Names[i].Name = "api.partner.example."
			for k := range p.Names[i].Keys {
				p.Names[i].Keys[k].SPKI = trueKey
			}
			for a := range p.Names[i].Addresses {
				p.Names[i].Addresses[a].Address = netip.MustParseAddr(trueAddr)
			}
		}
		hosts := regexp.MustCompile(`^(?:# .*|203\.0\.113\.10\tapi\.partner\.example\t# .*)$`)
		spki := regexp.MustCompile(`^api\.partner\.example sha256/\S{44} # .*$`)
		for line := range strings.SplitSeq(strings.TrimSuffix(pinned(t, "hosts", p), "\n"), "\n") {
			if !hosts.MatchString(line) {
				t.Fatalf("not a line of hosts: %q", line)
			}
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(pinned(t, "spki", p), "\n"), "\n") {
			if line != "" && !spki.MatchString(line) {
				t.Fatalf("not a line of keys: %q", line)
			}
		}
		var v struct {
			Watches []map[string]any `yaml:"watches"`
		}
		if err := yaml.Unmarshal([]byte(pinned(t, "yaml", p)), &v); err != nil || len(v.Watches) != len(p.Names) {
			t.Fatalf("%v: %d watches of %d names", err, len(v.Watches), len(p.Names))
		}
		for _, w := range v.Watches {
			for key := range w {
				if key != "name" && key != "tls" && key != "expect" {
					t.Fatalf("a key %q", key)
				}
			}
		}
	})
}

// TestPinsNFT has nft(8) read the sets, in a namespace of its own, and change nothing.
func TestPinsNFT(t *testing.T) {
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Log("no nft here")
		return
	}
	cmd := exec.Command(nft, "-c", "-f", "-")
	cmd.Stdin = strings.NewReader(pinned(t, "nft", known))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: syscall.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: syscall.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if _, ran := err.(*exec.ExitError); err != nil && (ran && !strings.Contains(string(out), "Operation not permitted")) {
		t.Errorf("%v: %s", err, out)
	} else if err != nil {
		t.Logf("this kernel gives no namespace: %v %s", err, out)
	}
}

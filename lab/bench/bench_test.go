package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dnstaster/dnstaster/lab/bench/traffic"
)

// built builds the tools, once for a test.
func built(t *testing.T) tools {
	t.Helper()
	t.Chdir("../..") // the program runs in the root of the module
	tools, err := build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return tools
}

// read has a program of ours read a capture.
func read(t *testing.T, argv ...string) string {
	t.Helper()
	output := filepath.Join(t.TempDir(), "out")
	x, err := contender{name: "reader", argv: argv}.takeTurn(t.Context(), output)
	if err != nil {
		t.Fatal(err)
	}
	if x.cpu <= 0 || x.peak <= 0 {
		t.Errorf("it took %v and %d octets", x.cpu, x.peak)
	}
	return output
}

// A small run: what dnstaster and the naive reader report is what the generator
// put there, and a truth that is another is noticed, whatever differs.
func TestReplay(t *testing.T) {
	tools := built(t)
	file := filepath.Join(t.TempDir(), "traffic.pcap")
	made := func(args ...string) traffic.Truth {
		truth, err := tools.traffic(t.Context(), file, append(args, "-packets", "20000")...)
		if err != nil {
			t.Fatal(err)
		}
		if truth.Packets < 20000 || truth.Queries < 9000 || truth.VLAN < 500 || len(truth.Forged) < 5 {
			t.Fatalf("traffic of %+v", truth)
		}
		return truth
	}
	truth := made()
	if truth.TCP < 100 {
		t.Errorf("%d messages over TCP", truth.TCP)
	}
	naive := read(t, tools.naive, file)
	if err := checkNaive(naive, truth); err != nil {
		t.Errorf("naive: %v", err)
	}
	truth = made(heard...)
	naive = read(t, tools.naive, file)
	if err := checkNaive(naive, truth); err != nil {
		t.Errorf("naive: %v", err)
	}
	replayed := read(t, tools.dnstaster, "replay", "--json", "--fail-on", "never", file)
	if err := checkReplay(replayed, truth); err != nil {
		t.Errorf("dnstaster: %v", err)
	}

	for _, tt := range []struct {
		name   string
		change func(*traffic.Truth)
		want   []string // said of the report
	}{
		{"packets", func(x *traffic.Truth) { x.Packets++ }, []string{"packets: "}},
		{"queries", func(x *traffic.Truth) { x.Queries-- }, []string{"queries: "}},
		{"responses", func(x *traffic.Truth) { x.Responses++ }, []string{"responses: "}},
		{"TCP", func(x *traffic.Truth) { x.TCP++ }, []string{"messages over TCP: "}},
		{"VLAN", func(x *traffic.Truth) { x.VLAN-- }, []string{"packets with a VLAN tag: "}},
		{"a forgery more", func(x *traffic.Truth) {
			x.Forged = append(slices.Clone(x.Forged), x.Forged[0])
			x.Forged[len(x.Forged)-1].ID++
			x.Forged[len(x.Forged)-1].Answered = true
		}, []string{"flagged transactions: ", "forgeries missed: 1, want 0"}},
		{"a forgery less", func(x *traffic.Truth) { x.Forged = x.Forged[1:] }, []string{"flagged transactions: ", "flagged that are right: 1, want 0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wrong := truth
			tt.change(&wrong)
			err := checkReplay(replayed, wrong)
			if err == nil {
				t.Fatal("it is taken for right")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in %q", w, err)
				}
			}
			if checkNaive(naive, wrong) == nil {
				t.Error("the naive reader's is taken for right")
			}
		})
	}
}

// The same seed gives the same octets, and another one others.
func TestTraffic(t *testing.T) {
	tools := built(t)
	dir := t.TempDir()
	write := func(name string, args ...string) []byte {
		file := filepath.Join(dir, name)
		if _, err := tools.traffic(t.Context(), file, append(args, "-packets", "2000")...); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	one := string(write("one"))
	if one != string(write("again")) || one == string(write("other", "-seed", "7")) {
		t.Error("the seed does not say what is written")
	}
}

// All that is sent is heard, or is reported as dropped, by each contender that
// has to.
func TestLive(t *testing.T) {
	// The tests must run on a machine with git and Go alone, by anybody. lab/install.sh
	// brings the programs, and as root .ci/run refuses what was skipped.
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make namespaces")
	}
	for _, program := range []string{"ip", "taskset", "tcpdump"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	tools := built(t)
	tools.watched = 20 // it is at rest sooner
	file := filepath.Join(t.TempDir(), "live.pcap")
	truth, err := tools.traffic(t.Context(), file, append(heard, "-packets", "4000")...)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range listeners(tools) {
		var x taken
		if err := inNamespace(func() (err error) { x, err = l.run(t.Context(), tools, file, 20_000); return err }); err != nil {
			t.Fatalf("%s: %v", l.name, err)
		}
		r := sumUp(l, 20_000, []taken{x})
		if r.Sent[0] != truth.Packets || r.Delivered[0] == 0 || x.cpu <= 0 || x.sender <= 0 {
			t.Errorf("%s: %+v of %d packets", l.name, x, truth.Packets)
		}
		if faults := r.unreported(); faults != nil {
			t.Error(faults)
		}
	}
}

func TestUnreported(t *testing.T) {
	r := Run{Name: ours, Sent: []int{10, 10, 10}, Delivered: []int{10, 7, 9}, Dropped: []int{0, 3, 0}}
	want := []string{"dnstaster, round 3: reported as dropped: 0, want 1"}
	if diff := cmp.Diff(want, r.unreported()); diff != "" {
		t.Errorf("unreported (-want +got):\n%s", diff)
	}
}

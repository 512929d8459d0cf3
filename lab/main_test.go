//go:build lab

package lab

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/dnstaster/dnstaster/lab/world"
)

var (
	hold    = flag.Duration("lab.hold", 0, "keep the world of a case standing for so long, once its cause is at work")
	pcaps   = flag.String("lab.pcap", "", "directory for the packets that the client sends and gets, a file a case")
	core    = flag.Bool("lab.core", false, "run only the cases that are run before each change lands")
	again   = flag.Bool("lab.again", false, "run cases anew whose result is kept")
	results = flag.String("lab.results", "results", "directory in which results are kept by case")
	mark    = flag.String("lab.mark", "", "keep results under this name, rather than under the hash of the daemon and the cases: whoever changes them says with -lab.again what is to be run anew")
	mutate  = flag.Bool("lab.mutate", false, "switch off rules and clearing tests, one at a time")
)

// built is the environment variable with the path of the daemon under test.
const built = "DNSTASTER_LAB_BINARY"

// binary is the daemon under test. It is made with -tags lab: its rules can be
// switched off.
var binary string

func TestMain(m *testing.M) {
	status, err := prepare(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		status = 1
	}
	os.Exit(status)
}

// prepare builds the daemon outside, where there are modules, and runs the tests
// inside.
func prepare(m *testing.M) (int, error) {
	if binary = os.Getenv(built); binary == "" {
		dir, err := os.MkdirTemp("", "dnstaster-lab-")
		if err != nil {
			return 1, err
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "dnstaster")
		build := exec.Command("go", "build", "-tags", "lab", "-o", binary, "../cmd/dnstaster")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build: %w\n%s", err, out)
		}
		if err := os.Setenv(built, binary); err != nil {
			return 1, err
		}
	}
	status, inside, err := world.Enter()
	if !inside {
		return status, err
	}
	flag.Parse()
	// Cases wait much more than they work: more of them than there are processors
	// run beside each other.
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "5"); err != nil {
			return 1, err
		}
	}
	status = m.Run()
	if *core || *mutate || *confirm || *soak > 0 {
		return status, nil
	}
	k, err := openKeeper()
	if err != nil {
		return 1, err
	}
	return status, k.write()
}

// fingerprint tells builds apart: results of another daemon, or of other cases,
// say nothing about these.
func fingerprint() (string, error) {
	if *mark != "" {
		return *mark, nil
	}
	h := sha256.New()
	for _, path := range []string{"/proc/self/exe", binary} {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}

// within tries until f succeeds or the time is over.
func within(limit time.Duration, f func() error) error { return world.Within(limit, f) }

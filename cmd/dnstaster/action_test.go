package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/testscript"
)

// action is action.yml, as far as it is looked at here.
type action struct {
	Inputs map[string]struct{ Description, Default string }
	Runs   struct {
		Using string
		Steps []actionStep
	}
}

type actionStep struct {
	Name, Uses, Shell, Run string
	Env                    map[string]string
}

func readAction(t *testing.T) (a action) {
	t.Helper()
	text, err := os.ReadFile("../../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a action) step(t *testing.T, name string) actionStep {
	t.Helper()
	for _, s := range a.Runs.Steps {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no step %q", name)
	return actionStep{}
}

// TestAction has every input reach a script as a variable that it makes use of, and
// none as code: an expression in a script is put in before the shell reads it.
func TestAction(t *testing.T) {
	a := readAction(t)
	check := a.step(t, "check")
	if a.Runs.Using != "composite" || len(a.Inputs) < 5 {
		t.Errorf("the action is %q and has %d inputs", a.Runs.Using, len(a.Inputs))
	}
	for _, s := range a.Runs.Steps {
		if strings.Contains(s.Run, "${{") {
			t.Errorf("an expression stands in the script of %q: %s", s.Name, s.Run)
		}
		if strings.Contains(s.Run, "sudo") {
			t.Errorf("the script of %q wants privileges", s.Name)
		}
	}
	for name, input := range a.Inputs {
		variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		if input.Description == "" {
			t.Errorf("the input %s is not described", name)
		}
		if check.Env[variable] != "${{ inputs."+name+" }}" || !strings.Contains(check.Run, "$"+variable) {
			t.Errorf("the input %s does not reach the script as %s", name, variable)
		}
	}
	if len(check.Env) != len(a.Inputs) {
		t.Errorf("%d variables of %d inputs", len(check.Env), len(a.Inputs))
	}
}

// TestActionScript runs the script of the action, as a runner does, on loopback.
func TestActionScript(t *testing.T) {
	a := readAction(t)
	check := a.step(t, "check")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/action",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			for name, input := range a.Inputs {
				env.Setenv(strings.ToUpper(strings.ReplaceAll(name, "-", "_")), input.Default)
			}
			env.Setenv("RUNNER_TEMP", filepath.Join(env.WorkDir, "temp"))
			if err := os.Mkdir(filepath.Join(env.WorkDir, "temp"), 0o755); err != nil {
				return err
			}
			// As GitHub runs 'shell: bash'.
			script := "set -eo pipefail\n" + check.Run
			if err := os.WriteFile(filepath.Join(env.WorkDir, "check.sh"), []byte(script), 0o600); err != nil {
				return err
			}
			return setupScript(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": cmdExits, "json": cmdJSON, "answer": cmdAnswer},
	})
}

// TestCIPage has the examples of the page name what there is: inputs of the action,
// and flags of commands.
func TestCIPage(t *testing.T) {
	text := page(t, "ci.md")
	a := readAction(t)
	_, with, ok := strings.Cut(text, "        with:\n          locked:")
	if !ok {
		t.Fatal("no example of the action")
	}
	example, _, _ := strings.Cut("          locked:"+with, "      - uses:")
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^          ([a-z-]+):`).FindAllStringSubmatch(example, -1) {
		found++
		if _, ok := a.Inputs[m[1]]; !ok {
			t.Errorf("the action has no input %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^    - (dnstaster .+)$`).FindAllStringSubmatch(text, -1) {
		found++
		if err := commandExists(m[1], true); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
	}
	if found != 4 {
		t.Errorf("%d inputs and commands are found in the examples, want 4", found)
	}
	for _, fenced := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
		var v map[string]any
		if err := yaml.Unmarshal([]byte(fenced[1]), &v); err != nil {
			t.Errorf("an example is no YAML: %v", err)
		}
	}
}

package dnssec

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOrder sorts the example of RFC 4034 §6.1.
func TestOrder(t *testing.T) {
	t.Parallel()
	want := []string{
		"example.", "a.example.", "yljkjljk.a.example.", "z.a.example.", "zabc.a.example.",
		"z.example.", `\001.z.example.`, "*.z.example.", `\200.z.example.`,
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, order)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if order(".", "a.") >= 0 || order("a.", "a.") != 0 || order("A.b.", "a.B.") != 0 {
		t.Error("the root, or case, is out of order")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for n, want := range []string{".", "c.", `b\.x.c.`, `a.b\.x.c.`} {
		if got := suffix(`a.b\.x.c.`, n); got != want {
			t.Errorf("suffix(%d) = %q, want %q", n, got, want)
		}
	}
	for _, tt := range []struct {
		name, zone string
		want       bool
	}{
		{"a.b.", "b.", true}, {"b.", "b.", true}, {"b.", ".", true}, {".", ".", true},
		{"ab.", "b.", false}, {`a\.b.`, "b.", false}, {"b.", "a.b.", false}, {".", "b.", false},
	} {
		if got := under(tt.name, tt.zone); got != tt.want {
			t.Errorf("under(%q, %q) = %t", tt.name, tt.zone, got)
		}
	}
	for _, tt := range [][3]string{{"a.b.c.", "x.b.c.", "b.c."}, {"a.", "b.", "."}, {"a.b.", "b.", "b."}, {".", "b.", "."}} {
		if got := common(tt[0], tt[1]); got != tt[2] {
			t.Errorf("common(%q, %q) = %q, want %q", tt[0], tt[1], got, tt[2])
		}
	}
	if got := parent("."); got != "." {
		t.Errorf("parent(.) = %q", got)
	}
	if got := child("*", "."); got != "*." {
		t.Errorf("child(*, .) = %q", got)
	}
	if got, err := canonical(`\065b.\046`); got != `ab.\..` || err != nil {
		t.Errorf("canonical = %q, %v", got, err)
	}
	if _, err := canonical(strings.Repeat("a", 64)); err == nil {
		t.Error("a label of 64 octets is a name")
	}
}

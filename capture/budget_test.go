package capture

import (
	"testing"
	"time"
)

// spent is how many of n samples, each step later, a budget lets pass.
func spent(b *budget, n int, step time.Duration, one func(i int) (name *bucket, question, server uint64)) (passed int) {
	for i := range n {
		name, question, server := one(i)
		if b.spend(name, question, server, began0+int64(i)*int64(step)) {
			passed++
		}
	}
	return passed
}

const began0 = int64(1_800_000_000_000_000_000)

// TestBudget has floods come of every sort for a second, and looks at how many
// samples come of it and whether others still pass.
func TestBudget(t *testing.T) {
	var watched, other bucket
	const flood, step = 100_000, 10 * time.Microsecond
	tests := []struct {
		name  string
		flood func(i int) (*bucket, uint64, uint64)
		most  int  // samples of the flood
		same  bool // a name not watched, of another server, passes meanwhile
	}{
		{"one watched name", func(int) (*bucket, uint64, uint64) { return &watched, 1, 1 }, 32 + 8, true},
		{"one watched name, spoofed servers", func(i int) (*bucket, uint64, uint64) { return &watched, 1, uint64(i) }, 64 + 16, true},
		{"one name", func(int) (*bucket, uint64, uint64) { return nil, 1, 1 }, 16 + 1, true},
		{"random names of one server", func(i int) (*bucket, uint64, uint64) { return nil, uint64(i), 1 }, 64 + 8, true},
		{"random names, spoofed servers", func(i int) (*bucket, uint64, uint64) { return nil, uint64(i), uint64(i) }, 128 + 16, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &budget{}
			watched, other = 0, 0
			if n := spent(b, flood, step, tt.flood); n < 1 || n > tt.most {
				t.Errorf("%d samples, want at most %d", n, tt.most)
			}
			end := began0 + int64(flood*step)
			if !b.spend(&other, 7, 1, end) {
				t.Error("another watched name is silenced")
			}
			if tt.same && !b.spend(nil, 9, 900, end) {
				t.Error("another name is silenced")
			}
			if !b.spend(nil, 9, 900, end+int64(time.Second)) {
				t.Error("another name is silenced a second after the flood")
			}
		})
	}
}

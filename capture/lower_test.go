package capture

import (
	"bytes"
	"testing"
)

// Every octet in every place, beside any other.
func TestLower(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				from, want := bytes.Repeat([]byte{byte(c*7 + at)}, length), make([]byte, length)
				from[at] = byte(c)
				for i, c := range from {
					if want[i] = c; 'A' <= c && c <= 'Z' {
						want[i] = c + 'a' - 'A'
					}
				}
				got := make([]byte, length)
				if lower(got, from); !bytes.Equal(got, want) {
					t.Fatalf("%q becomes %q, want %q", from, got, want)
				}
			}
		}
	}
}

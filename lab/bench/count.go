package main

import (
	"errors"
	"fmt"
	"strings"
)

// count is what was reported of something, and what there was.
type count struct {
	what      string
	got, want int
}

// compare gives an error that names every count that is not as it must be.
func compare(counts []count) error {
	var wrong []string
	for _, c := range counts {
		if c.got != c.want {
			wrong = append(wrong, fmt.Sprintf("%s: %d, want %d", c.what, c.got, c.want))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return errors.New(strings.Join(wrong, "; "))
}

//go:build lab

package inject

// Within runs f in a network namespace, and returns its error. The sockets that f
// makes stay there, also when f has returned.
type Within func(f func() error) error

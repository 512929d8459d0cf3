// Package lab tests the real daemon against real resolvers and real attackers,
// in network namespaces of its own. It needs root, and the Debian packages that
// `lab/lab.sh install` installs; nothing in it reaches beyond the namespaces,
// which are all named dt-*.
//
//	go test -tags lab ./lab/...
//
// lab.sh builds the network and carries out attacks and benign changes; the Go
// tests run the daemon inside, and judge what it says.
package lab

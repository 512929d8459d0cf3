// Package lab tests the real daemon against real resolvers and real attackers:
// the whole matrix of attacks and of what only looks like one. README.md says how
// to run one case by hand, look at its packets, and add another.
//
//	go test -tags lab ./lab/...
//
// It needs root, and the Debian packages that install.sh installs. Everything
// happens in namespaces without a link to the outside, and ends with the test:
// see package world.
package lab

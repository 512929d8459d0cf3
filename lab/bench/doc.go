// Command bench measures what dnstaster costs, beside programs that do some of
// the same, in one run: ratios within a run say something, numbers of one machine
// say little about another.
//
//	bench [-only replay,live] [-rounds 5] [-write]
//
// It runs in the root of the module. The live part needs root, and Debian's
// packages that lab/install.sh installs. Contenders take turns, and of each the
// median counts. What a timed run of dnstaster reports must be what is in the
// traffic: a program that skips packets is fast. Exit status 1 says that a
// criterion was missed.
package main

// Package host tells what decides on this host whom applications ask for a name,
// and what they are told before anybody is asked: the hosts file, the order of
// lookups in nsswitch.conf, where the nameservers come from, and which network this
// is. It reads files, sends nothing, and needs no privilege.
package host

// Command ledger runs what shakes the daemon, and keeps in docs/ledger.md how
// long each part was shaken.
//
//	ledger fuzz [-time 60s] [-for 8h] [-parallel 1] [REGEXP]
//	ledger soak NAME TIME COMMAND...
//
// It runs in the root of the module. A run that finds something adds nothing:
// what it found is fixed and gets a test before its minutes count.
package main

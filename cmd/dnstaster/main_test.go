package main

import (
	"net/netip"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dnstaster/dnstaster/monitor"
	"github.com/dnstaster/dnstaster/monitor/resolver"
)

// ownEnv tells a command in a script what is to be this host's own resolver.
const ownEnv = "DNSTASTER_TEST_OWN"

func TestMain(m *testing.M) {
	outside = false
	if own, err := netip.ParseAddrPort(os.Getenv(ownEnv)); err == nil {
		ownResolvers = func(*resolver.SystemResolvers) func() ([]monitor.Resolver, error) {
			return func() ([]monitor.Resolver, error) {
				return []monitor.Resolver{{Name: "system", Operator: "system", Role: monitor.Local, Transport: monitor.UDP, Addr: own}}, nil
			}
		}
	}
	if os.Getenv(killEnv) != "" {
		os.Exit(killChild())
	}
	testscript.Main(m, map[string]func(){"dnstaster": main})
}

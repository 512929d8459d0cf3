package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	outside = false
	if os.Getenv(killEnv) != "" {
		os.Exit(killChild())
	}
	testscript.Main(m, map[string]func(){"dnstaster": main})
}

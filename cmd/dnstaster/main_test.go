package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	if os.Getenv(killEnv) != "" {
		os.Exit(killChild())
	}
	outside = false
	testscript.Main(m, map[string]func(){"dnstaster": main})
}

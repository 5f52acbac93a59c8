package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"listd/store/pgtest"
)

// TestMain puts a program listd on the PATH: the test binary itself, so that scripts and crash tests run what is tested.
func TestMain(m *testing.M) {
	testscript.Main(pgtest.Wrap(m), map[string]func(){"listd": main})
}

func TestDemo(t *testing.T) {
	t.Parallel()
	if code := run([]string{"demo", "--once"}, os.Stdin, t.Output(), t.Output()); code != exitDone {
		t.Fatalf("listd demo --once ends with %d", code)
	}
}

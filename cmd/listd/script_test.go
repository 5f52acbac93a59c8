package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"listd/smtp/sink"
	"listd/store/pgtest"
)

// patience is how long a story waits for what must happen.
const patience = time.Minute

// TestScripts runs the stories of testdata/script: the real program, real sockets, and a relay that catches what leaves.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, params("testdata/script", nil))
}

// TestPostgres runs the stories of several nodes, which share a database.
func TestPostgres(t *testing.T) {
	t.Parallel()
	const dir = "testdata/postgres"
	stories, err := filepath.Glob(dir + "/*.txtar")
	if err != nil || len(stories) == 0 {
		t.Fatalf("stories %q, %v", stories, err)
	}
	databases := make(chan string, len(stories)) // each has its own
	for range stories {
		databases <- pgtest.URL(t)
	}
	testscript.Run(t, params(dir, func(e *testscript.Env) { e.Setenv("DATABASE", <-databases) }))
}

// params are those of every folder of stories. The commands they have beside testscript's own are methods of world.
func params(dir string, setup func(*testscript.Env)) testscript.Params {
	command := func(f func(*world, *testscript.TestScript, bool, []string)) func(*testscript.TestScript, bool, []string) {
		return func(ts *testscript.TestScript, neg bool, args []string) {
			f(ts.Value(worldKey{}).(*world), ts, neg, args)
		}
	}
	return testscript.Params{
		Dir:                 dir,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			w, err := newWorld()
			if err != nil {
				return err
			}
			e.Values[worldKey{}] = w
			e.Defer(w.end)
			e.Setenv("RELAY", w.relayAddr)
			now := time.Now().UTC() // LISTD_CLOCK=+$NOON is far from midnight, whenever the story is told
			e.Setenv("NOON", now.Truncate(24*time.Hour).Add(36*time.Hour).Sub(now).Round(time.Second).String())
			if setup != nil {
				setup(e)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"site":     command((*world).site),
			"conf":     command((*world).conf),
			"serve":    command((*world).serve),
			"use":      command((*world).use),
			"shutdown": command((*world).shutdown),
			"kill9":    command((*world).kill9),
			"log":      command((*world).log),
			"smtp":     command((*world).smtp),
			"lmtp":     command((*world).lmtp),
			"sink":     command((*world).sink),
			"nosink":   command((*world).nosink),
			"copies":   command((*world).copies),
			"relay":    command((*world).relay),
			"json":     command((*world).json),
			"code":     command((*world).code),
			"capture":  command((*world).capture),
			"until":    command((*world).until),
			"http":     command((*world).http),
			"imap":     command((*world).imap),
			"dns":      command((*world).dns),
			"date":     command((*world).date),
			"sign":     command((*world).sign),
			"verify":   command((*world).verify),
			"prepend":  command((*world).prepend),
			"append":   command((*world).appendTo),
			"guess":    command((*world).guess),
			"logged":   command((*world).logged),

			"provider": command((*world).provider),
			"deliver":  command((*world).deliver),
			"folder":   command((*world).folder),
			"publish":  command((*world).publish),
		},
	}
}

// relay says how the relay behaves from now on: `relay up`, `relay down`, `relay hang`, or `relay STAGE PATTERN REPLY`
// for a reply to commands that fit; with a number behind, to so many of them and no more.
func (w *world) relay(ts *testscript.TestScript, neg bool, args []string) {
	w.unhang()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case len(args) == 1 && args[0] == "up":
		w.fault = nil
	case len(args) == 1 && args[0] == "down":
		w.fault = func(stage, _ string) sink.Fault { return sink.Fault{Drop: stage == "connect" || stage == "mail"} }
	case len(args) == 1 && args[0] == "hang":
		w.fault, w.free = nil, make(chan struct{})
	case len(args) == 3 || len(args) == 4:
		p := regexp.MustCompile(args[1])
		var left atomic.Int64
		left.Store(1 << 40)
		if len(args) == 4 {
			n, err := strconv.ParseInt(args[3], 10, 64)
			ts.Check(err)
			left.Store(n)
		}
		w.fault = func(stage, arg string) sink.Fault {
			if stage == args[0] && p.MatchString(arg) && left.Add(-1) >= 0 {
				return sink.Fault{Reply: args[2]}
			}
			return sink.Fault{}
		}
	default:
		ts.Fatalf("usage: relay up | down | hang | STAGE PATTERN REPLY [NUMBER]")
	}
}

func (w *world) unhang() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.free:
	default:
		close(w.free)
	}
}

// json reads a file of JSON, and wants a value in it to fit: `json FILE [PATH PATTERN]`, PATH as in 0.address, len for
// how many there are.
func (w *world) json(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 && len(args) != 3 {
		ts.Fatalf("usage: json FILE [PATH PATTERN]")
	}
	var v any
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.UseNumber()
	ts.Check(d.Decode(&v))
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		ts.Fatalf("there is more than one value: %v", err)
	}
	if len(args) == 1 {
		return
	}
	for step := range strings.SplitSeq(args[1], ".") {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[step]
			if !ok {
				ts.Fatalf("there is no %q in %v", step, at)
			}
			v = next
		case []any:
			if step == "len" {
				v = len(at)
				continue
			}
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(at) {
				ts.Fatalf("there is no %q in %v", step, at)
			}
			v = at[i]
		default:
			ts.Fatalf("there is no %q in %v", step, v)
		}
	}
	if got := fmt.Sprint(v); regexp.MustCompile(args[2]).MatchString(got) == neg {
		ts.Fatalf("%s is %q", args[1], got)
	}
}

// code runs listd and wants an exit code: `code 2 listd ARGS…`. What it prints is there for stdout and stderr.
func (w *world) code(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("the exit code is %d", got)
	}
}

// capture sets a variable to what a pattern's group fits in a file: `capture NAME FILE PATTERN`.
func (w *world) capture(ts *testscript.TestScript, neg bool, args []string) {
	m := regexp.MustCompile("(?m)" + args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if len(m) < 2 {
		ts.Fatalf("%s does not fit", args[2])
	}
	ts.Setenv(args[0], m[1])
}

// until runs a command again and again until its output fits: `until PATTERN COMMAND ARGS…`.
func (w *world) until(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	want := regexp.MustCompile("(?m)" + args[0])
	for {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("it does not come to %s", args[0])
		}
	}
}

// Package chromium has tests look at pages in a headless Chromium, as people do who have JavaScript off: on a phone's
// window and a desk's, in light and in dark. What it finds are failures of the test: what a validator of HTML and axe, a
// check of accessibility, complain of, what sticks out of the window, what is asked for elsewhere, what a browser refuses.
//
// Enter with Look and Walk. The driver, axe and the validator come by npm (.ci/browser), Chromium from the system; a test
// is skipped where they are missing.
package chromium

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long a browser may take for all that it is asked.
const patience = 10 * time.Minute

//go:embed look.mjs
var script string

// Page is what is looked at.
type Page struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Status int    `json:"status,omitempty"` // 200, if it is 0
	// Foreign is HTML that others wrote, in a sandbox in which axe cannot run.
	Foreign bool    `json:"foreign,omitempty"`
	Cookie  *Cookie `json:"cookie,omitempty"`
}

// Cookie is what a reader has who is signed in.
type Cookie struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Options are what is not minded, and why it is not stands where they are given.
type Options struct {
	AxeOff, HTMLOff []string // rules of axe, and of html-validate
}

// Letter is what is not minded in mail: a mail program has the landmarks and shows the Subject as a heading, and Outlook
// needs attributes that HTML has given up.
var Letter = Options{AxeOff: []string{"region", "landmark-one-main", "page-has-heading-one"}, HTMLOff: []string{"no-deprecated-attr"}}

// Script is a way through pages: a step a line, a verb and what it is done with, such as "follow Lunch on Friday?". Lines
// that begin with # say why. The verbs stand in look.mjs.
type Script struct {
	Name   string   `json:"name"`
	Base   string   `json:"base"` // the site's URL
	Steps  []string `json:"steps"`
	Cookie *Cookie  `json:"cookie,omitempty"`
}

// Steps are the lines of a script's text.
func Steps(text string) (steps []string) {
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			steps = append(steps, line)
		}
	}
	return steps
}

// asked is what look.mjs reads.
type asked struct {
	Chromium string   `json:"chromium"`
	Modules  string   `json:"modules"`
	Pages    []Page   `json:"pages,omitempty"`
	Walks    []Script `json:"walks,omitempty"`
	AxeOff   []string `json:"axeOff,omitempty"`
	HTMLOff  []string `json:"off,omitempty"`
	Shots    string   `json:"shots,omitempty"`
}

// seen is a line that it writes.
type seen struct {
	Name  string
	Wrong []string
}

// Look looks at pages, each at 360 and 1,200 pixels, light and dark. With the environment variable LISTD_SHOTS it leaves pictures in that folder.
func Look(t testing.TB, opt Options, pages ...Page) {
	t.Helper()
	done := run(t, asked{Pages: pages, AxeOff: opt.AxeOff, HTMLOff: opt.HTMLOff, Shots: os.Getenv("LISTD_SHOTS")})
	for _, s := range done {
		for _, w := range s.Wrong {
			t.Errorf("%s: %s", s.Name, w)
		}
	}
	if len(done) != len(pages) {
		t.Errorf("%d of %d pages were looked at", len(done), len(pages))
	}
}

// Walk goes ways through pages, on a phone's window.
func Walk(t testing.TB, walks ...Script) {
	t.Helper()
	done := run(t, asked{Walks: walks})
	for _, s := range done {
		for _, w := range s.Wrong {
			t.Errorf("%s: %s", s.Name, w)
		}
	}
	if len(done) != len(walks) {
		t.Errorf("%d of %d ways were gone", len(done), len(walks))
	}
}

func run(t testing.TB, a asked) (out []seen) {
	t.Helper()
	node := need(t, "node")
	a.Chromium = need(t, "chromium", "chromium-browser", "google-chrome")
	a.Modules = modules(t)
	in, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "look.mjs")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	cmd := exec.CommandContext(ctx, node, path)
	cmd.WaitDelay = time.Second // Chromium's own processes may hold the pipes
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	lines := bufio.NewScanner(&stdout)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var s seen
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatalf("%v in %s", err, lines.Bytes())
		}
		out = append(out, s)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// need is the path of the first of some programs that is there.
func need(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed: make needs installs Debian's package", names[0])
	return ""
}

// modules is the folder of what npm has installed.
func modules(t testing.TB) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(here), "..", "..", ".ci", "browser")
	for _, name := range []string{"axe-core", "html-validate", "playwright-core"} {
		if _, err := os.Stat(filepath.Join(dir, "node_modules", name)); err != nil {
			t.Skip(fmt.Sprint(name, " is not installed: make needs has npm install it"))
		}
	}
	return dir
}

package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"listd/smtp/sink"
)

type worldKey struct{}

// world is what surrounds a story: the running nodes, and the relay all mail leaves by.
type world struct {
	catcher   *sink.Sink
	relayAddr string
	nodes     map[string]*running           // by the name of the configuration
	current   string                        // whom smtp and lmtp speak to
	names     *nameserver                   // nil: no story of the DNS
	keys      map[string]ed25519.PrivateKey // of DKIM, by domain

	mu      sync.Mutex
	arrived chan struct{} // closed and made anew with each mail
	caught  []sink.Mail   // not yet taken by sink
	all     []sink.Mail
	fault   func(stage, arg string) sink.Fault
	free    chan struct{} // closed when the relay hangs no more
}

func newWorld() (*world, error) {
	w := &world{nodes: map[string]*running{}, keys: map[string]ed25519.PrivateKey{}, arrived: make(chan struct{}), free: make(chan struct{})}
	close(w.free)
	w.catcher = &sink.Sink{Hostname: "relay.test", Keep: w.keep, Fault: w.ask}
	var err error
	w.relayAddr, err = w.catcher.Listen()
	return w, err
}

func (w *world) keep(m sink.Mail) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.caught, w.all = append(w.caught, m), append(w.all, m)
	close(w.arrived)
	w.arrived = make(chan struct{})
}

func (w *world) ask(stage, arg string) sink.Fault {
	w.mu.Lock()
	f, free := w.fault, w.free
	w.mu.Unlock()
	if stage == "mail" {
		<-free
	}
	if f == nil {
		return sink.Fault{}
	}
	return f(stage, arg)
}

func (w *world) end() {
	w.unhang()
	for _, n := range w.nodes {
		_ = n.cmd.Process.Kill() // it may have ended
		<-n.ended
	}
	w.catcher.Close()
	if w.names != nil {
		w.names.close()
	}
}

// running is a listd serve.
type running struct {
	cmd        *exec.Cmd
	addr, lmtp string
	ended      chan struct{}
	err        error // of Wait; read it after ended

	mu   sync.Mutex
	text bytes.Buffer // its log
}

// site makes a site on loopback whose mail leaves by the relay: `site [DATABASE]`.
func (w *world) site(ts *testscript.TestScript, neg bool, args []string) {
	newSite.in(ts)
	for _, c := range [][]string{{"smtp.listen", `["127.0.0.1:0"]`}, {"smtp.lmtp", `["unix:lmtp.sock"]`},
		{"delivery.relay", strconv.Quote(w.relayAddr)}, {"delivery.relay_tls", `"none"`},
		{"http.listen", `""`}, {"dns.resolver", `"127.0.0.1:9"`}} { // where nobody answers: no story asks the world
		w.conf(ts, false, c)
	}
}

// newSite is what listd init makes, made once: keys take seconds. A story with a clock of its own makes its own.
var newSite initiated

type initiated struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (i *initiated) in(ts *testscript.TestScript) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.files == nil || ts.Getenv("LISTD_CLOCK") != "" {
		ts.Check(ts.Exec("listd", "init", "--domain", "lists.test", "--owner", "admin@site.test"))
	}
	if ts.Getenv("LISTD_CLOCK") != "" {
		return
	}
	if i.files == nil {
		made := map[string][]byte{}
		for _, name := range []string{"listd.toml", "listd.db"} {
			made[name] = []byte(ts.ReadFile(name))
		}
		i.files = made
	}
	for name, b := range i.files {
		ts.Check(os.WriteFile(ts.MkAbs(name), b, 0o600))
	}
}

// conf sets a value of listd.toml: `conf KEY VALUE [FILE]`.
func (w *world) conf(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: conf KEY VALUE [FILE]")
	}
	file := ts.MkAbs("listd.toml")
	if len(args) > 2 {
		file = ts.MkAbs(args[2])
	}
	table, key, ok := strings.Cut(args[0], ".")
	if !ok {
		table, key = "", table
	}
	b, err := os.ReadFile(file)
	ts.Check(err)
	line := regexp.MustCompile(`^#?` + key + ` = `)
	lines := strings.Split(string(b), "\n")
	now, done := "", false
	for i, l := range lines {
		if strings.HasPrefix(l, "[") {
			now = strings.Trim(l, "[]")
		} else if now == table && line.MatchString(l) {
			lines[i], done = key+" = "+args[1], true
		}
	}
	if !done {
		ts.Fatalf("%s has no key %s", file, args[0])
	}
	ts.Check(os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o644))
}

// serve starts listd serve and waits until it serves: `serve [CONFIG]`. With ! it must end by itself and fail.
func (w *world) serve(ts *testscript.TestScript, neg bool, args []string) {
	name := "listd.toml"
	if len(args) > 0 {
		name = args[0]
	}
	program, err := exec.LookPath("listd")
	ts.Check(err)
	n := &running{ended: make(chan struct{})}
	n.cmd = exec.Command(program, "serve", "--config", ts.MkAbs(name))
	n.cmd.Dir = ts.MkAbs(".")
	for _, v := range []string{"PATH", "HOME", "TMPDIR", "LISTD_CLOCK"} {
		n.cmd.Env = append(n.cmd.Env, v+"="+ts.Getenv(v))
	}
	n.cmd.Stdout = n
	errs, err := n.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(n.cmd.Start())
	serves := make(chan bool, 1)
	go n.read(errs, serves)
	select {
	case ok := <-serves:
		if !ok {
			<-n.ended
			fmt.Fprint(ts.Stderr(), n.String())
			if !neg {
				ts.Fatalf("listd serve has ended: %v", n.err)
			}
			return
		}
	case <-time.After(patience):
		_ = n.cmd.Process.Kill() // it may have ended
		ts.Fatalf("listd serve does not come up:\n%s", n)
	}
	w.nodes[name], w.current = n, name
	if neg {
		ts.Fatalf("listd serve has come up")
	}
}

// serveLine is what a node logs when its ports are open.
var serveLine = regexp.MustCompile(`msg="listd serves".* listen="?([^"\n]*?)"? delivery=`)

// read keeps what a node logs, and says when it serves, or that it has ended before.
func (n *running) read(errs io.Reader, serves chan<- bool) {
	told := false
	for s := bufio.NewScanner(errs); s.Scan(); {
		_, _ = n.Write(append(s.Bytes(), '\n')) // it never fails
		if m := serveLine.FindStringSubmatch(s.Text()); m != nil && !told {
			for at := range strings.FieldsSeq(m[1]) {
				if filepath.IsAbs(at) {
					n.lmtp = at
				} else {
					n.addr = at
				}
			}
			told = true
			serves <- true
		}
	}
	n.err = n.cmd.Wait()
	close(n.ended)
	if !told {
		serves <- false
	}
}

func (n *running) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *running) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// node is the one named, or the one in use.
func (w *world) node(ts *testscript.TestScript, args []string) *running {
	name := w.current
	if len(args) > 0 {
		name = args[0]
	}
	n := w.nodes[name]
	if n == nil {
		ts.Fatalf("%s is not being served", name)
	}
	return n
}

// use has smtp and lmtp speak to another node: `use CONFIG`.
func (w *world) use(ts *testscript.TestScript, neg bool, args []string) {
	w.node(ts, args)
	w.current = args[0]
}

// shutdown ends a node as an operator does, and wants exit code 0: `shutdown [CONFIG]`.
func (w *world) shutdown(ts *testscript.TestScript, neg bool, args []string) {
	n := w.node(ts, args)
	ts.Check(n.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-n.ended:
	case <-time.After(patience + shutdown):
		ts.Fatalf("listd serve does not end:\n%s", n)
	}
	fmt.Fprint(ts.Stderr(), n.String())
	if n.err != nil {
		ts.Fatalf("listd serve has ended with %v", n.err)
	}
	w.forget(n)
}

// kill9 ends a node as a power cut does: `kill9 [CONFIG]`.
func (w *world) kill9(ts *testscript.TestScript, neg bool, args []string) {
	n := w.node(ts, args)
	ts.Check(n.cmd.Process.Kill())
	<-n.ended
	w.forget(n)
}

func (w *world) forget(n *running) {
	for name, m := range w.nodes {
		if m == n {
			delete(w.nodes, name)
		}
	}
}

// log prints what a node has logged: `log [CONFIG]`.
func (w *world) log(ts *testscript.TestScript, neg bool, args []string) {
	fmt.Fprint(ts.Stdout(), w.node(ts, args).String())
}

// logged waits until a node has logged what fits: `logged PATTERN [CONFIG]`.
func (w *world) logged(ts *testscript.TestScript, neg bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[0])
	n := w.node(ts, args[1:])
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !want.MatchString(n.String()) {
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("%s is not logged", args[0])
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"listd/smtp/sink"
)

// smtp sends a file as a mail server does and prints the replies: `smtp FROM TO[,TO] FILE`, <> for the null sender.
func (w *world) smtp(ts *testscript.TestScript, neg bool, args []string) {
	c, err := net.DialTimeout("tcp", w.node(ts, nil).addr, patience)
	ts.Check(err)
	ts.Check(w.dialog(ts, c, "EHLO", args))
}

// lmtp is smtp with LMTP (RFC 2033): a reply for each recipient.
func (w *world) lmtp(ts *testscript.TestScript, neg bool, args []string) {
	// A socket's path is short; that of a test's folder may not be.
	dir, err := os.MkdirTemp("", "lmtp")
	ts.Check(err)
	defer func() { ts.Check(os.RemoveAll(dir)) }()
	short := filepath.Join(dir, "s")
	ts.Check(os.Symlink(w.node(ts, nil).lmtp, short))
	c, err := net.DialTimeout("unix", short, patience)
	ts.Check(err)
	ts.Check(w.dialog(ts, c, "LHLO", args))
}

func (w *world) dialog(ts *testscript.TestScript, c net.Conn, hello string, args []string) (err error) {
	if len(args) != 3 {
		ts.Fatalf("usage: smtp FROM TO[,TO] FILE")
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	t := textproto.NewConn(c)
	reply := func(what string) bool {
		if err != nil {
			return false
		}
		var code int
		var text string
		code, text, err = t.ReadResponse(0)
		var said *textproto.Error
		if errors.As(err, &said) {
			code, text, err = said.Code, said.Msg, nil
		}
		if what != "" && err == nil {
			fmt.Fprintf(ts.Stdout(), "%s: %d %s\n", what, code, strings.ReplaceAll(text, "\n", " / "))
		}
		return err == nil && code/100 <= 3
	}
	say := func(what, format string, args ...any) bool {
		if err == nil {
			err = t.PrintfLine(format, args...)
		}
		return reply(what)
	}
	reply("")
	say("", "%s peer.test", hello)
	if !say("MAIL", "MAIL FROM:<%s>", strings.Trim(args[0], "<>")) {
		return err
	}
	var taken []string
	for to := range strings.SplitSeq(args[1], ",") {
		if say("RCPT "+to, "RCPT TO:<%s>", to) {
			taken = append(taken, to)
		}
	}
	if len(taken) == 0 || !say("", "DATA") {
		return err
	}
	d := t.DotWriter()
	if _, err := io.WriteString(d, ts.ReadFile(args[2])); err != nil {
		return err
	}
	if err := d.Close(); err != nil {
		return err
	}
	if hello == "LHLO" {
		for _, to := range taken {
			reply("DATA " + to)
		}
	} else {
		reply("DATA")
	}
	say("", "QUIT")
	return err
}

// fits reports whether a mail goes to an address (* for any) and has all the patterns. It is text with LF.
func fits(m sink.Mail, to string, patterns []*regexp.Regexp) bool {
	if to != "*" && !slices.Contains(m.To, to) {
		return false
	}
	text := show(m)
	return !slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return !p.MatchString(text) })
}

func show(m sink.Mail) string {
	return fmt.Sprintf("Return-Path: <%s>\nDelivered-To: %s\n%s", m.From, strings.Join(m.To, ", "), strings.ReplaceAll(string(m.Data), "\r\n", "\n"))
}

func patterns(ts *testscript.TestScript, args []string) (out []*regexp.Regexp) {
	for _, s := range args {
		p, err := regexp.Compile("(?m)" + s)
		ts.Check(err)
		out = append(out, p)
	}
	return out
}

// sink waits for a mail that no other sink has taken, and prints it: `sink TO [PATTERN]…`.
func (w *world) sink(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: sink TO [PATTERN]…")
	}
	want := patterns(ts, args[1:])
	late := time.After(patience)
	for {
		w.mu.Lock()
		i := slices.IndexFunc(w.caught, func(m sink.Mail) bool { return fits(m, args[0], want) })
		if i >= 0 {
			fmt.Fprint(ts.Stdout(), show(w.caught[i]))
			w.caught = slices.Delete(w.caught, i, i+1)
			w.mu.Unlock()
			return
		}
		arrived := w.arrived
		w.mu.Unlock()
		select {
		case <-arrived:
		case <-late:
			ts.Fatalf("nothing such arrives; there is:\n%s", w.untaken())
		}
	}
}

// untaken is what no sink has taken.
func (w *world) untaken() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, m := range w.caught {
		b.WriteString(show(m) + "----\n")
	}
	return b.String()
}

// nosink wants that no mail is left that no sink has taken, after the queue has come to rest: `nosink [TO [PATTERN]…]`.
func (w *world) nosink(ts *testscript.TestScript, neg bool, args []string) {
	w.atRest(ts)
	if len(args) == 0 {
		args = []string{"*"}
	}
	want := patterns(ts, args[1:])
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.caught {
		if fits(m, args[0], want) {
			ts.Fatalf("there is:\n%s", show(m))
		}
	}
}

// atRest waits until the queue of the node in use is at rest.
func (w *world) atRest(ts *testscript.TestScript) {
	ts.Check(ts.Exec("listd", "queue", "wait", "--timeout", patience.String(), "--config", ts.MkAbs(w.current)))
}

// copies waits until as many recipients have a mail that fits, none of them two: `copies NUMBER [PATTERN]…`.
func (w *world) copies(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	want := patterns(ts, args[1:])
	late := time.After(patience)
	for {
		got := map[string]int{}
		w.mu.Lock()
		for _, m := range w.all {
			if !fits(m, "*", want) {
				continue
			}
			for _, to := range m.To {
				got[to]++
			}
		}
		arrived := w.arrived
		w.mu.Unlock()
		for to, k := range got {
			if k > 1 {
				ts.Fatalf("%s has %d copies", to, k)
			}
		}
		if len(got) == n {
			return
		}
		select {
		case <-arrived:
		case <-late:
			ts.Fatalf("%d copies of %d have arrived", len(got), n)
		}
	}
}

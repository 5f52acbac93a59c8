package main

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// guess tries tokens that mean nothing, each another, in place of the * of a URL or an address, and prints how often which
// answer came: `guess NUMBER URL*` for pages, `guess NUMBER FROM ADDRESS*` for mail.
func (w *world) guess(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || !strings.Contains(args[len(args)-1], "*") {
		ts.Fatalf("usage: guess NUMBER URL* | NUMBER FROM ADDRESS*")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	answers := map[string]int{}
	token := func(i int) string {
		const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
		b := []byte("guessguessguessg    ")
		for at := range 4 {
			b[16+at] = alphabet[i>>(5*at)&31]
		}
		return strings.Replace(args[len(args)-1], "*", string(b), 1)
	}
	if len(args) == 2 {
		for i := range n {
			r, err := http.Post(token(i), "application/x-www-form-urlencoded", strings.NewReader("do=leave"))
			ts.Check(err)
			_, err = io.Copy(io.Discard, r.Body)
			ts.Check(err)
			ts.Check(r.Body.Close())
			answers[r.Status]++
		}
	} else {
		ts.Check(w.guessByMail(ts, n, args[1], token, answers))
	}
	for _, a := range slices.Sorted(maps.Keys(answers)) {
		fmt.Fprintf(ts.Stdout(), "%d times %s\n", answers[a], a)
	}
}

// guessByMail sends a mail to each guess. A server that hangs up is called again.
func (w *world) guessByMail(ts *testscript.TestScript, n int, from string, token func(int) string, answers map[string]int) error {
	var t *textproto.Conn
	command := func(want int, format string, args ...any) (int, string, error) {
		if err := t.PrintfLine(format, args...); err != nil {
			return 0, "", err
		}
		return t.ReadResponse(want)
	}
	defer func() {
		if t != nil {
			_ = t.Close() // all has been said
		}
	}()
	for i := range n {
		if t == nil {
			c, err := net.DialTimeout("tcp", w.node(ts, nil).addr, patience)
			if err != nil {
				return err
			}
			if err := c.SetDeadline(time.Now().Add(3 * patience)); err != nil {
				return err
			}
			t = textproto.NewConn(c)
			if _, _, err := t.ReadResponse(220); err != nil {
				return err
			}
			if _, _, err := command(250, "EHLO peer.test"); err != nil {
				return err
			}
		}
		if _, _, err := command(250, "MAIL FROM:<%s>", from); err != nil {
			return err
		}
		code, text, err := command(0, "RCPT TO:<%s>", token(i))
		if err == nil && code/100 == 2 {
			if _, _, err := command(354, "DATA"); err != nil {
				return err
			}
			code, text, err = command(0, "From: %s\r\nTo: you\r\nSubject: Re: please\r\nMessage-ID: <guess%d.%d@e.test>\r\n\r\naccept\r\n.", from, n, i)
			text, _, _ = strings.Cut(text, " as ") // the trace differs
		}
		if err != nil {
			return err
		}
		answers[strings.ReplaceAll(fmt.Sprint(code, " ", text), "\n", " / ")]++
		if _, _, err := command(0, "RSET"); err != nil || code == 421 {
			_ = t.Close() // it has hung up
			t = nil
		}
	}
	return nil
}

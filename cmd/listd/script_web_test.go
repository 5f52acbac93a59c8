package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// http asks for a page: `http GET URL`, or `http POST URL FORM` for a form as a browser encodes it, or as multipart with
// `http POST URL FORM multipart`; with from=IP at the end, as our proxy passes it on. It prints the status, the fields of
// the head and the page.
func (w *world) http(ts *testscript.TestScript, neg bool, args []string) {
	args, from := forwarded(args)
	if len(args) < 2 {
		ts.Fatalf("usage: http METHOD URL [FORM [multipart]]")
	}
	var body io.Reader
	kind := ""
	switch {
	case len(args) == 3:
		body, kind = strings.NewReader(args[2]), "application/x-www-form-urlencoded"
	case len(args) == 4:
		name, value, _ := strings.Cut(args[2], "=")
		body = strings.NewReader("--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n--b--\r\n")
		kind = "multipart/form-data; boundary=b"
	}
	r, err := http.NewRequest(args[0], args[1], body)
	ts.Check(err)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if from != "" {
		r.Header.Set("X-Forwarded-For", from)
	}
	client := http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	ts.Check(err)
	page, err := io.ReadAll(answer.Body)
	ts.Check(err)
	ts.Check(answer.Body.Close())
	_, err = fmt.Fprintf(ts.Stdout(), "%s\n", answer.Status)
	ts.Check(err)
	ts.Check(answer.Header.Write(ts.Stdout()))
	_, err = fmt.Fprintf(ts.Stdout(), "\n%s", page)
	ts.Check(err)
}

// imap speaks to an IMAP server: `imap ADDR COMMAND…`, and prints all that it says.
func (w *world) imap(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: imap ADDR COMMAND...")
	}
	c, err := net.DialTimeout("tcp", args[0], patience)
	ts.Check(err)
	ts.Check(c.SetDeadline(time.Now().Add(patience)))
	for i, command := range append(args[1:], "LOGOUT") {
		_, err := fmt.Fprintf(c, "a%d %s\r\n", i, command)
		ts.Check(err)
	}
	said, err := io.ReadAll(c)
	ts.Check(err)
	ts.Check(c.Close())
	_, err = ts.Stdout().Write(bytes.ReplaceAll(said, []byte("\r\n"), []byte("\n")))
	ts.Check(err)
}

// forwarded is the arguments without from=IP at their end, and the IP.
func forwarded(args []string) ([]string, string) {
	if n := len(args); n > 0 {
		if ip, ok := strings.CutPrefix(args[n-1], "from="); ok {
			return args[:n-1], ip
		}
	}
	return args, ""
}

// publish serves a file of the story on a port of this machine: `publish FILE VAR` sets VAR to its address.
func (w *world) publish(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: publish FILE VAR")
	}
	file := ts.MkAbs(args[0])
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }))
	ts.Defer(s.Close)
	ts.Setenv(args[1], s.URL+"/"+args[0])
}

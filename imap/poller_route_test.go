package imap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"listd/mail"
)

func TestSender(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		head, from string
		bounce     bool
	}{
		{"Return-Path: <ada@a.test>\r\nFrom: b@b.test\r\n", "ada@a.test", false},
		{"Return-Path: ada@a.test\r\n", "ada@a.test", false},
		{"Return-Path: <>\r\nFrom: mailer-daemon@b.test\r\n", "", true},
		{"Received: x\r\nReturn-Path:\r\n <> (null)\r\n", "", true},
		{"Return-Path: <ada@a.test>\r\nReturn-Path: <>\r\n", "ada@a.test", false}, // the last server's word
		{"Return-Path: <>\r\nReturn-Path: <ada@a.test>\r\n", "", true},
		{"From: Ada <ada@a.test>\r\n", "ada@a.test", false}, // a missing one is no null one
		{"Return-Path: what\r\nReturn-Path: <>\r\nFrom: ada@a.test\r\n", "ada@a.test", false},
		{"Return-Path:\r\nFrom: ada@a.test\r\n", "ada@a.test", false},
		{"Subject: x\r\n", "", false},
	} {
		from, bounce := sender([]byte(c.head))
		if from.String() != c.from || bounce != c.bounce {
			t.Errorf("%q is from %q, bounce %v; want %q, %v", c.head, from, bounce, c.from, c.bounce)
		}
	}
}

func pathOf(t testing.TB, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestListed(t *testing.T) {
	t.Parallel()
	a := Account{List: pathOf(t, "dev@lists.test")}
	for _, c := range []struct {
		head   string
		bounce bool
		want   string
	}{
		{"To: group@provider.test\r\n", false, "dev@lists.test"},
		{"", false, "dev@lists.test"},
		{"To: group@provider.test\r\n", true, "dev-bounces@lists.test"},
		{"To: dev-bounces+k3x@lists.test\r\n", true, "dev-bounces+k3x@lists.test"},
		{"To: DEV-Request@Lists.Test\r\n", false, "DEV-Request@lists.test"},
		{"To: dev@lists.test\r\nCc: dev-owner@lists.test, ops@lists.test\r\n", false, "dev@lists.test dev-owner@lists.test"},
		{"Delivered-To: dev-owner@lists.test\r\nTo: dev@lists.test\r\n", false, "dev-owner@lists.test"},
		{"Delivered-To: group@provider.test\r\nX-Envelope-To: dev-join@lists.test\r\nTo: dev@lists.test\r\n", false, "dev-join@lists.test"},
		{"To: devel@lists.test, dev@other.test\r\n", false, "dev@lists.test"},
	} {
		var got []string
		for _, to := range a.listed([]byte(c.head), c.bounce) {
			got = append(got, to.String())
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%q goes to %q, want %q", c.head, s, c.want)
		}
	}
}

func TestPlus(t *testing.T) {
	t.Parallel()
	a := Account{Plus: pathOf(t, "group@provider.test"), Domain: "lists.test"}
	for in, want := range map[string]string{
		"group+dev@provider.test":             "dev@lists.test",
		"Group+dev-request@provider.test":     "dev-request@lists.test",
		"group+dev-bounces+k3x@provider.test": "dev-bounces+k3x@lists.test",
		"group@provider.test":                 "group@provider.test",
		"group+@provider.test":                "group+@provider.test",
		"other+dev@provider.test":             "other+dev@provider.test",
		"group+dev@other.test":                "group+dev@other.test",
		"dev@lists.test":                      "dev@lists.test",
	} {
		if got := a.plus(pathOf(t, in)); got.String() != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
	if got := (Account{}).plus(pathOf(t, "group+dev@provider.test")); got.Local != "group+dev" {
		t.Errorf("without plus addresses it is %s", got)
	}
}

// TestRecipientsBounded: a head of a hundred thousand addresses costs a hundred look-ups.
func TestRecipientsBounded(t *testing.T) {
	t.Parallel()
	n := 0
	for _, group := range (Account{}).recipients([]byte("Delivered-To: a@b.test\r\nTo: " + strings.Repeat("a@b.test, ", 100_000) + "\r\n")) {
		n += len(group)
	}
	if n != maxRecipients {
		t.Errorf("%d addresses, want %d", n, maxRecipients)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{0: 5 * time.Second, 1: 5 * time.Second, 2: 30 * time.Second, 5: 15 * time.Minute, 1000: 15 * time.Minute} {
		if got := pause(failures, io.EOF); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
	if got := pause(1, fmt.Errorf("x: %w", errSignIn)); got != 15*time.Minute {
		t.Errorf("after a wrong password: %v", got)
	}
}

func buffered(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

func TestReadHead(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"A: b\r\nC: d\r\n\r\nbody\r\n": "A: b\r\nC: d\r\n\r\n",
		"A: b\nC: d\n\nbody\n":         "A: b\nC: d\n\n",
		"\r\nbody":                     "\r\n",
		"A: b":                         "A: b",
		"":                             "",
		"A: " + strings.Repeat("x", 5000) + "\n\nbody": "A: " + strings.Repeat("x", 5000) + "\n\n",
	} {
		r := buffered(in)
		head, err := readHead(r)
		rest, err2 := io.ReadAll(r)
		if err := errors.Join(err, err2); err != nil || string(head) != want || string(head)+string(rest) != in {
			t.Errorf("the head of %.40q is %.40q, %v; then %.40q", in, head, err, rest)
		}
	}
	if head, err := readHead(buffered(strings.Repeat("x", 1<<20))); err != nil || len(head) > maxHeadRead+4096 {
		t.Errorf("a head without an end has %d bytes, %v", len(head), err)
	}
}

// TestExact: a literal that ends early is an error, whatever its end looks like.
func TestExact(t *testing.T) {
	t.Parallel()
	rested := 0
	rest := func() { rested++ }
	b, err := io.ReadAll(&exact{strings.NewReader("whole"), 5, rest})
	if string(b) != "whole" || err != nil || rested == 0 {
		t.Errorf("%q, %v", b, err)
	}
	var cut *cutError
	if _, err := io.ReadAll(&exact{strings.NewReader("part"), 5, rest}); !errors.As(err, &cut) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a part: %v", err)
	}
	if _, err := io.ReadAll(&exact{iotest.ErrReader(io.ErrClosedPipe), 5, rest}); !errors.As(err, &cut) || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("an error: %v", err)
	}
}

func TestNesting(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("(", maxNesting)
	for in, want := range map[string]bool{
		"* 1 FETCH (UID 5 BODY[] {4}\r\n((((\r\n)\r\n": true,
		deep + "\r\n" + deep + "\r\n":                  true,
		deep + "(":                                     false,
		"(" + deep + ")":                               false,
		"{3}\r\n(((" + deep + "\r\n":                   true,
		"{51}\r\n" + deep + "(\r\n":                    true,
		"{49}\r\n" + deep + "(((" + deep + "\r\n":      false,
		"{51}" + deep + "(":                            false, // no literal: it does not end the line
		"{999999999999999999999}\r\n":                  false,
		"{x5}\r\n" + deep + "(":                        false,
		strings.Repeat("()", 1000):                     true,
	} {
		for _, step := range []int{1, 2, 3, 7, len(in)} {
			var n nesting
			ok := true
			for part := range slices.Chunk([]byte(in), step) {
				ok = ok && n.sane(part)
			}
			if ok != want {
				t.Errorf("%.60q in steps of %d: %v, want %v", in, step, ok, want)
			}
		}
	}
}

// FuzzEnvelope: any head has an envelope, within bounds.
func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{"", "Return-Path: <>\r\nDelivered-To: group+dev@p.test\r\nTo: dev-bounces+k3x@lists.test\r\n\r\n", "To: a@b, <c@d>;\n", "\r\n", "Return-Path: <\r\n"} {
		f.Add([]byte(seed))
	}
	a := Account{List: pathOf(f, "dev@lists.test"), Plus: pathOf(f, "group@p.test"), Domain: "lists.test"}
	f.Fuzz(func(t *testing.T, b []byte) {
		read, err := readHead(buffered(string(b)))
		if err != nil || !bytes.HasPrefix(b, read) {
			t.Fatalf("the head of %q is %q, %v", b, read, err)
		}
		head := headOf(read)
		from, bounce := sender(head)
		if bounce && !from.IsZero() {
			t.Errorf("a bounce from %s", from)
		}
		if to := a.listed(head, bounce); len(to) == 0 || len(to) > maxRecipients {
			t.Errorf("%d recipients", len(to))
		}
	})
}

// FuzzNesting: whatever the pieces in which bytes come, they are judged alike.
func FuzzNesting(f *testing.F) {
	for _, seed := range []string{"", "* 1 FETCH (UID 5 BODY[] {4}\r\n((((\r\n)\r\n", "{3}\n(((", "{", "{1}\r\n", strings.Repeat("(", 60)} {
		f.Add([]byte(seed), uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		var whole, parts nesting
		want, got := whole.sane(b), true
		for part := range slices.Chunk(b, int(step)+1) {
			got = got && parts.sane(part)
		}
		if got != want {
			t.Errorf("%q in steps of %d: %v, whole %v", b, step, got, want)
		}
	})
}

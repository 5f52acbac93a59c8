package mail_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"listd/mail"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, head, body string }{
		"plain":                {"A: b\r\nC: d\r\n\r\nHello\r\n", "A: b\r\nC: d\r\n", "Hello\r\n"},
		"nothing":              {"", "", ""},
		"empty line":           {"\r\n", "", ""},
		"no head":              {"\r\nHello\r\n", "", "Hello\r\n"},
		"body that is no head": {"Hello\r\n\r\nA: b\r\n", "", "Hello\r\n\r\nA: b\r\n"},
		"blank first":          {" A: b\r\n\r\nHello\r\n", "", " A: b\r\n\r\nHello\r\n"},
		"mbox line":            {"From a@example.org Mon Jan  2 15:04:05 2006\r\nA: b\r\n\r\nx\r\n", "", "From a@example.org Mon Jan  2 15:04:05 2006\r\nA: b\r\n\r\nx\r\n"},
		"only head":            {"A: b\r\n", "A: b\r\n", ""},
		"only head, ended":     {"A: b\r\n\r\n", "A: b\r\n", ""},
		"no last CRLF":         {"A: b\r\n\r\nHello", "A: b\r\n", "Hello\r\n"},
		"no last CRLF in head": {"A: b", "A: b\r\n", ""},
		"no line end at all":   {"Hello", "", "Hello\r\n"},
		"garbage in head":      {"A: b\r\ngarbage\r\n\r\nHello\r\n", "A: b\r\ngarbage\r\n", "Hello\r\n"},
		"two empty lines":      {"A: b\r\n\r\n\r\nHello\r\n", "A: b\r\n", "\r\nHello\r\n"},
		"folded blank":         {"A: b\r\n \r\n\r\nHello\r\n", "A: b\r\n \r\n", "Hello\r\n"},
		"8-bit":                {"A: ü\r\n\r\n\xff\xfe\r\n", "A: ü\r\n", "\xff\xfe\r\n"},
		"dots":                 {"A: b\r\n\r\n.\r\n..\r\n", "A: b\r\n", ".\r\n..\r\n"}, // unstuffed already
	} {
		for _, how := range []mail.Mode{mail.Strict, mail.Mend} {
			for _, hint := range []int64{0, 1, int64(len(c.in)) - 1, int64(len(c.in)), 1 << 40, math.MaxInt64, -5} {
				m, err := mail.Read(iotest.OneByteReader(strings.NewReader(c.in)), mail.Limits{Size: 1 << 20, Hint: hint}, how)
				if err != nil || string(m.Head) != c.head || string(m.Body) != c.body {
					t.Errorf("%s, mode %d, hint %d: %q, %q, %v; want %q, %q", name, how, hint, m.Head, m.Body, err, c.head, c.body)
				}
			}
		}
	}
}

// Every way in which two servers may disagree about where a line, and so a message, ends.
func TestReadSmuggling(t *testing.T) {
	t.Parallel()
	const next = "MAIL FROM:<a@example.org>\r\n"
	for name, c := range map[string]struct{ in, mended, why string }{
		"LF . CRLF":            {"\n.\r\n" + next, "\r\n.\r\n" + next, "bare LF"},
		"LF . LF":              {"\n.\n" + next, "\r\n.\r\n" + next, "bare LF"},
		"CRLF . LF":            {"\r\n.\n" + next, "\r\n.\r\n" + next, "bare LF"},
		"CR . CRLF":            {"\r.\r\n" + next, "\r\n.\r\n" + next, "bare CR"},
		"CR . CR":              {"\r.\r" + next, "\r\n.\r\n" + next, "bare CR"},
		"CRLF . CR":            {"\r\n.\r" + next, "\r\n.\r\n" + next, "bare CR"},
		"CR . LF":              {"\r.\n" + next, "\r\n.\r\n" + next, "bare LF"},
		"LF . CR":              {"\n.\r" + next, "\r\n.\r\n" + next, "bare LF"},
		"CRLF . CR CRLF":       {"\r\n.\r\r\n" + next, "\r\n.\r\n\r\n" + next, "bare CR"},
		"CR CRLF":              {"a\r\r\nb\r\n", "a\r\n\r\nb\r\n", "bare CR"},
		"LF CR":                {"a\n\rb\r\n", "a\r\n\r\nb\r\n", "bare LF"},
		"CRLF NUL . CRLF":      {"\r\n\x00.\r\n" + next, "\r\n.\r\n" + next, "NUL"},
		"CR NUL LF":            {"a\r\x00\nb\r\n", "a\r\n\r\nb\r\n", "NUL"},
		"NUL":                  {"a\x00b\r\n", "ab\r\n", "NUL"},
		"bare CR":              {"a\rb\r\n", "a\r\nb\r\n", "bare CR"},
		"bare LF":              {"a\nb\r\n", "a\r\nb\r\n", "bare LF"},
		"bare CR at the end":   {"a\r\nb\r", "a\r\nb\r\n", "bare CR"},
		"bare LF at the end":   {"a\r\nb\n", "a\r\nb\r\n", "bare LF"},
		"bare CR after CRLF":   {"a\r\n\rb\r\n", "a\r\n\r\nb\r\n", "bare CR"},
		"only a CR":            {"\r", "\r\n", "bare CR"},
		"only LFs":             {"\n\n\n", "\r\n\r\n\r\n", "bare LF"},
		"LF in the first line": {"\nb\r\n", "\r\nb\r\n", "bare LF"},
	} {
		for _, where := range []string{"A: b\r\n\r\n", "A: b\r\n"} { // in the body, in the head
			_, err := mail.Read(strings.NewReader(where+c.in), mail.Limits{}, mail.Strict)
			var r *mail.Reply
			if !errors.As(err, &r) || !r.Permanent() || !strings.Contains(r.Text, c.why) {
				t.Errorf("%s: strict error %v, want a permanent reply that names %s", name, err, c.why)
			}
			if strings.ContainsAny(fmt.Sprint(err), "\r\n\x00") {
				t.Errorf("%s: the reply has line ends: %q", name, err)
			}
		}
		m, err := mail.Read(strings.NewReader("A: b\r\n\r\n"+c.in), mail.Limits{}, mail.Mend)
		if err != nil || string(m.Body) != c.mended {
			t.Errorf("%s: mended to %q, %v; want %q", name, m.Body, err, c.mended)
		}
		if again, err := mail.Read(whole(m), mail.Limits{}, mail.Strict); err != nil || !bytes.Equal(again.Body, m.Body) {
			t.Errorf("%s: what was mended reads strictly as %q, %v", name, again.Body, err)
		}
	}
	m, err := mail.Read(strings.NewReader("A: b\nC: d\n\nHello\n"), mail.Limits{}, mail.Mend)
	if err != nil || string(m.Head) != "A: b\r\nC: d\r\n" || string(m.Body) != "Hello\r\n" {
		t.Errorf("a mailbox file's mail is %q, %q, %v", m.Head, m.Body, err)
	}
}

// whole is a message as it lies on the wire.
func whole(m mail.Message) io.Reader {
	return io.MultiReader(bytes.NewReader(m.Head), strings.NewReader("\r\n"), bytes.NewReader(m.Body))
}

func TestReadLimits(t *testing.T) {
	t.Parallel()
	x := strings.Repeat
	for name, c := range map[string]struct {
		in   string
		lim  mail.Limits
		code int    // 0 if it is taken
		enh  string // of the refusal
		mend bool   // whether Mend takes it
	}{
		"size, just":                  {"A: b\r\n\r\n12345\r\n", mail.Limits{Size: 15}, 0, "", true},
		"size, one more":              {"A: b\r\n\r\n123456\r\n", mail.Limits{Size: 15}, 552, "5.3.4", false},
		"size, no last CRLF":          {"A: b\r\n\r\n1234567", mail.Limits{Size: 15}, 0, "", true},
		"size, hint lies":             {"A: b\r\n\r\n123456\r\n", mail.Limits{Size: 15, Hint: 3}, 552, "5.3.4", false},
		"size, huge limit":            {"A: b\r\n\r\n", mail.Limits{Size: math.MaxInt64}, 0, "", true},
		"size, grown":                 {"\r\n" + x("12345678\r\n", 9000), mail.Limits{}, 0, "", true},
		"line, just":                  {"\r\n" + x("y", 1000) + "\r\n", mail.Limits{Line: 1000}, 0, "", true},
		"line, one more":              {"\r\n" + x("y", 1001) + "\r\n", mail.Limits{Line: 1000}, 554, "5.6.0", true},
		"line, last":                  {"\r\n" + x("y", 1001), mail.Limits{Line: 1000}, 554, "5.6.0", true},
		"line of head":                {"A: " + x("y", 1000) + "\r\n\r\n", mail.Limits{Line: 1000}, 554, "5.6.0", true},
		"line of a megabyte":          {"A: " + x("y", 1<<20) + "\r\n\r\n", mail.Limits{}, 554, "5.6.0", true},
		"field of a megabyte, folded": {"A: " + x("y\r\n ", 1<<18) + "y\r\n\r\n", mail.Limits{}, 554, "5.6.0", true},
		"head, just":                  {"A: bcd\r\n\r\nbody\r\n", mail.Limits{Head: 8}, 0, "", true},
		"head, one more":              {"A: bcde\r\n\r\nbody\r\n", mail.Limits{Head: 8}, 554, "5.6.0", true},
		"fields, just":                {x("A: b\r\n", 2000) + "\r\n", mail.Limits{}, 0, "", true},
		"fields, one more":            {x("A: b\r\n", 2001) + "\r\n", mail.Limits{}, 554, "5.6.0", true},
		"fields, garbage":             {"A: b\r\n" + x("x\r\n", 2000) + "\r\n", mail.Limits{}, 554, "5.6.0", true},
	} {
		_, err := mail.Read(strings.NewReader(c.in), c.lim, mail.Strict)
		var r *mail.Reply
		switch {
		case c.code == 0 && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.code != 0 && (!errors.As(err, &r) || r.Code != c.code || fmt.Sprintf("%d.%d.%d", r.Enhanced[0], r.Enhanced[1], r.Enhanced[2]) != c.enh):
			t.Errorf("%s: %v, want %d %s", name, err, c.code, c.enh)
		}
		if _, err := mail.Read(strings.NewReader(c.in), c.lim, mail.Mend); (err == nil) != c.mend {
			t.Errorf("%s: Mend says %v", name, err)
		}
	}
}

func TestReadBroken(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection lost")
	_, err := mail.Read(io.MultiReader(strings.NewReader("A: b\r\n\r\nHel"), iotest.ErrReader(broken)), mail.Limits{}, mail.Strict)
	var r *mail.Reply
	if !errors.Is(err, broken) || errors.As(err, &r) {
		t.Errorf("an error of the reader becomes %v", err)
	}
	// A reader may give its last bytes with io.EOF.
	m, err := mail.Read(iotest.DataErrReader(strings.NewReader("A: b\r\n\r\nHello\r\n")), mail.Limits{}, mail.Strict)
	if err != nil || string(m.Body) != "Hello\r\n" {
		t.Errorf("%q, %v", m.Body, err)
	}
}

// Head and Body share a buffer, and yet appending to the head must not write into the body.
func TestReadAppend(t *testing.T) {
	t.Parallel()
	m, err := mail.Read(strings.NewReader("A: b\r\n\r\nHello\r\n"), mail.Limits{}, mail.Strict)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(m.Head, "X: overwritten\r\n"...)
	if string(m.Body) != "Hello\r\n" {
		t.Errorf("the body is now %q", m.Body)
	}
}

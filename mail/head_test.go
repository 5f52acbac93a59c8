package mail_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"listd/mail"
)

func TestFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		head string
		want []string // name, value, name, value, …
	}{
		{"", nil},
		{"A: b\r\n", []string{"A", "b"}},
		{"A: b\r\nC:d\r\nE:\r\n", []string{"A", "b", "C", "d", "E", ""}},
		{"A: b\r\n c\r\n\td\r\nE: f\r\n", []string{"A", "b c\td", "E", "f"}},
		{"A:\r\n b\r\n", []string{"A", "b"}},
		{"A: b\r\n \r\n c\r\n", []string{"A", "b  c"}},
		{"Subject : x\r\n", []string{"Subject", "x"}}, // RFC 5322 section 4.5: the obsolete space
		{"Subject\t \t: x\r\n", []string{"Subject", "x"}},
		{"A: b: c\r\n", []string{"A", "b: c"}},
		{"garbage\r\nA: b\r\n", []string{"", "", "A", "b"}},
		{"garbage\r\n folded: on\r\nA: b\r\n", []string{"", "on", "A", "b"}},
		{" folded: first\r\nA: b\r\n", []string{"", "first", "A", "b"}},
		{": no name\r\n", []string{"", "no name"}},
		{" : no name\r\n", []string{"", "no name"}},
		{"two words: x\r\n", []string{"", "x"}},
		{"Übung: x\r\n", []string{"", "x"}},
		{"a\x00b: x\r\n", []string{"", "x"}},
		{"From a@example.org Mon Jan  2 15:04:05 2006\r\nA: b\r\n", []string{"", "04:05 2006", "A", "b"}},
		{">From: a\r\n", []string{">From", "a"}},
		{"A: no end", []string{"A", "no end"}},
		{"A: b\nC: d\n e\n", []string{"A", "b", "C", "d e"}},
		{"A: b\rB: c\r\n", []string{"A", "bB: c"}},
		{"A: b\r\n\r\nC: d\r\n", []string{"A", "b", "", "", "C", "d"}},
	} {
		var got []string
		var whole []byte
		for f := range mail.Fields([]byte(c.head)) {
			got = append(got, f.Name, f.Value())
			whole = append(whole, f.Raw...)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("Fields(%q)\n got %q\nwant %q", c.head, got, c.want)
		}
		if string(whole) != c.head {
			t.Errorf("the fields of %q are together %q", c.head, whole)
		}
	}
}

func TestFieldsAppend(t *testing.T) {
	t.Parallel()
	head := []byte("A: b\r\nC: d\r\n")
	for f := range mail.Fields(head) {
		_ = append(f.Raw, "overwritten"...)
		break
	}
	if string(head) != "A: b\r\nC: d\r\n" {
		t.Errorf("appending to a field wrote into its neighbour: %q", head)
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	head := []byte("Received: 1\r\nTO: first\r\nreceived:\r\n 2\r\nTo: second\r\nEmpty:\r\n")
	if got := mail.Get(head, "to"); got != "first" {
		t.Errorf("Get = %q", got)
	}
	if got := mail.Get(head, "None"); got != "" {
		t.Errorf("Get = %q", got)
	}
	if got := mail.Get([]byte("garbage\r\n"), ""); got != "" {
		t.Errorf("Get of no name = %q", got)
	}
	if got := mail.Values(head, "Received"); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("Values = %q", got)
	}
	if got := mail.Values(head, "Empty"); !slices.Equal(got, []string{""}) {
		t.Errorf("Values = %q", got)
	}
}

func TestWithout(t *testing.T) {
	t.Parallel()
	const head = "A: 1\r\nB: 2\r\n folded\r\ngarbage\r\na: 3\r\nC: 4"
	for drop, want := range map[string]string{
		"A":    "B: 2\r\n folded\r\ngarbage\r\nC: 4",
		"b":    "A: 1\r\ngarbage\r\na: 3\r\nC: 4",
		"C":    "A: 1\r\nB: 2\r\n folded\r\ngarbage\r\na: 3\r\n",
		"None": head,
		"":     "A: 1\r\nB: 2\r\n folded\r\na: 3\r\nC: 4",
	} {
		in := []byte(head)
		got := mail.Without(in, func(f mail.Field) bool { return f.Is(drop) })
		if string(got) != want || string(in) != head {
			t.Errorf("Without %q = %q, want %q; the head is now %q", drop, got, want, in)
		}
		if drop == "None" && &got[0] != &in[0] {
			t.Error("a head that loses nothing is copied")
		}
	}
	// A drop that counts must be asked once for each field.
	n := 0
	got := mail.Without([]byte("A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\n"), func(mail.Field) bool { n++; return n%2 == 1 })
	if string(got) != "A: 2\r\nA: 4\r\n" || n != 4 {
		t.Errorf("Without every other field = %q, asked %d times", got, n)
	}
}

func TestFieldOfMegabyte(t *testing.T) {
	t.Parallel()
	head := []byte("A: " + strings.Repeat("x", 1<<20) + "\r\nB: " + strings.Repeat("y\r\n ", 1<<18) + "z\r\nC: d\r\n")
	if v := mail.Get(head, "A"); len(v) != 1<<20 {
		t.Errorf("A has %d bytes", len(v))
	}
	if v := mail.Get(head, "B"); strings.ContainsAny(v, "\r\n") || len(v) != 2<<18+1 {
		t.Errorf("B has %d bytes", len(v))
	}
	if v := mail.Get(head, "C"); v != "d" {
		t.Errorf("C = %q", v)
	}
	if rest := mail.Without(head, func(f mail.Field) bool { return len(f.Raw) > 1000 }); !bytes.Equal(rest, []byte("C: d\r\n")) {
		t.Errorf("%d bytes are left", len(rest))
	}
}

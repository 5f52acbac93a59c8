package lists

import (
	"strings"
	"testing"

	"listd/mail"
)

func TestReplyMark(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{
		"Re: a": 3, "RE : a": 4, "re[2]: a": 6, "Re (3): a": 7, "Re^2: a": 5, "AW:a": 3, "回复：你": len("回复："), "Fwd: Re: a": 4, "Re\u00a0: a": 5,
		"Regarding: a": 0, "a": 0, ": a": 0, "Re": 0, "": 0, "Re[x]: a": 0, "Note: a": 0, strings.Repeat("x", 40) + ":": 0,
	} {
		if got := replyMark(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}

// However often a Subject goes round, the prefix stands in it once and the rest is what it was.
func TestPrefixDoesNotPileUp(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"[pyug]", "[pyug %d]", "[größe]", "PyUG:", "(Py UG)", strings.Repeat("ß", 40)} {
		for _, subject := range []string{"Hello", "Grüße aus Köln", "", "Re: Hello", "[other] Hello", "日本語の件名はとても長くて一行には入らないかもしれません", "100%d"} {
			raw := mail.FormatField("Subject", mail.EncodeText(subject))
			seq := Seq(9)
			for range 6 {
				if out := prefixedSubject(raw, prefix, seq); out != nil {
					raw = out
				}
				checkField(t, raw)
				text := mail.DecodeWords(mail.Field{Raw: raw}.Value())
				if strings.Count(strings.ToLower(text), strings.ToLower(numbered(prefix, seq))) != 1 {
					t.Fatalf("%s on %q: %q", prefix, subject, text)
				}
				want := subject
				if want == "" {
					want = "(no subject)"
				}
				if !strings.HasSuffix(text, " "+want) || strings.Contains(text, "  ") {
					t.Fatalf("%s on %q: %q", prefix, subject, text)
				}
				seq++
				raw = mail.FormatField("Subject", mail.EncodeText("AW: "+text))
				raw = []byte(strings.Replace(string(raw), "pyug", "PyUG", 1))
			}
		}
	}
}

func checkField(t *testing.T, raw []byte) {
	t.Helper()
	if !strings.HasSuffix(string(raw), "\r\n") || !isASCII(raw) {
		t.Fatalf("%q", raw)
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(raw), "\r\n"), "\r\n") {
		if len(line) > 100 || strings.TrimSpace(line) == "" || i > 0 && line[0] != ' ' {
			t.Fatalf("%q", raw)
		}
	}
}

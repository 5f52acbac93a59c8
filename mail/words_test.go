package mail_test

import (
	"bytes"
	"mime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"listd/mail"
)

func TestDecodeWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                        "",
		"plain":                   "plain",
		"plain  text = ? =":       "plain  text = ? =",
		"=?utf-8?q?caf=C3=A9?=":   "café",
		"=?UTF-8?Q?caf=c3=a9_x?=": "café x",
		"=?utf-8?b?Y2Fmw6k=?=":    "café",
		"=?utf-8?B?Y2Fmw6k?=":     "café", // padding lost
		"=?iso-8859-1?q?caf=E9?=": "café",
		"=?iso-8859-15?q?=A4?=":   "€",
		"=?windows-1252?q?=80?=":  "€",
		"=?koi8-r?b?8NLJ18XU?=":   "Привет",
		"=?gb2312?b?xOO6ww==?=":   "你好",
		"=?iso-2022-jp?b?GyRCJDMkcyRLJEEkTxsoQg==?=": "こんにちは",
		"=?us-ascii?q?a_b?=":                         "a b",
		"=?utf-8*de?q?=C3=BC?=":                      "ü", // RFC 2231 section 5
		"=?utf-8?q??=":                               "",
		"a =?utf-8?q?b?= c":                          "a b c",
		"a=?utf-8?q?b?=c":                            "abc",
		"=?utf-8?q?a?= =?utf-8?q?b?=":                "ab", // RFC 2047 section 8
		"=?utf-8?q?a?=  \t=?utf-8?q?b?=":             "ab",
		"=?utf-8?q?a?= =?utf-8?q?_b?=":               "a b",
		"=?utf-8?q?a?= b =?utf-8?q?c?=":              "a b c",
		"=?utf-8?q?a?= =?iso-8859-1?q?=E9?=":         "aé",
		"=?utf-8?q?a?==?utf-8?b?Yg==?=":              "ab",
		"=?utf-8?b?w?= =?utf-8?b?w6k=?=":             "=?utf-8?b?w?= é",
		"=?utf-8?q?=C3?= =?utf-8?q?=A9?=":            "é", // a character cut in two
		"=?utf-8?b?ww==?= =?UTF-8?b?qQ==?=":          "é",
		"=?utf-8?q?=FF?=":                            "\uFFFD",
		"=?utf-8?q?Really??=":                        "Really?",
		"=?utf-8?q?a b?=":                            "a b",
		// What is malformed or unknown stays, and spoils nothing else.
		"=?x-unknown?q?a?=":                   "=?x-unknown?q?a?=",
		"=?x-unknown?q?a?= =?utf-8?q?b?=":     "=?x-unknown?q?a?= b",
		"=?utf-8?q?b?=  =?x-unknown?q?a?=":    "b  =?x-unknown?q?a?=",
		"=?x-unknown?q?a?=  b  =?utf-8?q?c?=": "=?x-unknown?q?a?=  b  c",
		"=?utf-8?x?a?=":                       "=?utf-8?x?a?=",
		"=?utf-8?qq?a?= =?utf-8?q?b?=":        "=?utf-8?qq?a?= b",
		"=?utf-8?q?a=?=":                      "=?utf-8?q?a=?=",
		"=?utf-8?q?a=XY?= =?utf-8?q?b?=":      "=?utf-8?q?a=XY?= b",
		"=?utf-8?b?!!!?= =?utf-8?q?b?=":       "=?utf-8?b?!!!?= b",
		"=?utf-8?q?never closed":              "=?utf-8?q?never closed",
		"=?utf-8?q?open =?utf-8?q?b?=":        "=?utf-8?q?open b",
		"=??q?a?=":                            "=??q?a?=",
		"=?":                                  "=?",
		"=?=?=?":                              "=?=?=?",
		"=?x? and =?utf-8?q?b?=":              "=?x? and b",
		"raw \xe9":                            "raw é",
		"raw \xe9 =?utf-8?q?=C3=A9?=":         "raw é é",
		"raw é =?utf-8?q?=C3=A9?=":            "raw é é",
		// No word can end the field or the line of a log.
		"=?utf-8?q?a=0D=0ABcc:_x=00=09=7F?=": "a  Bcc: x   ",
		"=?utf-8?b?YQ0KQmNjOiB4?=":           "a  Bcc: x",
	} {
		if got := mail.DecodeWords(in); got != want {
			t.Errorf("DecodeWords(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEncodeText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                   "",
		"plain, text: \"x\"": "plain, text: \"x\"",
		"café":               "=?utf-8?b?Y2Fmw6k=?=",
		"a café for you":     "=?utf-8?q?a_caf=C3=A9_for_you?=",
		"Привет":             "=?utf-8?b?0J/RgNC40LLQtdGC?=",
		"=?utf-8?q?x?=":      "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?=",
		"a\r\nBcc: x":        "=?utf-8?q?a__Bcc=3A_x?=",
		"a\tb":               "=?utf-8?q?a_b?=",
		"bad \xff utf-8":     "=?utf-8?q?bad_=EF=BF=BD_utf-8?=",
		"_=?":                "=?utf-8?b?Xz0/?=",
	} {
		if got := mail.EncodeText(in); got != want {
			t.Errorf("EncodeText(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEncodePhrase(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "  ": "", "Ann Other": "Ann Other", " Ann ": "Ann", "Ann B. Other": `"Ann B. Other"`, `A "B" \`: `"A \"B\" \\"`,
		"a@example.org": `"a@example.org"`, "Jürgen": "=?utf-8?q?J=C3=BCrgen?=", "用户": "=?utf-8?b?55So5oi3?=",
	} {
		if got := mail.EncodePhrase(in); got != want {
			t.Errorf("EncodePhrase(%q) = %q, want %q", in, got, want)
		}
	}
}

// checkField says what is wrong with a field as written, if anything.
func checkField(t interface{ Errorf(string, ...any) }, raw []byte) {
	n := 0
	for range mail.Fields(raw) {
		n++
	}
	if n != 1 || !bytes.HasSuffix(raw, []byte("\r\n")) || strings.ContainsAny(strings.ReplaceAll(string(raw), "\r\n", ""), "\r\n\x00") {
		t.Errorf("%d fields in %.200q", n, raw)
	}
	for line := range bytes.SplitSeq(bytes.TrimSuffix(raw, []byte("\r\n")), []byte("\r\n")) {
		if len(line) > 998 || len(bytes.TrimSpace(line)) == 0 {
			t.Errorf("a line of %d octets: %.100q", len(line), line)
		}
	}
}

func TestFormatField(t *testing.T) {
	t.Parallel()
	x := strings.Repeat
	for in, want := range map[string]string{
		"":                            "Subject: \r\n",
		"x":                           "Subject: x\r\n",
		"Re:":                         "Subject: Re:\r\n",
		"  x  ":                       "Subject: x\r\n",
		"a  b":                        "Subject: a  b\r\n",
		"a\r\nBcc: b":                 "Subject: a  Bcc: b\r\n",
		"a\n\nbody":                   "Subject: a  body\r\n",
		"a\x00\x7f\tb":                "Subject: a   b\r\n",
		"\r\n":                        "Subject: \r\n",
		"caf\xe9":                     "Subject: caf\xe9\r\n",
		x("y", 100):                   "Subject: " + x("y", 100) + "\r\n",
		x("y", 40) + " " + x("z", 40): "Subject: " + x("y", 40) + "\r\n " + x("z", 40) + "\r\n",
		x("y", 1500):                  "Subject: " + x("y", 989) + "\r\n " + x("y", 511) + "\r\n",
		"a" + x(" ", 2000) + "b":      "Subject: a b\r\n",
		"a " + x("ü", 600):            "Subject: a\r\n " + x("ü", 498) + "\r\n " + x("ü", 102) + "\r\n",
	} {
		got := mail.FormatField("Subject", in)
		if string(got) != want {
			t.Errorf("FormatField(%.60q)\n got %q\nwant %q", in, got, want)
		}
		checkField(t, got)
	}
}

func TestWordsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~]{0,300}`), rapid.StringMatching(`[a-z =?_ü用😀]{0,200}`)).Draw(t, "s")
		s = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return '.'
			}
			return r
		}, s)
		s = strings.Trim(s, " ")
		raw := mail.FormatField("Subject", mail.EncodeText(s))
		checkField(t, raw)
		if got := mail.DecodeWords(mail.Field{Raw: raw}.Value()); got != s {
			t.Fatalf("%q decodes to %q, want %q", raw, got, s)
		}
		// Another's decoder must agree.
		if got, err := new(mime.WordDecoder).DecodeHeader(mail.EncodeText(s)); err != nil || got != s {
			t.Fatalf("mime decodes %q to %q, %v", mail.EncodeText(s), got, err)
		}
		for w := range strings.FieldsSeq(mail.EncodeText(s)) {
			if strings.HasPrefix(w, "=?") && len(w) > 75 {
				t.Fatalf("an encoded word of %d octets", len(w))
			}
		}
	})
}

package archive_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"listd/archive"
)

func TestParseQuery(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typed, want string // want: String
		odd         string
	}{
		{typed: "", want: ""},
		{typed: "  \t\r\n", want: ""},
		{typed: "release plan", want: "release plan"},
		{typed: "Release", want: `"Release"`},
		{typed: `"release plan"`, want: `"release plan"`},
		{typed: "„release plan“ «so what»", want: `"release plan" "so what"`},
		{typed: `"release plan`, want: `"release plan"`},
		{typed: `"a""b"`, want: `a b`},
		{typed: "a -b NOT c -\"d e\"", want: `a -b -c -"d e"`},
		{typed: "a OR b c | d", want: "a OR b c OR d"},
		{typed: "a AND b && c", want: "a b c"},
		{typed: "OR a", want: "a", odd: "OR"},
		{typed: "a OR", want: "a", odd: "OR"},
		{typed: "a OR OR b", want: "a OR b"},
		{typed: "a OR -b", want: "a -b", odd: "OR"},
		{typed: "a OR list:dev", want: "a list:dev", odd: "OR"},
		{typed: "(a OR b) (c)", want: "a OR b c"},
		{typed: "rele* \"release pla\"*", want: `rele* "release pla"*`},
		{typed: "re* *", want: "re", odd: "re*, *"},
		{typed: "test*case", want: `"test*case"`},
		{typed: "from:ann@example.org FROM:\"Ann Lee\" subject:plan -from:bob", want: `from:ann@example.org from:"Ann Lee" subject:plan -from:bob`},
		{typed: "from: ann", want: "ann"},
		{typed: "foo:bar https://example.org/x", want: `"foo:bar" "https://example.org/x"`},
		{typed: "list:Dev list:pyug@lists.example.org", want: "list:dev list:pyug@lists.example.org"},
		{typed: "-list:dev list:", want: "", odd: "-list:dev"},
		{typed: "date:2026", want: "after:2026-01-01 before:2027-01-01"},
		{typed: "date:2026-02", want: "after:2026-02-01 before:2026-03-01"},
		{typed: "date:2026-1-5", want: "after:2026-01-05 before:2026-01-06"},
		{typed: "date:2026-01..2026-03", want: "after:2026-01-01 before:2026-04-01"},
		{typed: "date:..2026", want: "before:2027-01-01"},
		{typed: "date:2026..", want: "after:2026-01-01"},
		{typed: "after:2026 date:2026-05.. before:2026-07", want: "after:2026-05-01 before:2026-07-01"},
		{typed: "date:2026-03..2026-01", want: "after:2026-03-01 before:2026-02-01"},
		{typed: "date:2240", want: "after:2240-01-01"},
		{typed: "date:.. date:x before:2026-13 after:2026-02-30 date:1969 date:2241", odd: "date:.., date:x, before:2026-13, after:2026-02-30, date:1969, date:2241"},
		{typed: "has:attachment has:file", want: "has:attachment"},
		{typed: "has:wings -has:file", odd: "has:wings, -has:file"},
		{typed: "*** -- \"\" \"!\" ? from:!", odd: "*, !, from:!"},
		{typed: "a\x00b \xff\xfe c", want: "a b c"},
		{typed: "東京 語 ไทย", want: `"東京" "語" "ไทย"`},
		{typed: "naïve 🚀", want: `"naïve" "🚀"`},
	} {
		got := archive.ParseQuery(c.typed)
		if s := got.String(); s != c.want {
			t.Errorf("%q is %s, want %s", c.typed, s, c.want)
		}
		if odd := strings.Join(got.Odd(), ", "); odd != c.odd {
			t.Errorf("%q: odd is %q, want %q", c.typed, odd, c.odd)
		}
	}
}

func TestQueryDates(t *testing.T) {
	t.Parallel()
	got := archive.ParseQuery("date:2024-02")
	if want := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC); !got.From.Equal(want) {
		t.Errorf("from %v, want %v", got.From, want)
	}
	if want := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC); !got.To.Equal(want) {
		t.Errorf("to %v, want %v", got.To, want)
	}
}

// bombs are queries that shall cost no more than others.
var bombs = map[string]string{
	"quotes":        strings.Repeat(`"`, 10_000),
	"stars":         "****" + strings.Repeat("* ", 1000),
	"alternatives":  strings.Repeat(`"a" OR `, 1000),
	"not":           strings.Repeat("-", 5000) + "a",
	"words":         strings.Repeat("word ", 10_000),
	"one word":      strings.Repeat("x", 100_000),
	"beginnings":    strings.Repeat("abc* ", 200),
	"parentheses":   strings.Repeat("(", 3000) + "a" + strings.Repeat(")", 3000),
	"NUL":           "a\x00b \x00 \"\x00\"",
	"not UTF-8":     strings.Repeat("\xff\xc0", 500),
	"FTS5":          `{own} : ^a + b NEAR(c d, 2) "a" * AND NOT`,
	"tsquery":       `'a':A* & !b <-> c | 'd''e\'`,
	"SQL":           `'; DROP TABLE posts; --`,
	"placeholders":  "a ? $1 :x @y",
	"lists":         strings.Repeat("list:a ", 500),
	"marks":         "\u0301\u0301 a\u0301\u0327",
	"Han":           strings.Repeat("東", 400),
	"single":        strings.Repeat("東 ", 200),
	"from":          strings.Repeat("from:a ", 300),
	"only not":      "-a -b -c",
	"longer tokens": strings.Repeat("ﷺ", 300),
}

func TestQueryBombs(t *testing.T) {
	t.Parallel()
	for name, text := range bombs {
		got := archive.ParseQuery(text)
		terms, ors := len(got.Not), 0
		for _, g := range got.All {
			terms += len(g)
			ors += len(g) - 1
		}
		if terms > 64 || ors > 8 || len(got.Odd()) > 10 || len(got.String()) > 4096 {
			t.Errorf("%s: %d terms, %d ORs, %d odd, %d bytes", name, terms, ors, len(got.Odd()), len(got.String()))
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{`release -"old plan" OR subject:x*`, "list:dev date:2026-01..2026-03 has:attachment", "東京 語* from:ann@example.org", `"`, "a OR -b NOT c |"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := archive.ParseQuery(text)
		twice := archive.ParseQuery(once.String())
		if diff := cmp.Diff(once, twice, cmpopts.IgnoreUnexported(archive.Wanted{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q, then %q: %s", text, once.String(), diff)
		}
		if odd := twice.Odd(); len(odd) > 0 {
			t.Errorf("%q: odd is %q", once.String(), odd)
		}
	})
}

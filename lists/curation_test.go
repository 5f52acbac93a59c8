package lists

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"listd/mail"
)

func TestReadCuration(t *testing.T) {
	t.Parallel()
	const quote = "\n\nOn Sunday, dev wrote:\n> ok\n> drop 1\n"
	for text, want := range map[string]Curation{
		"ok":                            {Verdict: CurateSend},
		"OK.":                           {Verdict: CurateSend},
		"hold":                          {Verdict: CurateHold},
		"skip!":                         {Verdict: CurateSkip},
		"drop 3":                        {Drop: []int{3}},
		"drop 3, 4 5":                   {Drop: []int{3, 4, 5}},
		"first #5":                      {First: []int{5}},
		"Drop 1\nFirst 2\n\nok":         {Verdict: CurateSend, Drop: []int{1}, First: []int{2}},
		"ok\nok":                        {Verdict: CurateSend},
		"streichen 2\nwarten":           {Verdict: CurateHold, Drop: []int{2}},
		"retirer 2\nsauter":             {Verdict: CurateSkip, Drop: []int{2}},
		"quitar 2\nsí":                  {Verdict: CurateSend, Drop: []int{2}},
		"First of all, hello.\nok":      {Verdict: CurateSend, Intro: "First of all, hello."},
		"Dear all,\n\nCome *soon*.":     {Intro: "Dear all,\n\nCome *soon*."},
		"drop it":                       {Intro: "drop it"},
		"drop":                          {Intro: "drop"},
		"drop 0":                        {Intro: "drop 0"},
		"ok 3":                          {Intro: "ok 3"},
		"Hello.\n-- \nAnn\nSkip Street": {Intro: "Hello."},
		"ok\n\nBea":                     {Verdict: CurateSend},
		"ok\nbea li":                    {Verdict: CurateSend},
		"Hello.\n\nBea":                 {Intro: "Hello."},
		"Ann is here.\nAnn":             {Intro: "Ann is here.\nAnn"},
	} {
		m := mail.Message{Head: []byte("From: Bea Li <bea@example.org>\r\nContent-Type: text/plain; charset=utf-8\r\n"), Body: []byte(strings.ReplaceAll(text+quote, "\n", "\r\n"))}
		if strings.Contains(text, "-- ") {
			m.Body = []byte(strings.ReplaceAll(text+"\n", "\n", "\r\n"))
		}
		got, ok := ReadCuration(m)
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %+v %v, want %+v", text, got, ok, want)
		}
	}
	for name, text := range map[string]string{"nothing": "", "quotes": "> ok", "two things": "ok\nskip", "a book": strings.Repeat("word word word\n", 1000),
		"many": "drop" + strings.Repeat(" 1", 10) + strings.Repeat("\ndrop 2 3 4 5 6", 20)} {
		m := mail.Message{Head: []byte("Content-Type: text/plain\r\n"), Body: []byte(strings.ReplaceAll(text+"\n", "\n", "\r\n"))}
		if got, ok := ReadCuration(m); ok {
			t.Errorf("%s is %+v", name, got)
		}
	}
}

func FuzzReadCuration(f *testing.F) {
	addMails(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := mail.Read(bytes.NewReader(b), mail.Limits{}, mail.Mend)
		if err != nil {
			return
		}
		c, ok := ReadCuration(m)
		if len(c.Intro) > MaxIntro || len(c.Drop) > maxTopics || len(c.First) > maxTopics {
			t.Errorf("%d bytes, %d and %d topics", len(c.Intro), len(c.Drop), len(c.First))
		}
		if says := c.Verdict != "" || c.Intro != "" || len(c.Drop)+len(c.First) > 0; ok != says {
			t.Errorf("%v: %+v", ok, c)
		}
		for _, n := range slices.Concat(c.Drop, c.First) {
			if n < 1 {
				t.Errorf("topic %d", n)
			}
		}
		printable(t, strings.Split(c.Intro, "\n")...)
	})
}

package lists

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"listd/mail"
)

var update = flag.Bool("update", false, "rewrite testdata/prepare/*/want.eml")

// prepareCase is testdata/prepare/<case>/list.json: what differs from pyug@lists.example.org and no treatment.
type prepareCase struct {
	Settings map[string]string `json:"settings"`
	Munge    bool              `json:"munge"`
	Notes    []string          `json:"notes,omitempty"`
}

func pyug(t testing.TB, settings map[string]string) List {
	t.Helper()
	p := DefaultPolicy()
	for k, v := range settings {
		if err := p.Set(k, v); err != nil {
			t.Fatalf("setting %s: %v", k, err)
		}
	}
	return List{ID: 1, Address: mail.Address{Local: "pyug", Domain: "lists.example.org"}, ListID: "pyug.lists.example.org", Policy: p}
}

func treatment(munge bool) Treatment {
	return Treatment{Munge: munge, Seq: 42, MessageID: "<new@lists.example.org>", Hostname: "lists.example.org"}
}

func readStrict(t testing.TB, b []byte) mail.Message {
	t.Helper()
	m, err := mail.Read(bytes.NewReader(b), mail.Limits{}, mail.Strict)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob("testdata/prepare/*")
	if err != nil || len(dirs) < 30 {
		t.Fatalf("%d cases, %v", len(dirs), err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			var c prepareCase
			raw, err := os.ReadFile(filepath.Join(dir, "list.json"))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(raw, &c); err != nil {
				t.Fatal(err)
			}
			in, err := os.ReadFile(filepath.Join(dir, "in.eml"))
			if err != nil {
				t.Fatal(err)
			}
			m := readStrict(t, in)
			before := entity{m.Head, m.Body}.bytes()
			out, notes, err := Prepare(pyug(t, c.Settings), m, treatment(c.Munge))
			if err != nil {
				t.Fatal(err)
			}
			if got := (entity{m.Head, m.Body}).bytes(); !bytes.Equal(got, before) {
				t.Error("Prepare changed the message it was given")
			}
			if strings.Join(notes, "\n") != strings.Join(c.Notes, "\n") {
				t.Errorf("notes %q, want %q", notes, c.Notes)
			}
			got := entity{out.Head, out.Body}.bytes()
			readStrict(t, got)
			file := filepath.Join(dir, "want.eml")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// A list that adds nothing leaves the author's signature whole: all of the head follows the new fields as it was.
func TestPrepareKeepsBytes(t *testing.T) {
	t.Parallel()
	const head = "Received: from a by b; Mon, 2 Nov 2026 10:00:00 +0000\r\nfrom : Ana  <ana@example.org>\r\nSUBJECT:\tan odd \r\n  fold\r\n" +
		"Message-ID: <1@example.org>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\nno field at all\r\nX-Odd:   \r\n"
	const body = "Text \r\n.\r\n\r\n\r\n"
	out, notes, err := Prepare(pyug(t, nil), mail.Message{Head: []byte(head), Body: []byte(body)}, treatment(false))
	if err != nil || len(notes) != 0 {
		t.Fatal(notes, err)
	}
	if !strings.HasSuffix(string(out.Head), "\r\n"+head) || string(out.Body) != body {
		t.Errorf("changed:\n%s", out.Head)
	}
}

// What queue replaces for each subscription is there exactly once, as UnsubscribeField writes it.
func TestUnsubscribeField(t *testing.T) {
	t.Parallel()
	l := pyug(t, nil)
	out, _, err := Prepare(l, mail.Message{Head: []byte("From: a@example.org\r\n"), Body: []byte("x\r\n")}, treatment(false))
	if err != nil || bytes.Count(out.Head, UnsubscribeField(l.Leave())) != 1 {
		t.Errorf("%s %v", out.Head, err)
	}
}

func FuzzPrepare(f *testing.F) {
	ins, err := filepath.Glob("testdata/prepare/*/in.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, in := range ins {
		b, err := os.ReadFile(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	plain := pyug(f, map[string]string{"max_message_size": "0"})
	full := []List{
		pyug(f, map[string]string{"subject_prefix": "[pyug %d]", "footer": "-- \n{title} {leave}", "reply_to": "list"}),
		pyug(f, map[string]string{"subject_prefix": "[größe]", "footer": "-- \n> Größe", "from": "munge"}),
		pyug(f, map[string]string{"footer": "Ω", "anonymous": "yes", "reply_to": "explicit", "reply_to_address": "x@example.org"}),
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := mail.Read(bytes.NewReader(b), mail.Limits{}, mail.Strict)
		if err != nil {
			return
		}
		out, _, err := Prepare(plain, m, treatment(false))
		if err != nil || !bytes.Equal(out.Body, m.Body) {
			t.Fatalf("a list without a footer changed the body: %v", err)
		}
		for _, l := range full {
			out, _, err := Prepare(l, m, treatment(true))
			if err != nil {
				t.Fatal(err)
			}
			// What leaves has longer lines and more fields at most by what we add.
			whole := entity{out.Head, out.Body}.bytes()
			again, err := mail.Read(bytes.NewReader(whole), mail.Limits{Size: 60 << 20, Head: 1 << 20, Line: 200 << 10, Fields: 3000}, mail.Strict)
			if err != nil {
				t.Fatalf("%v\n%q", err, whole)
			}
			if !bytes.Equal(again.Head, out.Head) {
				t.Fatalf("the head reads back as %q, was %q", again.Head, out.Head)
			}
		}
	})
}

func BenchmarkPrepare(b *testing.B) {
	l := pyug(b, map[string]string{"title": "Python User Group", "subject_prefix": "[pyug]", "footer": "-- \n{title}\nleave: {leave}"})
	m := readStrict(b, benchMail())
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Prepare(l, m, treatment(false)); err != nil {
			b.Fatal(err)
		}
	}
}

func benchMail() []byte {
	var b bytes.Buffer
	b.WriteString("Received: from mx.example.org (mx.example.org [192.0.2.1])\r\n\tby lists.example.org with ESMTPS id 1\r\n\tfor <pyug@lists.example.org>; Mon, 2 Nov 2026 10:00:00 +0000\r\n" +
		"From: Ana Li <ana@example.org>\r\nTo: pyug@lists.example.org\r\nSubject: Re: the next meeting\r\n" +
		"Message-ID: <abc@example.org>\r\nIn-Reply-To: <def@example.org>\r\nReferences: <def@example.org>\r\n" +
		"Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8; format=flowed\r\n" +
		"Content-Transfer-Encoding: 8bit\r\nUser-Agent: Mail/1.0\r\n\r\n")
	for b.Len() < 2048 {
		b.WriteString("This is a line of the text of a post to a list, as people write them.\r\n")
	}
	return b.Bytes()
}

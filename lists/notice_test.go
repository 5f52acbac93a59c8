package lists

import (
	"io/fs"
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

var noticeWords = Words{
	"list": "pyug", "address": "pyug@lists.example.org", "owner": "pyug-owner@lists.example.org", "join": "pyug-join@lists.example.org",
	"leave": "pyug-leave@lists.example.org", "help": "pyug-help@lists.example.org", "sender": "Ana Li <ana@example.org>", "id": "17", "size": "2 KiB",
	"subject": "A subject that is rather long, as subjects are that people write when they are in a hurry to say all",
	"reasons": "The sender is not a member of the list.\nThe message does not name pyug@lists.example.org in To or Cc, which is what spam mostly does.",
	"expires": "16 November 2026",
}

// Every notice can be filled from the same few words, reads well in any mail program, and has no hole.
func TestNotices(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(notices, "notices/en/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(path.Base(f), ".txt")
		subject, text, err := Notice(name, "de-AT", noticeWords)
		if err != nil {
			t.Error(err)
			continue
		}
		if subject == "" || len(subject) > 100 || strings.ContainsAny(subject+text, "{}\r") || !strings.HasSuffix(text, "\n") || strings.Contains(text, "\n\n\n") {
			t.Errorf("%s: %q\n%s", name, subject, text)
		}
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\n")
			if utf8.RuneCountInString(line) > noticeWidth || strings.HasSuffix(line, " ") {
				t.Errorf("%s: %q", name, line)
			}
		}
		for word := range noticeWords {
			words := Words{}
			for k, v := range noticeWords {
				if k != word {
					words[k] = v
				}
			}
			raw, err := fs.ReadFile(notices, f)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := Notice(name, "en", words); (err != nil) != strings.Contains(string(raw), "{"+word+"}") {
				t.Errorf("%s without %s: %v", name, word, err)
			}
		}
	}
}

func TestNoticeText(t *testing.T) {
	t.Parallel()
	_, text, err := Notice("held", "", noticeWords)
	if err != nil {
		t.Fatal(err)
	}
	const want = `Your message to pyug@lists.example.org

    A subject that is rather long, as subjects are that people write
    when they are in a hurry to say all

has arrived and waits for a moderator of the list, because:

  - The sender is not a member of the list.
  - The message does not name pyug@lists.example.org in To or Cc, which
    is what spam mostly does.
`
	if !strings.HasPrefix(text, want) {
		t.Errorf("got\n%s", text)
	}
}

// What a stranger wrote must not begin a field, fill a slot, or speak to a terminal.
func TestNoticeStrangers(t *testing.T) {
	t.Parallel()
	words := Words{}
	for k, v := range noticeWords {
		words[k] = v
	}
	words["sender"] = "x\r\nBcc: y\x1b[31m {id} \xff"
	words["subject"] = "{owner}\nline"
	subject, text, err := Notice("held_moderator", "../..", words)
	if err != nil || subject != "pyug: a message from x Bcc: y [31m {id} waits for you" {
		t.Errorf("%q %v", subject, err)
	}
	if strings.ContainsAny(text, "\x1b\r") || !utf8.ValidString(text) || !strings.Contains(text, "Subject: {owner}\n") {
		t.Errorf("got %q", text)
	}
	if _, _, err := Notice("nothing", "en", words); err == nil {
		t.Error("there is no such notice")
	}
}

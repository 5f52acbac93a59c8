package lists

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"listd/mail"
)

var noticeWords = Words{
	"list": "pyug", "address": "pyug@lists.example.org", "owner": "pyug-owner@lists.example.org", "join": "pyug-join@lists.example.org",
	"leave": "pyug-leave@lists.example.org", "help": "pyug-help@lists.example.org", "sender": "Ana Li <ana@example.org>", "id": "17", "size": "2 KiB",
	"subject": "A subject that is rather long, as subjects are that people write when they are in a hurry to say all",
	"reasons": "The sender is not a member of the list.\nThe message does not name pyug@lists.example.org in To or Cc, which is what spam mostly does.",
	"expires": "16 November 2026",
	"title":   "Python User Group", "request": "pyug-request@lists.example.org", "who": "ana@example.org", "old": "ana@example.org",
	"new": "ana@example.net", "commands": "set none\nset name Ana Li", "results": "set none: done\nset name Ana Li: done",
	"unknown": "what is this", "cut": "yes", "by": "moderator@example.org", "action": "accepted", "count": "3",
	"waiting": "17  A subject\n18  Another", "members": "42", "description": "All about Python",
	"volume": "3", "issue": "12", "date": "2026-11-16", "part": "2/3", "topics": "1. A subject (Ana Li)\n2. Another (Ben)",
	"link": "https://lists.example.org/confirm/abcdefghijklmnopqrst",
	"site": "lists.example.org", "password": "abcdefgh-ijklmnop-qrstuvwx-yz234567", "label": "Thunderbird",
	"removal": "9 November 2026", "destination": "example.com", "class": "no_user", "complaints": "2",
	"paused":  "ana@example.org: 550 5.1.1 No such user here\nbob@example.com: 552 5.2.2 The mailbox is full",
	"removed": "cy@example.net: 550 5.1.1 No such user here", "munged": "example.com (17)\nexample.net (3)",
	"unread": "Re: something\nA riddle",
	"due":    "2026-11-22 08:00 GMT", "sends": "yes", "holds": "yes", "goes": "yes", "waits": "yes", "skipped": "yes", "late": "yes", "number": "7", "unclear": "yes", "all": "yes",
	"intro": "Dear all,\nCome and see.",
}

// languages are those that have notices, English first. The files of each are compared with the English ones, so that
// none has a notice too few, or one that nothing sends.
func languages(t *testing.T) []string {
	t.Helper()
	dirs, err := fs.ReadDir(notices, "notices")
	if err != nil {
		t.Fatal(err)
	}
	out := []string{"en"}
	for _, d := range dirs {
		if d.Name() != "en" {
			out = append(out, d.Name())
		}
	}
	if want := []string{"en", "de", "es", "fr"}; !slices.Equal(out, want) {
		t.Fatalf("languages %q, want %q", out, want)
	}
	return out
}

// noticeFile is a notice as it is written, without looking in another language.
func noticeFile(t *testing.T, lang, name string) string {
	t.Helper()
	raw, err := fs.ReadFile(notices, "notices/"+lang+"/"+name+".txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

var (
	slotPattern      = regexp.MustCompile(`\{[^{}]*\}`)
	conditionPattern = regexp.MustCompile(`\n\n(\[[a-z_]+\]) `) // only at the beginning of a paragraph
)

// slotsOf are the slots of a notice, each once.
func slotsOf(raw string) []string {
	all := slotPattern.FindAllString(raw, -1)
	slices.Sort(all)
	return slices.Compact(all)
}

// Every language has every notice, with the slots and conditions of the English one.
func TestNoticeLanguages(t *testing.T) {
	t.Parallel()
	names := Notices()
	if len(names) < 38 {
		t.Fatal(names)
	}
	// What a language need not say: "es/held_waiting": {"{count}"}. A slot is never added.
	without := map[string][]string{}
	for _, lang := range languages(t) {
		files, err := fs.ReadDir(notices, "notices/"+lang)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			got = append(got, strings.TrimSuffix(f.Name(), ".txt"))
		}
		if !slices.Equal(got, names) {
			t.Errorf("%s has %q, want %q", lang, got, names)
			continue
		}
		for _, name := range names {
			en, raw := noticeFile(t, "en", name), noticeFile(t, lang, name)
			want := slices.DeleteFunc(slotsOf(en), func(s string) bool { return slices.Contains(without[lang+"/"+name], s) })
			if got := slotsOf(raw); !slices.Equal(got, want) {
				t.Errorf("%s/%s: slots %q, want %q", lang, name, got, want)
			}
			if got, want := conditionPattern.FindAllString(raw, -1), conditionPattern.FindAllString(en, -1); !slices.Equal(got, want) {
				t.Errorf("%s/%s: conditions %q, want %q", lang, name, got, want)
			}
			if lang != "en" && raw == en {
				t.Errorf("%s/%s is English", lang, name)
			}
			for line := range strings.Lines(raw) {
				line = strings.TrimSuffix(line, "\n")
				wide := noticeWidth
				if !strings.HasPrefix(line, " ") {
					wide += 3 // text is wrapped anew; only indented lines stay as they are
				}
				if utf8.RuneCountInString(line) > wide || strings.TrimRight(line, " \t\r") != line || !utf8.ValidString(line) {
					t.Errorf("%s/%s: %q", lang, name, line)
				}
			}
		}
	}
}

// Every notice can be filled from the same few words, reads well in any mail program, and has no hole. The goldens are
// the mails as people get them: read those after a change.
func TestNotices(t *testing.T) {
	t.Parallel()
	wanted := map[string]bool{}
	for _, lang := range languages(t) {
		for _, name := range Notices() {
			subject, text, err := Notice(name, lang+"-AT", noticeWords)
			if err != nil {
				t.Error(err)
				continue
			}
			checkNotice(t, lang+"/"+name, subject, text)
			raw := noticeFile(t, lang, name)
			needed := Words{}
			for word, v := range noticeWords {
				if strings.Contains(raw, "{"+word+"}") || strings.Contains(raw, "\n\n["+word+"] ") {
					needed[word] = v
				}
			}
			if _, _, err := Notice(name, lang, needed); err != nil {
				t.Errorf("%s/%s: %v", lang, name, err)
			}
			for word := range needed {
				words := maps.Clone(needed)
				delete(words, word)
				if _, _, err := Notice(name, lang, words); err == nil {
					t.Errorf("%s/%s has a hole without %s", lang, name, word)
				}
			}
			file := filepath.Join("testdata", "notices", lang, name+".txt")
			wanted[file] = true
			golden(t, file, "Subject: "+subject+"\n\n"+text)
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "notices", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !wanted[f] {
			t.Errorf("%s belongs to no notice", f)
		}
	}
}

// checkNotice looks at a notice that is filled in.
func checkNotice(t *testing.T, name, subject, text string) {
	t.Helper()
	if subject == "" || utf8.RuneCountInString(subject) > 100 || strings.ContainsAny(subject+text, "{}\r") || !strings.HasSuffix(text, "\n") || strings.Contains(text, "\n\n\n") {
		t.Errorf("%s: %q\n%s", name, subject, text)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		first, _ := utf8.DecodeRuneInString(line)
		if utf8.RuneCountInString(line) > noticeWidth || strings.HasSuffix(line, " ") || strings.ContainsRune(":;!?»", first) {
			t.Errorf("%s: %q", name, line)
		}
	}
}

// golden compares with a file, or with -update rewrites it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

// A moderator may answer with every word that a notice offers, and a member may send every command that help shows.
func TestNoticeWords(t *testing.T) {
	t.Parallel()
	reply := func(text string) mail.Message {
		return mail.Message{Head: []byte("Content-Type: text/plain; charset=utf-8\r\n"), Body: []byte(text + "\r\n")}
	}
	rulings := []Ruling{{Action: Accept}, {Action: Reject, Reason: "x"}, {Action: Discard}, {Action: Accept, Always: true}, {Action: Discard, Ban: true}}
	offers := map[string][]string{
		"en": {"accept", "reject: x", "discard", "accept always", "ban"},
		"de": {"ja", "nein: x", "verwerfen", "ja immer", "sperren"},
		"es": {"sí", "no: x", "descartar", "sí siempre", "bloquear"},
		"fr": {"oui", "non\u00a0: x", "supprimer", "oui toujours", "bannir"},
	}
	for _, lang := range languages(t) {
		for _, name := range []string{"held_moderator", "ruling_unclear", "held_subscription", "held_unsubscription"} {
			raw := strings.Join(strings.FieldsFunc(noticeFile(t, lang, name), func(r rune) bool { return r == ' ' || r == '\n' }), " ")
			words := 3
			if name == "held_moderator" || name == "ruling_unclear" {
				words = 5
			}
			for i, want := range rulings[:words] {
				for _, w := range []string{offers["en"][i], offers[lang][i]} {
					if !strings.Contains(raw, strings.TrimSuffix(w, "x")) {
						t.Errorf("%s/%s does not offer %q", lang, name, w)
					}
					if got, ok := ReadVerdict(reply(w)); !ok || got != want {
						t.Errorf("%s: %q is %+v %v, want %+v", lang, w, got, ok, want)
					}
				}
			}
		}
		for line := range strings.Lines(noticeFile(t, lang, "help")) {
			rest, isCommand := strings.CutPrefix(line, "    ")
			if !isCommand || strings.HasPrefix(rest, " ") {
				continue
			}
			command, _, _ := strings.Cut(strings.TrimSpace(rest), "  ")
			command, _, _ = strings.Cut(command, " [")
			got := ReadCommands(Target{List: "pyug", Kind: ToRequest}, reply(command), "")
			if len(got.Unknown) > 0 || len(got.List) != 1 && command != "end" {
				t.Errorf("%s/help: %q is %+v", lang, command, got)
			}
		}
	}
}

// A mail program may quote without marking it: then our own words stand in the reply, and must not be read as a no. The
// width of an address moves the breaks, and a no counts where a line begins with it.
func TestNoticeQuoted(t *testing.T) {
	t.Parallel()
	for _, lang := range languages(t) {
		for _, name := range []string{"confirm_address", "confirm_command", "confirm_forget", "confirm_join", "confirm_leave", "goodbye", "invitation", "bounce_paused", "bounce_removed"} {
			for n := range 24 {
				words := maps.Clone(noticeWords)
				words["who"] = strings.Repeat("a", n+1) + "@example.org"
				_, text, err := Notice(name, lang, words)
				if err != nil {
					t.Fatal(err)
				}
				m := mail.Message{Head: []byte("Content-Type: text/plain; charset=utf-8\r\n"), Body: []byte(strings.ReplaceAll(text, "\n", "\r\n"))}
				if !ReadConfirm(m) {
					t.Fatalf("%s/%s declines:\n%s", lang, name, text)
				}
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

package archive_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"listd/archive"
	"listd/mail"
)

func TestMboxWriter(t *testing.T) {
	t.Parallel()
	ann := mail.Address{Local: "ann", Domain: "example.org"}
	at := time.Date(2004, 3, 4, 13, 0, 0, 0, time.FixedZone("", 3600))
	for _, c := range []struct {
		name string
		m    mail.Message
		from mail.Address
		at   time.Time
		want string
	}{
		{"plain", mail.Message{Head: []byte("A: b\r\n"), Body: []byte("x\r\n")}, ann, at, "From ann@example.org Thu Mar  4 12:00:00 2004\nA: b\n\nx\n\n"},
		{"null reverse-path", mail.Message{Head: []byte("A: b\r\n")}, mail.Address{}, at, "From MAILER-DAEMON Thu Mar  4 12:00:00 2004\nA: b\n\n\n"},
		{"local part in quotes", mail.Message{}, mail.Address{Local: "a b", Domain: "example.org"}, at, "From \"a b\"@example.org Thu Mar  4 12:00:00 2004\n\n\n"},
		{"an address of two lines", mail.Message{}, mail.Address{Local: "a\nFrom b", Domain: "example.org"}, at, "From MAILER-DAEMON Thu Mar  4 12:00:00 2004\n\n\n"},
		{"no time", mail.Message{}, ann, time.Time{}, "From ann@example.org Mon Jan  1 00:00:00 0001\n\n\n"},
		{"far year", mail.Message{}, ann, time.Date(12004, 1, 1, 0, 0, 0, 0, time.UTC), "From ann@example.org Mon Jan  1 00:00:00 0001\n\n\n"},
		{"quoted", mail.Message{Head: []byte("A: b\r\nFrom : c\r\n"), Body: []byte("From a\r\n>From b\r\n>>From c\r\n> From d\r\nFrom\r\n From e\r\n")}, ann, at,
			"From ann@example.org Thu Mar  4 12:00:00 2004\nA: b\n>From : c\n\n>From a\n>>From b\n>>>From c\n> From d\nFrom\n From e\n\n"},
		{"line ends", mail.Message{Body: []byte("a\rFrom b\nc\r\r\nd")}, ann, at, "From ann@example.org Thu Mar  4 12:00:00 2004\n\na\n>From b\nc\n\nd\n\n"},
	} {
		var b strings.Builder
		if err := archive.NewMboxWriter(&b).Write(c.m, c.from, c.at); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, b.String()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
	full := errors.New("the disk is full")
	if err := archive.NewMboxWriter(broken{full}).Write(mail.Message{}, ann, at); !errors.Is(err, full) {
		t.Errorf("the error is %v, want %v", err, full)
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }
func (b broken) Read([]byte) (int, error)  { return 0, b.err }

// mailText draws a message with what mboxes are about.
func mailText(t *rapid.T) mail.Message {
	line := rapid.SampledFrom([]string{"", "x", "From ann@example.org Thu Mar  4 12:00:00 2004", "From: ann@example.org", ">From ", ">>From x", "From ", "From : y",
		"> From", ">", "Content-Length: 3", "\xff", "a long line of text that goes on and on", "From ann at example.org  Thu Mar  4 12:00:00 2004", "\x00", "\ufeff", "a\rb"})
	lines := rapid.SliceOfN(line, 0, 12).Draw(t, "lines")
	text := strings.Join(lines, rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "end"))
	if rapid.Bool().Draw(t, "head") {
		text = "Subject: x\n" + text
	}
	m, err := mail.Read(strings.NewReader(text), mail.Limits{}, mail.Mend)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMboxRoundTrip proves that each message comes back as it was, and the mended ones the second time.
func TestMboxRoundTrip(t *testing.T) {
	t.Parallel()
	at := time.Date(2004, 3, 4, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(mailText), 1, 5).Draw(t, "messages")
		text := mboxOf(t, all, at)
		got := readAll(t, text, archive.ReadOptions{Format: archive.Mboxrd, AsFound: true})
		if diff := cmp.Diff(all, got, sameBytes()); diff != "" {
			t.Fatalf("%q is read as (-want +got)\n%s", text, diff)
		}
		mended := readAll(t, text, archive.ReadOptions{Format: archive.Mboxrd})
		again := readAll(t, mboxOf(t, mended, at), archive.ReadOptions{Format: archive.Mboxrd})
		if diff := cmp.Diff(mended, again, sameBytes()); diff != "" {
			t.Fatalf("what was mended of %q is mended again (-want +got)\n%s", text, diff)
		}
		for i, m := range mended {
			if !bytes.HasSuffix(m.Head, all[i].Head) || !bytes.Equal(m.Body, all[i].Body) {
				t.Fatalf("mending rewrote %q to %q", all[i], m)
			}
		}
	})
}

type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

func mboxOf(t tester, all []mail.Message, at time.Time) string {
	t.Helper()
	var b strings.Builder
	w := archive.NewMboxWriter(&b)
	for _, m := range all {
		if err := w.Write(m, mail.Address{Local: "ann", Domain: "example.org"}, at); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	return b.String()
}

func readAll(t tester, text string, o archive.ReadOptions) (out []mail.Message) {
	t.Helper()
	for old, err := range archive.ReadOld("x.mbox", strings.NewReader(text), o) {
		if err != nil {
			t.Fatalf("read %q: %v", text, err)
		}
		out = append(out, old.Message)
	}
	return out
}

// sameBytes takes an empty slice for none.
func sameBytes() cmp.Option { return cmp.Comparer(bytes.Equal) }

func FuzzMboxWriter(f *testing.F) {
	f.Add([]byte("Subject: x\r\n\r\nFrom a\r\n>From b"))
	f.Add([]byte("\nFrom ann@example.org Thu Mar  4 12:00:00 2004\nFrom: x\n\n\n"))
	f.Add([]byte("From : x\r\rFrom\x00 y"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := mail.Read(bytes.NewReader(text), mail.Limits{}, mail.Mend)
		if err != nil {
			return
		}
		all := []mail.Message{m, m}
		got := readAll(t, mboxOf(t, all, time.Unix(0, 0)), archive.ReadOptions{Format: archive.Mboxrd, AsFound: true})
		if diff := cmp.Diff(all, got, sameBytes()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func FuzzReadOld(f *testing.F) {
	for _, s := range []string{
		"From ann@example.org Thu Mar  4 12:00:00 2004\nFrom: ann@example.org\n\nx\n\nFrom bob at example.net Fri Mar  5 13:30:00 2004\nSubject: y\n\n>From z\n",
		"\ufeff\n\x00From ann@example.org Thu Mar  4 12:00:00 2004\rFrom: ann@example.org\r\rx\r\rFrom - Fri Mar  5 13:30:00 2004\rA: b",
		"From ann@example.org Thu Mar  4 12:00:00 2004\nContent-Length: 4\n\nFrom\n\nFrom ann@example.org Thu Mar  4 12:00:00 2004\nContent-Length: 9\n\nx\n",
		"From ann at example.org  Thu Mar  4 12:00:00 2004\nFrom: ann at example.org (Ann)\n\nx\nFrom ann at example.org  Thu Mar  4 12:00:00 2004\nFrom: ann\n",
		"From: ann@example.org\r\nDate: x\r\n\r\ny", "\x1f\x8b\x08\x00", "junk\n\nFrom a Thu, 4 Mar 2004 12:00 +0100\nA: b\n\n>>From\n",
	} {
		f.Add([]byte(s), uint8(0), uint16(0))
		f.Add([]byte(s), uint8(2), uint16(60))
	}
	f.Fuzz(func(t *testing.T, content []byte, format uint8, max uint16) {
		o := archive.ReadOptions{Format: archive.Format(format % 7), Max: int64(max), Now: oldNow}
		checkSpans(t, content, o)
		n := 0
		for old, err := range archive.ReadOld("x", bytes.NewReader(content), o) {
			if n += len(old.Message.Head) + len(old.Message.Body); err == nil && !strings.Contains(string(old.Message.Head), "X-Listd-Mended: ") {
				if again, _, _ := archive.Mend(old.Message, archive.Hints{Now: oldNow, Received: old.Received}); !bytes.Equal(again.Head, old.Message.Head) && mail.Get(old.Message.Head, "From") != "" {
					t.Errorf("the head %q is mended again: %q", old.Message.Head, again.Head)
				}
			}
		}
		if !bytes.HasPrefix(content, []byte{0x1f, 0x8b}) && n > 6*len(content)+600*(1+len(content)/20) {
			t.Errorf("%d bytes are read of %d", n, len(content))
		}
		_, _ = archive.Detect("x.mbox", content) // does not panic
	})
}

func TestReadOldBroken(t *testing.T) {
	t.Parallel()
	lost := errors.New("the disk is gone")
	r := io.MultiReader(strings.NewReader(twoMails+"From ann@example.org Thu Mar  4 12:00:00 2004\nFrom: a"), broken{lost})
	got := picture(archive.ReadOld("x.mbox", r, archive.ReadOptions{}))
	if n := strings.Count(got, "B text"); n != 2 || !strings.Contains(got, "x.mbox:17: 53 bytes skipped: the file breaks off") || !strings.HasSuffix(got, lost.Error()+"\n") {
		t.Errorf("a file that breaks off is read as\n%s", got)
	}
}

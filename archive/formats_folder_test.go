package archive_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"listd/archive"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func oneMail(n int) *fstest.MapFile {
	return file(fmt.Sprintf("From: ann@example.org\nDate: Thu, 4 Mar 2004 12:00:00 +0000\nMessage-ID: <%d@example.org>\n\nx\n", n))
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		panic(err) // a buffer takes everything
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

// brief shows of each message where it was, the ends of spans and what was odd.
func brief(all iter.Seq2[archive.Old, error]) (out []string) {
	for o, err := range all {
		s := fmt.Sprintf("%s %d", o.Place, o.Offset)
		if !o.Received.IsZero() {
			s += o.Received.Format(" 15:04:05")
		}
		if len(o.Odd) > 0 {
			s += " " + strings.Join(o.Odd, "; ")
		}
		if err != nil {
			s += " " + err.Error()
		}
		out = append(out, s)
	}
	return out
}

func TestReadMaildir(t *testing.T) {
	t.Parallel()
	maildir := fstest.MapFS{
		"cur/1078401602.M5P1.host:2,S":     oneMail(3),
		"cur/1078401601.M10P1.host,S=9:2,": oneMail(2),
		"cur/1078401601.M9P2.host:2,ST":    oneMail(1),
		"cur/1078401603.P1.host:2,D":       oneMail(4),
		"cur/.hidden":                      file("x"),
		"cur/sub/1078401603.P1.host":       oneMail(9),
		"cur/noname":                       oneMail(0),
		"new/1078401604.P1.host":           {Data: []byte(zipped(string(oneMail(5).Data)))},
		"new/1078401605.P1.host":           file(strings.Repeat("x: y\n", 100)),
		"new/1078401606.P1.host":           file("From ann@example.org Thu Mar  4 12:00:00 2004\nFrom: ann@example.org\nMessage-ID: <6@example.org>\n\nFrom ann@example.org Thu Mar  4 12:00:00 2004\nFrom: x\n"),
		"tmp/1078401600.P1.host":           oneMail(9),
		".2003/cur/1078401500.P1.host:2,S": oneMail(7),
		"dovecot.index":                    file("x"),
	}
	o := archive.ReadOptions{Now: oldNow, Max: 400}
	want := []string{
		"cur/noname 90",
		"cur/1078401601.M9P2.host:2,ST 180 12:00:01 marked as thrown away",
		"cur/1078401601.M10P1.host,S=9:2, 270 12:00:01",
		"cur/1078401602.M5P1.host:2,S 360 12:00:02",
		"cur/1078401603.P1.host:2,D 450 12:00:03 marked as a draft",
		"new/1078401604.P1.host 540 12:00:04",
		"new/1078401605.P1.host 1040 new/1078401605.P1.host: 500 bytes skipped: the message is larger than the 400 bytes that are taken",
		`new/1078401606.P1.host 1191 12:00:00 no Date: that of the "From " line or the file's name is taken`,
	}
	if diff := cmp.Diff(want, brief(archive.ReadMaildir(maildir, o))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	o.Folders, o.After = true, 540
	want = []string{"new/1078401604.P1.host 630 12:00:04"}
	if diff := cmp.Diff(want, brief(archive.ReadMaildir(maildir, o))[:1]); diff != "" {
		t.Errorf("with folders, going on: (-want +got)\n%s", diff)
	}
	for _, err := range archive.ReadMaildir(fstest.MapFS{"x": oneMail(1)}, o) {
		if err == nil || !strings.Contains(err.Error(), "no Maildir") {
			t.Errorf("what is no Maildir is %v", err)
		}
	}
}

func TestReadFolder(t *testing.T) {
	t.Parallel()
	folder := fstest.MapFS{
		"1": oneMail(1), "2": oneMail(2), "10": oneMail(10), ",3": oneMail(3), ".mh_sequences": file("cur: 1\n"), "02x": file("no mail\n"),
		"a/b.eml": oneMail(20), "a/c.EML.gz": file(zipped(string(oneMail(21).Data))), "b.mbox": file(twoMails), "__MACOSX/x": oneMail(1),
		"z.gz": file("\x1f\x8b\x08 broken"), "zz.gz": file(zipped(twoMails)[:80]), "zzz.eml": oneMail(30),
	}
	want := []string{"1 90", "2 180", "10 271",
		`02x 271 02x: skipped: this is no mail: expected an mbox, whose messages begin with a line such as "From ann@example.org Thu Mar  4 12:00:00 2004", or one message, which begins with fields such as "From: ann@example.org"; it begins with "no mail\n"`,
		"a/b.eml 362", "a/c.EML.gz 453", "b.mbox:1 604 12:00:00", "b.mbox:9 755 13:30:00",
		"z.gz 755 z.gz: skipped: z.gz:1: the file cannot be read further: unexpected EOF"}
	got := brief(archive.ReadFolder(folder, archive.ReadOptions{Now: oldNow}))
	if diff := cmp.Diff(want, got[:min(len(want), len(got))]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if last := got[len(got)-1]; !strings.HasPrefix(last, "zzz.eml ") {
		t.Errorf("a broken file ends all: the last is %s", last)
	}
	// The reader of one may stop at any time.
	for range got {
		n := 0
		for range archive.ReadFolder(folder, archive.ReadOptions{}) {
			if n++; n == 3 {
				break
			}
		}
	}
	lost := errors.New("the disk is gone")
	for _, err := range archive.ReadFolder(lostFS{lost}, archive.ReadOptions{}) {
		if !errors.Is(err, lost) {
			t.Errorf("the error is %v", err)
		}
	}
}

type lostFS struct{ err error }

func (l lostFS) Open(string) (fs.File, error) { return nil, l.err }

func TestReadZip(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"messages/2.mbox", "messages/1.mbox"} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(twoMails)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	want := []string{"x.zip/messages/1.mbox:1 151 12:00:00", "x.zip/messages/1.mbox:9 302 13:30:00", "x.zip/messages/2.mbox:1 453 12:00:00", "x.zip/messages/2.mbox:9 604 13:30:00"}
	if diff := cmp.Diff(want, brief(archive.ReadZip("x.zip", bytes.NewReader(b.Bytes()), int64(b.Len()), archive.ReadOptions{}))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, err := range archive.ReadZip("x.zip", strings.NewReader("PK"), 2, archive.ReadOptions{}) {
		if !errors.Is(err, zip.ErrFormat) {
			t.Errorf("a broken zip archive is %v", err)
		}
	}
}

// TestReadOldAfter goes on behind each message and finds the rest as it was.
func TestReadOldAfter(t *testing.T) {
	t.Parallel()
	text := twoMails + strings.ReplaceAll(twoMails, "Date: Thu, 4 Mar", "Date: 4 Mart") + "From - Thu Mar 04 12:00:00 1970\nFrom: ann@example.org\n\nwithout a date\n"
	o := archive.ReadOptions{Now: oldNow}
	all := brief(archive.ReadOld("x.mbox", strings.NewReader(text), o))
	i := 0
	for old, err := range archive.ReadOld("x.mbox", strings.NewReader(text), o) {
		if err != nil {
			t.Fatal(err)
		}
		i++
		rest := o
		rest.After = old.Offset
		if diff := cmp.Diff(strings.Join(all[i:], "\n"), strings.Join(brief(archive.ReadOld("x.mbox", strings.NewReader(text), rest)), "\n")); diff != "" {
			t.Errorf("behind %d: (-want +got)\n%s", i, diff)
		}
	}
	if i != 5 || !strings.Contains(all[4], "that of the message before") {
		t.Errorf("%d messages, the last %s", i, all[len(all)-1])
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	quoted := "From a Thu Mar  4 12:00:00 2004\nA: b\n\nx\n>>From y\n"
	for _, c := range []struct {
		name, text string
		want       archive.Format
		wrong      string
	}{
		{"x", "", archive.Mboxo, ""},
		{"x", "\n\n\x00", archive.Mboxo, ""},
		{"x", twoMails, archive.Mboxo, ""},
		{"x.gz", zipped(twoMails)[:100], archive.Mboxo, ""},
		{"x", quoted, archive.Mboxrd, ""},
		{"x.eml", twoMails, archive.EML, ""},
		{"x.eml.gz", zipped(twoMails), archive.EML, ""},
		{"x", "Subject: x\n\nforwarded:\n\n" + twoMails, archive.EML, ""},
		{"x.mbox", "Note: x\n\n" + twoMails, archive.Mboxo, ""},
		{"x", "a note\n\n" + twoMails, archive.Mboxo, ""},
		{"x.gz", "\x1f\x8b", 0, "broken gzip"},
		{"x", "PK\x03\x04", 0, "zip archive"},
		{"x", "BZh9", 0, "compressed"},
		{"x", strings.Repeat("\x00", 257) + "ustar", 0, "tar archive"},
		{"x", "!BDN", 0, "Outlook"},
		{"x", "\x01\x01\x01\x01\n", 0, "MMDF"},
		{"x", "BABYL OPTIONS:", 0, "Babyl"},
		{"x", "\x80\x02}q", 0, "pickle"},
		{"x", "<HTML>", 0, "web page"},
		{"x", "\xff\xfeF", 0, "UTF-16"},
		{"x", "\x00\x01", 0, "no mail"},
	} {
		got, err := archive.Detect(c.name, []byte(c.text))
		if got != c.want || (err != nil) != (c.wrong != "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s with %.40q is %v, %v; want %v, %q", c.name, c.text, got, err, c.want, c.wrong)
		}
	}
	if got := archive.Format(99).String(); got != "Format(99)" {
		t.Error(got)
	}
}

// TestReadOldForced reads one file in each format it could be.
func TestReadOldForced(t *testing.T) {
	t.Parallel()
	text := "From a Thu Mar  4 12:00:00 2004\nA: b\nContent-Length: 100\n\n>From x\n>>From y\n\nFrom b Thu Mar  4 12:00:00 2004\n\n>>From z\n"
	for format, want := range map[archive.Format]string{
		archive.AnyFormat: "From x|>From y||From b Thu Mar  4 12:00:00 2004||>From z", // no field follows; quoted as mboxrd
		archive.Mboxo:     "From x|>>From y||From b Thu Mar  4 12:00:00 2004||>>From z",
		archive.Mboxrd:    "From x|>From y / >From z",
		archive.Mboxcl2:   ">From x|>>From y||From b Thu Mar  4 12:00:00 2004||>>From z",
		archive.EML:       ">From x|>>From y||From b Thu Mar  4 12:00:00 2004||>>From z",
	} {
		var got []string
		for _, m := range readAll(t, text, archive.ReadOptions{Format: format}) {
			got = append(got, strings.TrimSuffix(strings.ReplaceAll(string(m.Body), "\r\n", "|"), "|"))
		}
		if s := strings.Join(got, " / "); s != want {
			t.Errorf("as %v it is %q, want %q", format, s, want)
		}
	}
}

package archive_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"listd/archive"
)

// oldNow is when the collections of the tests are read.
var oldNow = time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)

// picture shows what was read of a collection, so that each byte of it can be seen.
func picture(all iter.Seq2[archive.Old, error]) string {
	var b strings.Builder
	for o, err := range all {
		fmt.Fprintf(&b, "== %s, up to %d", o.Place, o.Offset)
		if !o.Received.IsZero() {
			fmt.Fprintf(&b, ", received %s", o.Received.Format(time.RFC3339))
		}
		b.WriteByte('\n')
		for _, odd := range o.Odd {
			fmt.Fprintf(&b, "odd: %s\n", odd)
		}
		if err != nil {
			fmt.Fprintf(&b, "error: %s\n", err)
			continue
		}
		for line := range bytes.Lines(o.Message.Head) {
			fmt.Fprintf(&b, "H %s\n", visible(line))
		}
		for line := range bytes.Lines(o.Message.Body) {
			fmt.Fprintf(&b, "B %s\n", visible(line))
		}
	}
	return b.String()
}

// visible is a line without its CRLF, quoted if there is more to it than ASCII.
func visible(line []byte) string {
	t, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if q := strconv.QuoteToASCII(string(t)); !ok || q != `"`+strings.ReplaceAll(strings.ReplaceAll(string(t), `\`, `\\`), `"`, `\"`)+`"` {
		return strconv.QuoteToASCII(string(line))
	}
	return string(t)
}

// updateOld rewrites the goldens of collections.
func updateOld() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true" || os.Getenv("UPDATE_OLD") != ""
}

func TestReadOld(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/old/*")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, file := range files {
		if strings.HasSuffix(file, ".want") || strings.HasPrefix(filepath.Base(file), ".") {
			continue
		}
		cases++
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			o := archive.ReadOptions{Now: oldNow, Domain: "lists.example.org", Max: 4000}
			got := picture(archive.ReadOld(filepath.Base(file), bytes.NewReader(content), o))
			if f, err := archive.Detect(filepath.Base(file), content); err == nil {
				got = "format: " + f.String() + "\n" + got
			} else {
				got = "format: " + err.Error() + "\n" + got
			}
			if updateOld() {
				if err := os.WriteFile(file+".want", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file + ".want")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			checkSpans(t, content, o)
		})
	}
	if cases < 40 {
		t.Errorf("only %d collections were found", cases)
	}
}

// checkSpans holds what is read of a collection to what its bytes can have come to: each lies in one span, the spans
// follow each other, and a message has nothing that its span has not.
func checkSpans(t *testing.T, content []byte, o archive.ReadOptions) {
	t.Helper()
	if bytes.HasPrefix(content, []byte{0x1f, 0x8b}) {
		return
	}
	o.AsFound = true
	at, ended := int64(0), false
	for old, err := range archive.ReadOld("name", bytes.NewReader(content), o) {
		if ended {
			t.Fatal("something follows an error that ends")
		}
		skip := (*archive.SkipError)(nil)
		if err != nil && !errors.As(err, &skip) {
			ended = true
			continue
		}
		if old.Offset <= at || old.Offset > int64(len(content)) {
			t.Fatalf("a span of %d bytes goes from %d to %d", len(content), at, old.Offset)
		}
		span := content[at:old.Offset]
		at = old.Offset
		if err != nil {
			if skip.Bytes != int64(len(span)) {
				t.Errorf("%d bytes are skipped in a span of %d: %v", skip.Bytes, len(span), err)
			}
			continue
		}
		if int64(len(old.Message.Head)+len(old.Message.Body)) > o.Max && o.Max > 0 {
			t.Errorf("a message of %d bytes is larger than %d", old.Message.Size(), o.Max)
		}
		if text := essential(append(append([]byte{}, old.Message.Head...), old.Message.Body...)); !bytes.HasSuffix(essential(span), text) {
			t.Errorf("the message %q has more than its span %q", text, essential(span))
		} else if dropped := len(essential(span)) - len(text); dropped > 30*1100 {
			t.Errorf("%d bytes of the span %q are lost", dropped, span)
		}
	}
	if !ended && at != int64(len(content)) {
		t.Errorf("the spans end at %d of %d bytes", at, len(content))
	}
}

// essential is text without what reading may take away or put there: line ends, NULs, and the ">" of quoting.
func essential(b []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == 0 || r == '>' {
			return -1
		}
		return r
	}, b)
}

// twoMails are a small mbox.
const twoMails = "From ann@example.org Thu Mar  4 12:00:00 2004\nFrom: ann@example.org\nDate: Thu, 4 Mar 2004 12:00:01 +0000\nMessage-ID: <1@example.org>\nSubject: 1\n\ntext\n\n" +
	"From bob@example.net Fri Mar  5 13:30:00 2004\nFrom: bob@example.net\nDate: Thu, 4 Mar 2004 12:00:02 +0000\nMessage-ID: <2@example.org>\nSubject: 2\n\ntext\n\n"

package archive_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"listd/archive"
	"listd/mail"
)

// mailsOf4K are n mails of 4 KiB as lists have them, in an mbox.
func mailsOf4K(n int) []byte {
	var b bytes.Buffer
	line := "Somebody wrote a line of text that is as long as the lines of mails are.\r\n"
	w := archive.NewMboxWriter(&b)
	at := time.Date(2004, 3, 4, 12, 0, 0, 0, time.UTC)
	for i := range n {
		head := fmt.Sprintf("Return-Path: <ann@example.org>\r\nReceived: from a.example.org (a.example.org [192.0.2.1])\r\n\tby lists.example.org with ESMTP id %d\r\n\tfor <dev@lists.example.org>; Thu, 4 Mar 2004 12:00:00 +0000\r\n"+
			"Message-ID: <%d@example.org>\r\nDate: Thu, 4 Mar 2004 12:00:00 +0000\r\nFrom: Ann Example <ann@example.org>\r\nTo: dev@lists.example.org\r\n"+
			"Subject: Re: [Dev] a question\r\nIn-Reply-To: <%d@example.org>\r\nReferences: <1@example.org> <%d@example.org>\r\nMIME-Version: 1.0\r\n"+
			"Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: 7bit\r\nPrecedence: list\r\nList-Id: <dev.lists.example.org>\r\n", i, i, i-1, i-1)
		body := strings.Repeat(line, (4096-len(head))/len(line))
		if err := w.Write(mail.Message{Head: []byte(head), Body: []byte(body)}, mail.Address{Local: "ann", Domain: "example.org"}, at); err != nil {
			panic(err) // a buffer takes everything
		}
	}
	return b.Bytes()
}

func BenchmarkReadOld(b *testing.B) {
	const n = 5000
	mbox := mailsOf4K(n)
	for _, c := range []struct {
		name string
		mbox []byte
	}{{"LF", mbox}, {"CRLF", bytes.ReplaceAll(mbox, []byte("\n"), []byte("\r\n"))}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.mbox)))
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				for _, err := range archive.ReadOld("x.mbox", bytes.NewReader(c.mbox), archive.ReadOptions{Now: oldNow}) {
					if got++; err != nil {
						b.Fatal(err)
					}
				}
				if got != n {
					b.Fatalf("%d messages are read of %d", got, n)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

func BenchmarkMboxWriter(b *testing.B) {
	var all []mail.Message
	for old := range archive.ReadOld("x.mbox", bytes.NewReader(mailsOf4K(1000)), archive.ReadOptions{}) {
		all = append(all, old.Message)
	}
	w := archive.NewMboxWriter(io.Discard)
	for b.Loop() {
		for _, m := range all {
			if err := w.Write(m, mail.Address{Local: "ann", Domain: "example.org"}, oldNow); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(all)*b.N)/b.Elapsed().Seconds(), "messages/s")
}

// repeated is a reader of one text many times over.
type repeated struct {
	text []byte
	n    int // times still to come
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.at == len(r.text) {
		r.at = 0
		r.n--
	}
	if r.n <= 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text[r.at:])
	r.at += n
	return n, nil
}

// TestReadOldBounded reads what is much larger than the memory it may take: many mails, one that never ends, and mails that
// lie about their length. It measures the process's memory, so no other test runs beside it.
func TestReadOldBounded(t *testing.T) {
	for _, c := range []struct {
		name, start, text string
		times, messages   int
	}{
		{"many mails", "", string(mailsOf4K(50)), 100, 5000},
		{"no end", twoMails + "From a Thu Mar  4 12:00:00 2004\nA: b\n\n", strings.Repeat("From a line that parts nothing\n\n", 1000), 500, 2},
		{"one line", twoMails + "From a Thu Mar  4 12:00:00 2004\nA: ", strings.Repeat("From ", 10000), 400, 2},
		{"NULs", twoMails + "\n", strings.Repeat("\x00\x00\x00From ", 10000), 200, 1}, // they end the second mail's span, which is too large then
		{"lying lengths", "", strings.Repeat("From a Thu Mar  4 12:00:00 2004\nContent-Length: 900000\n\nx\n\n", 1000), 20, 20000},
	} {
		r := io.MultiReader(strings.NewReader(c.start), &repeated{text: []byte(c.text), n: c.times})
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		messages, most := 0, uint64(0)
		start := time.Now()
		for _, err := range archive.ReadOld("x.mbox", r, archive.ReadOptions{Now: oldNow, Max: 1 << 20}) {
			if err == nil {
				messages++
			}
			if messages%1000 == 1 || err != nil {
				runtime.GC()
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
			}
		}
		t.Logf("%s: %d KiB in %v", c.name, most>>10, time.Since(start))
		if messages != c.messages {
			t.Errorf("%s: %d messages, want %d", c.name, messages, c.messages)
		}
		if most > 16<<20 {
			t.Errorf("%s: %d KiB are in use", c.name, most>>10)
		}
	}
}

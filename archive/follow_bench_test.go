package archive_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"listd/archive"
	"listd/mail"
	"listd/store"
)

// correspondence is n mails of 4 KiB in conversations as lists have them: a third begins one, most answer one of the last
// few, some an old one. Each names up to 20 of those it answers; one in 200 is lost. f gets them in order.
func correspondence(n int, f func(i int, m mail.Message)) {
	r := rand.New(rand.NewPCG(1, 2))
	chain := make([][]int, n) // what each mail answers
	words := strings.Fields("the list of members who want a digest on Sunday and the rest of us read each post as it comes in over the wire")
	for i := range n {
		var b strings.Builder
		subject := fmt.Sprintf("Conversation number %d", i)
		if r.IntN(3) > 0 && i > 0 {
			to := max(0, i-1-int(r.ExpFloat64()*20))
			chain[i] = append(append(chain[i], chain[to][max(0, len(chain[to])-19):]...), to)
			subject = fmt.Sprintf("Re: Conversation number %d", chain[i][0])
		}
		fmt.Fprintf(&b, "Return-Path: <user%d@example.org>\r\nReceived: from mx.example.org (mx.example.org [192.0.2.1])\r\n\tby lists.example.org (Postfix) with ESMTPS id %08X\r\n\tfor <dev@lists.example.org>; Mon, 3 Feb 2031 04:05:06 +0000\r\n", i%500, i)
		fmt.Fprintf(&b, "From: User %d <user%d@example.org>\r\nTo: dev@lists.example.org\r\nSubject: %s\r\n", i%500, i%500, subject)
		fmt.Fprintf(&b, "Date: %s\r\nMessage-ID: <%08d.%x@example.org>\r\n", epoch.Add(time.Duration(i-n)*11*time.Minute).Format(time.RFC1123Z), i, i*7919)
		if len(chain[i]) > 0 {
			b.WriteString("References:")
			for _, c := range chain[i] {
				fmt.Fprintf(&b, "\r\n\t<%08d.%x@example.org>", c, c*7919)
			}
			b.WriteString("\r\n")
		}
		b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n")
		head := b.String()
		var body strings.Builder
		for body.Len() < 4096-len(head) {
			for range 12 {
				body.WriteString(words[r.IntN(len(words))] + " ")
			}
			fmt.Fprintf(&body, "%x\r\n", r.Uint32())
		}
		if r.IntN(200) > 0 {
			f(i, mail.Message{Head: []byte(head), Body: []byte(body.String())})
		}
	}
}

// BenchmarkImport files and threads 20,000 old mails of 4 KiB, as an import does: one prepares, one writes.
func BenchmarkImport(b *testing.B) {
	const mails, chunk = 20_000, 500
	var all []mail.Message
	correspondence(mails, func(_ int, m mail.Message) { all = append(all, m) })
	var filing, threading time.Duration
	n := 0
	for b.Loop() {
		b.StopTimer()
		s := newShelf(b, filepath.Join(b.TempDir(), fmt.Sprintf("listd%d.db", n)))
		b.StartTimer()
		ready := make(chan []archive.OldPost, 2)
		go func() {
			defer close(ready)
			for start := 0; start < len(all); start += chunk {
				part := make([]archive.OldPost, 0, chunk)
				for _, m := range all[start:min(start+chunk, len(all))] {
					part = append(part, archive.OldPost{Entry: archive.Describe(s.list, m, epoch), Head: m.Head, Body: store.PackBody(m.Body)})
				}
				ready <- part
			}
		}()
		for part := range ready {
			start := time.Now()
			s.update(func(tx *store.Tx) error {
				_, err := archive.FileOld(tx, s.list, part)
				return err
			})
			filed := time.Now()
			s.catchUp()
			filing += filed.Sub(start)
			threading += time.Since(filed)
			n += len(part)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "msgs/s")
	b.ReportMetric(float64(filing.Microseconds())/float64(n), "µs/filed")
	b.ReportMetric(float64(threading.Microseconds())/float64(n), "µs/threaded")
}

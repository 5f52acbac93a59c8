package mail_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"listd/mail"
)

// post is a message of about so many bytes, as lists get them.
func post(size int) []byte {
	var b strings.Builder
	for i := range 4 {
		fmt.Fprintf(&b, "Received: from mx%d.example.org (mx%d.example.org [192.0.2.%d])\r\n\tby mx.example.com with ESMTPS id %d\r\n\tfor <dev@example.com>; Mon, 02 Jan 2006 15:04:05 -0700\r\n", i, i, i, i)
	}
	b.WriteString("From: Ann Other <ann@example.org>\r\nTo: dev@example.com\r\nSubject: A post\r\nDate: Mon, 02 Jan 2006 15:04:05 -0700\r\n" +
		"Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
	for b.Len() < size-76 {
		b.WriteString("This is a line of a post, of the length that lines of a post have mostly.\r\n")
	}
	return []byte(b.String())
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{2 << 10, 1 << 20} {
		raw := post(size)
		for name, hint := range map[string]int64{"hint": int64(len(raw)), "none": 0} {
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := mail.Read(bytes.NewReader(raw), mail.Limits{Hint: hint}, mail.Strict); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkFields(b *testing.B) {
	small, err := mail.Read(bytes.NewReader(post(2<<10)), mail.Limits{}, mail.Strict)
	if err != nil {
		b.Fatal(err)
	}
	big := bytes.Repeat(small.Head, 1<<20/len(small.Head))
	for _, head := range [][]byte{small.Head, big} {
		b.Run(fmt.Sprint(len(head)), func(b *testing.B) {
			b.SetBytes(int64(len(head)))
			b.ReportAllocs()
			for b.Loop() {
				if mail.Get(head, "none") != "" {
					b.Fatal("found")
				}
			}
		})
	}
}

package mail_test

import (
	"bytes"
	"testing"

	"listd/mail"
)

func BenchmarkReadBody(b *testing.B) {
	plain, err := mail.Read(bytes.NewReader(post(4<<10)), mail.Limits{}, mail.Strict)
	if err != nil {
		b.Fatal(err)
	}
	flowed := plain
	flowed.Head = bytes.Replace(plain.Head, []byte("charset=utf-8"), []byte("charset=utf-8; format=flowed"), 1)
	page := mail.Compose(mail.Draft{HTML: "<p>" + string(bytes.ReplaceAll(plain.Body, []byte("\r\n"), []byte("<br>\r\n")))}, "b")
	for name, m := range map[string]mail.Message{"plain": plain, "flowed": flowed, "HTML": page} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(m.Size())
			b.ReportAllocs()
			for b.Loop() {
				if mail.ReadBody(m, 0).Text == "" {
					b.Fatal("nothing")
				}
			}
		})
	}
	b.Run("SearchText", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			mail.SearchText(plain, 0)
		}
	})
}

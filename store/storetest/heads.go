package storetest

import (
	"bytes"
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// testHeads stores heads that shrink, that do not, and that begin as if they were packed already; all ways of reading
// give back what was stored.
func testHeads(f *fixture) {
	l := f.list("dev@lists.example.org")
	usual := "Received: from mx.example.com by lists.example.org with ESMTPS id 7; Mon, 3 Feb 2031 04:05:06 +0000\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	heads := [][]byte{
		{}, []byte("A: b\r\n"), []byte(usual), []byte(strings.Repeat(usual, 1500)), noise(300, 1), noise(chunk, 2),
		[]byte("\x28\xb5\x2f\xfd"), []byte("\x28\xb5\x2f\xfd: b\r\n"), append([]byte("\x28\xb5\x2f\xfd"), noise(chunk, 3)...),
	}
	var ids []store.MessageID
	f.update(func(tx *store.Tx) error {
		ids = nil
		var many []store.NewMessage
		for _, h := range heads {
			id, err := tx.AddMessage(h, store.PackBody([]byte("Hello.\r\n")))
			if err != nil {
				return err
			}
			ids = append(ids, id)
			many = append(many, store.NewMessage{Head: h, Body: store.PackBody([]byte("Hello.\r\n"))})
		}
		more, err := tx.AddMessages(many)
		ids = append(ids, more...)
		return err
	})
	heads = append(heads, heads...)
	for i, id := range ids {
		f.posted(l, lists.Seq(i+1), id, store.PlaceAt(l.ID, f.clock.Now().Add(time.Duration(i)*time.Second)))
	}
	want := func(what string, i int, got []byte) {
		f.Helper()
		if !bytes.Equal(got, heads[i]) {
			f.Errorf("%s: head %d of %d bytes came back as %d: %.40q", what, i, len(heads[i]), len(got), got)
		}
	}
	f.view(func(tx *store.Tx) error {
		var seqs []lists.Seq
		for i, id := range ids {
			m, err := tx.Message(id)
			if err != nil {
				return err
			}
			want("Message", i, m.Head)
			if m, err = tx.MessageStart(id); err != nil {
				return err
			}
			want("MessageStart", i, m.Head)
			size, err := tx.MessageSize(id)
			if err != nil {
				return err
			}
			equal(f, "size", size, mail.Message{Head: heads[i], Body: m.Body}.Size())
			seqs = append(seqs, lists.Seq(i+1))
		}
		if err := tx.Heads(l.ID, 0, 100, func(p store.Post, head []byte) bool { want("Heads", int(p.Seq)-1, head); return true }); err != nil {
			return err
		}
		if err := tx.HeadsOf(l.ID, seqs, func(seq lists.Seq, head []byte) { want("HeadsOf", int(seq)-1, head) }); err != nil {
			return err
		}
		i := 0
		_, err := tx.Unread(l.ID, 0, 100, func(_ string, head []byte) { want("Unread", i, head); i++ })
		equal(f, "unread", i, len(heads))
		return err
	})
}

package archive_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	sent := time.Date(2031, 2, 2, 10, 0, 0, 0, time.FixedZone("", 3600))
	for _, e := range []struct {
		name    string
		head    string
		archive string
		want    archive.Entry
	}{
		{"plain", "From: Ann <ann@example.org>\nSubject: Hello\nMessage-ID: <1@example.org>\nDate: Sun, 2 Feb 2031 10:00:00 +0100\n", "public",
			archive.Entry{MsgID: "1@example.org", Subject: "Hello", Author: "Ann <ann@example.org>", Date: sent}},
		{"encoded", "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\n", "public",
			archive.Entry{Subject: "Grüße", Author: "Jürgen <j@example.org>", Date: now}},
		{"no name", "From: ann@example.org\n", "public", archive.Entry{Author: "ann@example.org", Date: now}},
		{"nothing", "", "public", archive.Entry{Date: now}},
		{"a date that is none", "Date: yesterday\n", "public", archive.Entry{Date: now}},
		{"a day ahead is a wrong zone", "Date: Tue, 4 Feb 2031 04:05:05 +0000\n", "public", archive.Entry{Date: time.Date(2031, 2, 4, 4, 5, 5, 0, time.UTC)}},
		{"more is a wrong clock", "Date: Tue, 4 Feb 2031 04:05:06 +0000\n", "public", archive.Entry{Date: now}},
		{"before e-mail", "Date: Thu, 1 Jan 1970 00:00:00 +0000\n", "public", archive.Entry{Date: now}},
		{"controls", "Subject: a =?utf-8?q?=1B[31m=00?= b\n", "public", archive.Entry{Subject: "a  [31m  b", Date: now}},
		{"for members", "Subject: s\n", "members", archive.Entry{Subject: "s", Date: now}},
		{"no archive", "Subject: s\n", "none", archive.Entry{Subject: "s", Date: now, Hidden: true}},
		{"not wanted in it", "X-No-Archive: Yes\n", "public", archive.Entry{Date: now, Hidden: true}},
		{"wanted in it", "X-No-Archive: no\n", "public", archive.Entry{Date: now}},
		{"long", "Subject: " + strings.Repeat("é", 300) + "\n", "public", archive.Entry{Subject: strings.Repeat("é", 250), Date: now}},
	} {
		l := lists.List{Policy: lists.DefaultPolicy()}
		if err := l.Policy.Set("archive", e.archive); err != nil {
			t.Fatal(err)
		}
		m := mail.Message{Head: []byte(strings.ReplaceAll(e.head, "\n", "\r\n")), Body: []byte("body\r\n")}
		e.want.Size = m.Size()
		got := archive.Describe(l, m, now)
		if !got.Date.Equal(e.want.Date) {
			t.Errorf("%s: date %v, want %v", e.name, got.Date, e.want.Date)
		}
		got.Date, e.want.Date = time.Time{}, time.Time{}
		if diff := cmp.Diff(e.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", e.name, diff)
		}
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), store.Options{URL: filepath.Join(t.TempDir(), "listd.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	update := func(want error, f func(tx *store.Tx) error) {
		t.Helper()
		if err := db.Update(t.Context(), f); !errors.Is(err, want) {
			t.Fatalf("the error is %v, want %v", err, want)
		}
	}
	a, _ := mail.ParseAddress("dev@lists.example.org")
	l := lists.List{Address: a, ListID: "dev.lists.example.org", Policy: lists.DefaultPolicy()}
	var m store.MessageID
	update(nil, func(tx *store.Tx) (err error) {
		if l.ID, err = tx.CreateList(l); err != nil {
			return err
		}
		if l, err = tx.List(l.ID); err != nil {
			return err
		}
		m, err = tx.AddMessage([]byte("Subject: s\r\n"), store.PackBody([]byte("body")))
		return err
	})
	entry := archive.Entry{MsgID: "1@example.org", Subject: "s", Author: "Ann <ann@example.org>", Date: db.Now(), Size: 20}
	file := func(want lists.Seq) func(tx *store.Tx) error {
		return func(tx *store.Tx) error {
			got, err := archive.File(tx, l, entry, m)
			if got != want {
				t.Errorf("seq %d, want %d", got, want)
			}
			return err
		}
	}
	update(nil, file(1))
	update(nil, file(2)) // a Message-ID that comes again is another post
	undo := errors.New("of the test")
	update(undo, func(tx *store.Tx) error {
		if err := file(3)(tx); err != nil {
			return err
		}
		return undo
	})
	update(nil, file(3)) // no gap
	old := l
	update(nil, func(tx *store.Tx) error { return tx.TouchList(l.ID) })
	update(archive.ErrChanged, file(0))
	update(nil, func(tx *store.Tx) (err error) { l, err = tx.List(l.ID); return err })
	update(nil, file(4))
	update(nil, func(tx *store.Tx) error { return tx.DeleteList(l.ID) })
	update(archive.ErrChanged, file(0))
	l = old
	update(archive.ErrChanged, file(0))
}

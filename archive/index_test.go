package archive_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"listd/archive"
	"listd/lists"
	"listd/store"
)

func TestIndexCounts(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		l := d.list("dev")
		d.file(l, day(1), "Subject: a\nContent-Type: multipart/mixed; boundary=b\n", "--b\n\ntext\n--b\nContent-Type: application/pdf\nContent-Disposition: inline; filename=a.pdf\n\n%\n"+
			"--b\nContent-Type: image/png\nContent-Disposition: inline\nContent-ID: <p@x>\n\n%\n--b--\n")
		d.file(l, day(2), "Subject: b\n", "text\n")
		d.index(l)
		a := d.open(l)
		for seq, want := range map[lists.Seq]int{1: 1, 2: 0} {
			if p, err := a.Post(d.Context(), seq); err != nil || p.Files != want {
				d.Errorf("post %d has %d files, want %d (%v)", seq, p.Files, want, err)
			}
		}
	})
}

// TestIndexSteps has more posts than a batch, and large ones, and two who index at once.
func TestIndexSteps(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		l := d.list("dev")
		const n = 90 // fewer than are counted
		for i := range n {
			body := "word\n"
			if i%50 == 7 {
				body = strings.Repeat("large and common things are said\n", 20_000)
			}
			d.file(l, day(1+i), fmt.Sprintf("Subject: s%d\n", i), body)
		}
		f := archive.Follower{DB: d.db}
		if err := f.CatchUp(d.Context(), l.ID); err != nil {
			d.Fatal(err)
		}
		done := make(chan error)
		for range 2 {
			go func() {
				for again, err := true, error(nil); ; {
					if again, err = d.ix.Index(d.Context(), l, n); !again || err != nil {
						done <- err
						return
					}
				}
			}()
		}
		for range 2 {
			if err := <-done; err != nil {
				d.Error(err)
			}
		}
		if res, err := d.open(l).Search(d.Context(), archive.Query{Text: "word OR large"}, "", 1); err != nil || res.Total != n {
			d.Errorf("%d posts are found: %v", res.Total, err)
		}
		if again, err := d.ix.Index(d.Context(), l, n+10); again || err != nil {
			d.Errorf("at the end: again %v, %v", again, err)
		}
	})
}

func TestReindex(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		l := plan(d)
		a := d.open(l)
		d.update(func(tx *store.Tx) error {
			p, err := tx.Post(l.ID, 1)
			if err != nil {
				return err
			}
			// An index that is wrong: one post has words of another, one has none.
			if err := tx.AddWords([]store.Words{{Place: p.Place, Own: "nonsense"}}); err != nil {
				return err
			}
			p, err = tx.Post(l.ID, 4)
			if err != nil {
				return err
			}
			return tx.DropWords(p.Place)
		})
		if got, _ := d.search(a, archive.Query{Text: "release"}); got != "6 5 2" {
			d.Errorf("before: found %s", got)
		}
		if err := d.ix.Reindex(d.Context(), l); err != nil {
			d.Fatal(err)
		}
		for query, want := range map[string]string{"release": "4 6 5 2 1", "nonsense": ""} {
			if got, _ := d.search(a, archive.Query{Text: query}); got != want {
				d.Errorf("%s: found %s, want %s", query, got, want)
			}
		}
	})
}

// TestIndexRemoved: what is removed is not found, neither when it was indexed before nor when it was not.
func TestIndexRemoved(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		l := plan(d)
		a := d.open(l)
		remove := func(seq lists.Seq) {
			d.update(func(tx *store.Tx) error { _, err := archive.Remove(tx, l, seq, ""); return err })
		}
		remove(1)
		if got, _ := d.search(a, archive.Query{Text: "release"}); got != "4 6 5 2" {
			d.Errorf("after one was removed: found %s", got)
		}
		d.file(l, day(9), "Subject: s\n", "release\n") // 8
		f := archive.Follower{DB: d.db}
		if err := f.CatchUp(d.Context(), l.ID); err != nil {
			d.Fatal(err)
		}
		remove(8)
		d.index(l)
		if got, _ := d.search(a, archive.Query{Text: "release"}); got != "4 6 5 2" {
			d.Errorf("after one was removed before it was indexed: found %s", got)
		}
		if got, _ := d.search(a, archive.Query{Text: "removed"}); got != "" {
			d.Errorf("tombstones are found: %s", got)
		}
		if err := d.ix.Reindex(d.Context(), l); err != nil {
			d.Fatal(err)
		}
		if got, _ := d.search(a, archive.Query{Text: "release"}); got != "4 6 5 2" {
			d.Errorf("after all were indexed anew: found %s", got)
		}
	})
}

// TestIndexScripts finds what people of many scripts write as they may type it.
func TestIndexScripts(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		l := d.list("dev")
		cases := []struct{ text, finds, not string }{
			{"東京都庁舎を訪れる", "都庁", "京東"},
			{"今日は寒い", "寒", "暑"},
			{"カタカナで書く", "ｶﾀｶﾅ", "カナタ"},
			{"한국어로 씁니다", "국어", "어국"},
			{"Съешь ещё этих мягких булок", "еще", "ещо"},
			{"Ξεσκεπάζω τὴν ψυχοφθόρα", "ΞΕΣΚΕΠΑΖΩ την", "ξεσκεπαζα"},
			{"اَلْعَرَبِيَّةُ لغة", "العربية", "عربيات"},
			{"שָׁלוֹם עולם", "שלום", "שלומי"},
			{"ผมรักภาษาไทยมาก", "ภาษาไทย", "ไทยภาษา"},
			{"Tôi nói tiếng Việt ở Đà Nẵng", "tieng viet da nang", "\"viet tieng\""},
			{"Müßiggang übt der Jäger", "mussiggang jager", "muessiggang"},
			{"Işıl ışıl İzmir", "isil IZMIR", "isilti"},
			{"Wir feiern 🎉🎂 heute", "🎂", "🚀"},
			{"हिन्दी में लिखा", "हिन्दी", "हनद"},
		}
		for i, c := range cases {
			d.file(l, day(i+1), "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nSubject: s\n", c.text+"\n")
		}
		d.index(l)
		a := d.open(l)
		for i, c := range cases {
			if got, _ := d.search(a, archive.Query{Text: c.finds}); got != fmt.Sprint(i+1) {
				d.Errorf("%s: found %q, want %d", c.finds, got, i+1)
			}
			if got, _ := d.search(a, archive.Query{Text: c.not}); got != "" {
				d.Errorf("%s: found %q", c.not, got)
			}
		}
	})
}

// TestIndexUnreadable: a post whose body is lost does not hold up the others.
func TestIndexUnreadable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "listd.db")
	d := newDesk(t, path)
	l := d.list("dev")
	d.file(l, day(1), "Subject: first\n", "word\n")
	d.file(l, day(2), "Subject: second\n", strings.Repeat("word of a body that is longer than a chunk\n", 10_000))
	d.file(l, day(3), "Subject: third\n", "word\n")
	f := archive.Follower{DB: d.db}
	if err := f.CatchUp(d.Context(), l.ID); err != nil {
		d.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec(`DELETE FROM body_chunks`); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	d.index(l)
	for query, want := range map[string]string{"second": "2", "word": "3 1", "from:ann": "3 2 1"} {
		if got, _ := d.search(d.open(l), archive.Query{Text: query}); got != want {
			t.Errorf("%s: found %s, want %s", query, got, want)
		}
	}
}

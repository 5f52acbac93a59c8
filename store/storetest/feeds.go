package storetest

import (
	"bytes"
	"time"

	"listd/lists"
	"listd/store"
)

func testSources(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	body := bytes.Repeat([]byte("<entry>a</entry>\n"), 10_000)
	f.update(func(tx *store.Tx) error {
		for _, s := range []store.Source{{List: l.ID, URL: "https://b.example/", Error: "no route"},
			{List: l.ID, URL: "https://a.example/", ETag: `"1"`, Modified: "yesterday", Body: body, Fetched: tx.Now},
			{List: other.ID, URL: "https://a.example/"}} {
			if err := tx.SaveSource(s); err != nil {
				return err
			}
		}
		return nil
	})
	began := f.clock.Now().Truncate(time.Millisecond)
	look := func() (all []store.Source) {
		f.Helper()
		f.view(func(tx *store.Tx) (err error) { all, err = tx.Sources(l.ID); return err })
		return all
	}
	all := look()
	if len(all) != 2 {
		f.Fatalf("sources %v", all)
	}
	equal(f, "the first", all[0].URL, "https://a.example/")
	equal(f, "its body", string(all[0].Body), string(body))
	equal(f, "its tag", all[0].ETag+all[0].Modified, `"1"yesterday`)
	equal(f, "when it came", all[0].Fetched.Equal(began) && all[0].Tried.Equal(began), true)
	equal(f, "never had", len(all[1].Body) == 0 && all[1].Fetched.IsZero() && all[1].Tried.Equal(began), true)
	equal(f, "why", all[1].Error, "no route")
	f.update(func(tx *store.Tx) error {
		if err := tx.SaveSource(store.Source{List: l.ID, URL: "https://b.example/", Body: []byte("now")}); err != nil {
			return err
		}
		return tx.SweepSources(l.ID, []string{"https://b.example/"})
	})
	if all = look(); len(all) != 1 || string(all[0].Body) != "now" || all[0].Error != "" {
		f.Errorf("after the sweep: %v", all)
	}
	f.view(func(tx *store.Tx) error {
		all, err := tx.Sources(other.ID)
		equal(f, "another list's", len(all), 1)
		return err
	})
}

func testNewNamed(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	named := func(at, name string) lists.Subscription {
		s := subscriber(at)
		s.Name, s.Named = name, true
		return s
	}
	began := f.clock.Now()
	silent, paused := subscriber("silent@example.org"), named("paused@example.org", "Paused")
	silent.Name, paused.State = "Silent", lists.PausedBounce
	f.subscribe(l, named("ann@example.org", "Ann"), named("nameless@example.org", ""), silent, paused)
	f.subscribe(other, named("eve@example.org", "Eve"))
	f.clock.mu.Lock()
	f.clock.now = began.Add(time.Hour)
	f.clock.mu.Unlock()
	ben := f.subscribe(l, named("ben@example.org", "Ben"))[0]
	equal(f, "as stored", ben.Named, true)
	for _, c := range []struct {
		from, to time.Time
		limit    int
		want     string
	}{{began, began.Add(2 * time.Hour), 9, "Ann Ben"}, {began, began.Add(2 * time.Hour), 1, "Ann"}, {began, began.Add(time.Hour), 9, "Ann"},
		{began.Add(time.Minute), began.Add(2 * time.Hour), 9, "Ben"}} {
		f.view(func(tx *store.Tx) error {
			names, err := tx.NewNamed(l.ID, c.from, c.to, c.limit)
			got := ""
			for i, n := range names {
				if i > 0 {
					got += " "
				}
				got += n
			}
			equal(f, "new members", got, c.want)
			return err
		})
	}
	ben.Named = false
	f.update(func(tx *store.Tx) error { return tx.SaveSubscription(ben) })
	f.view(func(tx *store.Tx) error {
		names, err := tx.NewNamed(l.ID, began, began.Add(2*time.Hour), 9)
		equal(f, "who thought better of it", len(names), 1)
		return err
	})
}

func testOwnText(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	f.update(func(tx *store.Tx) error {
		for _, t := range []struct {
			l              lists.ID
			language, text string
		}{{l.ID, "en", "mine"}, {0, "en", "the site's"}, {0, "de", "auf Deutsch"}} {
			if err := tx.SetText(t.l, "roundup", t.language, t.text); err != nil {
				return err
			}
		}
		return nil
	})
	f.view(func(tx *store.Tx) error {
		for _, c := range []struct {
			l              lists.ID
			language, want string
		}{{l.ID, "en", "mine"}, {l.ID, "de", "mine"}, {other.ID, "de-AT", "auf Deutsch"}, {other.ID, "fr", "the site's"}} {
			got, err := tx.OwnText(c.l, "roundup", c.language)
			if err != nil {
				return err
			}
			equal(f, "the text in "+c.language, got, c.want)
		}
		if _, err := tx.OwnText(l.ID, "welcome", "en"); err == nil {
			f.Error("a text that nobody has")
		}
		text, err := tx.NoticeText(l.ID, "welcome", "en")
		equal(f, "the built-in one", text != "", true)
		return err
	})
}

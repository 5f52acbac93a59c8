package storetest

import (
	"slices"
	"time"

	"listd/lists"
	"listd/store"
)

// words makes terms of one token each, all of which must be there.
func words(tokens ...string) (m store.WordMatch) {
	for _, t := range tokens {
		m.All = append(m.All, []store.WordTerm{{Tokens: []string{t}}})
	}
	return m
}

// wordPlace is the nth place of a second.
func wordPlace(l lists.List, second, n int64) store.Place {
	return store.PlaceAt(l.ID, time.Unix(second, 0)) + store.Place(n)
}

// posted files a post and puts it at a place.
func (f *fixture) posted(l lists.List, seq lists.Seq, m store.MessageID, at store.Place) {
	f.Helper()
	f.update(func(tx *store.Tx) error {
		if err := tx.AddPost(store.Post{List: l.ID, Seq: seq, Message: m, Origin: "posted", Date: at.Time()}); err != nil {
			return err
		}
		return tx.SetThreaded(l.ID, []store.Post{{Seq: seq, Place: at, Thread: store.ThreadFrom(l.ID, 1)}})
	})
}

// findWords checks what is found, latest first, in pages of two and all at once, and its number.
func (f *fixture) findWords(what string, in store.Find, want ...store.Place) {
	f.Helper()
	f.view(func(tx *store.Tx) error {
		all, err := tx.FindWords(in, 100)
		if err != nil {
			return err
		}
		if !slices.Equal(all, want) {
			f.Errorf("%s: found %v, want %v", what, all, want)
		}
		n, err := tx.CountWords(in, 100)
		if err != nil {
			return err
		}
		equal(f, what+": count", n, len(want))
		some, err := tx.SomeWords(in, 100)
		if err != nil {
			return err
		}
		slices.Sort(some)
		slices.Reverse(some)
		if !slices.Equal(some, want) {
			f.Errorf("%s: found %v in any order, want %v", what, some, want)
		}
		var paged []store.Place
		for page := in; ; {
			got, err := tx.FindWords(page, 2)
			if err != nil {
				return err
			}
			if paged = append(paged, got...); len(got) < 2 {
				break
			}
			page.Before = got[1]
		}
		if !slices.Equal(paged, want) {
			f.Errorf("%s: found %v in pages, want %v", what, paged, want)
		}
		among, err := tx.WordsAmong(in, want)
		if err == nil && !slices.Equal(among, want) {
			f.Errorf("%s: found %v among %v", what, among, want)
		}
		return err
	})
}

func testWords(f *fixture) {
	l, m := f.list("dev@lists.example.org"), f.message("m")
	a, b, c, d := wordPlace(l, 1000, 0), wordPlace(l, 2000, 0), wordPlace(l, 2000, 1), wordPlace(l, 2000, 4095)
	e, g := wordPlace(l, 2001, 0), wordPlace(l, 3000, 7)
	for i, p := range []store.Place{a, b, c, d, e, g} {
		f.posted(l, lists.Seq(i+1), m, p)
	}
	f.update(func(tx *store.Tx) error {
		return tx.AddWords([]store.Words{ // in no order
			{Place: g, Subject: "plan b", Author: "bob", Own: "all is well", Quoted: "is all well", Files: "plan txt", Attached: true},
			{Place: a, Own: "all is lost"}, {Place: d, Own: "all", Attached: true}, {Place: c, Own: "all 東京 京都"}, {Place: b, Own: "all", Attached: true},
			{Place: e, Own: "old"},
		})
	})
	whole := store.Find{From: store.PlaceAt(l.ID, time.Time{}), Before: store.EndOf(l.ID)}
	find := func(m store.WordMatch) store.Find { in := whole; in.Match = m; return in }
	term := func(field store.WordField, prefix bool, tokens ...string) store.WordMatch {
		return store.WordMatch{All: [][]store.WordTerm{{{Field: field, Tokens: tokens, Prefix: prefix}}}}
	}
	f.findWords("all", find(words("all")), g, d, c, b, a)
	f.findWords("all is", find(words("all", "is")), g, a)
	f.findWords("not there", find(words("nowhere")))
	f.findWords("a phrase", find(term(store.Anywhere, false, "all", "is", "lost")), a)
	f.findWords("a phrase does not reach from one part into another", find(term(store.Anywhere, false, "well", "is")))
	f.findWords("a beginning", find(term(store.Anywhere, true, "all", "i")), g, a)
	f.findWords("a beginning of Han", find(term(store.Anywhere, true, "東")), c)
	f.findWords("the subject", find(term(store.InSubject, false, "plan")), g)
	f.findWords("the subject, of a beginning", find(term(store.InSubject, true, "pl")), g)
	f.findWords("not the subject", find(term(store.InSubject, false, "all")))
	f.findWords("the author", find(term(store.InAuthor, false, "bob")), g)
	f.findWords("files", find(words("txt")), g)
	f.findWords("either", find(store.WordMatch{All: [][]store.WordTerm{{{Tokens: []string{"lost"}}, {Tokens: []string{"well"}}}}}), g, a)
	not := words("all")
	not.Not = []store.WordTerm{{Tokens: []string{"lost"}}, {Tokens: []string{"well"}}}
	f.findWords("but not", find(not), d, c, b)
	f.findWords("only not", find(store.WordMatch{Not: []store.WordTerm{{Tokens: []string{"all"}}}}), e)
	f.findWords("no words", find(store.WordMatch{}), g, e, d, c, b, a)
	in := find(words("all"))
	in.From, in.Before = b, d
	f.findWords("a range", in, c, b)
	in.From, in.Before = b+1, d+1
	f.findWords("a range between", in, d, c)
	in = find(words("all"))
	in.Files = true
	f.findWords("with files", in, g, d, b)
	f.findWords("files without words", store.Find{Files: true, From: whole.From, Before: whole.Before}, g, d, b)

	f.update(func(tx *store.Tx) error {
		return tx.AddWords([]store.Words{{Place: a, Own: "new"}, {Place: c, Own: "new"}})
	})
	f.findWords("new words in place of old", find(words("all")), g, d, b)
	f.findWords("new words", find(words("new")), c, a)
	f.update(func(tx *store.Tx) error { return tx.DropWords(a, d, wordPlace(l, 5000, 1)) })
	f.findWords("dropped", find(words("all")), g, b)
	for more := true; more; {
		f.update(func(tx *store.Tx) (err error) { more, err = tx.MergeWords(16); return err })
	}
	f.findWords("merged", find(words("all")), g, b)
}

func testDropWordsOf(f *fixture) {
	l, o := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	var all []store.Words
	for i := range int64(30) {
		all = append(all, store.Words{Place: wordPlace(l, 1000+i/2, i%2), Own: "word"}, store.Words{Place: wordPlace(o, 1000+i, 0), Own: "word"})
	}
	f.update(func(tx *store.Tx) error { return tx.AddWords(all) })
	dropped, steps := 0, 0
	for n := 1; n > 0; steps++ {
		f.update(func(tx *store.Tx) (err error) { n, err = tx.DropWordsOf(l.ID, 12); return err })
		dropped += n
	}
	equal(f, "dropped", dropped, 30)
	equal(f, "steps", steps, 4)
	f.view(func(tx *store.Tx) error {
		for _, l := range []lists.List{l, o} {
			n, err := tx.CountWords(store.Find{Match: words("word"), From: store.PlaceAt(l.ID, time.Time{}), Before: store.EndOf(l.ID)}, 100)
			if err != nil {
				return err
			}
			equal(f, l.Address.Local, n, map[string]int{"dev": 0, "other": 30}[l.Address.Local])
		}
		return nil
	})
}

func testRankWords(f *fixture) {
	l, o, x := f.list("dev@lists.example.org"), f.list("other@lists.example.org"), f.list("third@lists.example.org")
	filler := "much more is said about many other things"
	all := []store.Words{
		{Place: wordPlace(l, 9000, 0), Own: "kiwi " + filler},
		{Place: wordPlace(l, 1000, 0), Subject: "kiwi", Own: filler},
		{Place: wordPlace(o, 2000, 3), Author: "kiwi", Own: filler},
		{Place: wordPlace(o, 2000, 0), Quoted: "kiwi", Own: filler},
		{Place: wordPlace(x, 2000, 0), Subject: "kiwi", Own: filler},
	}
	for i := range int64(30) {
		all = append(all, store.Words{Place: wordPlace(l, 10_000+i, 0), Own: filler})
	}
	f.update(func(tx *store.Tx) error { return tx.AddWords(all) })
	rank := func(what string, from, before int64, newest, limit int, want ...store.Place) {
		f.Helper()
		f.view(func(tx *store.Tx) error {
			in := store.Find{Match: words("kiwi"), From: store.PlaceAt(0, time.Unix(from, 0)), Before: store.PlaceAt(0, time.Unix(before, 0))}
			got, err := tx.RankWords(in, []lists.ID{l.ID, o.ID}, newest, limit)
			if err == nil && !slices.Equal(got, want) {
				f.Errorf("%s: %v, want %v", what, got, want)
			}
			return err
		})
	}
	rank("all", 0, 1<<32, 100, 100, all[1].Place, all[2].Place, all[0].Place, all[3].Place)
	rank("the best", 0, 1<<32, 100, 2, all[1].Place, all[2].Place)
	rank("in a range", 1001, 9000, 100, 100, all[2].Place, all[3].Place)
	rank("the newest", 0, 1<<32, 1, 100, all[0].Place)
	rank("nothing", 5, 6, 100, 100)
}

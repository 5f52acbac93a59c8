package archive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/store/fresh"
)

// desk is a library in which tests search.
type desk struct {
	testing.TB
	db  *store.DB
	lib archive.Library
	ix  archive.Indexer
	n   int // letters so far
}

// onBothDesks runs a test on each engine.
func onBothDesks(t *testing.T, test func(d *desk)) {
	for name, url := range map[string]func(testing.TB) string{
		"SQLite":   fresh.SQLite,
		"Postgres": fresh.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newDesk(t, url(t)))
		})
	}
}

func newDesk(t testing.TB, url string) *desk {
	t.Helper()
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	db, err := store.Open(t.Context(), store.Options{URL: url, Clock: func() time.Time { return now }})
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
	return &desk{TB: t, db: db, lib: archive.Library{DB: db}, ix: archive.Indexer{DB: db}}
}

func (d *desk) update(f func(tx *store.Tx) error) {
	d.Helper()
	if err := d.db.Update(d.Context(), f); err != nil {
		d.Fatal(err)
	}
}

// list makes a list; settings are name=value.
func (d *desk) list(local string, settings ...string) (l lists.List) {
	d.Helper()
	l = lists.List{Address: mail.Address{Local: local, Domain: "lists.example.org"}, ListID: local + ".lists.example.org", Policy: lists.DefaultPolicy()}
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		if err := l.Policy.Set(name, value); err != nil {
			d.Fatal(err)
		}
	}
	d.update(func(tx *store.Tx) (err error) {
		if l.ID, err = tx.CreateList(l); err != nil {
			return err
		}
		l, err = tx.List(l.ID)
		return err
	})
	return l
}

// day is the nth day of the tests' posts, from 1.
func day(n int) time.Time { return time.Date(2030, 1, n, 12, 0, 0, 0, time.UTC) }

// file files a letter: fields of its head with \n, and its body.
func (d *desk) file(l lists.List, at time.Time, fields, body string) {
	d.Helper()
	d.n++
	head := fmt.Sprintf("Date: %s\nMessage-ID: <%d@example.org>\n", at.Format(time.RFC1123Z), d.n)
	if !strings.Contains(fields, "From:") {
		head += "From: Ann <ann@example.org>\n"
	}
	m := mail.Message{Head: crlf(head + fields), Body: crlf(body)}
	e := archive.Describe(l, m, d.db.Now())
	d.update(func(tx *store.Tx) error {
		now, err := tx.List(l.ID)
		if err != nil {
			return err
		}
		id, err := tx.AddMessage(m.Head, store.PackBody(m.Body))
		if err == nil {
			_, err = archive.File(tx, now, e, id)
		}
		return err
	})
}

func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

// index reads all that was filed.
func (d *desk) index(l lists.List) {
	d.Helper()
	f := archive.Follower{DB: d.db, Index: d.ix.Index}
	if err := f.CatchUp(d.Context(), l.ID); err != nil {
		d.Fatal(err)
	}
}

func (d *desk) open(l lists.List) *archive.Archive {
	d.Helper()
	a, err := d.lib.Open(d.Context(), l.Address, archive.Reader{User: 1, Address: mail.Address{Local: "ann", Domain: "example.org"}})
	if err != nil {
		d.Fatal(err)
	}
	return a
}

// found are the hits of all pages, as list/seq, and the last page's rest.
func (d *desk) found(search func(ctx context.Context, cursor string) (archive.Result, error)) (string, archive.Result) {
	d.Helper()
	var out []string
	for cursor, pages := "", 0; ; pages++ {
		res, err := search(d.Context(), cursor)
		if err != nil {
			d.Fatal(err)
		}
		for _, h := range res.Hits {
			hit := fmt.Sprint(h.Seq)
			if h.Others > 0 {
				hit += fmt.Sprintf("+%d", h.Others)
			}
			if h.Archive.List.Address.Local != "dev" {
				hit = h.Archive.List.Address.Local + "/" + hit
			}
			out = append(out, hit)
		}
		if cursor = res.Next; cursor == "" {
			return strings.Join(out, " "), res
		}
		if len(res.Hits) == 0 || pages > 1000 {
			d.Fatalf("page %d has no hits and a cursor", pages)
		}
	}
}

// search searches one archive in pages of two.
func (d *desk) search(a *archive.Archive, q archive.Query) (string, archive.Result) {
	d.Helper()
	return d.found(func(ctx context.Context, cursor string) (archive.Result, error) { return a.Search(ctx, q, cursor, 2) })
}

// plan is what the tests of searching look through; the days are out of order.
func plan(d *desk) lists.List {
	d.Helper()
	l := d.list("dev")
	d.file(l, day(1), "Subject: Release plan\n", "The release is planned for March.\nWho will write the notes?\n")                                                                                               // 1
	d.file(l, day(3), "Subject: Re: Release plan\nFrom: Bob Jones <bob@example.com>\nIn-Reply-To: <1@example.org>\n", "Ann wrote:\n> Who will write the notes?\nI will.\n")                                      // 2
	d.file(l, day(2), "Subject: Lunch\nFrom: =?utf-8?q?J=C3=BCrgen_Gro=C3=9F?= <jg@example.de>\n", "Is anybody hungry? The plan is to eat. Straße 7, 東京都庁\n")                                                    // 3
	d.file(l, day(5), "Subject: Patch\nContent-Type: multipart/mixed; boundary=b\n", "--b\n\nsee os.path.join in the patch\n--b\nContent-Disposition: attachment; filename=\"fix-release.diff\"\n\n+x\n--b--\n") // 4
	d.file(l, day(4), "Subject: march of time\n", "release early, release often\n")                                                                                                                              // 5
	d.file(l, day(4), "Subject: same second\n", "release\n")                                                                                                                                                     // 6
	d.file(l, day(31), "X-No-Archive: yes\nSubject: hidden release\n", "release\n")                                                                                                                              // 7
	d.index(l)
	return l
}

func TestSearch(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		a := d.open(plan(d))
		for _, c := range []struct{ query, want string }{
			{"", ""},
			{"release", "4 6 5 2 1"},
			{"RELEASE plan", "2 1"},
			{`"release plan"`, "2 1"},
			{`"plan release"`, ""},
			{"plan -notes", "3"},
			{"-release", "3"},
			{"-release -plan", ""},
			{"lunch OR patch", "4 3"},
			{"release lunch OR patch", "4"},
			{"rel*", "4 6 5 2 1"},
			{`"release pla"*`, "2 1"},
			{"subject:release", "2 1"},
			{"-subject:release release", "4 6 5"},
			{"subject:march", "5"},
			{"march", "5 1"},
			{"from:bob", "2"},
			{"from:bob@example.com", "2"},
			{"from:jurgen", "3"},
			{`from:"Jürgen Groß"`, "3"},
			{"from:release", ""},
			{"subject:bob", ""},
			{"strasse", "3"},
			{"東京", "3"},
			{"京都庁", "3"},
			{"庁", "3"},
			{"都", "3"},
			{"東都", ""},
			{"os.path.join", "4"},
			{"path os", "4"},
			{`"path os"`, ""},
			{"has:attachment", "4"},
			{"has:attachment release", "4"},
			{"has:attachment lunch", ""},
			{"has:attachment -release", ""},
			{"fix-release.diff", "4"},
			{"date:2030-01-02..2030-01-03", "2 3"},
			{"date:2030-01-04 release", "6 5"},
			{"release before:2030-01-03", "1"},
			{"release after:2030-01-05", "4"},
			{"release date:2031", ""},
			{"release date:2030-02..2030-01", ""},
			{"release list:dev", "4 6 5 2 1"},
			{"release list:dev@lists.example.org", "4 6 5 2 1"},
			{"release list:other", ""},
			{"list:dev", "4 6 5 2 3 1"},
			{"hidden", ""},
			{"date:2030-01-31", ""},
		} {
			got, res := d.search(a, archive.Query{Text: c.query})
			if got != c.want {
				d.Errorf("%s: found %s, want %s", c.query, got, c.want)
			}
			if want := len(strings.Fields(c.want)); res.Total != want || res.Many {
				d.Errorf("%s: %d in all (many: %v), want %d", c.query, res.Total, res.Many, want)
			}
		}
	})
}

func TestSearchGroups(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		a := d.open(plan(d))
		for _, c := range []struct{ query, want string }{
			{"release", "4 6 5 2+1"},
			{"notes", "2+1"},
			{"subject:release -bob", "1"},
			{"list:dev", "4 6 5 2+1 3"},
		} {
			if got, _ := d.search(a, archive.Query{Text: c.query, Group: true}); got != c.want {
				d.Errorf("%s: found %s, want %s", c.query, got, c.want)
			}
		}
	})
}

// TestSearchGroupsPages has a thread whose posts lie on several pages of hits.
func TestSearchGroupsPages(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		l := d.list("dev")
		for i := range 12 {
			fields := fmt.Sprintf("Subject: subject %d\n", i)
			if i%3 == 0 {
				fields = "Subject: talk\nReferences: <root@example.org>\n"
			}
			d.file(l, day(i+1), fields, "word\n")
		}
		d.index(l)
		if got, _ := d.search(d.open(l), archive.Query{Text: "word", Group: true}); got != "12 11 10+3 9 8 6 5 3 2" {
			d.Errorf("found %s", got)
		}
	})
}

// TestSearchMany finds more than are counted, in several years.
func TestSearchMany(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		const posts = 1300
		l := d.list("dev")
		var m store.MessageID
		d.update(func(tx *store.Tx) (err error) {
			if _, err = tx.OpenArchive(l.ID); err == nil {
				m, err = tx.AddMessage([]byte("Subject: s\r\n"), store.PackBody([]byte("all of it\r\n")))
			}
			return err
		})
		for seq := lists.Seq(1); seq <= posts; {
			d.update(func(tx *store.Tx) error {
				var filed []store.Post
				var words []store.Words
				for range 100 {
					at := day(int(seq)) // three and a half years
					p := store.Post{List: l.ID, Seq: seq, Message: m, Origin: "posted", Date: at, Place: store.PlaceAt(l.ID, at), Thread: store.ThreadFrom(l.ID, seq)}
					if err := tx.AddPost(p); err != nil {
						return err
					}
					filed, words = append(filed, p), append(words, store.Words{Place: p.Place, Own: map[bool]string{true: "all some", false: "all"}[seq%13 == 0]})
					seq++
				}
				if err := tx.SetThreaded(l.ID, filed); err != nil {
					return err
				}
				return tx.AddWords(words)
			})
		}
		a := d.open(l)
		for query, step := range map[string]int{"all": 1, "some": 13, "all some": 13, "after:1980": 1} {
			got, res := d.found(func(ctx context.Context, cursor string) (archive.Result, error) {
				return a.Search(ctx, archive.Query{Text: query}, cursor, 100)
			})
			var want []string
			for seq := posts; seq > 0; seq -= step {
				want = append(want, fmt.Sprint(seq))
			}
			if got != strings.Join(want, " ") {
				d.Errorf("%s: found %s", query, got)
			}
			if res.Total != min(len(want), 100) || res.Many != (len(want) > 100) {
				d.Errorf("%s: %d in all (many: %v)", query, res.Total, res.Many)
			}
		}
	})
}

func TestSearchByRank(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		l := d.list("dev")
		filler := strings.Repeat("there is more to say about other things ", 5) + "\n"
		d.file(l, day(1), "Subject: kiwi\n", filler)                                // 1: in the subject
		d.file(l, day(2), "Subject: fruit\n", "A kiwi.\n"+filler)                   // 2: in own words
		d.file(l, day(3), "Subject: fruit\n", "> A kiwi.\n\nYes.\n"+filler)         // 3: quoted
		d.file(l, day(4), "Subject: else\nFrom: Kiwi <kiwi@example.org>\n", filler) // 4: the author
		d.file(l, day(5), "Subject: else\n", filler)                                // 5: not at all
		for i := range 20 {
			d.file(l, day(6+i), "Subject: else\n", filler)
		}
		d.index(l)
		if got, res := d.search(d.open(l), archive.Query{Text: "kiwi", ByRank: true}); got != "1 4 2 3" || res.Total != 4 {
			d.Errorf("found %s of %d", got, res.Total)
		}
		if got, _ := d.search(d.open(l), archive.Query{Text: "kiwi before:2030-01-03", ByRank: true}); got != "1 2" {
			d.Errorf("before a date: found %s", got)
		}
		if got, _ := d.search(d.open(l), archive.Query{Text: "kiwi has:attachment", ByRank: true}); got != "" {
			d.Errorf("with attachments: found %s", got)
		}
		if got, _ := d.search(d.open(l), archive.Query{Text: "before:2030-01-03", ByRank: true}); got != "2 1" {
			d.Errorf("without words: found %s", got)
		}
		if got, _ := d.search(d.open(l), archive.Query{Text: "kiwi", ByRank: true, Group: true}); !strings.HasPrefix(got, "1 4 2") {
			d.Errorf("grouped: found %s", got)
		}
	})
}

// A phrase is not counted behind what was looked at; where nothing lies behind, the number is exact.
func TestSearchPhraseTotal(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		l := d.list("dev")
		for i := range 5 {
			d.file(l, day(10+i), "Subject: s\n", "A quick fox.\n")
		}
		d.index(l)
		for _, c := range []struct {
			query string
			total int
			many  bool
		}{{`"quick fox"`, 5, false}, {`"quick hare"`, 0, false}} {
			res, err := d.open(l).Search(d.Context(), archive.Query{Text: c.query}, "", 2)
			if err != nil || res.Total != c.total || res.Many != c.many {
				d.Errorf("%s: %d, many %v: %v", c.query, res.Total, res.Many, err)
			}
		}
		d.file(l, day(1).AddDate(-5, 0, 0), "Subject: s\n", "A quick fox.\n")
		d.index(l)
		res, err := d.open(l).Search(d.Context(), archive.Query{Text: `"quick fox"`}, "", 2)
		if err != nil || res.Total != 4 || !res.Many {
			d.Errorf("with one of years before: %d, many %v: %v", res.Total, res.Many, err)
		}
	})
}

// Strangers from whom a list hides addresses cannot ask for one: neither by its parts nor in quotation marks.
func TestSearchAddresses(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		l := d.list("dev", "archive_addresses=hidden")
		d.file(l, day(1), "Subject: s\nFrom: Kim <kim.x@secret.example>\n", "Fine.\n")
		d.file(l, day(2), "Subject: s\nFrom: lee@secret.example\n", "On Monday Kim <kim.x@secret.example> wrote:\n> Fine.\n\nWrite to kim.x@secret.example, or to Kim.\n")
		d.file(l, day(3), "Subject: ask kim.x@secret.example\nFrom: Ed <ed@open.example>\n", "x\n")
		d.index(l)
		for _, c := range []struct{ query, stranger, member string }{
			{"from:kim", "1", "1"},
			{"from:lee", "2", "2"},
			{"kim", "2 1", "2 1"},
			{"from:kim.x@secret.example", "", "1"},
			{"kim.x@secret.example", "", "3 2 1"},
			{`"kim x secret example"`, "", ""},
			{"subject:kim.x@secret.example", "", "3"},
			{"from:secret", "", "2 1"},
			{"from:secret.example", "", "2 1"},
			{"from:@secret.example", "", "2 1"},
			{"secret", "", ""},
			{"from:secr*", "", "2 1"},
			{"s -from:secret", "2 1", ""},
		} {
			for reader, want := range map[archive.Reader]string{{}: c.stranger, {User: 1, Address: mail.Address{Local: "m", Domain: "x.test"}}: c.member} {
				a, err := d.lib.Open(d.Context(), l.Address, reader)
				if err != nil {
					d.Fatal(err)
				}
				if got, _ := d.search(a, archive.Query{Text: c.query}); got != want {
					d.Errorf("%s: user %d found %q, want %q", c.query, reader.User, got, want)
				}
			}
		}
	})
}

func TestSearchLibrary(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		dev, talk := d.list("dev"), d.list("talk")
		closed, quiet, none := d.list("closed", "archive=members"), d.list("quiet", "advertised=no"), d.list("none", "archive=none")
		for i := range 4 {
			for _, l := range []lists.List{dev, talk, closed, quiet, none} {
				d.file(l, day(i+1), "Subject: s\n", "word\n")
			}
		}
		d.file(talk, day(3), "Subject: word\n", "x\n")
		for _, l := range []lists.List{dev, talk, closed, quiet, none} {
			d.index(l)
		}
		ann := mail.Address{Local: "ann", Domain: "example.org"}
		d.update(func(tx *store.Tx) error {
			_, err := tx.AddSubscriptions(closed.ID, []lists.Subscription{{Address: ann, Mode: lists.Each, State: lists.Active}})
			return err
		})
		stranger, member := archive.Reader{}, archive.Reader{User: 1, Address: ann}
		for _, c := range []struct {
			reader archive.Reader
			query  string
			want   string
			odd    []string
		}{
			{stranger, "word", "talk/4 4 talk/5 talk/3 3 talk/2 2 talk/1 1", nil},
			{member, "word date:2030-01-04", "closed/4 talk/4 4", nil},
			{stranger, "word list:talk after:2030-01-03", "talk/4 talk/5 talk/3", nil},
			{stranger, "word list:talk list:dev after:2030-01-04", "talk/4 4", nil},
			{stranger, "word list:quiet after:2030-01-04", "quiet/4", nil},
			{stranger, "word list:closed list:absent list:none", "", []string{"list:closed", "list:absent", "list:none"}},
			{member, "word list:closed@lists.example.org after:2030-01-04", "closed/4", nil},
			{stranger, "word list:closed list:dev after:2030-01-04", "4", []string{"list:closed"}},
		} {
			got, res := d.found(func(ctx context.Context, cursor string) (archive.Result, error) {
				return d.lib.Search(ctx, c.reader, archive.Query{Text: c.query}, cursor, 2)
			})
			if got != c.want || !slices.Equal(res.Odd, c.odd) || res.Total != len(strings.Fields(c.want)) {
				d.Errorf("%s: found %s (%d), odd %q; want %s, odd %q", c.query, got, res.Total, res.Odd, c.want, c.odd)
			}
		}
		got, _ := d.found(func(ctx context.Context, cursor string) (archive.Result, error) {
			return d.lib.Search(ctx, stranger, archive.Query{Text: "word", ByRank: true}, cursor, 2)
		})
		if !strings.HasPrefix(got, "talk/5 ") || len(strings.Fields(got)) != 9 {
			d.Errorf("by rank: found %s", got)
		}
	})
}

// TestSearchBombs: nothing typed is an error, and no hit has what it should not.
func TestSearchBombs(t *testing.T) {
	t.Parallel()
	onBothDesks(t, func(d *desk) {
		a := d.open(plan(d))
		for name, text := range bombs {
			for _, byRank := range []bool{false, true} {
				if _, err := a.Search(d.Context(), archive.Query{Text: text, ByRank: byRank, Group: !byRank}, "", 10); err != nil {
					d.Errorf("%s: %v", name, err)
				}
			}
		}
		for _, cursor := range []string{"n", "n-1", "nzzzzzzzzzzzz", "nzzzzzzzzzzzzzzzzzzzzz", "r-5", "r999999", "x", "n0", "\x00"} {
			for _, byRank := range []bool{false, true} {
				if _, err := a.Search(d.Context(), archive.Query{Text: "release", ByRank: byRank}, cursor, -1); err != nil {
					d.Errorf("cursor %q: %v", cursor, err)
				}
			}
		}
		ctx, cancel := context.WithCancel(d.Context())
		cancel()
		if _, err := a.Search(ctx, archive.Query{Text: "release"}, "", 10); !errors.Is(err, context.Canceled) {
			d.Errorf("after its end: %v", err)
		}
	})
}

func TestSnippets(t *testing.T) {
	t.Parallel()
	d := newDesk(t, fresh.SQLite(t))
	l := d.list("dev")
	long := strings.Repeat("Nothing is said here, and at length. ", 20)
	d.file(l, day(1), "Subject: one\n", long+"Then the quick brown FOX\n jumps.\n"+long+"A fox alone.\n")
	d.file(l, day(2), "Subject: two\n", "> the red fox\n\nIndeed.\n")
	d.file(l, day(3), "Subject: vixen\n", "Hello\x1b[31m \u202eall.\n"+long)
	d.file(l, day(4), "Subject: Han\n", strings.Repeat("何もない。", 100)+"東京都庁へ行く"+strings.Repeat("何もない。", 100)+"\n")
	d.file(l, day(5), "Subject: one word\n", strings.Repeat("x", 3000)+"\n")
	d.file(l, day(6), "Subject: empty\n", "\n")
	d.index(l)
	a := d.open(l)
	for _, c := range []struct{ query, want string }{ // marks in []
		{"quick fox", "…at length. Nothing is said here, and at length. Then the [quick] brown [FOX] jumps. Nothing is said here"},
		{`"brown fox jumps"`, "length. Then the quick [brown FOX jumps]. Nothing"},
		{"red", "the [red] fox"},
		{"fox* red", "the [red] [fox]"},
		{"subject:vixen", "Hello[31m all. Nothing is said"},
		{"subject:vixen length", "and at [length]. Nothing"},
		{"京都庁へ", "東[京都庁へ]行く"},
		{"subject:word", "xxxxxxx…"},
		{"subject:empty", ""},
	} {
		res, err := a.Search(t.Context(), archive.Query{Text: c.query}, "", 10)
		if err != nil || len(res.Hits) != 1 {
			t.Errorf("%s: %d hits, %v", c.query, len(res.Hits), err)
			continue
		}
		var plain, marked strings.Builder
		for _, p := range res.Hits[0].Snippet {
			plain.WriteString(p.Text)
			if p.Mark {
				marked.WriteString("[" + p.Text + "]")
			} else {
				marked.WriteString(p.Text)
			}
		}
		if n := utf8.RuneCountInString(plain.String()); n > 240 || !utf8.ValidString(plain.String()) {
			t.Errorf("%s: %d characters, %q", c.query, n, plain.String())
		}
		if !strings.Contains(marked.String(), c.want) {
			t.Errorf("%s: snippet %q, want %q in it", c.query, marked.String(), c.want)
		}
	}
}

package archive_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/store/fresh"
)

// engines are new and empty databases of each engine.
var engines = map[string]func(testing.TB) string{
	"SQLite":   fresh.SQLite,
	"Postgres": fresh.Postgres,
}

// epoch is when the clocks of these tests stand still.
var epoch = time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)

// shelf is a list with an archive.
type shelf struct {
	testing.TB
	db   *store.DB
	list lists.List
	*archive.Follower
	lists atomic.Int64 // that another has made
}

func newShelf(t testing.TB, url string) *shelf {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{URL: url, Clock: func() time.Time { return epoch }})
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
	s := &shelf{TB: t, db: db, Follower: &archive.Follower{DB: db}}
	s.list = s.newList("dev@lists.example.org")
	return s
}

// another is another list of the same database.
func (s *shelf) another(t testing.TB) *shelf {
	t.Helper()
	o := &shelf{TB: t, db: s.db, Follower: &archive.Follower{DB: s.db}}
	o.list = o.newList(fmt.Sprintf("list%d@lists.example.org", s.lists.Add(1)))
	return o
}

func (s *shelf) newList(at string) (l lists.List) {
	s.Helper()
	a, err := mail.ParseAddress(at)
	if err != nil {
		s.Fatal(err)
	}
	l = lists.List{Address: a, ListID: a.Local + "." + a.Domain, Policy: lists.DefaultPolicy()}
	s.update(func(tx *store.Tx) (err error) {
		if l.ID, err = tx.CreateList(l); err != nil {
			return err
		}
		l, err = tx.List(l.ID)
		return err
	})
	return l
}

func (s *shelf) update(f func(tx *store.Tx) error) {
	s.Helper()
	if err := s.db.Update(s.Context(), f); err != nil {
		s.Fatal(err)
	}
}

func (s *shelf) view(f func(tx *store.Tx) error) {
	s.Helper()
	if err := s.db.View(s.Context(), f); err != nil {
		s.Fatal(err)
	}
}

// letter is a mail in a test: its Message-ID and what it refers to are without @example.org.
type letter struct {
	id, refs, inReplyTo string
	subject             string
	day                 int // of its Date; 0: its number
	more                string
}

// head is that of the letter that comes as number n.
func (m letter) head(n int) []byte {
	var b strings.Builder
	at := func(id string) string { return "<" + id + "@example.org>" }
	day := m.day
	if day == 0 {
		day = n
	}
	fmt.Fprintf(&b, "From: Ann <ann@example.org>\r\nDate: %s\r\n", epoch.AddDate(-2, 0, day).Format(time.RFC1123Z))
	if m.subject != "" {
		fmt.Fprintf(&b, "Subject: %s\r\n", m.subject)
	}
	if m.id != "" {
		fmt.Fprintf(&b, "Message-ID: %s\r\n", at(m.id))
	}
	if m.refs != "" {
		fmt.Fprintf(&b, "References:")
		for _, r := range strings.Fields(m.refs) {
			fmt.Fprintf(&b, "\r\n %s", at(r))
		}
		b.WriteString("\r\n")
	}
	if m.inReplyTo != "" {
		fmt.Fprintf(&b, "In-Reply-To: %s\r\n", at(m.inReplyTo))
	}
	b.WriteString(m.more)
	return []byte(b.String())
}

// file files letters, 500 in a transaction.
func (s *shelf) file(letters ...letter) {
	s.Helper()
	var l lists.List
	s.view(func(tx *store.Tx) (err error) { l, err = tx.List(s.list.ID); return err })
	n := int(l.LastSeq)
	body := store.PackBody([]byte("text\r\n"))
	for start := 0; start < len(letters); start += 500 {
		part := letters[start:min(start+500, len(letters))]
		s.update(func(tx *store.Tx) error {
			for i, m := range part {
				head := m.head(n + start + i + 1)
				id, err := tx.AddMessage(head, body)
				if err != nil {
					return err
				}
				e := archive.Describe(l, mail.Message{Head: head, Body: []byte("text\r\n")}, epoch)
				if _, err := archive.File(tx, l, e, id); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func (s *shelf) catchUp() {
	s.Helper()
	if err := s.CatchUp(s.Context(), s.list.ID); err != nil {
		s.Fatal(err)
	}
}

// open is the archive for a stranger.
func (s *shelf) open() *archive.Archive {
	s.Helper()
	lib := archive.Library{DB: s.db}
	a, err := lib.Open(s.Context(), s.list.Address, archive.Reader{})
	if err != nil {
		s.Fatal(err)
	}
	return a
}

// threads are the threads, latest last, each as its posts in order with a dot for each step of depth.
func (s *shelf) threads() string {
	s.Helper()
	a := s.open()
	all, err := a.Threads(s.Context(), time.Time{}, 1000)
	if err != nil {
		s.Fatal(err)
	}
	var out []string
	for i := len(all) - 1; i >= 0; i-- {
		t, nodes, more, err := a.Thread(s.Context(), all[i].First, 1000)
		if err != nil || more {
			s.Fatal(err, more)
		}
		if t != all[i] {
			s.Errorf("a thread is %+v and %+v", t, all[i])
		}
		var posts []string
		for _, n := range nodes {
			posts = append(posts, strings.Repeat(".", n.Depth)+fmt.Sprint(n.Seq))
		}
		if t.Posts != len(nodes) {
			s.Errorf("thread %d says that it has %d posts, and shows %v", t.First, t.Posts, posts)
		}
		out = append(out, strings.Join(posts, " "))
	}
	return strings.Join(out, ", ")
}

// TestThreads has letters come in order, and reads them together or few at a time.
func TestThreads(t *testing.T) {
	t.Parallel()
	long := strings.Fields("r1 r2 r3 r4 r5 r6 r7 r8 r9")
	for range 60 {
		long = append(long, fmt.Sprintf("s%d", len(long)))
	}
	hidden := "X-No-Archive: yes\r\n"
	shelves := map[string]*shelf{}
	for engine, url := range engines {
		shelves[engine] = newShelf(t, url(t))
	}
	for name, e := range map[string]struct {
		letters []letter
		want    string
	}{
		"alone":                 {[]letter{{id: "a"}, {id: "b"}, {}}, "1, 2, 3"},
		"answers":               {[]letter{{id: "a"}, {id: "b", refs: "a"}, {id: "c", refs: "a b"}, {id: "d", refs: "a"}}, "1 .2 ..3 .4"},
		"In-Reply-To only":      {[]letter{{id: "a"}, {id: "b", inReplyTo: "a"}, {id: "c", inReplyTo: "b"}}, "1 .2 ..3"},
		"References count more": {[]letter{{id: "a"}, {id: "b"}, {id: "c", refs: "a", inReplyTo: "b"}}, "2, 1 .3"},
		"lost between":          {[]letter{{id: "a"}, {id: "c", refs: "a b"}, {id: "d", inReplyTo: "b"}}, "1 .2 .3"},
		"lost root":             {[]letter{{id: "b", refs: "a"}, {id: "c", refs: "a"}}, "1 2"},
		"late root":             {[]letter{{id: "b", refs: "a"}, {id: "c", refs: "a"}, {id: "a", day: -1}}, "3 .1 .2"},
		"late between":          {[]letter{{id: "a"}, {id: "c", refs: "a b"}, {id: "d", refs: "a b c"}, {id: "b", refs: "a"}}, "1 .4 ..2 ...3"},
		"late, nearest first":   {[]letter{{id: "d", refs: "a b c"}, {id: "c", refs: "a b"}, {id: "b", refs: "a"}, {id: "a"}}, "4 .3 ..2 ...1"},
		"late, farthest first":  {[]letter{{id: "d", refs: "a b c"}, {id: "a"}, {id: "b", refs: "a"}, {id: "c", refs: "a b"}}, "2 .3 ..4 ...1"},
		"far one comes last":    {[]letter{{id: "d", refs: "a b c"}, {id: "c", refs: "a b"}, {id: "a"}}, "3 .2 ..1"},
		"the link comes late":   {[]letter{{id: "a"}, {id: "c", inReplyTo: "b"}, {id: "b", inReplyTo: "a"}}, "1 .3 ..2"},
		"the larger stays":      {[]letter{{id: "a"}, {id: "c", inReplyTo: "b"}, {id: "d", refs: "b c"}, {id: "b", inReplyTo: "a"}, {id: "e", refs: "a"}}, "1 .4 ..2 ...3 .5"},
		"merged twice": {[]letter{{id: "a"}, {id: "c", inReplyTo: "b"}, {id: "e", inReplyTo: "d"}, {id: "f", inReplyTo: "e"}, {id: "d", inReplyTo: "c"},
			{id: "b", inReplyTo: "a"}, {id: "g", inReplyTo: "a"}, {id: "h", inReplyTo: "e"}}, "1 .6 ..2 ...5 ....3 .....4 .....8 .7"},
		"itself":                          {[]letter{{id: "a", refs: "a a"}, {id: "b", inReplyTo: "b"}}, "1, 2"},
		"a circle of two":                 {[]letter{{id: "a", refs: "b"}, {id: "b", refs: "a"}}, "2 .1"},
		"a circle of three":               {[]letter{{id: "a", refs: "c"}, {id: "b", refs: "a"}, {id: "c", refs: "b"}}, "3 .1 ..2"},
		"forged References weld nothing":  {[]letter{{id: "a"}, {id: "b", refs: "a"}, {id: "c"}, {id: "d", refs: "c"}, {id: "x", refs: "a c"}}, "1 .2, 3 .4 .5"},
		"nor do lost ones":                {[]letter{{id: "b", refs: "a"}, {id: "d", refs: "c"}, {id: "x", refs: "a c"}}, "1, 2 3"},
		"the same Message-ID":             {[]letter{{id: "a"}, {id: "a"}, {id: "b", refs: "a"}, {id: "c"}, {id: "a", refs: "c"}}, "1 .3 2, 4 .5"},
		"a chain of 69":                   {[]letter{{id: "s20"}, {id: "a", refs: strings.Join(long, " ")}, {id: "s10"}, {id: "s30"}}, "3, 1 .4 ..2"},
		"by Subject":                      {[]letter{{id: "a", subject: "Lunch on Friday"}, {id: "b", subject: "AW: lunch on friday"}, {id: "c", subject: "Lunch on Friday"}}, "1 .2, 3"},
		"by Subject, the latest":          {[]letter{{id: "a", subject: "Lunch on Friday"}, {id: "b", subject: "Lunch on Friday"}, {id: "c", subject: "Re: Lunch on Friday"}}, "1, 2 .3"},
		"by Subject, with the prefix":     {[]letter{{id: "a", subject: "Lunch on Friday"}, {id: "b", subject: "Re: [dev] Lunch on Friday"}}, "1 .2"},
		"a Subject of long ago":           {[]letter{{id: "a", subject: "Lunch on Friday"}, {id: "b", subject: "Re: Lunch on Friday", day: 12}}, "1, 2"},
		"a Subject of ten days ago":       {[]letter{{id: "a", subject: "Lunch on Friday"}, {id: "b", subject: "Re: Lunch on Friday", day: 11}}, "1 .2"},
		"a Subject before its time":       {[]letter{{id: "a", subject: "Lunch on Friday", day: 5}, {id: "b", subject: "Re: Lunch on Friday", day: 2}}, "2, 1"},
		"a Subject that says too little":  {[]letter{{id: "a", subject: "Hello"}, {id: "b", subject: "Re: Hello"}}, "1, 2"},
		"a Subject that anybody finds":    {[]letter{{id: "a", subject: "Hello all"}, {id: "b", subject: "Re: Hello all"}}, "1, 2"},
		"a forwarded Subject":             {[]letter{{id: "a", subject: "Lunch on Friday"}, {id: "b", subject: "Fwd: Lunch on Friday"}}, "1, 2"},
		"a Subject is no help to a chain": {[]letter{{id: "a", subject: "Lunch on Friday"}, {id: "b", subject: "Re: Lunch on Friday", refs: "x"}}, "1, 2"},
		"an expected one by Subject":      {[]letter{{id: "a", subject: "Lunch on Friday"}, {id: "c", refs: "b"}, {id: "b", subject: "Re: Lunch on Friday"}}, "1, 3 .2"},
		"hidden":                          {[]letter{{id: "a"}, {id: "b", refs: "a", more: hidden}, {id: "c", refs: "a b"}, {id: "d", inReplyTo: "b"}}, "1 .3 .4"},
		"hidden root":                     {[]letter{{id: "a", more: hidden}, {id: "b", inReplyTo: "a"}, {id: "c", inReplyTo: "a"}}, "2 3"},
		"hidden link":                     {[]letter{{id: "a"}, {id: "c", inReplyTo: "b"}, {id: "b", inReplyTo: "a", more: hidden}, {id: "d", inReplyTo: "b"}}, "1 .4 2"},
		"all hidden":                      {[]letter{{id: "a", more: hidden}, {id: "b", inReplyTo: "a", more: hidden}}, ""},
		"an old sentence":                 {[]letter{{id: "a"}, {id: "b", more: "In-Reply-To: \"Ann <ann@example.org>\"'s message of Monday <a@example.org>\r\n"}}, "1 .2"},
		"an address in a sentence":        {[]letter{{id: "a@b.c"}, {id: "b", more: "In-Reply-To: your message to ann@example.org of Monday\r\n"}, {id: "c", more: "In-Reply-To: mail by ann@example.org\r\n"}}, "1, 2, 3"},
		"without brackets":                {[]letter{{id: "a"}, {id: "b", more: "In-Reply-To: a@example.org\r\n"}}, "1 .2"},
		"dates decide the order":          {[]letter{{id: "a", day: 9}, {id: "b", refs: "a", day: 20}, {id: "c", refs: "a", day: 10}, {id: "d", day: 3}}, "4, 1 .3 .2"},
		"one day":                         {[]letter{{id: "a", day: 1}, {id: "b", refs: "a", day: 1}, {id: "c", refs: "a", day: 1}, {id: "d", day: 1}}, "1 .2 .3, 4"},
		"a head of nonsense":              {[]letter{{more: "References\r\n\x00: <\xff@>\r\n <<<>>> @ @@\r\nReferences: <\r\n ,;>\r\n"}, {more: "References: " + strings.Repeat("<@>", 1000) + "\r\n"}}, "1, 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for engine, whole := range shelves {
				for _, batch := range []int{0, 1, 2} {
					if engine != "SQLite" && batch > 0 {
						continue
					}
					s := whole.another(t)
					s.Batch = batch
					s.prefix("[dev]")
					s.file(e.letters...)
					s.catchUp()
					if got := s.threads(); got != e.want {
						t.Errorf("%s, in batches of %d: the threads are %q, want %q", engine, batch, got, e.want)
					}
					s.check()
				}
			}
		})
	}
}

func (s *shelf) prefix(p string) {
	s.Helper()
	s.list.Policy.SubjectPrefix = p
	s.update(func(tx *store.Tx) error { return tx.SavePolicy(s.list.ID, s.list.Policy) })
}

// check holds what is kept of posts and threads against each other.
func (s *shelf) check() {
	s.Helper()
	s.view(func(tx *store.Tx) error {
		l, err := tx.List(s.list.ID)
		if err != nil {
			return err
		}
		all, err := tx.PostsAfter(l.ID, 0, 1<<30)
		if err != nil {
			return err
		}
		rows := map[store.ThreadID]*store.Row{}
		parents, places := map[lists.Seq]lists.Seq{}, map[store.Place]bool{}
		threads := map[lists.Seq]store.ThreadID{}
		for _, p := range all {
			if p.Hidden != (p.Place == 0) || p.Hidden != (p.Thread == 0) || places[p.Place] && !p.Hidden {
				s.Errorf("post %d: place %d, thread %d, hidden %v", p.Seq, p.Place, p.Thread, p.Hidden)
			}
			parents[p.Seq], places[p.Place], threads[p.Seq] = p.Parent, true, p.Thread
			if p.Hidden {
				continue
			}
			if !p.Place.Time().Equal(p.Date.Truncate(time.Second)) && len(all) < 4000 {
				s.Errorf("post %d of %v is placed at %v", p.Seq, p.Date, p.Place.Time())
			}
			r := rows[p.Thread]
			if r == nil {
				r = &store.Row{ID: p.Thread}
				rows[p.Thread] = r
			}
			if r.Posts++; r.Start == 0 || p.Place < r.Start {
				r.Start, r.First = p.Place, p.Seq
				r.Subject, _ = l.Policy.BaseSubject(p.Subject)
			}
			r.Last = max(r.Last, p.Place)
		}
		var ids []store.ThreadID
		for id := range rows {
			ids = append(ids, id)
		}
		stored, err := tx.ThreadRows(ids)
		if err != nil || len(stored) != len(ids) {
			s.Errorf("%d of %d threads have a row: %v", len(stored), len(ids), err)
		}
		for _, got := range stored {
			if got.Base = 0; got != *rows[got.ID] {
				s.Errorf("a thread's row is %+v, its posts say %+v", got, *rows[got.ID])
			}
		}
		// No circles, and no parent in another thread.
		depth := map[lists.Seq]int{0: 1}
		for seq := range parents {
			var path []lists.Seq
			for at := seq; depth[at] == 0; at = parents[at] {
				path = append(path, at)
				depth[at] = -1
				if p := parents[at]; depth[p] == -1 {
					s.Errorf("post %d is below itself", p)
					break
				} else if p != 0 && threads[p] != threads[at] {
					s.Errorf("post %d answers %d of another thread", at, p)
				}
			}
			for _, at := range path {
				depth[at] = 1
			}
		}
		return nil
	})
}

// TestFollowers has several follow at once, and break off at any place: all is done once.
func TestFollowers(t *testing.T) {
	t.Parallel()
	for engine, url := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, url(t))
			var letters []letter
			for i := range 1300 {
				m := letter{id: fmt.Sprintf("m%d", i), day: 1 + i%300}
				if i%7 > 0 {
					m.refs = fmt.Sprintf("m%d m%d", i-i%7, i-1)
				}
				letters = append(letters, m)
			}
			s.file(letters...)
			other := s.newList("other@lists.example.org")
			var wg sync.WaitGroup
			for i := range 3 {
				wg.Go(func() {
					for ended := i > 0; ; ended = true {
						ctx, cancel := context.WithCancel(t.Context())
						f := archive.Follower{DB: s.db}
						if !ended {
							cancel() // it dies before it has begun
						}
						err := f.CatchUp(ctx, s.list.ID)
						cancel()
						if err != nil && !errors.Is(err, context.Canceled) {
							t.Error(err)
						}
						if ended {
							return
						}
					}
				})
			}
			wg.Wait()
			s.catchUp()
			s.check()
			all, err := s.open().Threads(t.Context(), time.Time{}, 1000)
			if err != nil || len(all) != 186 {
				t.Errorf("there are %d threads: %v", len(all), err)
			}
			s.view(func(tx *store.Tx) error {
				a, err := tx.Archive(s.list.ID)
				if a.Threaded != 1300 || a.Indexed != 0 || a.Epoch != uint32(epoch.Unix()) {
					t.Errorf("the archive is %+v", a)
				}
				if b, err := tx.Archive(other.ID); err != nil || b.Epoch != 0 {
					t.Errorf("an archive that nobody has looked at is %+v: %v", b, err)
				}
				return err
			})
		})
	}
}

// old files letters as an import does, and catches up between.
func (s *shelf) old(all []letter) {
	s.Helper()
	for start := 0; start < len(all); start += 1000 {
		var part []archive.OldPost
		for i, m := range all[start:min(start+1000, len(all))] {
			head, body := m.head(start+i+1), []byte("text\r\n")
			part = append(part, archive.OldPost{Entry: archive.Describe(s.list, mail.Message{Head: head, Body: body}, epoch), Head: head, Body: store.PackBody(body)})
		}
		s.update(func(tx *store.Tx) error {
			n, err := archive.FileOld(tx, s.list, part)
			if n != len(part) {
				s.Errorf("%d of %d are new", n, len(part))
			}
			return err
		})
		s.catchUp()
	}
}

// TestFileOld files old posts twice, before and after they were read, with and without a Message-ID.
func TestFileOld(t *testing.T) {
	t.Parallel()
	for engine, url := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, url(t))
			s.file(letter{id: "a"})
			var old []archive.OldPost
			for i, m := range []letter{{id: "a"}, {id: "b"}, {id: "b"}, {}, {}, {id: "c", more: "X-No-Archive: yes\r\n"}, {id: "d", inReplyTo: "c"}} {
				head := m.head(i)
				if m.id == "" {
					head = m.head(100) // the same once more
				}
				old = append(old, archive.OldPost{Entry: archive.Describe(s.list, mail.Message{Head: head}, epoch), Head: head, Body: store.PackBody(head)})
			}
			for i, want := range []int{3, 0, 0, 0} {
				s.update(func(tx *store.Tx) error {
					n, err := archive.FileOld(tx, s.list, old)
					if n != want {
						t.Errorf("the %dth time %d are new, want %d", i+1, n, want)
					}
					return err
				})
				if i > 0 {
					s.catchUp()
				}
			}
			a := s.open()
			p, err := a.Post(t.Context(), 2)
			if err != nil || !p.Imported || p.MsgID != "b@example.org" {
				t.Errorf("an old post is %+v: %v", p, err)
			}
			m, err := a.Message(t.Context(), p)
			if err != nil || string(m.Head) != string(old[1].Head) || string(m.Body) != string(old[1].Head) {
				t.Errorf("its message is %q %q: %v", m.Head, m.Body, err)
			}
			if latest, err := a.Latest(t.Context(), 10); err != nil || len(latest) != 1 || latest[0].Seq != 1 {
				t.Errorf("a feed shows %+v: %v", latest, err)
			}
			many := make([]letter, 5001)
			for i := range many {
				many[i] = letter{id: fmt.Sprintf("m%d", i)}
			}
			if engine == "SQLite" {
				s.file(many...)
				if err := s.db.Update(t.Context(), func(tx *store.Tx) error { _, err := archive.FileOld(tx, s.list, old); return err }); !errors.Is(err, archive.ErrUnread) {
					t.Errorf("with 5001 posts unread: %v", err)
				}
			}
		})
	}
}

// TestRun has a follower run: what is filed is read, words too, until it is told to end.
func TestRun(t *testing.T) {
	t.Parallel()
	s := newShelf(t, engines["SQLite"](t))
	indexed := make(chan lists.Seq, 100)
	s.Index = func(ctx context.Context, l lists.List, upTo lists.Seq) (bool, error) {
		return false, s.db.Update(ctx, func(tx *store.Tx) error {
			a, err := tx.Archive(l.ID)
			if err != nil {
				return err
			}
			_, err = tx.MoveIndexed(a, upTo)
			indexed <- upTo
			return err
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	s.file(letter{id: "a"}, letter{id: "b"})
	for upTo := lists.Seq(0); upTo < 2; {
		upTo = <-indexed
	}
	s.file(letter{id: "c"})
	for upTo := lists.Seq(0); upTo < 3; {
		upTo = <-indexed
	}
	cancel()
	wg.Wait()
	s.check()
	s.Index = func(context.Context, lists.List, lists.Seq) (bool, error) { return false, nil }
	s.file(letter{id: "d"})
	if err := s.CatchUp(t.Context(), s.list.ID); err == nil {
		t.Error("an index that stops is none")
	}
	s.update(func(tx *store.Tx) error { return tx.DeleteList(s.list.ID) })
	if err := s.CatchUp(t.Context(), s.list.ID); err != nil {
		t.Errorf("of a list that is gone: %v", err)
	}
}

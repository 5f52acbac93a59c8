package archive_test

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

// large is how large large threads are.
var large = flag.Int("large", 1000, "posts of the largest chain; the widest thread has twice as many")

// TestLargeThreads has a chain of many posts, half of them late, and a thread of twice as many.
func TestLargeThreads(t *testing.T) {
	t.Parallel()
	s := newShelf(t, engines["SQLite"](t))
	thread := func(seq lists.Seq, posts, depth int) {
		t.Helper()
		got, nodes, more, err := s.open().Thread(t.Context(), seq, 100)
		if err != nil || got.Posts != posts || !more || len(nodes) != 100 || nodes[99].Depth != depth {
			t.Errorf("the thread %+v has %d nodes, more %v: %v", got, len(nodes), more, err)
		}
	}
	var chain, wide []letter
	for i := range *large {
		m := letter{id: fmt.Sprintf("c%d", i), day: 1 + i*500 / *large}
		for k := max(i-3, 0); k < i; k++ {
			m.refs += fmt.Sprintf(" c%d", k)
		}
		chain = append(chain, m)
	}
	for i := 0; i < len(chain); i += 2 {
		chain[i], chain[i+1] = chain[i+1], chain[i]
	}
	s.old(chain)
	thread(lists.Seq(*large/2), *large, 50)
	for i := range 2 * *large {
		m := letter{id: fmt.Sprintf("w%d", i), day: 1 + i*100 / *large}
		if i > 0 {
			m.refs = "w0"
		}
		wide = append(wide, m)
	}
	s.old(wide)
	thread(lists.Seq(*large+1), 2**large, 1)
	s.check()
}

// TestOneSecond has posts of one second in which few places are left: all are there, in the order in which they came,
// however a reader turns the pages; and none of them comes twice.
func TestOneSecond(t *testing.T) {
	t.Parallel()
	s := newShelf(t, engines["SQLite"](t))
	const n = 60
	var all []letter
	for i := range n {
		all = append(all, letter{id: fmt.Sprintf("s%d", i), day: 300})
	}
	s.old(all[:1])
	s.update(func(tx *store.Tx) error {
		p, err := tx.Post(s.list.ID, 1)
		if err != nil {
			return err
		}
		p.Place += store.EachSecond - 20
		row := store.Row{ID: p.Thread, Posts: 1, First: 1, Start: p.Place, Last: p.Place}
		return errors.Join(tx.SetThreaded(s.list.ID, []store.Post{p}), tx.PutThreads(s.list.ID, []store.Row{row}))
	})
	s.Batch = 7
	s.old(all[1:])
	a, at := s.open(), epoch.AddDate(-2, 0, 300)
	var behind *archive.Post
	for want := lists.Seq(1); ; {
		page, err := a.Range(t.Context(), at, at.Add(3*time.Second), behind, 17)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page {
			if p.Seq != want {
				t.Fatalf("post %d comes where %d should", p.Seq, want)
			}
			want++
			behind = &p
		}
		if len(page) == 0 {
			if want != n+1 {
				t.Errorf("the pages end before %d", want)
			}
			break
		}
	}
	var before time.Time
	seen := map[lists.Seq]bool{}
	for {
		page, err := a.Threads(t.Context(), before, 13)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, th := range page {
			seen[th.First], before = true, th.Last
		}
	}
	if len(seen) != n {
		t.Errorf("the pages have %d threads", len(seen))
	}
	months, err := a.Months(t.Context())
	if want := []archive.Month{{Year: at.Year(), Month: at.Month(), Posts: n}}; err != nil || !slices.Equal(months, want) {
		t.Errorf("the months are %v: %v", months, err)
	}
	head := all[0].head(1)
	s.update(func(tx *store.Tx) error {
		twice := archive.OldPost{Entry: archive.Describe(s.list, mail.Message{Head: head}, epoch), Head: head, Body: store.PackBody(nil)}
		n, err := archive.FileOld(tx, s.list, []archive.OldPost{twice, twice})
		if n != 0 {
			t.Error("a post was filed twice")
		}
		return err
	})
}

// TestReaders asks for what is not there, or not there yet.
func TestReaders(t *testing.T) {
	t.Parallel()
	s := newShelf(t, engines["SQLite"](t))
	a := s.open()
	s.file(letter{id: "a", subject: "Re: Lunch"}, letter{id: "b", more: "X-No-Archive: yes\r\n"})
	th, nodes, more, err := a.Thread(t.Context(), 1, 10)
	if err != nil || more || len(nodes) != 1 || th.First != 1 || th.Subject != "Lunch" || th.Posts != 1 {
		t.Errorf("a post that nobody has read is %+v %+v: %v", th, nodes, err)
	}
	s.catchUp()
	for _, seq := range []lists.Seq{0, 2, 3} {
		if _, _, _, err := a.Thread(t.Context(), seq, 10); !errors.Is(err, archive.ErrNoPost) {
			t.Errorf("the thread of post %d: %v", seq, err)
		}
		if _, err := a.Post(t.Context(), seq); !errors.Is(err, archive.ErrNoPost) {
			t.Errorf("post %d: %v", seq, err)
		}
	}
	for _, hash := range []string{"", "A", archive.Hash("b@example.org"), archive.Hash("x"), strings.Repeat("é", 16), strings.Repeat("A", 4000)} {
		if _, err := a.ByHash(t.Context(), hash); !errors.Is(err, archive.ErrNoPost) {
			t.Errorf("the hash %.40q: %v", hash, err)
		}
	}
	if _, nodes, more, err := a.Thread(t.Context(), 1, 0); err != nil || len(nodes) > 0 || !more {
		t.Errorf("no posts of a thread are %v, more %v: %v", nodes, more, err)
	}
	at := epoch.AddDate(-2, 0, 1)
	month, err := a.MonthThreads(t.Context(), at.Year(), at.Month())
	if err != nil || len(month) != 1 || month[0].First != 1 || !month[0].Started.Equal(at) || month[0].People != 1 || month[0].Author.Name != "Ann" {
		t.Errorf("the month has %+v: %v", month, err)
	}
	if month, err := a.MonthThreads(t.Context(), at.Year(), at.Month()+1); err != nil || len(month) != 0 {
		t.Errorf("the next month has %+v: %v", month, err)
	}
	if all, err := a.After(t.Context(), 0, 10); err != nil || len(all) != 1 {
		t.Errorf("there are %+v: %v", all, err)
	}
}

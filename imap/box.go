package imap

import (
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"listd/archive"
	"listd/lists"
)

// box is the open mailbox as its client knows it: the sequence number of a post is its place in posts, from 1.
type box struct {
	name     string
	shelf    archive.Shelf // nil: INBOX
	validity uint32
	next     imap.UID
	posts    []numbered
	seen     set
	saved    imap.UIDSet // what the last SEARCH RETURN (SAVE) has found (RFC 5182)
	readOnly bool
	looked   time.Time       // when the reader's right to read was last checked
	filed    <-chan struct{} // closed when something may have come
}

// numbered is a post: 32 bytes, since there are many.
type numbered struct {
	uid         uint32
	date        int32 // days since 1970: a search knows no more of time (RFC 9051 section 6.4.4)
	size, filed int64 // bytes, and seconds since 1970
}

// openBox opens a mailbox.
func (s *session) openBox(name string) (*box, error) {
	b := &box{name: name, looked: s.server.Now(), validity: 1, next: 1}
	if strings.EqualFold(name, inbox) {
		return b, nil
	}
	a, shelf, err := s.open(name)
	if err != nil {
		return nil, err
	}
	b.shelf = shelf
	if b.validity, err = a.Epoch(s.ctx); err != nil {
		return nil, err
	}
	last, err := shelf.Last(s.ctx)
	if err != nil {
		return nil, err
	}
	marks, err := shelf.Seen(s.ctx)
	if err != nil {
		return nil, err
	}
	b.seen = parseSet(marks)
	if _, err = b.grow(s); err != nil {
		return nil, err
	}
	b.next = imap.UID(max(last, lists.Seq(b.last()))) + 1
	return b, nil
}

func (b *box) last() uint32 {
	if len(b.posts) == 0 {
		return 0
	}
	return b.posts[len(b.posts)-1].uid
}

// grow takes in what has come, and says whether any of it came by mail.
func (b *box) grow(s *session) (news bool, err error) {
	b.filed = s.server.Library.Filed()
	err = b.shelf.Numbers(s.ctx, lists.Seq(b.last()), func(n archive.Number) {
		b.posts = append(b.posts, numbered{uid: uint32(n.Seq), date: day(n.Date), size: n.Size, filed: n.Filed.Unix()})
		news = news || !n.Imported
	})
	return news, err
}

// day is a time's day since 1970.
func day(t time.Time) int32 {
	const seconds = 24 * 60 * 60
	u := t.Unix()
	if u < 0 {
		return 0
	}
	return int32(u / seconds)
}

// at is the index of the post with a UID, and whether there is one.
func (b *box) at(uid uint32) (int, bool) {
	return slices.BinarySearchFunc(b.posts, uid, func(p numbered, uid uint32) int {
		switch {
		case p.uid < uid:
			return -1
		case p.uid > uid:
			return 1
		}
		return 0
	})
}

// pick calls f with the index of each post that a set names, in order. A set may name four billion.
func (b *box) pick(set imap.NumSet, f func(i int) error) error {
	n := len(b.posts)
	if n == 0 {
		return nil
	}
	if imap.IsSearchRes(set) {
		set = b.saved
	}
	var ranges [][2]int // of indexes, the end excluded
	add := func(start, stop uint32, index func(uint32, bool) int, last uint32) {
		if start == 0 {
			start = last
		}
		if stop == 0 {
			stop = last
		}
		if start > stop {
			start, stop = stop, start
		}
		if from, to := index(start, false), index(stop, true); from < to {
			ranges = append(ranges, [2]int{from, to})
		}
	}
	switch set := set.(type) {
	case imap.SeqSet:
		for _, r := range set {
			add(r.Start, r.Stop, func(v uint32, end bool) int { return min(int(v)-1+int(one(end)), n) }, uint32(n))
		}
	case imap.UIDSet:
		for _, r := range set {
			add(uint32(r.Start), uint32(r.Stop), func(v uint32, end bool) int {
				i, found := b.at(v)
				return i + int(one(end && found))
			}, b.last())
		}
	}
	slices.SortFunc(ranges, func(x, y [2]int) int { return x[0] - y[0] })
	done := 0
	for _, r := range ranges {
		for i := max(r[0], done); i < r[1]; i++ {
			if err := f(i); err != nil {
				return err
			}
		}
		done = max(done, r[1])
	}
	return nil
}

func one(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

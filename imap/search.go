package imap

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"listd/archive"
	"listd/lists"
	"listd/mail"
)

// Bounds of a search, which anybody may send.
const (
	maxKeys  = 200    // of a search, whatever they are within
	maxHeads = 50_000 // heads that one search reads
)

// Search finds posts (RFC 9051 section 6.4.4). Words of subjects, authors and texts are found in the index, which knows
// whole words and beginnings of them; other fields are read from the heads of the posts that the other keys left over.
func (s *session) Search(kind imapserver.NumKind, criteria *imap.SearchCriteria, options *imap.SearchOptions) (*imap.SearchData, error) {
	if s.reader.Stranger() && !s.server.guests.may(s.addr, func(n *spent) bool { n.searches++; return n.searches <= guestSearches }) {
		return nil, errLimit
	}
	data := &imap.SearchData{}
	var seqs imap.SeqSet
	var uids imap.UIDSet
	found := func(i int) {
		n := uint32(i) + 1
		if kind == imapserver.NumKindUID {
			n = s.box.posts[i].uid
		} else {
			seqs = appendSeq(seqs, n)
		}
		uids = appendUID(uids, imap.UID(s.box.posts[i].uid))
		if data.Min == 0 {
			data.Min = n
		}
		data.Max = n
		data.Count++
	}
	if s.box.shelf != nil {
		left := maxKeys
		q, err := s.query(criteria, &left)
		if err != nil {
			return nil, err
		}
		for i := range s.box.posts {
			if q.matches(s.box, i) {
				found(i)
			}
		}
	}
	if options.ReturnSave {
		s.box.saved = uids
	}
	if data.All = imap.NumSet(seqs); kind == imapserver.NumKindUID {
		data.All = uids
	}
	return data, nil
}

// appendSeq adds a number behind all others.
func appendSeq(s imap.SeqSet, n uint32) imap.SeqSet {
	if k := len(s); k > 0 && s[k-1].Stop == n-1 {
		s[k-1].Stop = n
		return s
	}
	return append(s, imap.SeqRange{Start: n, Stop: n})
}

// appendUID is appendSeq for UIDs, which leave gaps.
func appendUID(s imap.UIDSet, n imap.UID) imap.UIDSet {
	if k := len(s); k > 0 && s[k-1].Stop == n-1 {
		s[k-1].Stop = n
		return s
	}
	return append(s, imap.UIDRange{Start: n, Stop: n})
}

// query is a search made ready: each test says whether a post of the box passes.
type query []func(b *box, i int) bool

func (q query) matches(b *box, i int) bool {
	for _, test := range q {
		if !test(b, i) {
			return false
		}
	}
	return true
}

var errKeys = &imap.Error{Type: imap.StatusResponseTypeBad, Text: "Too many search keys"}

// query makes a search ready; left is how many keys it may still have.
func (s *session) query(c *imap.SearchCriteria, left *int) (q query, err error) {
	keys := len(c.SeqNum) + len(c.UID) + len(c.Header) + len(c.Body) + len(c.Text) + len(c.Flag) + len(c.NotFlag) + len(c.Not) + len(c.Or)
	if *left -= keys; *left < 0 {
		return nil, errKeys
	}
	q = cheap(c, s.box)
	for _, not := range c.Not {
		inner, err := s.query(&not, left)
		if err != nil {
			return nil, err
		}
		q = append(q, func(b *box, i int) bool { return !inner.matches(b, i) })
	}
	for _, or := range c.Or {
		one, err := s.query(&or[0], left)
		if err != nil {
			return nil, err
		}
		two, err := s.query(&or[1], left)
		if err != nil {
			return nil, err
		}
		q = append(q, func(b *box, i int) bool { return one.matches(b, i) || two.matches(b, i) })
	}
	look := func(where archive.Where, text string) error {
		all, ok, err := s.box.shelf.Matching(s.ctx, where, text)
		if ok {
			q = append(q, among(all))
		}
		return err
	}
	for _, text := range slices.Concat(c.Body, c.Text) {
		if err := look(archive.Anywhere, text); err != nil {
			return nil, err
		}
	}
	for _, h := range c.Header {
		switch {
		case strings.EqualFold(h.Key, "Subject") && h.Value != "":
			err = look(archive.InSubject, h.Value)
		case strings.EqualFold(h.Key, "From") && h.Value != "":
			err = look(archive.InAuthor, h.Value)
		default:
			var all map[uint32]bool
			all, err = s.heads(s.ctx, q, h)
			q = append(q, func(b *box, i int) bool { return all[b.posts[i].uid] })
		}
		if err != nil {
			return nil, err
		}
	}
	return q, nil
}

// among passes the posts of a list.
func among(all []lists.Seq) func(b *box, i int) bool {
	slices.Sort(all)
	return func(b *box, i int) bool {
		_, ok := slices.BinarySearch(all, lists.Seq(b.posts[i].uid))
		return ok
	}
}

// cheap are the tests that need nothing but what the box knows.
func cheap(c *imap.SearchCriteria, b *box) (q query) {
	for _, set := range c.SeqNum {
		q = append(q, picked(b, set))
	}
	for _, set := range c.UID {
		q = append(q, picked(b, set))
	}
	for _, f := range c.Flag {
		seen := strings.EqualFold(string(f), string(imap.FlagSeen))
		q = append(q, func(b *box, i int) bool { return seen && b.seen.has(b.posts[i].uid) })
	}
	for _, f := range c.NotFlag {
		seen := strings.EqualFold(string(f), string(imap.FlagSeen))
		q = append(q, func(b *box, i int) bool { return !seen || !b.seen.has(b.posts[i].uid) })
	}
	if c.Larger > 0 {
		q = append(q, func(b *box, i int) bool { return b.posts[i].size > c.Larger })
	}
	if c.Smaller > 0 {
		q = append(q, func(b *box, i int) bool { return b.posts[i].size < c.Smaller })
	}
	if !c.Since.IsZero() {
		q = append(q, func(b *box, i int) bool { return day(b.posts[i].received()) >= day(c.Since) })
	}
	if !c.Before.IsZero() {
		q = append(q, func(b *box, i int) bool { return day(b.posts[i].received()) < day(c.Before) })
	}
	if !c.SentSince.IsZero() {
		q = append(q, func(b *box, i int) bool { return b.posts[i].date >= day(c.SentSince) })
	}
	if !c.SentBefore.IsZero() {
		q = append(q, func(b *box, i int) bool { return b.posts[i].date < day(c.SentBefore) })
	}
	return q
}

// picked passes the posts that a set names. It is worked out once: a set may have thousands of ranges.
func picked(b *box, set imap.NumSet) func(b *box, i int) bool {
	in := make([]bool, len(b.posts))
	_ = b.pick(set, func(i int) error { in[i] = true; return nil }) // it never fails
	return func(_ *box, i int) bool { return i < len(in) && in[i] }
}

// heads finds the posts, of those that pass q, with a field that has a text in it (RFC 9051: in any case). It reads the
// latest heads.
func (s *session) heads(ctx context.Context, q query, h imap.SearchCriteriaHeaderField) (map[uint32]bool, error) {
	var seqs []lists.Seq
	for i := len(s.box.posts) - 1; i >= 0 && len(seqs) < maxHeads; i-- {
		if q.matches(s.box, i) {
			seqs = append(seqs, lists.Seq(s.box.posts[i].uid))
		}
	}
	out := map[uint32]bool{}
	want := strings.ToLower(h.Value)
	err := s.box.shelf.Heads(ctx, seqs, func(seq lists.Seq, head []byte) {
		for _, v := range mail.Values(head, h.Key) {
			if strings.Contains(strings.ToLower(mail.DecodeWords(v)), want) {
				out[uint32(seq)] = true
			}
		}
	})
	return out, err
}

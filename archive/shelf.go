package archive

import (
	"context"
	"errors"
	"slices"
	"strings"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// Shelf is what a mailbox shows of an archive: its posts by Seq, those of them that are announcements, or the list's
// digests by numbers of their own.
type Shelf interface {
	// Last is the highest number that was ever given, whether readers see what has it or not.
	Last(ctx context.Context) (lists.Seq, error)
	// Numbers calls f for what lies behind a number, in order.
	Numbers(ctx context.Context, after lists.Seq, f func(Number)) error
	// Count counts what there is and its bytes, within some spans only, if there are any.
	Count(ctx context.Context, within ...Span) (n, bytes int64, err error)
	// Read is a message by its number; ErrNoPost if readers do not see it.
	Read(ctx context.Context, n lists.Seq) (mail.Message, error)
	// Heads calls f with the heads of some messages.
	Heads(ctx context.Context, numbers []lists.Seq, f func(n lists.Seq, head []byte)) error
	// Matching are numbers of what has some words; of posts that are not on the shelf, too. Where text has no word, all
	// match, and ok is false.
	Matching(ctx context.Context, where Where, text string) (numbers []lists.Seq, ok bool, err error)
	// Seen is what the reader has read, as a set such as 1:17,19.
	Seen(ctx context.Context) (set string, err error)
	// ChangeSeen has change make a new set from the one that stands, and returns it.
	ChangeSeen(ctx context.Context, change func(set string) string) (set string, err error)
}

// Last is the number of the list's last post.
func (a *Archive) Last(ctx context.Context) (last lists.Seq, err error) {
	err = a.view(ctx, func(tx *store.Tx) error {
		l, err := tx.List(a.List.ID)
		last = l.LastSeq
		return err
	})
	return last, err
}

// Announcements are the archive's announcements, under the numbers they have as posts: read there is read here. nil if
// there are none.
func (a *Archive) Announcements(ctx context.Context) (Shelf, error) {
	n, _, err := announcements{a}.Count(ctx)
	if err != nil || n == 0 {
		return nil, err
	}
	return announcements{a}, nil
}

type announcements struct{ *Archive }

func (s announcements) Numbers(ctx context.Context, after lists.Seq, f func(Number)) error {
	return s.numbers(ctx, true, after, f)
}

func (s announcements) Count(ctx context.Context, within ...Span) (n, bytes int64, err error) {
	return s.count(ctx, within, func(tx *store.Tx, some []Span) (int64, int64, error) { return tx.CountPosts(s.List.ID, true, some) })
}

// Digests are the list's own digests of late. nil if it never had any.
func (a *Archive) Digests(ctx context.Context) (Shelf, error) {
	last, err := digests{a}.Last(ctx)
	if err != nil || last == 0 {
		return nil, err
	}
	return digests{a}, nil
}

// digests embeds nothing: what it did not have by itself would be of posts.
type digests struct{ a *Archive }

func (s digests) Last(ctx context.Context) (last lists.Seq, err error) {
	err = s.a.view(ctx, func(tx *store.Tx) (err error) { last, err = tx.LastKept(s.a.List.ID); return err })
	return last, err
}

func (s digests) Numbers(ctx context.Context, after lists.Seq, f func(Number)) error {
	for {
		var some []store.KeptIssue
		if err := s.a.view(ctx, func(tx *store.Tx) (err error) {
			some, err = tx.KeptIssues(s.a.List.ID, after, chunk)
			return err
		}); err != nil {
			return err
		}
		for _, k := range some {
			f(Number{Seq: k.UID, Size: k.Size, Date: k.At, Filed: k.At})
			after = k.UID
		}
		if len(some) < chunk {
			return nil
		}
	}
}

func (s digests) Count(ctx context.Context, within ...Span) (n, bytes int64, err error) {
	return s.a.count(ctx, within, func(tx *store.Tx, some []Span) (int64, int64, error) { return tx.CountKept(s.a.List.ID, some) })
}

func (s digests) Read(ctx context.Context, n lists.Seq) (m mail.Message, err error) {
	err = s.a.view(ctx, func(tx *store.Tx) error {
		id, err := tx.KeptMessage(s.a.List.ID, n)
		if errors.Is(err, store.ErrNotFound) {
			return ErrNoPost
		}
		if err != nil {
			return err
		}
		m, err = tx.Message(id)
		return err
	})
	return m, err
}

func (s digests) Heads(ctx context.Context, numbers []lists.Seq, f func(n lists.Seq, head []byte)) error {
	for _, n := range numbers {
		m, err := s.Read(ctx, n)
		if errors.Is(err, ErrNoPost) {
			continue
		}
		if err != nil {
			return err
		}
		f(n, m.Head)
	}
	return nil
}

// maxDigestText is how much of a digest's text a search looks through, in bytes.
const maxDigestText = 1 << 20

// Matching looks through the digests themselves: there are few, and their words are in no index but as posts'.
func (s digests) Matching(ctx context.Context, where Where, text string) (numbers []lists.Seq, ok bool, err error) {
	want := strings.ToLower(strings.TrimSpace(text))
	if want == "" {
		return nil, false, nil
	}
	var all []lists.Seq
	if err := s.Numbers(ctx, 0, func(n Number) { all = append(all, n.Seq) }); err != nil {
		return nil, true, err
	}
	for _, n := range all {
		m, err := s.Read(ctx, n)
		if errors.Is(err, ErrNoPost) {
			continue
		}
		if err != nil {
			return nil, true, err
		}
		in := mail.DecodeWords(mail.Get(m.Head, "Subject"))
		switch where {
		case InAuthor:
			in = mail.DecodeWords(mail.Get(m.Head, "From"))
		case Anywhere:
			in += "\n" + mail.ReadBody(m, maxDigestText).Text
		}
		if strings.Contains(strings.ToLower(in), want) {
			numbers = append(numbers, n)
		}
	}
	return numbers, true, nil
}

func (s digests) Seen(ctx context.Context) (set string, err error) {
	if s.a.Reader.Stranger() {
		return "", nil
	}
	err = s.a.view(ctx, func(tx *store.Tx) (err error) { set, err = tx.SeenIssues(s.a.Reader.User, s.a.List.ID); return err })
	return set, err
}

func (s digests) ChangeSeen(ctx context.Context, change func(set string) string) (string, error) {
	return s.a.changeSeen(ctx, change, (*store.Tx).SeenIssues, (*store.Tx).SetSeenIssues)
}

// count adds up what counts within spans.
func (a *Archive) count(ctx context.Context, within []Span, of func(*store.Tx, []Span) (int64, int64, error)) (n, bytes int64, err error) {
	err = a.view(ctx, func(tx *store.Tx) (err error) {
		n, bytes = 0, 0
		if len(within) == 0 {
			n, bytes, err = of(tx, nil)
			return err
		}
		for some := range slices.Chunk(within, maxSpans) {
			k, b, err := of(tx, some)
			if err != nil {
				return err
			}
			n, bytes = n+k, bytes+b
		}
		return nil
	})
	return n, bytes, err
}

// changeSeen changes a set of what the reader has read.
func (a *Archive) changeSeen(ctx context.Context, change func(set string) string, seen func(*store.Tx, int64, lists.ID) (string, error),
	keep func(*store.Tx, int64, lists.ID, string) error) (set string, err error) {
	err = a.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.LockSeen(a.Reader.User); err != nil {
			return err
		}
		old, err := seen(tx, a.Reader.User, a.List.ID)
		if err != nil {
			return err
		}
		if set = change(old); set == old {
			return nil
		}
		return keep(tx, a.Reader.User, a.List.ID, set)
	})
	return set, err
}

package archive

import (
	"context"
	"errors"
	"slices"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// This file is for those who number posts: a mailbox.

// Number is what a mailbox needs to know of each of its posts.
type Number = store.Number

// Span is a range of posts, both ends included.
type Span = store.SeqRange

// chunk is how many rows one View reads.
const chunk = 10_000

// Numbers calls f for each post behind one, by number.
func (a *Archive) Numbers(ctx context.Context, after lists.Seq, f func(Number)) error {
	return a.numbers(ctx, false, after, f)
}

func (a *Archive) numbers(ctx context.Context, announced bool, after lists.Seq, f func(Number)) error {
	for {
		var some []Number
		if err := a.view(ctx, func(tx *store.Tx) (err error) {
			some, err = tx.Numbers(a.List.ID, announced, after, chunk)
			return err
		}); err != nil {
			return err
		}
		for _, n := range some {
			f(n)
			after = n.Seq
		}
		if len(some) < chunk {
			return nil
		}
	}
}

// maxSpans is how many ranges one statement counts.
const maxSpans = 200

// Count counts posts and the bytes of their messages, within some spans only, if there are any.
func (a *Archive) Count(ctx context.Context, within ...Span) (n, bytes int64, err error) {
	return a.count(ctx, within, func(tx *store.Tx, some []Span) (int64, int64, error) { return tx.CountPosts(a.List.ID, false, some) })
}

// Epoch is the archive's UIDVALIDITY (RFC 9051 section 2.3.1.1), which never changes.
func (a *Archive) Epoch(ctx context.Context) (uint32, error) {
	row := store.Archive{}
	err := a.view(ctx, func(tx *store.Tx) (err error) { row, err = tx.Archive(a.List.ID); return err })
	if err == nil && row.Epoch == 0 || errors.Is(err, store.ErrNotFound) {
		err = a.db.Update(ctx, func(tx *store.Tx) (err error) { row, err = tx.OpenArchive(a.List.ID); return err })
	}
	return uint32(row.Epoch), err
}

// Read is the message of a post; ErrNoPost if readers do not see it.
func (a *Archive) Read(ctx context.Context, seq lists.Seq) (m mail.Message, err error) {
	err = a.view(ctx, func(tx *store.Tx) error {
		row, err := tx.Post(a.List.ID, seq)
		if errors.Is(err, store.ErrNotFound) || err == nil && row.Hidden {
			return ErrNoPost
		}
		if err != nil {
			return err
		}
		m, err = tx.Message(row.Message)
		return err
	})
	return m, err
}

// Heads calls f with the heads of some posts.
func (a *Archive) Heads(ctx context.Context, seqs []lists.Seq, f func(seq lists.Seq, head []byte)) error {
	for some := range slices.Chunk(seqs, 500) {
		if err := a.view(ctx, func(tx *store.Tx) error { return tx.HeadsOf(a.List.ID, some, f) }); err != nil {
			return err
		}
	}
	return nil
}

// Filed is closed when a post is filed next, in any list; it is soon enough to look every few seconds.
func (lib *Library) Filed() <-chan struct{} { return lib.DB.Woken(store.Filed) }

// Seen are the posts of the archive that its reader has read, as a set such as 1:17,19.
func (a *Archive) Seen(ctx context.Context) (set string, err error) {
	if a.Reader.Stranger() {
		return "", nil
	}
	err = a.view(ctx, func(tx *store.Tx) (err error) { set, err = tx.SeenPosts(a.Reader.User, a.List.ID); return err })
	return set, err
}

// ChangeSeen has change make a new set of what the reader has read from the one that stands, and returns it.
func (a *Archive) ChangeSeen(ctx context.Context, change func(set string) string) (set string, err error) {
	return a.changeSeen(ctx, change, (*store.Tx).SeenPosts, (*store.Tx).SetSeenPosts)
}

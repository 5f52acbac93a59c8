package store

import (
	"time"

	"listd/lists"
)

// Number is what a mailbox needs to know of each of its posts.
type Number struct {
	Seq         lists.Seq
	Size        int64 // bytes of the message
	Date, Filed time.Time
	Imported    bool
}

// readable is the condition for posts that readers may see, or for those of them that are announcements; these use
// posts_announced.
func readable(announced bool) string {
	if announced {
		return `hidden = 0 AND announced = 1`
	}
	return `hidden = 0`
}

// Numbers are up to limit posts behind one that readers may see, or announcements alone, by number.
func (tx *Tx) Numbers(l lists.ID, announced bool, after lists.Seq, limit int) (out []Number, err error) {
	err = tx.each(`SELECT seq, size, date, filed_at, origin FROM posts WHERE list_id = ? AND seq > ? AND `+readable(announced)+` ORDER BY seq LIMIT ?`,
		[]any{l, after, limit}, func(scan func(...any) error) error {
			var n Number
			var date, filed int64
			var origin string
			err := scan(&n.Seq, &n.Size, &date, &filed, &origin)
			n.Date, n.Filed, n.Imported = fromMillis(date), fromMillis(filed), origin != "posted"
			out = append(out, n)
			return err
		})
	return out, err
}

// SeqRange is a range of numbers, both ends included.
type SeqRange struct{ First, Last lists.Seq }

// CountPosts counts the posts that readers may see, or announcements alone, and the bytes of their messages; within some
// ranges only, if there are any.
func (tx *Tx) CountPosts(l lists.ID, announced bool, within []SeqRange) (n, bytes int64, err error) {
	where, args := inRanges("seq", within)
	err = tx.get(`SELECT COUNT(*), COALESCE(SUM(size), 0) FROM posts WHERE list_id = ? AND `+readable(announced)+where, append([]any{l}, args...), &n, &bytes)
	return n, bytes, err
}

// inRanges is the condition that a number is in one of some ranges, with its arguments; none if there are no ranges.
func inRanges(column string, within []SeqRange) (where string, args []any) {
	for i, r := range within {
		where += []string{" OR ", " AND ("}[b2i(i == 0)] + column + " BETWEEN ? AND ?"
		args = append(args, r.First, r.Last)
	}
	if where != "" {
		where += ")"
	}
	return where, args
}

// HeadsOf calls f with the heads of some posts of a list, at most 500 of them.
func (tx *Tx) HeadsOf(l lists.ID, seqs []lists.Seq, f func(seq lists.Seq, head []byte)) error {
	args := []any{l}
	for _, s := range seqs {
		args = append(args, s)
	}
	return tx.each(`SELECT p.seq, m.head FROM posts p JOIN messages m ON m.id = p.message_id WHERE p.list_id = ?
		AND p.seq IN `+placeholders(1, len(seqs)), args, func(scan func(...any) error) error {
		var seq lists.Seq
		var head []byte
		if err := scan(&seq, (*packedHead)(&head)); err != nil {
			return err
		}
		f(seq, head)
		return nil
	})
}

// SeqsAt are the numbers of the posts at some places, at most 500 of them, in no order.
func (tx *Tx) SeqsAt(places []Place) (out []lists.Seq, err error) {
	args := make([]any, len(places))
	for i, p := range places {
		args[i] = p
	}
	err = tx.each(`SELECT seq FROM posts WHERE place > 0 AND place IN `+placeholders(1, len(places)), args, func(scan func(...any) error) error {
		var seq lists.Seq
		err := scan(&seq)
		out = append(out, seq)
		return err
	})
	return out, err
}

package store

import (
	"slices"

	"listd/lists"
)

// someIDs is how many values of an IN a statement has at most.
const someIDs = 400

// Thread is a row of threads as readers meet it.
type Thread struct {
	ID          ThreadID
	First       lists.Seq // its earliest post
	Author      string    // of that
	Subject     string    // of that, without marks of replies
	Posts       int
	People      int // authors of its first thousand posts
	Start, Last Place
}

const threadColumns = `t.id, t.first_seq, COALESCE(p.author, ''), t.subject, t.posts, t.first_place, t.last_place,
	(SELECT COUNT(DISTINCT a.author) FROM (SELECT author FROM posts
		WHERE place IS NOT NULL AND thread = t.id ORDER BY place LIMIT 1000) a)
	FROM threads t LEFT JOIN posts p ON p.list_id = t.list_id AND p.seq = t.first_seq `

func (tx *Tx) threads(where string, args ...any) (out []Thread, err error) {
	err = tx.each(`SELECT `+threadColumns+where, args, func(scan func(...any) error) error {
		var t Thread
		err := scan(&t.ID, &t.First, &t.Author, &t.Subject, &t.Posts, &t.Start, &t.Last, &t.People)
		out = append(out, t)
		return err
	})
	return out, err
}

// ThreadsBefore are up to limit threads of a list whose last post stands before a place, latest first. Uses
// threads_by_last.
func (tx *Tx) ThreadsBefore(l lists.ID, before Place, limit int) ([]Thread, error) {
	return tx.threads(`WHERE t.list_id = ? AND t.last_place > 0 AND t.last_place < ? ORDER BY t.last_place DESC LIMIT ?`, l, before, limit)
}

// Thread is a thread; ErrNotFound if there is none, or if it has no posts that readers see.
func (tx *Tx) Thread(id ThreadID) (Thread, error) {
	found, err := tx.threads(`WHERE t.id = ? AND t.last_place > 0`, id)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Thread{}, err
	}
	return found[0], nil
}

// ThreadsFrom are the threads with a post in [from, to), by the first such. Uses posts_by_place.
func (tx *Tx) ThreadsFrom(from, to Place) (out []Thread, err error) {
	var ids []ThreadID
	at := map[ThreadID]int{}
	err = tx.each(`SELECT thread FROM posts WHERE place >= ? AND place < ? GROUP BY thread ORDER BY MIN(place)`,
		[]any{from, to}, func(scan func(...any) error) error {
			var id ThreadID
			err := scan(&id)
			at[id] = len(ids)
			ids = append(ids, id)
			return err
		})
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(ids, someIDs) {
		args := make([]any, len(part))
		for i, id := range part {
			args[i] = id
		}
		found, err := tx.threads(`WHERE t.id IN `+placeholders(1, len(part)), args...)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	slices.SortFunc(out, func(a, b Thread) int { return at[a.ID] - at[b.ID] })
	return out, nil
}

// Limb is a post in its thread, by number.
type Limb struct {
	Seq, Parent lists.Seq
}

// Limbs are up to limit posts of a thread, by place. Uses posts_by_thread.
func (tx *Tx) Limbs(id ThreadID, limit int) (out []Limb, err error) {
	err = tx.each(`SELECT seq, parent FROM posts WHERE place IS NOT NULL AND thread = ? ORDER BY place LIMIT ?`, []any{id, limit},
		func(scan func(...any) error) error {
			var b Limb
			err := scan(&b.Seq, &b.Parent)
			out = append(out, b)
			return err
		})
	return out, err
}

// SeqOf is the number of the post whose Message-ID has this SHA-1; ErrNotFound if there is none that readers see.
func (tx *Tx) SeqOf(l lists.ID, hash []byte) (seq lists.Seq, err error) {
	err = tx.get(`SELECT seq FROM message_ids WHERE list_id = ? AND hash = ? AND seq > 0`, []any{l, hash}, &seq)
	return seq, err
}

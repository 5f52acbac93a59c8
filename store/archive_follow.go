package store

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"listd/lists"
)

// Archive is how far a list's archive has been read. A list without a row has the zero Archive.
type Archive struct {
	List              lists.ID
	LastSeq           lists.Seq // of the list
	Epoch             uint32    // when it was first read, in seconds: its UIDVALIDITY (RFC 3501 section 2.3.1.1)
	Threaded, Indexed lists.Seq
	Removals          int64 // posts that were taken out; see MoveThreaded
}

const archiveColumns = `l.id, l.last_seq, COALESCE(a.epoch, 0), COALESCE(a.threaded, 0), COALESCE(a.indexed, 0), COALESCE(a.removals, 0)
	FROM lists l LEFT JOIN archives a ON a.list_id = l.id `

func (tx *Tx) archives(where string, args ...any) (out []Archive, err error) {
	err = tx.each(`SELECT `+archiveColumns+where, args, func(scan func(...any) error) error {
		var a Archive
		err := scan(&a.List, &a.LastSeq, &a.Epoch, &a.Threaded, &a.Indexed, &a.Removals)
		out = append(out, a)
		return err
	})
	return out, err
}

// Archive is a list's; ErrNotFound if there is no such list.
func (tx *Tx) Archive(l lists.ID) (Archive, error) {
	found, err := tx.archives(`WHERE l.id = ?`, l)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Archive{}, err
	}
	return found[0], nil
}

// Behind are the archives that have posts which were not read; without their words, unless words says that these count.
func (tx *Tx) Behind(words bool) ([]Archive, error) {
	return tx.archives(`WHERE l.last_seq > COALESCE(a.threaded, 0) OR (? = 1 AND l.last_seq > COALESCE(a.indexed, 0)) ORDER BY l.id`, b2i(words))
}

// OpenArchive makes the row of a list's archive if there is none, and locks it until the transaction ends.
func (tx *Tx) OpenArchive(l lists.ID) (Archive, error) {
	if _, err := tx.exec(`INSERT INTO archives (list_id, epoch) SELECT id, `+tx.db.dialect.bigint()+` FROM lists WHERE id = ?
		ON CONFLICT DO NOTHING`, tx.Now.Unix(), l); err != nil {
		return Archive{}, err
	}
	if _, err := tx.exec(`UPDATE archives SET epoch = epoch WHERE list_id = ?`, l); err != nil {
		return Archive{}, err
	}
	return tx.Archive(l)
}

// MoveThreaded moves the cursor of the threads and locks the row; false if the archive is not what it was any more: another
// has read these posts, or a post was taken out, and what was read of it must not be written.
func (tx *Tx) MoveThreaded(a Archive, to lists.Seq) (bool, error) {
	n, err := tx.exec(`UPDATE archives SET threaded = ? WHERE list_id = ? AND threaded = ? AND removals = ?`, to, a.List, a.Threaded, a.Removals)
	return n == 1, err
}

// MoveIndexed moves the cursor of the words like MoveThreaded.
func (tx *Tx) MoveIndexed(a Archive, to lists.Seq) (bool, error) {
	n, err := tx.exec(`UPDATE archives SET indexed = ? WHERE list_id = ? AND indexed = ? AND removals = ?`, to, a.List, a.Indexed, a.Removals)
	return n == 1, err
}

// Heads calls f for the posts of a list behind a number, in order, with their heads; f says whether it wants another. The
// head is f's only until it returns. At most limit rows are read.
func (tx *Tx) Heads(l lists.ID, after lists.Seq, limit int, f func(p Post, head []byte) bool) error {
	enough := errors.New("enough")
	err := tx.each(`SELECT p.seq, p.msgid, p.subject, p.date, p.hidden, p.removed_at, m.head
		FROM posts p JOIN messages m ON m.id = p.message_id
		WHERE p.list_id = ? AND p.seq > ? ORDER BY p.seq LIMIT ?`, []any{l, after, limit}, func(scan func(...any) error) error {
		p := Post{List: l}
		var date, removed int64
		var head []byte
		if err := scan(&p.Seq, &p.MsgID, &p.Subject, &date, &p.Hidden, &removed, (*packedHead)(&head)); err != nil {
			return err
		}
		p.Date, p.Removed = fromMillis(date), fromMillis(removed)
		if !f(p, head) {
			return enough
		}
		return nil
	})
	if errors.Is(err, enough) {
		return nil
	}
	return err
}

// Hash is the SHA-1 of a Message-ID without its brackets.
type Hash [20]byte

// Ident is a Message-ID that a list has met.
type Ident struct {
	Hash   Hash
	Thread ThreadID  // or one that was merged into it
	Seq    lists.Seq // the post that has it; 0: it was only referred to
	Parent lists.Seq // of one that is not there: the post it answers, as others told; 0 if they did not
	Below  bool      // others told that it answers something, there or not
}

// Idents are those of the hashes that a list has met, in any order.
func (tx *Tx) Idents(l lists.ID, hashes []Hash) (out []Ident, err error) {
	for part := range slices.Chunk(hashes, someIDs) {
		args := append(make([]any, 0, len(part)+1), l)
		for i := range part {
			args = append(args, part[i][:])
		}
		err := tx.each(`SELECT hash, thread, seq, parent, below FROM message_ids WHERE list_id = ? AND hash IN `+placeholders(1, len(part)), args,
			func(scan func(...any) error) error {
				var i Ident
				var hash []byte
				err := scan(&hash, &i.Thread, &i.Seq, &i.Parent, &i.Below)
				copy(i.Hash[:], hash)
				out = append(out, i)
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// PutIdents writes what is known about Message-IDs, none of them twice.
func (tx *Tx) PutIdents(l lists.ID, all []Ident) error {
	const columns = 6
	for part := range slices.Chunk(all, maxValues/columns) {
		args := make([]any, 0, len(part)*columns)
		for i := range part {
			args = append(args, l, part[i].Hash[:], part[i].Thread, part[i].Seq, part[i].Parent, b2i(part[i].Below))
		}
		if _, err := tx.exec(`INSERT INTO message_ids (list_id, hash, thread, seq, parent, below) VALUES `+placeholders(len(part), columns)+`
			ON CONFLICT (list_id, hash) DO UPDATE SET thread = excluded.thread, seq = excluded.seq, parent = excluded.parent,
				below = excluded.below`,
			args...); err != nil {
			return fmt.Errorf("message ids: %w", err)
		}
	}
	return nil
}

// maxValues is how many values a statement that writes many rows has at most.
const maxValues = 500

// Row is a row of threads as it is kept.
type Row struct {
	ID          ThreadID
	Merged      ThreadID // the thread it has become part of; 0 if it stands
	Posts       int
	First       lists.Seq
	Start, Last Place
	Base        int64 // of its subject; 0: it says too little
	Subject     string
}

// ThreadRows are the rows of threads, in any order.
func (tx *Tx) ThreadRows(ids []ThreadID) (out []Row, err error) {
	for part := range slices.Chunk(ids, someIDs) {
		args := make([]any, len(part))
		for i, id := range part {
			args[i] = id
		}
		found, err := tx.threadRows(`WHERE id IN `+placeholders(1, len(part)), args...)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// ThreadsOfBase are up to limit of the latest threads whose subject has this base. Uses threads_by_base.
func (tx *Tx) ThreadsOfBase(base int64, limit int) ([]Row, error) {
	return tx.threadRows(`WHERE base <> 0 AND base = ? ORDER BY id DESC LIMIT ?`, base, limit)
}

func (tx *Tx) threadRows(where string, args ...any) (out []Row, err error) {
	err = tx.each(`SELECT id, merged, posts, first_seq, first_place, last_place, base, subject FROM threads `+where, args,
		func(scan func(...any) error) error {
			var r Row
			err := scan(&r.ID, &r.Merged, &r.Posts, &r.First, &r.Start, &r.Last, &r.Base, &r.Subject)
			out = append(out, r)
			return err
		})
	return out, err
}

// PutThreads writes rows of threads, none of them twice.
func (tx *Tx) PutThreads(l lists.ID, all []Row) error {
	const columns = 9
	for part := range slices.Chunk(all, maxValues/columns) {
		args := make([]any, 0, len(part)*columns)
		for _, r := range part {
			args = append(args, r.ID, l, r.Merged, r.Posts, r.First, r.Start, r.Last, r.Base, r.Subject)
		}
		if _, err := tx.exec(`INSERT INTO threads (id, list_id, merged, posts, first_seq, first_place, last_place, base, subject)
			VALUES `+placeholders(len(part), columns)+`
			ON CONFLICT (id) DO UPDATE SET merged = excluded.merged, posts = excluded.posts, first_seq = excluded.first_seq,
				first_place = excluded.first_place, last_place = excluded.last_place, base = excluded.base, subject = excluded.subject`,
			args...); err != nil {
			return fmt.Errorf("threads: %w", err)
		}
	}
	return nil
}

// MergeThread makes the posts of a thread those of another. Uses posts_by_thread.
func (tx *Tx) MergeThread(from, into ThreadID) error {
	_, err := tx.exec(`UPDATE posts SET thread = ? WHERE place IS NOT NULL AND thread = ?`, into, from)
	return err
}

// Taken is the last place that is taken in each second that has any; both the question and the answer name a second by
// its first place. Uses posts_by_place alone.
func (tx *Tx) Taken(seconds []Place) (map[Place]Place, error) {
	out := make(map[Place]Place, len(seconds))
	for part := range slices.Chunk(seconds, someIDs) {
		args := make([]any, len(part))
		for i, s := range part {
			args[i] = s
		}
		err := tx.each(tx.valuesOf("s (start)", len(part), 1)+` SELECT start, (SELECT MAX(place) FROM posts
			WHERE place >= start AND place < start + `+strconv.Itoa(EachSecond)+`) FROM s`, args, func(scan func(...any) error) error {
			var start Place
			var last *Place
			err := scan(&start, &last)
			if last != nil {
				out[start] = *last
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// valuesOf is a WITH of rows of numbers. PostgreSQL must be told in the first row that they are numbers.
func (tx *Tx) valuesOf(name string, rows, columns int) string {
	big := tx.db.dialect.bigint()
	first := "(" + strings.TrimSuffix(strings.Repeat(big+", ", columns), ", ") + ")"
	if rows > 1 {
		first += ", " + placeholders(rows-1, columns)
	}
	return `WITH ` + name + ` AS (VALUES ` + first + `)`
}

// SetThreaded writes the Place, Thread, Parent and Far of posts of a list.
func (tx *Tx) SetThreaded(l lists.ID, all []Post) error {
	const columns = 5
	for part := range slices.Chunk(all, maxValues/columns) {
		args := make([]any, 0, len(part)*columns+1)
		for _, p := range part {
			args = append(args, p.Seq, p.Place, p.Thread, p.Parent, p.Far)
		}
		if _, err := tx.exec(tx.valuesOf("v (seq, place, thread, parent, far)", len(part), columns)+`
			UPDATE posts SET place = v.place, thread = v.thread, parent = v.parent, far = v.far FROM v
			WHERE posts.list_id = ? AND posts.seq = v.seq`, append(args, l)...); err != nil {
			return fmt.Errorf("posts: %w", err)
		}
	}
	return nil
}

// SetParents writes the Parent and Far of posts of a list.
func (tx *Tx) SetParents(l lists.ID, all []Post) error {
	const columns = 3
	for part := range slices.Chunk(all, maxValues/columns) {
		args := make([]any, 0, len(part)*columns+1)
		for _, p := range part {
			args = append(args, p.Seq, p.Parent, p.Far)
		}
		if _, err := tx.exec(tx.valuesOf("v (seq, parent, far)", len(part), columns)+`
			UPDATE posts SET parent = v.parent, far = v.far FROM v WHERE posts.list_id = ? AND posts.seq = v.seq`,
			append(args, l)...); err != nil {
			return fmt.Errorf("parents: %w", err)
		}
	}
	return nil
}

// SetFiles writes the Files of posts of a list.
func (tx *Tx) SetFiles(l lists.ID, files map[lists.Seq]int) error {
	const columns = 2
	seqs := make([]lists.Seq, 0, len(files))
	for seq := range files {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	for part := range slices.Chunk(seqs, maxValues/columns) {
		args := make([]any, 0, len(part)*columns+1)
		for _, seq := range part {
			args = append(args, seq, files[seq])
		}
		if _, err := tx.exec(tx.valuesOf("v (seq, files)", len(part), columns)+`
			UPDATE posts SET files = v.files FROM v WHERE posts.list_id = ? AND posts.seq = v.seq`, append(args, l)...); err != nil {
			return fmt.Errorf("files: %w", err)
		}
	}
	return nil
}

// Await is a post whose parent may still come.
type Await struct {
	Hash     Hash // of the Message-ID that is not there
	Seq      lists.Seq
	Distance int // 1: the one that the post itself answers
	// What the post has now; known when it is read, not written.
	Parent lists.Seq
	Far    int
}

// Awaiting are the posts of a list that wait for Message-IDs.
func (tx *Tx) Awaiting(l lists.ID, hashes []Hash) (out []Await, err error) {
	for part := range slices.Chunk(hashes, someIDs) {
		args := append(make([]any, 0, len(part)+1), l)
		for i := range part {
			args = append(args, part[i][:])
		}
		err := tx.each(`SELECT w.hash, w.seq, w.distance, p.parent, p.far
			FROM awaited w JOIN posts p ON p.list_id = w.list_id AND p.seq = w.seq
			WHERE w.list_id = ? AND w.hash IN `+placeholders(1, len(part))+` ORDER BY w.seq`, args, func(scan func(...any) error) error {
			var a Await
			var hash []byte
			err := scan(&hash, &a.Seq, &a.Distance, &a.Parent, &a.Far)
			copy(a.Hash[:], hash)
			out = append(out, a)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// PutAwaits has posts wait.
func (tx *Tx) PutAwaits(l lists.ID, all []Await) error {
	const columns = 4
	for part := range slices.Chunk(all, maxValues/columns) {
		args := make([]any, 0, len(part)*columns)
		for i := range part {
			args = append(args, l, part[i].Hash[:], part[i].Seq, part[i].Distance)
		}
		if _, err := tx.exec(`INSERT INTO awaited (list_id, hash, seq, distance) VALUES `+placeholders(len(part), columns)+`
			ON CONFLICT DO NOTHING`, args...); err != nil {
			return fmt.Errorf("awaited: %w", err)
		}
	}
	return nil
}

// Arrived forgets that posts wait for Message-IDs.
func (tx *Tx) Arrived(l lists.ID, hashes []Hash) error {
	for part := range slices.Chunk(hashes, someIDs) {
		args := append(make([]any, 0, len(part)+1), l)
		for i := range part {
			args = append(args, part[i][:])
		}
		if _, err := tx.exec(`DELETE FROM awaited WHERE list_id = ? AND hash IN `+placeholders(1, len(part)), args...); err != nil {
			return err
		}
	}
	return nil
}

// Parents are the parents of a post and of up to limit of those above it, by post. CROSS JOIN keeps SQLite from reading the
// whole list for each of them.
func (tx *Tx) Parents(l lists.ID, seq lists.Seq, limit int) (map[lists.Seq]lists.Seq, error) {
	out := map[lists.Seq]lists.Seq{}
	big := tx.db.dialect.bigint()
	err := tx.each(`WITH RECURSIVE up (seq, parent, n) AS (
			SELECT seq, parent, `+big+` FROM posts WHERE list_id = ? AND seq = ?
			UNION ALL SELECT p.seq, p.parent, up.n - 1 FROM up CROSS JOIN posts p
			WHERE p.list_id = ? AND p.seq = up.parent AND up.parent > 0 AND up.n > 0)
		SELECT seq, parent FROM up`, []any{limit, l, seq, l}, func(scan func(...any) error) error {
		var at, parent lists.Seq
		err := scan(&at, &parent)
		out[at] = parent
		return err
	})
	return out, err
}

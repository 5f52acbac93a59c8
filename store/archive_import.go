package store

import (
	"bytes"
	"fmt"
	"slices"

	"listd/lists"
)

// TakeSeqs takes the next n numbers of a list and returns the first of them. Like TakeSeq it locks the list's row.
func (tx *Tx) TakeSeqs(l lists.ID, n int) (first lists.Seq, err error) {
	var last lists.Seq
	err = tx.get(`UPDATE lists SET last_seq = last_seq + ? WHERE id = ? RETURNING last_seq`, []any{n, l}, &last)
	return last - lists.Seq(n) + 1, err
}

// Unread calls f for up to limit posts of a list behind a number, in order: with their Message-ID, and with the head of
// those that have none. It says how many they were.
func (tx *Tx) Unread(l lists.ID, after lists.Seq, limit int, f func(msgid string, head []byte)) (n int, err error) {
	err = tx.each(`SELECT p.msgid, CASE WHEN p.msgid = '' THEN (SELECT m.head FROM messages m WHERE m.id = p.message_id) END
		FROM posts p WHERE p.list_id = ? AND p.seq > ? ORDER BY p.seq LIMIT ?`, []any{l, after, limit}, func(scan func(...any) error) error {
		var msgid string
		var head []byte
		if err := scan(&msgid, (*packedHead)(&head)); err != nil {
			return err
		}
		n++
		f(msgid, head)
		return nil
	})
	return n, err
}

// NewMessage is a message that is not stored yet.
type NewMessage struct {
	Head []byte
	Body Body
}

// maxBytes is how much content one statement carries, about.
const maxBytes = 1 << 20

// AddMessages is AddMessage for many, in order.
func (tx *Tx) AddMessages(all []NewMessage) ([]MessageID, error) {
	ids, err := tx.addBodies(all)
	if err != nil {
		return nil, fmt.Errorf("store bodies: %w", err)
	}
	out := make([]MessageID, 0, len(all))
	for start := 0; start < len(all); {
		var args []any
		size, n := 0, start
		for ; n < len(all) && len(args) < maxValues && size < maxBytes; n++ {
			head := packHead(all[n].Head)
			args = append(args, ids[all[n].Body.Hash], head)
			size += len(head)
		}
		err := tx.each(`INSERT INTO messages (body_id, head) VALUES `+placeholders(n-start, 2)+` RETURNING id`, args,
			func(scan func(...any) error) error {
				var id MessageID
				err := scan(&id)
				out = append(out, id)
				return err
			})
		if err != nil {
			return nil, fmt.Errorf("store heads: %w", err)
		}
		slices.Sort(out[start:]) // numbers are given in the order of VALUES, whatever the order of RETURNING
		start = n
	}
	return out, nil
}

// addBodies stores the bodies of messages, each once, and returns their IDs. Those in one piece go together, in the order
// of their hashes, so that two who store the same ones do not wait for each other.
func (tx *Tx) addBodies(all []NewMessage) (map[[32]byte]int64, error) {
	ids := make(map[[32]byte]int64, len(all))
	var small []Body
	for i := range all {
		b := all[i].Body
		if _, ok := ids[b.Hash]; ok {
			continue
		}
		ids[b.Hash] = 0
		if len(b.chunks) == 1 {
			small = append(small, b)
			continue
		}
		id, err := tx.addBody(b)
		if err != nil {
			return nil, err
		}
		ids[b.Hash] = id
	}
	slices.SortFunc(small, func(a, b Body) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
	const columns = 5
	for start := 0; start < len(small); {
		var args []any
		size, n := 0, start
		for ; n < len(small) && len(args) < maxValues && size < maxBytes; n++ {
			b := &small[n]
			args = append(args, b.Hash[:], b.Size, tx.Now.UnixMilli(), b2i(b.chunks[0].packed), b.chunks[0].data)
			size += len(b.chunks[0].data)
		}
		err := tx.each(`INSERT INTO bodies (hash, size, used_at, packed, data) VALUES `+placeholders(n-start, columns)+`
			ON CONFLICT (hash) DO UPDATE SET used_at = excluded.used_at RETURNING id, hash`, args, func(scan func(...any) error) error {
			var id int64
			var hash []byte
			err := scan(&id, &hash)
			ids[[32]byte(hash)] = id
			return err
		})
		if err != nil {
			return nil, err
		}
		start = n
	}
	return ids, nil
}

// AddPosts is AddPost for many.
func (tx *Tx) AddPosts(all []Post) error {
	const columns = 12
	for part := range slices.Chunk(all, maxValues/columns) {
		args := make([]any, 0, len(part)*columns)
		for _, p := range part {
			args = append(args, p.List, p.Seq, p.Message, p.MsgID, p.Subject, p.Author, p.Date.UnixMilli(), tx.Now.UnixMilli(), p.Size,
				b2i(p.Hidden), p.Origin, b2i(p.Announced))
		}
		if _, err := tx.exec(`INSERT INTO posts (list_id, seq, message_id, msgid, subject, author, date, filed_at, size, hidden, origin, announced)
			VALUES `+placeholders(len(part), columns), args...); err != nil {
			return err
		}
	}
	tx.woken |= Filed
	return nil
}

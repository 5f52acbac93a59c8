package store

import (
	"crypto/sha256"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"listd/mail"
)

// chunkSize is how much of a body lies in one row, in bytes: one row of 25 MiB would hold the writer for 215 ms.
const chunkSize = 256 << 10

// MessageID names a stored message (the row, not the header field).
type MessageID int64

// Body is a body made ready outside the transaction that stores it: hashed, cut and compressed.
type Body struct {
	Hash   [sha256.Size]byte
	Size   int64 // bytes, unpacked
	chunks []chunk
}

type chunk struct {
	packed bool
	data   []byte
}

// One encoder and one decoder serve the process; EncodeAll and DecodeAll are safe for concurrent use.
var (
	encoder = warm(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(chunkSize)))
	decoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(2*chunkSize)))
)

// PackBody makes a body ready to be stored. A piece that does not shrink stays as it is, and shares b's memory.
func PackBody(b []byte) Body {
	out := Body{Hash: sha256.Sum256(b), Size: int64(len(b))}
	if b == nil {
		b = []byte{} // nil would be NULL
	}
	for first := true; first || len(b) > 0; first = false {
		n := min(len(b), chunkSize)
		c := chunk{data: b[:n:n]}
		if n > 128 {
			if z := encoder.EncodeAll(c.data, make([]byte, 0, n/2)); len(z) < n-n/8 {
				c = chunk{packed: true, data: z}
			}
		}
		out.chunks = append(out.chunks, c)
		b = b[n:]
	}
	return out
}

// AddMessage stores a message; its body once, however many messages share it.
func (tx *Tx) AddMessage(head []byte, b Body) (MessageID, error) {
	body, err := tx.addBody(b)
	if err != nil {
		return 0, fmt.Errorf("store body: %w", err)
	}
	var id MessageID
	err = tx.get(`INSERT INTO messages (body_id, head) VALUES (?, ?) RETURNING id`, []any{body, packHead(head)}, &id)
	return id, err
}

// addBody uses bodies' UNIQUE (hash). Storing a body that is there touches it, so that the sweep leaves it. One
// that a message has is whole: its chunks need not be written again.
func (tx *Tx) addBody(b Body) (id int64, err error) {
	var whole bool
	err = tx.get(`INSERT INTO bodies (hash, size, used_at, packed, data) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (hash) DO UPDATE SET used_at = excluded.used_at
		RETURNING id, EXISTS (SELECT 1 FROM messages WHERE messages.body_id = bodies.id)`,
		[]any{b.Hash[:], b.Size, tx.Now.UnixMilli(), b2i(b.chunks[0].packed), b.chunks[0].data}, &id, &whole)
	if err != nil || whole {
		return id, err
	}
	for n, c := range b.chunks[1:] {
		if _, err := tx.exec(`INSERT INTO body_chunks (body_id, n, packed, data) VALUES (?, ?, ?, ?)
			ON CONFLICT DO NOTHING`, id, n+1, b2i(c.packed), c.data); err != nil {
			return 0, err
		}
	}
	return id, nil
}

// Message reads a stored message. Its body is one allocation of its size.
func (tx *Tx) Message(id MessageID) (mail.Message, error) {
	var m mail.Message
	var body, size, packed int64
	var first []byte
	err := tx.get(`SELECT m.head, b.id, b.size, b.packed, b.data FROM messages m JOIN bodies b ON b.id = m.body_id
		WHERE m.id = ?`, []any{id}, (*packedHead)(&m.Head), &body, &size, &packed, &first)
	if err != nil {
		return m, fmt.Errorf("message %d: %w", id, err)
	}
	m.Body = make([]byte, 0, size)
	if m.Body, err = unpack(m.Body, packed != 0, first); err != nil {
		return m, fmt.Errorf("message %d: %w", id, err)
	}
	if size > chunkSize {
		err = tx.each(`SELECT packed, data FROM body_chunks WHERE body_id = ? ORDER BY n`, []any{body},
			func(scan func(...any) error) error {
				var data []byte
				if err := scan(&packed, &data); err != nil {
					return err
				}
				m.Body, err = unpack(m.Body, packed != 0, data)
				return err
			})
	}
	if err == nil && int64(len(m.Body)) != size {
		err = fmt.Errorf("message %d: its body is %d bytes of %d: %w", id, len(m.Body), size, io.ErrUnexpectedEOF)
	}
	return m, err
}

// unpack appends a chunk. The decoder is given room for the chunk alone: its limit counts all it is given to append to.
func unpack(to []byte, packed bool, data []byte) ([]byte, error) {
	if !packed {
		return append(to, data...), nil
	}
	out, err := decoder.DecodeAll(data, to[len(to):])
	if err != nil {
		return to, err
	}
	return append(to, out...), nil // out lies there already if to had the room
}

// SweepMessages looks at up to limit messages after the one given, and deletes those nothing refers to whose body was
// not used since before, and with the last message of a body the body. It says how many rows went, and where to go on;
// 0 at the end.
func (tx *Tx) SweepMessages(before time.Time, after MessageID, limit int) (swept int64, next MessageID, err error) {
	var n int
	err = tx.get(`SELECT COUNT(*), COALESCE(MAX(id), 0) FROM (SELECT id FROM messages WHERE id > ? ORDER BY id LIMIT ?) w`,
		[]any{after, limit}, &n, &next)
	if err != nil || n == 0 {
		return 0, 0, err
	}
	var bodies []int64
	err = tx.each(`DELETE FROM messages WHERE id > ? AND id <= ?
		AND (SELECT used_at FROM bodies WHERE bodies.id = messages.body_id) < ?
		AND NOT EXISTS (SELECT 1 FROM posts WHERE posts.message_id = messages.id)
		AND NOT EXISTS (SELECT 1 FROM held WHERE held.message_id = messages.id)
		AND NOT EXISTS (SELECT 1 FROM outgoing WHERE outgoing.message_id = messages.id)
		AND NOT EXISTS (SELECT 1 FROM kept_issues WHERE kept_issues.message_id = messages.id)
		AND NOT EXISTS (SELECT 1 FROM bounce_news WHERE bounce_news.message_id = messages.id)
		RETURNING body_id`, []any{after, next, millis(before)}, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		bodies = append(bodies, id)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	swept = int64(len(bodies))
	for _, id := range bodies {
		// PostgreSQL looks at used_at once more if somebody is storing the body just now.
		k, err := tx.exec(`DELETE FROM bodies WHERE id = ? AND used_at < ?
			AND NOT EXISTS (SELECT 1 FROM messages WHERE messages.body_id = bodies.id)`, id, millis(before))
		if err != nil {
			return swept, next, err
		}
		swept += k
	}
	if n < limit {
		next = 0
	}
	return swept, next, nil
}

// SiteValue is a value all nodes share, such as the HMAC key; ErrNotFound if it was never set.
func (tx *Tx) SiteValue(name string) (value []byte, err error) {
	err = tx.get(`SELECT value FROM site WHERE name = ?`, []any{name}, &value)
	return value, err
}

// InitSiteValue sets a value unless there is one, and returns the one that stands.
func (tx *Tx) InitSiteValue(name string, value []byte) ([]byte, error) {
	if _, err := tx.exec(`INSERT INTO site (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING`, name, value); err != nil {
		return nil, err
	}
	return tx.SiteValue(name)
}

// SetSiteValue sets a value; nil deletes it.
func (tx *Tx) SetSiteValue(name string, value []byte) error {
	var err error
	if value == nil {
		_, err = tx.exec(`DELETE FROM site WHERE name = ?`, name)
	} else {
		_, err = tx.exec(`INSERT INTO site (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	}
	tx.woken |= Deliveries
	return err
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// MessageSize is the size of a stored message in bytes, without reading it.
func (tx *Tx) MessageSize(id MessageID) (int64, error) {
	var start []byte
	var head, body int64
	err := tx.get(`SELECT SUBSTR(m.head, 1, ?), LENGTH(m.head), b.size FROM messages m JOIN bodies b ON b.id = m.body_id WHERE m.id = ?`,
		[]any{headStart, id}, &start, &head, &body)
	if err != nil {
		return 0, err
	}
	if head, err = headSize(start, head); err != nil {
		return 0, fmt.Errorf("message %d: %w", id, err)
	}
	return head + 2 + body, nil
}

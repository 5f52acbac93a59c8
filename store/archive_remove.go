package store

import (
	"fmt"
	"time"

	"listd/lists"
)

// CountRemoval locks a list's archive until the transaction ends, and has every batch that was read of it before and is not
// written yet be read again.
func (tx *Tx) CountRemoval(l lists.ID) error {
	if _, err := tx.OpenArchive(l); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE archives SET removals = removals + 1 WHERE list_id = ?`, l)
	return err
}

// ReplacePost gives a post another message, with its Subject, Author and Size, and marks it as removed now. Its
// attachments are gone, and if its thread's subject was its own, so is that.
func (tx *Tx) ReplacePost(p Post) error {
	if _, err := tx.exec(`UPDATE posts SET message_id = ?, subject = ?, author = ?, size = ?, files = 0, removed_at = ?
		WHERE list_id = ? AND seq = ?`, p.Message, p.Subject, p.Author, p.Size, tx.Now.UnixMilli(), p.List, p.Seq); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE threads SET subject = ?, base = 0 WHERE id = ? AND first_seq = ?`, p.Subject, p.Thread, p.Seq)
	return err
}

// Copied is a copy of a post that left.
type Copied struct {
	Outgoing OutgoingID
	Message  MessageID
	Due      bool // it has not reached everybody yet
}

// CopiesOf are the copies of a post that left, in issues of digests, too. It reads all that is remembered of outgoing mail:
// it is for what is rare.
func (tx *Tx) CopiesOf(l lists.ID, seq lists.Seq) (out []Copied, err error) {
	issues, err := tx.IssuesWith(l, seq)
	if err != nil {
		return nil, err
	}
	args := []any{l, seq}
	for _, id := range issues {
		args = append(args, id)
	}
	within := ""
	if len(issues) > 0 {
		within = ` OR o.id IN ` + placeholders(1, len(issues))
	}
	err = tx.each(`SELECT o.id, o.message_id, o.fanned_to >= 0 OR EXISTS (SELECT 1 FROM deliveries d WHERE d.outgoing_id = o.id AND d.state = 'due')
		FROM outgoing o WHERE o.list_id = ? AND (o.seq = ?`+within+`) ORDER BY o.id`, args, func(scan func(...any) error) error {
		var s Copied
		err := scan(&s.Outgoing, &s.Message, &s.Due)
		out = append(out, s)
		return err
	})
	return out, err
}

// ReplaceOutgoing gives an outgoing another message and Subject. An issue of a digest that it was is made anew when
// somebody wants it later.
func (tx *Tx) ReplaceOutgoing(id OutgoingID, message MessageID, subject string) error {
	if _, err := tx.exec(`DELETE FROM issues WHERE outgoing_id = ?`, id); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE outgoing SET message_id = ?, subject = ? WHERE id = ?`, message, subject, id)
	return err
}

// DropMessage deletes a message at once, and its body unless another message has it, too; false if something still refers
// to the message.
func (tx *Tx) DropMessage(id MessageID) (bool, error) {
	var body int64
	err := tx.get(`DELETE FROM messages WHERE id = ?
		AND NOT EXISTS (SELECT 1 FROM posts WHERE posts.message_id = messages.id)
		AND NOT EXISTS (SELECT 1 FROM held WHERE held.message_id = messages.id)
		AND NOT EXISTS (SELECT 1 FROM outgoing WHERE outgoing.message_id = messages.id)
		AND NOT EXISTS (SELECT 1 FROM kept_issues WHERE kept_issues.message_id = messages.id)
		AND NOT EXISTS (SELECT 1 FROM bounce_news WHERE bounce_news.message_id = messages.id) RETURNING body_id`, []any{id}, &body)
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("drop message %d: %w", id, err)
	}
	// Who stores the same body just now has the row locked; the next statement sees what they have written.
	if err := tx.get(`SELECT id FROM bodies WHERE id = ? `+tx.db.dialect.forUpdate(), []any{body}, &body); err != nil {
		return false, fmt.Errorf("drop message %d: %w", id, err)
	}
	_, err = tx.exec(`DELETE FROM bodies WHERE id = ? AND NOT EXISTS (SELECT 1 FROM messages WHERE messages.body_id = bodies.id)`, body)
	return true, err
}

// SweepHidden deletes up to limit posts that no reader sees and that were filed before, and says how many. Their messages
// go with the sweep of what nobody refers to. Uses posts_hidden.
func (tx *Tx) SweepHidden(before time.Time, limit int) (int64, error) {
	return tx.exec(`DELETE FROM posts WHERE (list_id, seq) IN (SELECT list_id, seq FROM posts
		WHERE hidden = 1 AND filed_at < ? ORDER BY filed_at LIMIT ?)`, millis(before), limit)
}

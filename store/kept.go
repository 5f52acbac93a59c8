package store

import (
	"time"

	"listd/lists"
)

// KeptIssue is a part of a digest that can still be read: its number among those of its list, and its posts.
type KeptIssue struct {
	List    lists.ID
	UID     lists.Seq
	Message MessageID
	Size    int64     // bytes of the message
	After   lists.Seq // it has the posts behind this one
	Last    lists.Seq // up to this one
	At      time.Time
}

// KeepIssue keeps a part of a digest, under the next number of its list, whose row is locked from here on. At is the
// transaction's Now.
func (tx *Tx) KeepIssue(k KeptIssue) (uid lists.Seq, err error) {
	if err = tx.get(`UPDATE lists SET last_kept = last_kept + 1 WHERE id = ? RETURNING last_kept`, []any{k.List}, &uid); err != nil {
		return 0, err
	}
	_, err = tx.exec(`INSERT INTO kept_issues (list_id, uid, message_id, size, after_seq, last_seq, at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		k.List, uid, k.Message, k.Size, k.After, k.Last, tx.Now.UnixMilli())
	tx.woken |= Filed
	return uid, err
}

// LastKept is the highest number that a digest of a list was ever kept under; 0 if none was.
func (tx *Tx) LastKept(l lists.ID) (uid lists.Seq, err error) {
	err = tx.get(`SELECT last_kept FROM lists WHERE id = ?`, []any{l}, &uid)
	return uid, err
}

const keptColumns = `list_id, uid, message_id, size, after_seq, last_seq, at`

func scanKept(scan func(...any) error) (k KeptIssue, err error) {
	var at int64
	err = scan(&k.List, &k.UID, &k.Message, &k.Size, &k.After, &k.Last, &at)
	k.At = fromMillis(at)
	return k, err
}

// KeptIssues are up to limit digests of a list that are kept under a higher number than one.
func (tx *Tx) KeptIssues(l lists.ID, after lists.Seq, limit int) (out []KeptIssue, err error) {
	err = tx.each(`SELECT `+keptColumns+` FROM kept_issues WHERE list_id = ? AND uid > ? ORDER BY uid LIMIT ?`, []any{l, after, limit},
		func(scan func(...any) error) error {
			k, err := scanKept(scan)
			out = append(out, k)
			return err
		})
	return out, err
}

// KeptMessage is the message that is kept under a number; ErrNotFound if there is none.
func (tx *Tx) KeptMessage(l lists.ID, uid lists.Seq) (id MessageID, err error) {
	err = tx.get(`SELECT message_id FROM kept_issues WHERE list_id = ? AND uid = ?`, []any{l, uid}, &id)
	return id, err
}

// CountKept is CountPosts for kept digests.
func (tx *Tx) CountKept(l lists.ID, within []SeqRange) (n, bytes int64, err error) {
	where, args := inRanges("uid", within)
	err = tx.get(`SELECT COUNT(*), COALESCE(SUM(size), 0) FROM kept_issues WHERE list_id = ?`+where, append([]any{l}, args...), &n, &bytes)
	return n, bytes, err
}

// KeptUpTo is the last post that is in a digest of a list that was kept before a time; 0 if none is.
func (tx *Tx) KeptUpTo(l lists.ID, before time.Time) (last lists.Seq, err error) {
	err = tx.get(`SELECT COALESCE(MAX(last_seq), 0) FROM kept_issues WHERE list_id = ? AND at < ?`, []any{l, millis(before)}, &last)
	return last, err
}

// DropKept forgets the kept digests that hold any of some posts, and returns their messages.
func (tx *Tx) DropKept(l lists.ID, posts SeqRange) (out []MessageID, err error) {
	err = tx.each(`DELETE FROM kept_issues WHERE list_id = ? AND after_seq < ? AND last_seq >= ? RETURNING message_id`, []any{l, posts.Last, posts.First},
		func(scan func(...any) error) error {
			var id MessageID
			err := scan(&id)
			out = append(out, id)
			return err
		})
	return out, err
}

// SweepKept forgets up to limit digests that were kept before a time, and says how many. Uses kept_issues_by_age.
func (tx *Tx) SweepKept(before time.Time, limit int) (int64, error) {
	return tx.exec(`DELETE FROM kept_issues WHERE (list_id, uid) IN
		(SELECT list_id, uid FROM kept_issues WHERE at < ? ORDER BY at LIMIT ?)`, millis(before), limit)
}

// SeenIssues is SeenPosts for kept digests.
func (tx *Tx) SeenIssues(user int64, l lists.ID) (set string, err error) {
	err = tx.get(`SELECT uids FROM seen_issues WHERE user_id = ? AND list_id = ?`, []any{user, l}, &set)
	if isNotFound(err) {
		return "", nil
	}
	return set, err
}

// SetSeenIssues is SetSeenPosts for kept digests.
func (tx *Tx) SetSeenIssues(user int64, l lists.ID, set string) error {
	_, err := tx.exec(`INSERT INTO seen_issues (user_id, list_id, uids) VALUES (?, ?, ?)
		ON CONFLICT (user_id, list_id) DO UPDATE SET uids = excluded.uids`, user, l, set)
	return err
}

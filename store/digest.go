package store

import (
	"time"

	"listd/lists"
)

// EditionID names an edition.
type EditionID int64

// Edition is a list in a mode by a schedule in a language, with the volume and number of its last issue.
type Edition struct {
	ID       EditionID // 0: it has had no issue yet
	List     lists.ID
	Mode     lists.Mode
	Schedule lists.Schedule // whole
	Language string
	Volume   int
	Number   int
	LastSeq  lists.Seq // how far its last issue went
	Issued   time.Time // when that was
}

// Followers are subscriptions that issues go to, and that are alike in all that an issue is made by. Schedule and
// Language are as members have chosen them: zero, or in part, or as the list has them.
type Followers struct {
	List     lists.ID
	Mode     lists.Mode
	Chosen   string         // the schedule as its row has it
	Schedule lists.Schedule // zero if this machine does not understand it
	Language string
	After    lists.Seq // their cursor
	Members  int
}

// collected is the condition of subscriptions_by_edition; a statement must have it word for word.
const collected = `mode IN ('digest', 'index', 'plain', 'roundup') AND state = 'active'`

func (tx *Tx) followers(where string, args ...any) (out []Followers, err error) {
	err = tx.each(`SELECT list_id, mode, schedule, language, digest_seq, COUNT(*) FROM subscriptions WHERE `+collected+where+`
		GROUP BY list_id, mode, schedule, language, digest_seq ORDER BY list_id, mode, schedule, language, digest_seq`, args,
		func(scan func(...any) error) error {
			var f Followers
			var mode string
			if err := scan(&f.List, &mode, &f.Chosen, &f.Language, &f.After, &f.Members); err != nil {
				return err
			}
			f.Mode = lists.Mode(mode)
			if err := f.Schedule.UnmarshalText([]byte(f.Chosen)); err != nil {
				f.Schedule = lists.Schedule{}
			}
			out = append(out, f)
			return nil
		})
	return out, err
}

// Followers are those of all lists. Uses subscriptions_by_edition alone.
func (tx *Tx) Followers() ([]Followers, error) { return tx.followers(``) }

// FollowersOf are those of one list, of some modes or, without any, of all. Uses subscriptions_by_edition alone.
func (tx *Tx) FollowersOf(l lists.ID, modes ...lists.Mode) ([]Followers, error) {
	where, args := ` AND list_id = ?`, []any{l}
	for _, m := range modes {
		args = append(args, string(m))
	}
	if len(modes) > 0 {
		where += ` AND mode IN ` + placeholders(1, len(modes))
	}
	return tx.followers(where, args...)
}

// DigestPosts are up to limit posts of a list in (after, upTo], by number: those that came by mail and are not removed.
// A post that no reader of the archive sees is among them, since it went to the members, too.
func (tx *Tx) DigestPosts(l lists.ID, after, upTo lists.Seq, limit int) ([]Post, error) {
	return tx.posts(`WHERE p.list_id = ? AND p.seq > ? AND p.seq <= ? AND p.origin = 'posted' AND p.removed_at = 0
		ORDER BY p.seq LIMIT ?`, l, after, upTo, limit)
}

// DigestSizes are the posts of DigestPosts, their Seq and Size alone.
func (tx *Tx) DigestSizes(l lists.ID, after, upTo lists.Seq, limit int) (out []Post, err error) {
	err = tx.each(`SELECT seq, size FROM posts WHERE list_id = ? AND seq > ? AND seq <= ? AND origin = 'posted' AND removed_at = 0
		ORDER BY seq LIMIT ?`, []any{l, after, upTo, limit}, func(scan func(...any) error) error {
		p := Post{List: l}
		err := scan(&p.Seq, &p.Size)
		out = append(out, p)
		return err
	})
	return out, err
}

// DigestWaits is how many posts DigestPosts has in (after, upTo], and their bytes.
func (tx *Tx) DigestWaits(l lists.ID, after, upTo lists.Seq) (posts int, bytes int64, err error) {
	err = tx.get(`SELECT COUNT(*), COALESCE(SUM(size), 0) FROM posts
		WHERE list_id = ? AND seq > ? AND seq <= ? AND origin = 'posted' AND removed_at = 0`, []any{l, after, upTo}, &posts, &bytes)
	return posts, bytes, err
}

// LastSeqBefore is the number of the last post of a list that was filed before a time; 0 if there is none.
func (tx *Tx) LastSeqBefore(l lists.ID, at time.Time) (seq lists.Seq, err error) {
	err = tx.get(`SELECT COALESCE(MAX(seq), 0) FROM posts WHERE list_id = ? AND filed_at < ?`, []any{l, at.UnixMilli()}, &seq)
	return seq, err
}

const editionColumns = `id, list_id, mode, schedule, language, volume, number, last_seq, issued_at`

func (tx *Tx) editions(where string, args ...any) (out []Edition, err error) {
	err = tx.each(`SELECT `+editionColumns+` FROM editions WHERE `+where, args, func(scan func(...any) error) error {
		var e Edition
		var mode, schedule string
		var issued int64
		if err := scan(&e.ID, &e.List, &mode, &schedule, &e.Language, &e.Volume, &e.Number, &e.LastSeq, &issued); err != nil {
			return err
		}
		e.Mode, e.Issued = lists.Mode(mode), fromMillis(issued)
		err := e.Schedule.UnmarshalText([]byte(schedule))
		out = append(out, e)
		return err
	})
	return out, err
}

// Edition is the edition of a list, a mode, a schedule and a language; one without ID if it has had no issue yet. Uses
// editions' UNIQUE (list_id, mode, schedule, language).
func (tx *Tx) Edition(l lists.ID, m lists.Mode, s lists.Schedule, language string) (Edition, error) {
	found, err := tx.editions(`list_id = ? AND mode = ? AND schedule = ? AND language = ?`, l, string(m), s.String(), language)
	if err != nil || len(found) == 0 {
		return Edition{List: l, Mode: m, Schedule: s, Language: language}, err
	}
	return found[0], nil
}

// Editions are those of a list, by mode, schedule and language.
func (tx *Tx) Editions(l lists.ID) ([]Edition, error) {
	return tx.editions(`list_id = ? ORDER BY mode, schedule, language`, l)
}

// SaveEdition writes what an edition's last issue was; it makes the edition if there is none, and returns its ID.
func (tx *Tx) SaveEdition(e Edition) (id EditionID, err error) {
	err = tx.get(`INSERT INTO editions (list_id, mode, schedule, language, volume, number, last_seq, issued_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (list_id, mode, schedule, language) DO UPDATE SET volume = excluded.volume,
			number = excluded.number, last_seq = excluded.last_seq, issued_at = excluded.issued_at RETURNING id`,
		[]any{e.List, string(e.Mode), e.Schedule.String(), e.Language, e.Volume, e.Number, e.LastSeq, millis(e.Issued)}, &id)
	return id, err
}

// Issue is one part of an issue of an edition: posts behind After, up to UpTo.
type Issue struct {
	Edition     EditionID
	After, UpTo lists.Seq
	Part, Parts int // from 1
	Volume      int
	Number      int
	LastSeq     lists.Seq // the part goes up to here
	Posts       int
	Outgoing    OutgoingID
	At          time.Time
}

// Issues are the parts of an issue that have been made since a time, in order. Uses issues' PRIMARY KEY.
func (tx *Tx) Issues(e EditionID, after, upTo lists.Seq, since time.Time) (out []Issue, err error) {
	err = tx.each(`SELECT edition_id, after_seq, up_to, part, parts, volume, number, last_seq, posts, outgoing_id, at FROM issues
		WHERE edition_id = ? AND after_seq = ? AND up_to = ? AND at >= ? ORDER BY part`, []any{e, after, upTo, since.UnixMilli()},
		func(scan func(...any) error) error {
			var i Issue
			var at int64
			err := scan(&i.Edition, &i.After, &i.UpTo, &i.Part, &i.Parts, &i.Volume, &i.Number, &i.LastSeq, &i.Posts, &i.Outgoing, &at)
			i.At = fromMillis(at)
			out = append(out, i)
			return err
		})
	return out, err
}

// AddIssue stores a part of an issue, in place of one that was made before. At is the transaction's Now.
func (tx *Tx) AddIssue(i Issue) error {
	_, err := tx.exec(`INSERT INTO issues (edition_id, after_seq, up_to, part, parts, volume, number, last_seq, posts, outgoing_id, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (edition_id, after_seq, up_to, part) DO UPDATE SET parts = excluded.parts,
			volume = excluded.volume, number = excluded.number, last_seq = excluded.last_seq, posts = excluded.posts,
			outgoing_id = excluded.outgoing_id, at = excluded.at`,
		i.Edition, i.After, i.UpTo, i.Part, i.Parts, i.Volume, i.Number, i.LastSeq, i.Posts, i.Outgoing, tx.Now.UnixMilli())
	return err
}

// IssuesWith are the outgoings of issues that hold a post.
func (tx *Tx) IssuesWith(l lists.ID, seq lists.Seq) (out []OutgoingID, err error) {
	err = tx.each(`SELECT DISTINCT i.outgoing_id FROM issues i JOIN editions e ON e.id = i.edition_id
		WHERE e.list_id = ? AND i.after_seq < ? AND i.last_seq >= ? ORDER BY i.outgoing_id`, []any{l, seq, seq},
		func(scan func(...any) error) error {
			var id OutgoingID
			err := scan(&id)
			out = append(out, id)
			return err
		})
	return out, err
}

// SweepIssues forgets up to limit parts of issues that were made before a time, and says how many. Uses issues_by_age.
func (tx *Tx) SweepIssues(before time.Time, limit int) (int64, error) {
	return tx.exec(`DELETE FROM issues WHERE (edition_id, after_seq, up_to, part) IN
		(SELECT edition_id, after_seq, up_to, part FROM issues WHERE at < ? ORDER BY at LIMIT ?)`, millis(before), limit)
}

// of are the subscriptions of f, with their arguments.
func (f Followers) of() (where string, args []any) {
	return ` WHERE ` + collected + ` AND list_id = ? AND mode = ? AND schedule = ? AND language = ? AND digest_seq = ?`,
		[]any{f.List, string(f.Mode), f.Chosen, f.Language, f.After}
}

// DeliverIssue adds a delivery of each outgoing for up to limit followers, and moves their cursors to upTo; without an
// outgoing it moves the cursors only. It says how many they were; fewer than limit: there are no more. The list must be
// locked. Uses subscriptions_by_edition.
func (tx *Tx) DeliverIssue(f Followers, upTo lists.Seq, out []Outgoing, limit int, relay bool) (n int, err error) {
	where, args := f.of()
	var last int64
	if err := tx.get(`SELECT COUNT(*), COALESCE(MAX(id), 0) FROM (SELECT id FROM subscriptions`+where+` ORDER BY id LIMIT ?) c`,
		append(args[:len(args):len(args)], limit), &n, &last); err != nil || n == 0 {
		return 0, err
	}
	where, args = where+` AND id <= ?`, append(args, last)
	big := tx.db.dialect.bigint()
	for _, o := range out {
		if _, err := tx.exec(`INSERT INTO deliveries (outgoing_id, subscription_id, rcpt, destination, priority, next_at)
			SELECT `+big+`, id, address, CASE WHEN `+big+` = 1 THEN '' ELSE domain END, `+big+`, `+big+` FROM subscriptions`+where+`
			ORDER BY id ON CONFLICT DO NOTHING`, append([]any{o.ID, b2i(relay), o.Priority, tx.Now.UnixMilli()}, args...)...); err != nil {
			return 0, err
		}
		tx.woken |= Deliveries
	}
	_, err = tx.exec(`UPDATE subscriptions SET digest_seq = ?`+where, append([]any{upTo}, args...)...)
	return n, err
}

// DeliverLast adds a delivery of each outgoing for one subscription, whatever its mode is by now; ErrNotFound if it has
// ended.
func (tx *Tx) DeliverLast(subscription int64, out []Outgoing, relay bool) error {
	s, err := tx.SubscriptionByID(subscription)
	if err != nil {
		return err
	}
	for _, o := range out {
		if _, err := tx.exec(`INSERT INTO deliveries (outgoing_id, subscription_id, rcpt, destination, priority, next_at)
			VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, o.ID, s.ID, s.Address.String(), Destination(s.Address, relay), o.Priority,
			tx.Now.UnixMilli()); err != nil {
			return err
		}
		tx.woken |= Deliveries
	}
	return nil
}

package store

import (
	"slices"
	"time"

	"listd/lists"
)

// Place is where a post stands in the order of its list by date, then Seq: the list's ID, the second of its date, a
// number within it. It names the row of the post's words, too. 0: the post has not been read yet.
type Place int64

// Bits of a Place.
const (
	placeSeconds = 33 // until the year 2242
	placeWithin  = 12
)

// EachSecond is how many places a list has in a second.
const EachSecond = 1 << placeWithin

// PlaceAt is the first place of a list at a time; earlier than 1970 is 1970.
func PlaceAt(l lists.ID, at time.Time) Place {
	s := min(max(at.Unix(), 0), 1<<placeSeconds-1)
	return Place(int64(l)<<(placeSeconds+placeWithin) | s<<placeWithin)
}

// EndOf is the place behind the last one that a list can have.
func EndOf(l lists.ID) Place { return PlaceAt(l+1, time.Time{}) }

// Time is the second of a place.
func (p Place) Time() time.Time {
	return time.Unix(int64(p)>>placeWithin&(1<<placeSeconds-1), 0).UTC()
}

// Instant is a time that no other post of the list has: the second of a place, and the number within it as microseconds.
func (p Place) Instant() time.Time {
	return p.Time().Add(time.Duration(p&(EachSecond-1)) * time.Microsecond)
}

// PlaceOf is the place that Instant was asked of.
func PlaceOf(l lists.ID, instant time.Time) Place {
	return PlaceAt(l, instant) + Place(min(instant.Nanosecond()/1000, EachSecond))
}

// ThreadID names a thread: the list's ID and the Seq of the post that began it.
type ThreadID int64

// ThreadFrom is the ID of the thread that a post begins.
func ThreadFrom(l lists.ID, seq lists.Seq) ThreadID { return ThreadID(int64(l)<<32 | int64(seq)) }

// Post is a row of posts. The fields from Place on are found out when the post is read, after it was filed.
type Post struct {
	List    lists.ID
	Seq     lists.Seq
	Message MessageID
	MsgID   string // without brackets
	Subject string // decoded
	Author  string // header form, decoded
	Date    time.Time
	Filed   time.Time
	Size    int64
	Hidden  bool
	Origin  string // posted or imported
	Place   Place
	Thread  ThreadID
	Parent  lists.Seq // the post it answers; 0: none that is there
	Far     int       // how many that are not there lie between them
	Files   int       // attachments
	Removed time.Time // when an owner took it out; zero if not

	Announced bool // AddPost alone reads it
}

// AddPost files a post; Filed is the transaction's Now.
func (tx *Tx) AddPost(p Post) error {
	_, err := tx.exec(`INSERT INTO posts (list_id, seq, message_id, msgid, subject, author, date, filed_at, size, hidden, origin, announced)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, p.List, p.Seq, p.Message, p.MsgID, p.Subject, p.Author,
		p.Date.UnixMilli(), tx.Now.UnixMilli(), p.Size, b2i(p.Hidden), p.Origin, b2i(p.Announced))
	tx.woken |= Filed
	return err
}

const postColumns = `p.list_id, p.seq, p.message_id, p.msgid, p.subject, p.author, p.date, p.filed_at, p.size, p.hidden, p.origin,
	COALESCE(p.place, 0), p.thread, p.parent, p.far, p.files, p.removed_at`

func scanPost(scan func(...any) error) (p Post, err error) {
	var date, filed, removed int64
	err = scan(&p.List, &p.Seq, &p.Message, &p.MsgID, &p.Subject, &p.Author, &date, &filed, &p.Size, &p.Hidden, &p.Origin,
		&p.Place, &p.Thread, &p.Parent, &p.Far, &p.Files, &removed)
	p.Date, p.Filed, p.Removed = fromMillis(date), fromMillis(filed), fromMillis(removed)
	return p, err
}

func (tx *Tx) posts(where string, args ...any) (out []Post, err error) {
	err = tx.each(`SELECT `+postColumns+` FROM posts p `+where, args, func(scan func(...any) error) error {
		p, err := scanPost(scan)
		out = append(out, p)
		return err
	})
	return out, err
}

// Post is a list's post of this number; ErrNotFound if there is none.
func (tx *Tx) Post(l lists.ID, seq lists.Seq) (Post, error) {
	found, err := tx.posts(`WHERE p.list_id = ? AND p.seq = ?`, l, seq)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Post{}, err
	}
	return found[0], nil
}

// PostsAfter are up to limit posts of a list behind a number, in order; hidden ones too.
func (tx *Tx) PostsAfter(l lists.ID, after lists.Seq, limit int) ([]Post, error) {
	return tx.posts(`WHERE p.list_id = ? AND p.seq > ? ORDER BY p.seq LIMIT ?`, l, after, limit)
}

// Posts are the posts of these numbers that a list has, in any order.
func (tx *Tx) Posts(l lists.ID, seqs []lists.Seq) (out []Post, err error) {
	for part := range slices.Chunk(seqs, someIDs) {
		args := []any{l}
		for _, s := range part {
			args = append(args, s)
		}
		found, err := tx.posts(`WHERE p.list_id = ? AND p.seq IN `+placeholders(1, len(part)), args...)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// OpenPosts are up to limit posts of a list behind a number that readers see, in order.
func (tx *Tx) OpenPosts(l lists.ID, after lists.Seq, limit int) ([]Post, error) {
	return tx.posts(`WHERE p.list_id = ? AND p.seq > ? AND p.hidden = 0 ORDER BY p.seq LIMIT ?`, l, after, limit)
}

// LatestPosts are up to limit posts of a list that came by mail, latest first, neither hidden nor removed ones. Uses
// posts_by_mail: an archive may begin with a hundred thousand imported ones. SQLite must be told, since it has no figures.
func (tx *Tx) LatestPosts(l lists.ID, limit int) ([]Post, error) {
	use := ""
	if tx.db.Single() {
		use = "INDEXED BY posts_by_mail "
	}
	return tx.posts(use+`WHERE p.list_id = ? AND p.place IS NOT NULL AND p.origin = 'posted' AND p.removed_at = 0
		ORDER BY p.seq DESC LIMIT ?`, l, limit)
}

// PostsBefore are up to limit posts of a list below a place, latest first, down to a place. Uses posts_by_place.
func (tx *Tx) PostsBefore(from, before Place, limit int) ([]Post, error) {
	return tx.posts(`WHERE p.place >= ? AND p.place < ? ORDER BY p.place DESC LIMIT ?`, from, before, limit)
}

// PostsFrom are up to limit posts of a list from a place on, in order, up to the place to. Uses posts_by_place.
func (tx *Tx) PostsFrom(from, to Place, limit int) ([]Post, error) {
	return tx.posts(`WHERE p.place >= ? AND p.place < ? ORDER BY p.place LIMIT ?`, from, to, limit)
}

// CountPlaces is how many posts have a place in [from, to). Uses posts_by_place alone.
func (tx *Tx) CountPlaces(from, to Place) (n int, err error) {
	err = tx.get(`SELECT COUNT(*) FROM posts WHERE place >= ? AND place < ?`, []any{from, to}, &n)
	return n, err
}

// LastPlace is the last place in [from, to) that a post has; 0 if none has one. Uses posts_by_place alone.
func (tx *Tx) LastPlace(from, to Place) (p Place, err error) {
	err = tx.get(`SELECT COALESCE(MAX(place), 0) FROM posts WHERE place >= ? AND place < ?`, []any{from, to}, &p)
	return p, err
}

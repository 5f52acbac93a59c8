package archive

import (
	"context"
	"crypto/sha1" // #nosec: it names, it proves nothing
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// Library is all archives of a site, for readers.
type Library struct {
	DB *store.DB
}

// Reader is who reads. The zero Reader is a stranger.
type Reader struct {
	Address mail.Address // proved, by a session or a password
	User    int64        // 0: a stranger
}

// Stranger reports whether nobody has signed in.
func (r Reader) Stranger() bool { return r.User == 0 }

// Why an archive stays closed.
var (
	ErrNoArchive = errors.New("there is no such archive")
	ErrSignIn    = errors.New("this archive is for members: sign in")
	ErrMembers   = errors.New("this archive is for members")
)

// Archive is one list's archive, open for one reader.
type Archive struct {
	List   lists.List
	Reader Reader
	Member bool // the reader belongs to the list, receiving or governing
	Owner  bool // the reader governs it
	db     *store.DB
}

// Addresses reports whether the reader is shown whole addresses, and so may have raw messages, mbox files and IMAP.
func (a *Archive) Addresses() bool {
	return !a.Reader.Stranger() || a.List.Policy.ArchiveAddresses == lists.AddressesShown
}

// Open opens the archive of the list at an address. ErrNoArchive if there is none, ErrSignIn if a stranger must say
// first who they are, ErrMembers if the reader does not belong. An alias of a list opens it, too: List.Address is its
// address today.
func (lib *Library) Open(ctx context.Context, at mail.Address, r Reader) (*Archive, error) {
	var a *Archive
	err := lib.DB.View(ctx, func(tx *store.Tx) error {
		l, err := tx.ListAt(at)
		if errors.Is(err, store.ErrNotFound) {
			return ErrNoArchive
		}
		if err != nil {
			return err
		}
		a, err = lib.open(tx, l, r)
		return err
	})
	return a, err
}

func (lib *Library) open(tx *store.Tx, l lists.List, r Reader) (*Archive, error) {
	a := &Archive{List: l, Reader: r, db: lib.DB}
	if l.Policy.Archive == lists.ArchiveNone {
		return nil, ErrNoArchive
	}
	if !r.Stranger() {
		m, err := tx.Member(l.ID, r.Address)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		a.Owner = m.Roles&(lists.Owner|lists.Moderator) != 0
		a.Member = m.Sub != nil || a.Owner
	}
	switch {
	case l.Policy.Archive == lists.ArchivePublic, a.Member:
		return a, nil
	case r.Stranger():
		return nil, ErrSignIn
	}
	return nil, ErrMembers
}

// Lists are the archives that a reader sees in the directory: advertised lists whose archive is open to them, and those they
// belong to, by address.
func (lib *Library) Lists(ctx context.Context, r Reader) (out []*Archive, err error) {
	err = lib.DB.View(ctx, func(tx *store.Tx) error {
		all, err := tx.Lists()
		if err != nil {
			return err
		}
		out = out[:0]
		for _, l := range all {
			a, err := lib.open(tx, l, r)
			if err == nil && (l.Policy.Advertised || a.Member) {
				out = append(out, a)
			} else if err != nil && !closed(err) {
				return err
			}
		}
		return nil
	})
	return out, err
}

// Post is a post as a reader meets it. A removed one keeps its place; its Subject, Author and message are a tombstone's.
type Post struct {
	Seq      lists.Seq
	MsgID    string // without brackets; "" if it had none
	Subject  string // decoded
	Author   mail.Mailbox
	Date     time.Time // as its author says, or of its coming
	Filed    time.Time
	Size     int64 // bytes of the stored message
	Parent   lists.Seq
	Files    int // attachments
	Imported bool
	Removed  bool
	thread   store.ThreadID
	place    store.Place
	message  store.MessageID
}

// Hash names a Message-ID (without brackets) in a link that outlives a move of the archive: the base32 of its SHA-1, 32
// characters, as Mailman 3 has it in Message-ID-Hash and in HyperKitty's links.
func Hash(msgid string) string {
	return base32.StdEncoding.EncodeToString(hashOf(msgid))
}

func hashOf(msgid string) []byte {
	sum := sha1.Sum([]byte(msgid))
	return sum[:]
}

// ByHash is the post that Hash names, in the first archive, by address, that the reader may open: cross-posts are in several.
// ErrNoPost if it is in none of them.
func (lib *Library) ByHash(ctx context.Context, r Reader, hash string) (found *Archive, seq lists.Seq, err error) {
	raw, err := base32.StdEncoding.DecodeString(strings.ToUpper(hash))
	if err != nil || len(raw) != sha1.Size {
		return nil, 0, ErrNoPost
	}
	err = lib.DB.View(ctx, func(tx *store.Tx) error {
		all, err := tx.Lists()
		if err != nil {
			return err
		}
		for _, l := range all {
			if seq, err = tx.SeqOf(l.ID, raw); errors.Is(err, store.ErrNotFound) {
				continue
			} else if err != nil {
				return err
			}
			if found, err = lib.open(tx, l, r); err == nil || !closed(err) {
				return err
			}
		}
		return ErrNoPost
	})
	return found, seq, err
}

// closed reports whether an error says that an archive is not this reader's.
func closed(err error) bool {
	return errors.Is(err, ErrNoArchive) || errors.Is(err, ErrSignIn) || errors.Is(err, ErrMembers)
}

// Moved is where the page of an archive of before has gone, whoever may read it there; ErrNoPost if nobody has said.
func (lib *Library) Moved(ctx context.Context, path string) (l lists.List, seq lists.Seq, err error) {
	err = lib.DB.View(ctx, func(tx *store.Tx) error {
		m, err := tx.MovedPage(path)
		if errors.Is(err, store.ErrNotFound) {
			return ErrNoPost
		}
		if err != nil {
			return err
		}
		seq = m.Seq
		l, err = tx.List(m.List)
		return err
	})
	return l, seq, err
}

// Whole is a list's archive as whoever runs the site may read it.
func (lib *Library) Whole(l lists.List) *Archive {
	return &Archive{List: l, Member: true, Owner: true, Reader: Reader{User: -1}, db: lib.DB}
}

// Export writes every post that readers see, by number.
func (lib *Library) Export(ctx context.Context, l lists.List, w *MboxWriter) error {
	a := lib.Whole(l)
	for after := lists.Seq(0); ; {
		posts, err := a.After(ctx, after, 500)
		if err != nil {
			return err
		}
		for _, p := range posts {
			m, err := a.Message(ctx, p)
			if err != nil {
				return err
			}
			if err := w.Write(m, p.Author.Address, p.Date); err != nil {
				return err
			}
			after = p.Seq
		}
		if len(posts) == 0 {
			return nil
		}
	}
}

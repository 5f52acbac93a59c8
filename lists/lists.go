// Package lists says what a mailing list is and makes every decision about one: which list an address means
// (Routes), whether a post passes (Judge), how it leaves (Prepare), and what a setting may be. It is pure: rows,
// time and chance come in as values, decisions go out as values.
//
// RFC 2369, 2919, 3834, 5064, 5598, 8058.
package lists

import (
	"time"

	"listd/mail"
)

// ID names a list in the database.
type ID int64

// Seq is a post's number in its list: IMAP UID, permalink, digest and feed cursor at once.
type Seq uint32

// List is one mailing list. Settings are in its Policy; Version moves with settings, bans, roles and rules.
type List struct {
	ID      ID
	Address mail.Address
	ListID  string // the label of List-Id (RFC 2919), e.g. "pyug.lists.example.org"; survives a rename
	Policy  Policy
	LastSeq Seq
	Version int64
	Created time.Time
}

// State is whether a subscription is in force, and who paused it if not.
type State string

// The states of a subscription.
const (
	Active       State = "active"
	PausedSelf   State = "by_user"
	PausedBounce State = "by_bounces"
	PausedOwner  State = "by_moderator"
)

// Member is somebody a list knows: who may govern without receiving, and the reverse.
type Member struct {
	Address mail.Address
	Roles   Roles
	Sub     *Subscription // nil: governs, does not receive
}

// Subscription is a member's wish to receive, with the options of the plan's member settings.
type Subscription struct {
	ID         int64
	List       ID
	Address    mail.Address
	Name       string
	Mode       Mode
	State      State
	EachFrom   Seq      // posts after this Seq are due to a member in mode each
	DigestSeq  Seq      // up to this Seq a member in a collected mode has had everything
	Schedule   Schedule // of their issues; zero, or what it leaves open: the list's
	Action     Action   // overrides member_action unless Defer
	OwnPosts   bool
	Duplicates bool
	Ack        bool
	Language   string
	Named      bool      // a round-up may name them as a new member
	Vacation   time.Time // paused by the member until then; zero if not
	Posts      int       // accepted posts so far, for first_posts_moderated
	Joined     time.Time
}

package lists

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"listd/mail"
)

// Policy is what a list's owner has decided: the settings of the list, each of its own type. Their names, words
// and defaults are in the table of settings.go.
type Policy struct {
	// Identity.
	Title       string
	Description string
	Kind        ListKind
	Language    string
	Advertised  bool

	// Membership.
	Joining     Joining // subscription
	Leaving     Leaving // unsubscription
	Welcome     bool
	Goodbye     bool
	Roster      Roster
	DefaultMode Mode

	// Posting.
	Posting             Posting
	MemberAction        Action
	NonmemberAction     Action
	FirstPosts          int // this many posts of a new member are held
	Emergency           bool
	ExplicitDestination bool
	Aliases             []mail.Address // further addresses that count as explicit
	MaxRecipients       int            // 0: any number
	MaxSize             int64          // 0: the site's
	Administrivia       bool
	NotifyHeld          bool
	NotifyModerators    bool
	HoldExpires         time.Duration // 0: never
	Closed              bool
	NoSubject           Action
	QuotedDigest        Action
	Bans                []Ban
	Senders             []Ban // whose posts pass although they are no members
	HeaderRules         []HeaderRule

	// What leaves.
	SubjectPrefix  string // %d stands for the post's Seq
	Footer         string
	ReplyTo        ReplyTo
	ReplyToAddress mail.Address
	ReplyToStrip   bool
	From           FromPolicy
	Anonymous      bool
	Personalize    Personalize
	ListHeaders    bool

	// Bounces and complaints; see bounce.go.
	Bounces BouncePolicy

	// Digests.
	Digest       Schedule
	DigestPosts  int    // an issue goes out when so many posts wait; 0: by the clock alone
	DigestSize   int64  // an issue goes out when so many bytes wait, and has no more where it can; 0: by the clock alone
	DigestVolume Volume // how often issues are counted from 1 again
	Feeds        []Feed // of which round-ups tell

	RoundupLead    time.Duration // how long before its time organizers get the draft of a round-up; 0: they get none
	RoundupSilence Silence
	Report         ReportEvery
	ReportTo       ReportTo

	// Archive.
	Archive          Archive
	ArchiveAddresses ArchiveAddresses

	// unknown are settings of a newer listd that shares the database; they are kept as they are.
	unknown map[string]string
}

// ListKind is what a list is for.
type ListKind string

// The kinds of list. Only owners and moderators post to an announcement list, whatever posting says.
const (
	Discussion   ListKind = "discussion"
	Announcement ListKind = "announcement"
)

// Joining is what it takes to become a member (Mailman's SubscriptionPolicy).
type Joining string

// What it takes to become a member: the address's own word, nothing, a moderator's leave, or the first and then the last.
const (
	JoinConfirm      Joining = "confirm"
	JoinOpen         Joining = "open"
	JoinModerate     Joining = "moderate"
	JoinConfirmFirst Joining = "confirm_then_moderate"
)

// Leaving is what it takes to leave by a command; a personal link or address always leaves at once.
type Leaving string

// What it takes to leave: the address's own word, nothing, or a moderator's leave.
const (
	LeaveConfirm  Leaving = "confirm"
	LeaveOpen     Leaving = "open"
	LeaveModerate Leaving = "moderate"
)

// Roster is who may see the members.
type Roster string

// Who may see the members.
const (
	RosterModerators Roster = "moderators"
	RosterMembers    Roster = "members"
	RosterPublic     Roster = "public"
)

// Posting is who may post without being asked.
type Posting string

// Who may post.
const (
	PostingMembers Posting = "members"
	PostingAnyone  Posting = "anyone"
	PostingOwners  Posting = "owners" // owners and moderators
)

// ReplyTo is where replies go.
type ReplyTo string

// Where replies go. With ReplyNone the field is the author's affair alone.
const (
	ReplyPoster   ReplyTo = "poster"
	ReplyList     ReplyTo = "list"
	ReplyExplicit ReplyTo = "explicit"
	ReplyNone     ReplyTo = "none"
)

// FromPolicy is when the author's From gives way to the list's.
type FromPolicy string

// When From is munged: where the author's domain would have the mail rejected (DMARC, RFC 7960), always, never.
const (
	FromAsNeeded FromPolicy = "as-needed"
	FromMunge    FromPolicy = "munge"
	FromNever    FromPolicy = "never"
)

// Personalize is whether each member gets a copy of their own.
type Personalize string

// PersonalFull is one transaction a member, with their own return path and List-Unsubscribe; PersonalNone shares.
const (
	PersonalFull Personalize = "full"
	PersonalNone Personalize = "none"
)

// Archive is who may read the archive.
type Archive string

// Who may read the archive; with ArchiveNone nobody.
const (
	ArchivePublic  Archive = "public"
	ArchiveMembers Archive = "members"
	ArchiveNone    Archive = "none"
)

// ArchiveAddresses is whether the archive shows whole addresses.
type ArchiveAddresses string

// Whether the archive shows whole addresses.
const (
	AddressesHidden ArchiveAddresses = "hidden"
	AddressesShown  ArchiveAddresses = "shown"
)

// ReportEvery is how often a report of a list's numbers goes out.
type ReportEvery string

// How often: never, for each week from Monday, for each month. Their days are UTC's.
const (
	ReportNone    ReportEvery = "none"
	ReportWeekly  ReportEvery = "weekly"
	ReportMonthly ReportEvery = "monthly"
)

// ReportTo is who gets the report.
type ReportTo string

// Who gets it: the owners, or all members who get any mail of the list, with no number that is about a few.
const (
	ReportOwners  ReportTo = "owners"
	ReportMembers ReportTo = "members"
)

// Begin is the first instant of the week or month that a time is in, the zero Time of ReportNone.
func (r ReportEvery) Begin(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	switch r {
	case ReportWeekly:
		d -= (int(t.UTC().Weekday()) + 6) % 7
	case ReportMonthly:
		d = 1
	default:
		return time.Time{}
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// End is the first instant behind a week or month that begins then.
func (r ReportEvery) End(begin time.Time) time.Time {
	if r == ReportWeekly {
		return begin.AddDate(0, 0, 7)
	}
	return begin.AddDate(0, 1, 0)
}

// DefaultPolicy is the policy of a list nobody has set anything for.
func DefaultPolicy() Policy {
	return Policy{
		Kind: Discussion, Language: "en", Advertised: true,
		Joining: JoinConfirm, Leaving: LeaveConfirm, Welcome: true, Goodbye: true,
		Roster: RosterModerators, DefaultMode: Each,
		Posting: PostingMembers, MemberAction: Accept, NonmemberAction: Hold,
		ExplicitDestination: true, MaxRecipients: 10, Administrivia: true,
		NotifyHeld: true, NotifyModerators: true, HoldExpires: 14 * 24 * time.Hour,
		NoSubject: Accept, QuotedDigest: Hold,
		ReplyTo: ReplyPoster, From: FromAsNeeded, Personalize: PersonalFull, ListHeaders: true,
		Bounces: defaultBounces(),
		Digest:  defaultSchedule, DigestVolume: VolumeYearly, RoundupLead: 4 * time.Hour, RoundupSilence: SilenceSends, Report: ReportNone, ReportTo: ReportOwners,
		Archive: ArchivePublic, ArchiveAddresses: AddressesHidden,
	}
}

// OwnersOnly reports whether only owners and moderators may post.
func (p Policy) OwnersOnly() bool { return p.Kind == Announcement || p.Posting == PostingOwners }

// Check says which settings contradict each other, or nil. Set cannot: one setting comes before the other.
func (p Policy) Check() error {
	if p.ReplyTo == ReplyExplicit && p.ReplyToAddress.IsZero() {
		return fmt.Errorf("reply_to=explicit needs an address: set reply_to_address too")
	}
	return nil
}

// Ban is an address, or "@" and a domain, that may not post; in lower case.
type Ban string

// Fits reports whether the ban means a.
func (b Ban) Fits(a mail.Address) bool {
	if strings.HasPrefix(string(b), "@") {
		return strings.EqualFold(string(b[1:]), a.Domain)
	}
	return string(b) == a.Key()
}

// Ban is the list's ban that fits a; empty if there is none.
func (p Policy) Ban(a mail.Address) Ban {
	if len(p.Bans) == 0 || a.IsZero() {
		return ""
	}
	for _, b := range p.Bans {
		if b.Fits(a) {
			return b
		}
	}
	return ""
}

// Passes reports whether a's posts pass although a is no member.
func (p Policy) Passes(a mail.Address) bool {
	return slices.ContainsFunc(p.Senders, func(s Ban) bool { return s.Fits(a) })
}

// parseBan reads one ban.
func parseBan(s string) (Ban, error) {
	if domain, ok := strings.CutPrefix(s, "@"); ok {
		a, err := mail.ParseAddress("x@" + domain)
		if err != nil {
			return "", fmt.Errorf("%q is no domain", domain)
		}
		return Ban("@" + strings.ToLower(a.Domain)), nil
	}
	a, err := mail.ParseAddress(s)
	if err != nil {
		return "", fmt.Errorf("%q is neither an address nor an @domain", s)
	}
	return Ban(a.Key()), nil
}

package lists

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"listd/mail"
)

// setting is one line of the table that drives Set, Get, Keys, Help, Settings and Load.
type setting struct {
	key, help string
	allowed   string // the words or the form of a value
	get       func(*Policy) string
	set       func(*Policy, string) error
}

// Bounds of what an owner may set: all of it is read for each post, and some goes out with each.
const (
	maxTitle       = 200
	maxDescription = 500
	maxPrefix      = 80
	maxFooter      = 4 << 10
	maxAliases     = 50
	maxBans        = 2000
	maxNumber      = 1_000_000
)

// settings stand in the order of the plan.
var settings = []setting{
	line("title", "the list's name for people", maxTitle, func(p *Policy) *string { return &p.Title }),
	line("description", "what the list is about, in a sentence", maxDescription, func(p *Policy) *string { return &p.Description }),
	choice("kind", "what the list is for; only owners and moderators post to an announcement list",
		func(p *Policy) *ListKind { return &p.Kind }, Discussion, Announcement),
	language("language", "the language of the list's notices", func(p *Policy) *string { return &p.Language }),
	yesNo("advertised", "whether strangers may learn that the list exists", func(p *Policy) *bool { return &p.Advertised }),

	choice("subscription", "what it takes to become a member", func(p *Policy) *Joining { return &p.Joining },
		JoinConfirm, JoinOpen, JoinModerate, JoinConfirmFirst),
	choice("unsubscription", "what it takes to leave by a command", func(p *Policy) *Leaving { return &p.Leaving },
		LeaveConfirm, LeaveOpen, LeaveModerate),
	yesNo("welcome", "whether a new member is welcomed", func(p *Policy) *bool { return &p.Welcome }),
	yesNo("goodbye", "whether who leaves is told so", func(p *Policy) *bool { return &p.Goodbye }),
	choice("roster", "who may see the members", func(p *Policy) *Roster { return &p.Roster },
		RosterModerators, RosterMembers, RosterPublic),
	choice("default_mode", "how a new member receives posts", func(p *Policy) *Mode { return &p.DefaultMode }, modes...),

	choice("posting", "who may post", func(p *Policy) *Posting { return &p.Posting },
		PostingMembers, PostingAnyone, PostingOwners),
	action("member_action", "what becomes of a member's post", func(p *Policy) *Action { return &p.MemberAction },
		Accept, Hold, Reject, Discard),
	action("nonmember_action", "what becomes of a post by somebody who is no member",
		func(p *Policy) *Action { return &p.NonmemberAction }, Hold, Accept, Reject, Discard),
	number("first_posts_moderated", "how many posts of a new member are held", func(p *Policy) *int { return &p.FirstPosts }),
	yesNo("emergency", "whether every post is held", func(p *Policy) *bool { return &p.Emergency }),
	yesNo("require_explicit_destination", "whether a post that does not name the list in To or Cc is held",
		func(p *Policy) *bool { return &p.ExplicitDestination }),
	addresses("aliases", "further addresses that count as the list in To and Cc", maxAliases,
		func(p *Policy) *[]mail.Address { return &p.Aliases }),
	number("max_recipients", "a post to more addresses in To and Cc is held; 0: any number",
		func(p *Policy) *int { return &p.MaxRecipients }),
	size("max_message_size", "the largest post; 0: the site's limit", func(p *Policy) *int64 { return &p.MaxSize }),
	yesNo("administrivia", "whether \"unsubscribe\" and the like, sent to the list, are answered and kept from it",
		func(p *Policy) *bool { return &p.Administrivia }),
	yesNo("notify_held", "whether the author hears that a post waits for a moderator", func(p *Policy) *bool { return &p.NotifyHeld }),
	yesNo("notify_moderators", "whether moderators hear of each held post", func(p *Policy) *bool { return &p.NotifyModerators }),
	duration("hold_expires", "how long a held post waits; 0: for ever", func(p *Policy) *time.Duration { return &p.HoldExpires }),
	yesNo("closed", "whether the list takes no posts at all", func(p *Policy) *bool { return &p.Closed }),
	action("no_subject", "what becomes of a post without a subject", func(p *Policy) *Action { return &p.NoSubject },
		Accept, Hold, Reject),
	action("quoted_digest", "what becomes of a post that quotes a whole digest", func(p *Policy) *Action { return &p.QuotedDigest },
		Hold, Reject, Accept),
	bans("bans", "who may not post: addresses, or @domain for all of a domain", func(p *Policy) *[]Ban { return &p.Bans }),
	bans("accept_senders", "whose posts pass although they are no members: addresses, or @domain for all of a domain",
		func(p *Policy) *[]Ban { return &p.Senders }),
	headerRules("header_rules", "what becomes of a post whose header field fits a pattern",
		func(p *Policy) *[]HeaderRule { return &p.HeaderRules }),

	prefix("subject_prefix", "stands before each Subject, for example [pyug]; %d is the post's number",
		func(p *Policy) *string { return &p.SubjectPrefix }),
	footer("footer", "stands below each post", func(p *Policy) *string { return &p.Footer }),
	choice("reply_to", "where replies go", func(p *Policy) *ReplyTo { return &p.ReplyTo },
		ReplyPoster, ReplyList, ReplyExplicit, ReplyNone),
	address("reply_to_address", "where replies go with reply_to=explicit", func(p *Policy) *mail.Address { return &p.ReplyToAddress }),
	yesNo("reply_to_strip", "whether the author's own Reply-To is removed", func(p *Policy) *bool { return &p.ReplyToStrip }),
	choice("from", "when From shows the list's address: where the author's domain demands it, always, never",
		func(p *Policy) *FromPolicy { return &p.From }, FromAsNeeded, FromMunge, FromNever),
	yesNo("anonymous", "whether all that names the author is removed", func(p *Policy) *bool { return &p.Anonymous }),
	choice("personalize", "whether each member gets a copy of their own, with their own link to leave",
		func(p *Policy) *Personalize { return &p.Personalize }, PersonalFull, PersonalNone),
	yesNo("list_headers", "whether posts carry List-Help, List-Unsubscribe and the like", func(p *Policy) *bool { return &p.ListHeaders }),

	choice("complaint", "what becomes of a member who reports a post as spam to their provider",
		func(p *Policy) *ComplaintAction { return &p.Bounces.Complaint }, ComplaintRemove, ComplaintPause),
	yesNo("bounce_processing", "whether members whose mail comes back are found out", func(p *Policy) *bool { return &p.Bounces.Processing }),
	number("bounce_threshold", "at how many points, one a day at most, a member is probed; 0: nobody is",
		func(p *Policy) *int { return &p.Bounces.Threshold }),
	duration("bounce_stale_after", "after how long without a failure a member begins anew; 0: never",
		func(p *Policy) *time.Duration { return &p.Bounces.StaleAfter }),
	number("bounce_warnings", "how often a member is written to whose mail is paused, before they are taken off",
		func(p *Policy) *int { return &p.Bounces.Warnings }),
	duration("bounce_warning_interval", "how long lies between those warnings, and after the last",
		func(p *Policy) *time.Duration { return &p.Bounces.WarningInterval }),
	domains("munge_domains", "authors' domains for which From shows the list's address, since providers refused their mail from this list",
		maxMunged, func(p *Policy) *[]string { return &p.Bounces.MungeDomains }),

	schedule("digest", "when issues of digests go out to members who have set no schedule of their own",
		func(p *Policy) *Schedule { return &p.Digest }),
	number("digest_posts", "an issue goes out before its time when so many posts wait for it; 0: by the clock alone",
		func(p *Policy) *int { return &p.DigestPosts }),
	size("digest_size", "an issue goes out before its time when so much waits for it, and is cut where it has more; 0: by the clock alone",
		func(p *Policy) *int64 { return &p.DigestSize }),
	choice("digest_volume", "how often the issues of a digest are counted from 1 again", func(p *Policy) *Volume { return &p.DigestVolume },
		VolumeYearly, VolumeQuarterly, VolumeMonthly, VolumeWeekly, VolumeNever),
	choice("report", "how often a report of the list's numbers goes out", func(p *Policy) *ReportEvery { return &p.Report },
		ReportNone, ReportWeekly, ReportMonthly),
	choice("report_to", "who gets the report", func(p *Policy) *ReportTo { return &p.ReportTo }, ReportOwners, ReportMembers),
	duration("roundup_lead", "how long before its time the draft of a round-up goes to the organizers; 0 for no draft",
		func(p *Policy) *time.Duration { return &p.RoundupLead }),
	choice("roundup_silence", "what becomes of a round-up that no organizer says a word about",
		func(p *Policy) *Silence { return &p.RoundupSilence }, SilenceSends, SilenceHolds),
	feedList("feeds", "other places of the group's, of which the round-up tells", func(p *Policy) *[]Feed { return &p.Feeds }),

	choice("archive", "who may read the archive", func(p *Policy) *Archive { return &p.Archive },
		ArchivePublic, ArchiveMembers, ArchiveNone),
	choice("archive_addresses", "whether the archive shows whole addresses",
		func(p *Policy) *ArchiveAddresses { return &p.ArchiveAddresses }, AddressesHidden, AddressesShown),
}

// Keys are the names of all settings, in the order they are documented in.
func Keys() []string {
	keys := make([]string, len(settings))
	for i, s := range settings {
		keys[i] = s.key
	}
	return keys
}

// Help is a setting's meaning and allowed values in a line; the first value is the default. Empty for no setting.
func Help(key string) string {
	s := find(key)
	if s == nil {
		return ""
	}
	return s.help + " (" + s.allowed + ")"
}

func find(key string) *setting {
	for i := range settings {
		if settings[i].key == key {
			return &settings[i]
		}
	}
	return nil
}

// Set sets one setting from its text form. The error says what is allowed, for people; p is then unchanged.
func (p *Policy) Set(key, value string) error {
	s := find(key)
	if s == nil {
		if near := nearest(key); near != "" {
			return fmt.Errorf("there is no setting %q: did you mean %q?", key, near)
		}
		return fmt.Errorf("there is no setting %q: `listd list set --help` names all", key)
	}
	if err := s.set(p, value); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// Get is one setting in its text form; false if there is no such setting.
func (p Policy) Get(key string) (string, bool) {
	s := find(key)
	if s == nil {
		return "", false
	}
	return s.get(&p), true
}

// Settings are all settings that differ from the default, for Load.
func (p Policy) Settings() map[string]string {
	out := maps.Clone(p.unknown)
	if out == nil {
		out = map[string]string{}
	}
	def := DefaultPolicy()
	for _, s := range settings {
		if v := s.get(&p); v != s.get(&def) {
			out[s.key] = v
		}
	}
	return out
}

// Load is the policy that Settings described. A key it does not know is a newer listd's, at work on the same
// database: it is carried along and not lost when this one saves.
func Load(m map[string]string) (Policy, error) {
	p := DefaultPolicy()
	for key, value := range m {
		s := find(key)
		if s == nil {
			if p.unknown == nil {
				p.unknown = map[string]string{}
			}
			p.unknown[key] = value
			continue
		}
		if err := s.set(&p, value); err != nil {
			return p, fmt.Errorf("%s: %w", key, err)
		}
	}
	return p, nil
}

// nearest is the setting whose name is fewest letters away, or one that has all the letters in their order, as
// max_message_size has those of max_size; empty if none is near.
func nearest(key string) string {
	key = strings.ToLower(key)
	if len(key) > 64 {
		return ""
	}
	best, distance := "", len(key)/3+2
	for _, s := range settings {
		if d := levenshtein(key, s.key); d < distance {
			best, distance = s.key, d
		}
	}
	for _, s := range settings {
		if best == "" && len(key) > 3 && subsequence(key, s.key) {
			best = s.key
		}
	}
	return best
}

func subsequence(of, in string) bool {
	for i := 0; i < len(in) && of != ""; i++ {
		if in[i] == of[0] {
			of = of[1:]
		}
	}
	return of == ""
}

func levenshtein(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

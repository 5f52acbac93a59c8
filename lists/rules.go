package lists

import (
	"fmt"
	"strings"
	"time"

	"listd/mail"
)

// Verdict is a rule's, or a whole Judge's, decision with its reasons in words for people.
type Verdict struct {
	Action  Action
	Rule    string      // the rule that ended it, or the first that held
	Reasons []string    // what to tell poster and moderators, a sentence each
	Reply   *mail.Reply // what the peer hears of a Reject
	Answer  string      // the notice the sender gets in private with a Discard; empty for none
}

// Rule asks one question of a post.
type Rule struct {
	Name  string
	Judge func(*Case) Verdict
}

// Case is all a rule may look at.
type Case struct {
	List        List
	Envelope    mail.Envelope
	Message     mail.Message
	From        mail.Mailbox   // the author: first of From, or the envelope's if there is none
	Sender      *Member        // who posts, if the list knows them (From first, then the envelope)
	Banned      string         // the site's ban that fits the sender; empty if none. The list's own bans are in its Policy
	Aliases     []mail.Address // further addresses the list has, such as those of before a rename
	Auth        string         // who vouches for the post, as in "spf=pass smtp.mailfrom=a.org; dkim=none; dmarc=fail (p=REJECT) header.from=b.org"; empty: not known
	SiteMaxSize int64          // bytes a message may have at this site; 0: any number
	Now         time.Time

	root    *mail.Part // see parse
	broken  error
	subject string // decoded; see Subject
	text    string // see Text
	read    uint8  // which of them are filled in
}

// Rules are all rules, in the order in which they are asked. What costs nothing to know and ends the matter
// comes first; emergency comes before header rules, so that no field a stranger can write goes round it.
func Rules() []Rule {
	return []Rule{
		{"loop", loop},
		{"banned", banned},
		{"closed", closed},
		{"automatic", automatic},
		{"unreadable", unreadable},
		{"emergency", emergency},
		{"header_rule", headerRule},
		{"administrivia", administrivia},
		{"quoted_digest", quotedDigest},
		{"max_size", maxSize},
		{"implicit_destination", implicitDestination},
		{"max_recipients", maxRecipients},
		{"no_subject", noSubject},
		{"member", member},
		{"first_posts", firstPosts},
		{"nonmember", nonmember},
		{"announcement", announcement},
	}
}

// Judge asks the rules in order. Accept, Reject and Discard end it; Holds add up their reasons, so that a
// moderator sees all of them at once. An Accept after a Hold asks no further, but the Hold stands.
func Judge(rules []Rule, c *Case) Verdict {
	var held Verdict
	for _, r := range rules {
		v := r.Judge(c)
		v.Rule = r.Name
		switch v.Action {
		case Hold:
			if held.Action != Hold {
				held.Action, held.Rule = Hold, r.Name
			}
			held.Reasons = append(held.Reasons, v.Reasons...)
		case Reject, Discard:
			return v
		case Accept:
			if held.Action == Hold {
				return held
			}
			return v
		}
	}
	if held.Action == Hold {
		return held
	}
	return Verdict{Action: Accept}
}

func hold(format string, args ...any) Verdict {
	return Verdict{Action: Hold, Reasons: []string{fmt.Sprintf(format, args...)}}
}

// refuse is a Reject whose reply and reason are the same words.
func refuse(code int, enhanced, format string, args ...any) Verdict {
	text := fmt.Sprintf(format, args...)
	return Verdict{Action: Reject, Reasons: []string{text}, Reply: mail.Refuse(code, enhanced, text)}
}

// do carries out an owner's choice: the reason for a Hold or a Discard, the words of a Reject.
func do(a Action, reason, refusal string) Verdict {
	switch a {
	case Hold, Discard:
		return Verdict{Action: a, Reasons: []string{reason}}
	case Reject:
		// RFC 3463: X.7.2, the sender is not authorized to send to the mailing list.
		return refuse(550, "5.7.2", "%s", refusal)
	}
	return Verdict{}
}

// governs reports whether a moderator or an owner posts.
func (c *Case) governs() bool {
	return c.Sender != nil && c.Sender.Roles&(Moderator|Owner) != 0
}

// known reports whether the list knows who posts.
func (c *Case) known() bool { return c.Sender != nil && (c.Sender.Sub != nil || c.governs()) }

// own is the action a moderator has set for this member; Defer if none.
func (c *Case) own() Action {
	if c.Sender == nil || c.Sender.Sub == nil {
		return Defer
	}
	return c.Sender.Sub.Action
}

// maxHops is RFC 5321 section 6.3's: at least 100 Received fields before one cries loop.
const maxHops = 100

// loop refuses what this list has sent already. It rejects rather than discards: the bounce comes back to the
// return path of the one subscription through which the mail comes round, which is the one to stop.
func loop(c *Case) Verdict {
	label, hops, ours := []byte("<"+c.List.label()+">"), 0, false
	for f := range mail.Fields(c.Message.Head) {
		switch {
		case f.Is("Received"):
			hops++
		case f.Is("List-Id"):
			ours = ours || containsFold(f.Raw, label)
		case f.Is("X-Loop"):
			ours = ours || strings.EqualFold(f.Value(), c.List.Address.String())
		}
	}
	switch {
	case ours:
		return refuse(554, "5.4.6", "This message has been through %s already; it is not sent out again. "+
			"To repeat a post, write a new message.", c.List.Address)
	case hops > maxHops:
		return refuse(554, "5.4.6", "This message has passed %d servers: it goes in a circle. "+
			"The forwarding that leads to %s needs mending.", hops, c.List.Address)
	}
	return Verdict{}
}

func banned(c *Case) Verdict {
	p := &c.List.Policy
	if c.Banned == "" && p.Ban(c.From.Address) == "" && p.Ban(c.Envelope.From) == "" {
		return Verdict{}
	}
	return refuse(550, "5.7.2", "You may not post to %s. If you think this is a mistake, write to %s.",
		c.List.Address, c.List.Owner())
}

func closed(c *Case) Verdict {
	if !c.List.Policy.Closed {
		return Verdict{}
	}
	return refuse(550, "5.2.1", "The list %s is closed and takes no posts. Questions go to %s.", c.List.Address, c.List.Owner())
}

// automatic keeps bounces and automatic replies from the members. A member's script may post: what it sends is
// "auto-generated" at most, and has a sender.
//
// A message with the null reverse-path is rejected, not discarded: nothing is mailed about it (RFC 5321 section
// 4.5.5), so this makes no backscatter, and a server whose notices go astray has it in its log. A vacation notice
// has a sender, who would get our refusal as a bounce and could do nothing with it; it is discarded.
func automatic(c *Case) Verdict {
	if c.Envelope.From.IsZero() {
		return refuse(550, "5.7.1", "%s takes no bounces and no automatic replies; send them to %s.",
			c.List.Address, c.List.Bounces())
	}
	if autoReply(c.Message.Head) {
		return Verdict{Action: Discard, Reasons: []string{"This is an automatic reply."}}
	}
	return Verdict{}
}

// autoReply reports whether the head is that of an answer a machine gives: RFC 3834 section 5, and the older
// fields that some still write.
func autoReply(head []byte) bool {
	for f := range mail.Fields(head) {
		switch {
		case f.Is("Auto-Submitted"):
			word, _, _ := strings.Cut(f.Value(), ";")
			if strings.EqualFold(strings.TrimSpace(word), "auto-replied") {
				return true
			}
		case f.Is("X-Autoreply"), f.Is("X-Autorespond"):
			if !strings.EqualFold(f.Value(), "no") {
				return true
			}
		case f.Is("Precedence"):
			if strings.EqualFold(f.Value(), "auto_reply") {
				return true
			}
		}
	}
	return false
}

// emergency holds moderators' posts too: From is easily forged, and they can release theirs.
func emergency(c *Case) Verdict {
	if !c.List.Policy.Emergency {
		return Verdict{}
	}
	return hold("The moderators look at every post to %s for the time being.", c.List.Name())
}

// fits reports whether a header rule fits the post. Rules about Authentication-Results are about what this server has
// found (RFC 8601 section 7.1): what others have written into the head, anybody can have written.
func (c *Case) fits(r HeaderRule) bool {
	if strings.EqualFold(r.Field, "Authentication-Results") {
		return c.Auth != "" && r.Pattern.MatchString(c.Auth)
	}
	return r.Fits(c.Message.Head)
}

// headerRule asks the owner's rules in their order; the first that fits and does not hold ends it.
func headerRule(c *Case) Verdict {
	var held Verdict
	for _, r := range c.List.Policy.HeaderRules {
		if !c.fits(r) {
			continue
		}
		reason := fmt.Sprintf("The field %s fits a rule of the list.", r.Field)
		switch r.Action {
		case Hold:
			held.Action = Hold
			held.Reasons = append(held.Reasons, reason)
		case Accept:
			if held.Action == Hold {
				return held
			}
			return Verdict{Action: Accept}
		default:
			return do(r.Action, reason, fmt.Sprintf("%s does not take this message because of its field %s. Questions go to %s.",
				c.List.Address, r.Field, c.List.Owner()))
		}
	}
	return held
}

// maxSize refuses at the door: a large post that is held is a large post stored.
func maxSize(c *Case) Verdict {
	limit := c.List.Policy.MaxSize
	if c.governs() {
		limit = 0
	}
	if limit == 0 || c.SiteMaxSize > 0 && c.SiteMaxSize < limit {
		limit = c.SiteMaxSize
	}
	if n := c.Message.Size(); limit > 0 && n > limit {
		return refuse(552, "5.3.4", "Your message has %s and %s takes at most %s. "+
			"Put large files on the web and send a link.", people(n), c.List.Address, people(limit))
	}
	return Verdict{}
}

// people is a size for people, rounded up so that what is too large does not look equal.
func people(n int64) string {
	for _, u := range sizeUnits[:3] {
		if n >= u.bytes {
			return fmt.Sprintf("%d %s", (n+u.bytes-1)/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

package lists

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"listd/mail"
)

// BouncePolicy is what a list does about members whose mail does not arrive, or who complain about it.
type BouncePolicy struct {
	Processing      bool
	Threshold       int           // points at which a member is probed; 0: nobody ever is
	StaleAfter      time.Duration // without a failure for so long, a member begins anew; 0: never
	Warnings        int           // sent to a member whose mail is paused, before they are taken off
	WarningInterval time.Duration
	Complaint       ComplaintAction
	MungeDomains    []string // authors' domains whose From gives way, since providers refused their mail from this list
}

// ComplaintAction is what becomes of a member who reports the list's mail to their provider.
type ComplaintAction string

// What becomes of a member who complains.
const (
	ComplaintRemove ComplaintAction = "remove"
	ComplaintPause  ComplaintAction = "pause"
)

func defaultBounces() BouncePolicy {
	return BouncePolicy{Processing: true, Threshold: 5, StaleAfter: 7 * 24 * time.Hour, Warnings: 3, WarningInterval: 7 * 24 * time.Hour,
		Complaint: ComplaintRemove}
}

// maxMunged bounds the domains whose From gives way.
const maxMunged = 200

// MungesDomain reports whether From gives way for authors of a domain because their mail was refused before.
func (p Policy) MungesDomain(domain string) bool {
	return domain != "" && slices.Contains(p.Bounces.MungeDomains, strings.ToLower(domain))
}

// AddMunged adds a domain to those whose From gives way, and says whether it was none of them. When there are too many
// the oldest goes.
func (p *Policy) AddMunged(domain string) bool {
	if domain == "" || p.MungesDomain(domain) {
		return false
	}
	all := append(slices.Clone(p.Bounces.MungeDomains), strings.ToLower(domain))
	p.Bounces.MungeDomains = all[max(0, len(all)-maxMunged):]
	return true
}

func domains(key, help string, limit int, field func(*Policy) *[]string) setting {
	return setting{key, help, fmt.Sprintf("at most %d domains with commas between them, or empty", limit),
		func(p *Policy) string { return strings.Join(*field(p), ", ") },
		func(p *Policy, v string) error {
			if err := checkLine(v, limit*260); err != nil {
				return err
			}
			var out []string
			for s := range strings.SplitSeq(v, ",") {
				if s = strings.TrimSpace(s); s == "" {
					continue
				}
				a, err := mail.ParseAddress("x@" + s)
				if err != nil {
					return fmt.Errorf("%q is no domain", s)
				}
				if d := strings.ToLower(a.Domain); !slices.Contains(out, d) {
					out = append(out, d)
				}
			}
			if len(out) > limit {
				return errors.New("these are too many domains")
			}
			*field(p) = out
			return nil
		}}
}

// Bounces is what the failures of one subscription's mail have come to.
type Bounces struct {
	Score  float64
	Day    time.Time // midnight (UTC) of the last day that was charged; zero: none was
	Today  float64   // what that day was charged
	Last   time.Time // when the last failure came that counted
	Stage  Stage
	Probe  int64     // the outgoing that probes; 0: none
	Warned int       // warnings sent since the mail was paused
	Next   time.Time // when the stage is looked at again; zero in Scoring
}

// Stage is how far it has come with a subscription.
type Stage string

// The stages: failures are counted; a probe is on its way, and what else fails meanwhile changes nothing; the probe has
// bounced, the mail is paused, and warnings go out until the member comes back or is taken off.
const (
	Scoring Stage = "scoring"
	Probing Stage = "probing"
	Paused  Stage = "paused"
)

// Bounce is one failure to deliver to one subscription.
type Bounce struct {
	At        time.Time // when we learnt of it
	Class     mail.Class
	Permanent bool
	Proven    bool // we were refused ourselves, or the report came to the return path of that one delivery
	Probe     bool // of the probe
}

// BounceAction is what a failure asks for.
type BounceAction uint8

// The actions: nothing; send a probe; pause the mail, since the probe bounced; forget all failures, since the probe was
// refused for what it says or where it comes from, which proves that somebody reads the address.
const (
	BounceNothing BounceAction = iota
	BounceProbe
	BouncePause
	BounceForgive
)

// The weights of failures, in points.
const (
	hardBounce = 1.0
	softBounce = 0.5
)

// Weight is what a failure costs its recipient on a day. Nothing for what is the message's, its author's or our own fault
// (RFC 6377 section 5.11); a half for a full mailbox, for the way there, and for all that may pass, or that anybody could
// have written.
func (e Bounce) Weight() float64 {
	switch e.Class {
	case mail.Policy, mail.Spam, mail.Size, mail.Auth, mail.Content, mail.Relay:
		return 0
	case mail.Full, mail.Network:
		return softBounce
	}
	if !e.Permanent || !e.Proven {
		return softBounce
	}
	return hardBounce
}

// Score is what the failures of a subscription have come to with one more. A day costs what the worst failure of it does,
// one point at most, however many there are and in whatever order they come; one that comes late counts to the last day
// that was charged.
func Score(b Bounces, e Bounce, p BouncePolicy) (Bounces, BounceAction) {
	w := e.Weight()
	if b.Stage == "" {
		b.Stage = Scoring
	}
	switch {
	case !p.Processing || b.Stage == Paused:
		return b, BounceNothing
	case e.Probe && b.Stage != Probing:
		return b, BounceNothing // of one that was sent before the member came back
	case e.Probe && w == 0:
		return Bounces{Stage: Scoring}, BounceForgive
	case e.Probe:
		b.Stage, b.Last = Paused, e.At
		return b, BouncePause
	case w == 0:
		return b, BounceNothing
	}
	if p.StaleAfter > 0 && !b.Last.IsZero() && e.At.Sub(b.Last) > p.StaleAfter && b.Stage == Scoring {
		b = Bounces{Stage: Scoring}
	}
	if day := e.At.UTC().Truncate(24 * time.Hour); day.After(b.Day) {
		b.Day, b.Today = day, 0
	}
	if w > b.Today {
		b.Score, b.Today = b.Score+w-b.Today, w
	}
	if e.At.After(b.Last) {
		b.Last = e.At
	}
	if b.Stage == Scoring && p.Threshold > 0 && b.Score >= float64(p.Threshold) {
		b.Stage = Probing
		return b, BounceProbe
	}
	return b, BounceNothing
}

// ScoreAt is the score as it counts at a time: failures that are stale by then are forgotten.
func (b Bounces) ScoreAt(now time.Time, p BouncePolicy) float64 {
	if b.Stage == Scoring && p.StaleAfter > 0 && now.Sub(b.Last) > p.StaleAfter {
		return 0
	}
	return b.Score
}

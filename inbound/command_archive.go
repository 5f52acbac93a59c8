package inbound

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"listd/auth"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

// This file answers what one asks of the archive by mail.

const (
	maxIndexed     = 100      // posts named in one answer
	maxGotten      = 20       // posts attached to one answer
	maxGottenBytes = 10 << 20 // bytes of them
)

// archive obeys index, get and last, for those who may read: a member whose address is vouched for, and where the archive
// is public anybody.
func (s *session) archive(c lists.Command, l lists.List) error {
	if l.Policy.Archive == lists.ArchiveNone {
		s.say(c, "%s keeps no archive", l.Name())
		return nil
	}
	public := l.Policy.Archive == lists.ArchivePublic
	// A message has whole addresses in it.
	shown := c.Verb == lists.VerbIndex || l.Policy.ArchiveAddresses == lists.AddressesShown
	if !(public && shown) && !s.needs(c, vouched) {
		return nil
	}
	if !public {
		if _, err := s.tx.Member(l.ID, s.who); isNotFound(err) {
			s.say(c, "the archive is for members; join with %s", l.Join())
			return nil
		} else if err != nil {
			return err
		}
	}
	if c.Verb == lists.VerbIndex {
		return s.index(c, l)
	}
	return s.get(c, l)
}

// span is a range of posts, both ends included.
type span struct{ first, last lists.Seq }

// spans reads numbers and ranges such as 3-9, as the grammar let them pass.
func spans(args []string) (out []span) {
	for _, a := range args {
		from, to, isRange := strings.Cut(a, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 32)
		last, err2 := strconv.ParseUint(to, 10, 32)
		if err1 == nil && err2 == nil && first <= last {
			out = append(out, span{lists.Seq(first), lists.Seq(last)})
		}
	}
	return out
}

// postsIn calls f for the posts of some spans that readers see, until it says that it has enough.
func (s *session) postsIn(l lists.List, in []span, f func(store.Post) (more bool, err error)) error {
	for _, sp := range in {
		for after := sp.first - min(sp.first, 1); after < sp.last; {
			rows, err := s.tx.PostsAfter(l.ID, after, 100)
			if err != nil {
				return err
			}
			for _, p := range rows {
				if p.Seq > sp.last {
					break
				}
				if p.Hidden {
					continue
				}
				if more, err := f(p); err != nil || !more {
					return err
				}
			}
			if len(rows) < 100 {
				break
			}
			after = rows[len(rows)-1].Seq
		}
	}
	return nil
}

// index lists posts, the latest if none are named.
func (s *session) index(c lists.Command, l lists.List) error {
	in := spans(c.Args)
	if len(in) == 0 {
		in = []span{{l.LastSeq - min(l.LastSeq, 30) + 1, l.LastSeq}}
	}
	var lines []string
	if err := s.postsIn(l, in, func(p store.Post) (bool, error) {
		lines = append(lines, fmt.Sprintf("%5d  %s  %s, %s", p.Seq, p.Date.Format("2006-01-02"), p.Subject, nameOf(p.Author)))
		return len(lines) < maxIndexed, nil
	}); err != nil {
		return err
	}
	if len(lines) == 0 {
		s.say(c, "there are no such posts; the latest is %d", l.LastSeq)
		return nil
	}
	s.say(c, "%d of the posts of %s; \"get NUMBER\" gets one", len(lines), l.Name())
	s.results = append(s.results, lines...)
	return nil
}

// nameOf is an author without the address.
func nameOf(author string) string {
	if name, _, ok := strings.Cut(author, " <"); ok {
		return name
	}
	local, _, _ := strings.Cut(author, "@")
	return local
}

// get attaches posts as they are.
func (s *session) get(c lists.Command, l lists.List) error {
	in := spans(c.Args)
	if c.Verb == lists.VerbLast {
		in = []span{{l.LastSeq, l.LastSeq}}
	}
	sent, size := 0, int64(0)
	cut := false
	err := s.postsIn(l, in, func(p store.Post) (bool, error) {
		if len(s.attach) >= maxGotten || sent > 0 && size+p.Size > maxGottenBytes {
			cut = true
			return false, nil
		}
		if p.Size > maxGottenBytes {
			s.say(c, "post %d has %d MB and is too large to be mailed", p.Seq, p.Size>>20)
			return true, nil
		}
		m, err := s.tx.Message(p.Message)
		if err != nil {
			return false, err
		}
		s.attach = append(s.attach, mail.Attachment{Type: "message/rfc822", Name: fmt.Sprintf("%s-%d.eml", l.Name(), p.Seq), Body: inOnePiece(m)})
		sent, size = sent+1, size+p.Size
		return true, nil
	})
	switch {
	case err != nil:
		return err
	case sent == 0 && !cut:
		s.say(c, "there are no such posts; the latest is %d", l.LastSeq)
	case cut:
		s.say(c, "%d posts are attached, which is as much as goes into one mail", sent)
	case sent == 1:
		s.say(c, "the post is attached")
	default:
		s.say(c, "%d posts are attached", sent)
	}
	return nil
}

// password makes an app password, which opens what the sender may read: only their own word, given back on a token, is
// proof enough.
func (s *session) password(c lists.Command) error {
	label := c.Value
	if c.Key == "remove" {
		if !s.needs(c, vouched) {
			return nil
		}
		had, err := s.d.Books.DropPassword(s.tx, s.who, label)
		if err == nil && had {
			s.say(c, "it opens nothing any more")
		} else if err == nil {
			s.say(c, "there is no password with that label")
		}
		return err
	}
	if !s.needs(c, confirmed) {
		return nil
	}
	if label == "" {
		label = "mail program"
	}
	l, err := s.home()
	if err != nil {
		return err
	}
	if l.ID == 0 {
		s.say(c, "nothing is known about %s", s.who)
		return nil
	}
	if known, err := auth.Known(s.tx, s.who); err != nil || !known {
		s.say(c, "passwords are for members; %s is on no list here", s.who)
		return err
	}
	if err := s.d.Books.NewPassword(s.tx, l, s.who, label, s.by); errors.Is(err, auth.ErrPasswords) {
		s.say(c, "%v", err)
		return nil
	} else if err != nil {
		return err
	}
	s.say(c, "a mail of its own brings it")
	return nil
}

package imap

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"listd/archive"
	"listd/lists"
	"listd/mail"
)

// Fetch writes what is asked for of each post of a set. What is read without PEEK counts as seen.
func (s *session) Fetch(w *imapserver.FetchWriter, numSet imap.NumSet, options *imap.FetchOptions) error {
	b := s.box
	opens := options.Envelope || options.BodyStructure != nil || len(options.BodySection)+len(options.BinarySection)+len(options.BinarySectionSize) > 0
	marks := false
	for _, section := range options.BodySection {
		marks = marks || !section.Peek
	}
	for _, section := range options.BinarySection {
		marks = marks || !section.Peek
	}
	marks = marks && !b.readOnly
	var read []uint32
	err := b.pick(numSet, func(i int) error {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		p := b.posts[i]
		if marks && !b.seen.has(p.uid) {
			read = append(read, p.uid)
		}
		var m mail.Message
		if opens {
			if err := s.charge(p.size); err != nil {
				return err
			}
			var err error
			if m, err = b.shelf.Read(s.ctx, lists.Seq(p.uid)); errors.Is(err, archive.ErrNoPost) {
				return nil // it went meanwhile; its number stays
			} else if err != nil {
				return err
			}
		}
		return s.write(w.CreateMessage(uint32(i)+1), i, m, options, marks)
	})
	if len(read) > 0 {
		err = errors.Join(err, s.mark(read, true))
	}
	return err
}

// charge counts bytes that go to a stranger.
func (s *session) charge(n int64) error {
	if !s.reader.Stranger() {
		return nil
	}
	if !s.server.guests.may(s.addr, func(sp *spent) bool { sp.bytes += n; return sp.bytes <= guestBytes }) {
		return errLimit
	}
	return nil
}

// mark keeps that posts have been read, or not.
func (s *session) mark(uids []uint32, seen bool) error {
	marks, err := s.box.shelf.ChangeSeen(s.ctx, func(old string) string {
		all := parseSet(old)
		for _, u := range uids {
			if span := (archive.Span{First: lists.Seq(u), Last: lists.Seq(u)}); seen {
				all.add(span)
			} else {
				all.remove(span)
			}
		}
		return all.String()
	})
	if err == nil {
		s.box.seen = parseSet(marks)
	}
	return err
}

// flags are those of a post.
func (b *box) flags(i int, marked bool) []imap.Flag {
	if marked || b.seen.has(b.posts[i].uid) {
		return []imap.Flag{imap.FlagSeen}
	}
	return []imap.Flag{}
}

// write answers for one post.
func (s *session) write(w *imapserver.FetchResponseWriter, i int, m mail.Message, options *imap.FetchOptions, marked bool) (err error) {
	defer func() { err = errors.Join(err, w.Close()) }()
	b := s.box
	if options.UID {
		w.WriteUID(imap.UID(b.posts[i].uid))
	}
	if options.Flags || marked {
		w.WriteFlags(b.flags(i, marked))
	}
	if options.InternalDate {
		w.WriteInternalDate(b.posts[i].received())
	}
	if options.RFC822Size {
		w.WriteRFC822Size(b.posts[i].size)
	}
	if options.Envelope {
		w.WriteEnvelope(envelope(m.Head))
	}
	if options.BodyStructure == nil && len(options.BodySection)+len(options.BinarySection)+len(options.BinarySectionSize) == 0 {
		return nil
	}
	d := document{m: m}
	if options.BodyStructure != nil {
		w.WriteBodyStructure(structure(d.root(), 0))
	}
	for _, section := range options.BodySection {
		pieces := d.section(section)
		if err := writeAll(w.WriteBodySection(section, length(pieces)), pieces); err != nil {
			return err
		}
	}
	for _, section := range options.BinarySection {
		pieces := d.binary(section.Part, section.Partial)
		if err := writeAll(w.WriteBinarySection(section, length(pieces)), pieces); err != nil {
			return err
		}
	}
	for _, section := range options.BinarySectionSize {
		w.WriteBinarySectionSize(section, uint32(length(d.binary(section.Part, nil))))
	}
	return nil
}

func length(pieces [][]byte) (n int64) {
	for _, p := range pieces {
		n += int64(len(p))
	}
	return n
}

func writeAll(w io.WriteCloser, pieces [][]byte) error {
	for _, p := range pieces {
		if _, err := w.Write(p); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	return w.Close()
}

// received is when a post was filed.
func (p numbered) received() time.Time { return time.Unix(p.filed, 0).UTC() }

// Store keeps \Seen, and nothing else.
func (s *session) Store(w *imapserver.FetchWriter, numSet imap.NumSet, flags *imap.StoreFlags, _ *imap.StoreOptions) error {
	b := s.box
	if b.readOnly {
		return errReadOnly
	}
	seen := false
	for _, f := range flags.Flags {
		if !strings.EqualFold(string(f), string(imap.FlagSeen)) {
			return errReadOnly
		}
		seen = true
	}
	if !seen && flags.Op != imap.StoreFlagsSet {
		return nil
	}
	var uids []uint32
	var at []int
	if err := b.pick(numSet, func(i int) error {
		uids, at = append(uids, b.posts[i].uid), append(at, i)
		return nil
	}); err != nil {
		return err
	}
	if len(uids) == 0 {
		return nil
	}
	if err := s.mark(uids, seen && flags.Op != imap.StoreFlagsDel); err != nil || flags.Silent {
		return err
	}
	for _, i := range at {
		r := w.CreateMessage(uint32(i) + 1)
		r.WriteUID(imap.UID(b.posts[i].uid)) // RFC 9051 section 6.4.9 wants it after UID STORE, and it is never wrong
		r.WriteFlags(b.flags(i, false))
		if err := r.Close(); err != nil {
			return err
		}
	}
	return nil
}

package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"listd/archive"
	"listd/auth"
	"listd/mail"
)

// session is one client's connection.
type session struct {
	server *Server
	conn   *imapserver.Conn
	ctx    context.Context
	cancel context.CancelFunc
	addr   netip.Addr

	reader archive.Reader
	box    *box // nil: none is selected
}

var _ imapserver.SessionIMAP4rev2 = (*session)(nil)

func (s *session) Close() error {
	s.cancel()
	return nil
}

// anonymous is the user name of strangers, where they may come (RFC 4505 has a mechanism of the name).
const anonymous = "anonymous"

// Login takes an address and an app password of its.
func (s *session) Login(username, password string) error {
	if strings.EqualFold(username, anonymous) && s.server.Limits.Anonymous {
		return nil // and the zero Reader
	}
	if !s.private() {
		return errPrivacy
	}
	g := s.server.guests
	if g.guesses.Blocked(auth.Place(s.addr), maxGuesses, s.server.Now()) {
		return no(imap.ResponseCodeAuthenticationFailed, "Too many wrong passwords came from your address; try again in ten minutes")
	}
	a, err := mail.ParseAddress(username)
	var u auth.User
	if err != nil {
		err = auth.ErrUnknown
	} else {
		u, err = s.server.Users.Check(s.ctx, a, password)
	}
	if errors.Is(err, auth.ErrUnknown) {
		g.guesses.Miss(auth.Place(s.addr), 1, s.server.Now())
		return no(imap.ResponseCodeAuthenticationFailed, "Wrong address or password. An app password is wanted: write \"password\" to a list's -request address")
	}
	s.reader = archive.Reader{Address: u.Address, User: u.ID}
	return err
}

// private reports whether nobody can listen: TLS is spoken, or the client is on this machine.
func (s *session) private() bool {
	_, encrypted := s.conn.NetConn().(*tls.Conn)
	return encrypted || s.addr.IsLoopback()
}

// delimiter stands between a list and what belongs to it.
const delimiter = '/'

// inbox must be there (RFC 9051 section 5.1); nothing ever comes to it.
const inbox = "INBOX"

// Namespace has all archives in one place.
func (s *session) Namespace() (*imap.NamespaceData, error) {
	return &imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Prefix: "", Delim: delimiter}}}, nil
}

// What stands behind a list's name and a delimiter.
const (
	digestsBox       = "Digests"
	announcementsBox = "Announcements"
)

// open opens the archive that a mailbox is named after, and what of it the mailbox shows.
func (s *session) open(name string) (*archive.Archive, archive.Shelf, error) {
	list, below, nested := strings.Cut(name, string(delimiter))
	a, err := s.openList(list)
	if err != nil || !nested {
		return a, a, err
	}
	var shelf archive.Shelf
	switch below {
	case digestsBox:
		shelf, err = a.Digests(s.ctx)
	case announcementsBox:
		shelf, err = a.Announcements(s.ctx)
	}
	if err == nil && shelf == nil {
		err = errNoBox
	}
	return a, shelf, err
}

// boxes are the mailboxes of a list: its archive, and below it what else there is to read.
func (s *session) boxes(a *archive.Archive) ([]string, error) {
	name := a.List.Address.String()
	out := []string{name}
	if shelf, err := a.Announcements(s.ctx); err != nil {
		return nil, err
	} else if shelf != nil {
		out = append(out, name+string(delimiter)+announcementsBox)
	}
	if shelf, err := a.Digests(s.ctx); err != nil {
		return nil, err
	} else if shelf != nil {
		out = append(out, name+string(delimiter)+digestsBox)
	}
	return out, nil
}

func (s *session) openList(name string) (*archive.Archive, error) {
	at, err := mail.ParseAddress(strings.ToLower(name))
	if err != nil {
		return nil, errNoBox
	}
	a, err := s.server.Library.Open(s.ctx, at, s.reader)
	switch {
	case errors.Is(err, archive.ErrNoArchive), errors.Is(err, archive.ErrSignIn), errors.Is(err, archive.ErrMembers), err == nil && !a.Addresses():
		return nil, errNoBox // that there is one is nobody's to know
	case err != nil:
		return nil, err
	}
	return a, nil
}

// List lists the mailboxes that the reader sees. Everybody is subscribed to all of them.
func (s *session) List(w *imapserver.ListWriter, ref string, patterns []string, options *imap.ListOptions) error {
	if len(patterns) == 0 { // LIST "" "" asks for the delimiter
		return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: delimiter})
	}
	all, err := s.server.Library.Lists(s.ctx, s.reader)
	if err != nil {
		return err
	}
	names := []string{inbox}
	for _, a := range all {
		if a.Addresses() {
			boxes, err := s.boxes(a)
			if err != nil {
				return err
			}
			names = append(names, boxes...)
		}
	}
	for i, name := range names {
		if !matches(name, ref, patterns) {
			continue
		}
		data := &imap.ListData{Delim: delimiter, Mailbox: name, Attrs: []imap.MailboxAttr{imap.MailboxAttrHasNoChildren}}
		if i+1 < len(names) && strings.HasPrefix(names[i+1], name+string(delimiter)) {
			data.Attrs[0] = imap.MailboxAttrHasChildren
		}
		if options.SelectSubscribed || options.ReturnSubscribed {
			data.Attrs = append(data.Attrs, imap.MailboxAttrSubscribed)
		}
		if options.ReturnStatus != nil {
			if data.Status, err = s.Status(name, options.ReturnStatus); err != nil {
				return err
			}
		}
		if err := w.WriteList(data); err != nil {
			return err
		}
	}
	return nil
}

func matches(name, ref string, patterns []string) bool {
	for _, p := range patterns {
		if imapserver.MatchList(name, delimiter, ref, p) {
			return true
		}
	}
	return false
}

// Status tells about a mailbox without opening it.
func (s *session) Status(name string, options *imap.StatusOptions) (*imap.StatusData, error) {
	out := &imap.StatusData{Mailbox: name, UIDValidity: 1, UIDNext: 1}
	var count, bytes, unseen int64
	if !strings.EqualFold(name, inbox) {
		a, shelf, err := s.open(name)
		if err != nil {
			return nil, err
		}
		epoch, err := a.Epoch(s.ctx)
		if err != nil {
			return nil, err
		}
		last, err := shelf.Last(s.ctx)
		if err != nil {
			return nil, err
		}
		out.UIDValidity, out.UIDNext = epoch, imap.UID(last)+1
		if count, bytes, err = shelf.Count(s.ctx); err != nil {
			return nil, err
		}
		if unseen, err = s.unseen(shelf, count, options.NumUnseen); err != nil {
			return nil, err
		}
	}
	number := func(wanted bool, n int64) *uint32 {
		if !wanted {
			return nil
		}
		v := uint32(n)
		return &v
	}
	out.NumMessages, out.NumUnseen = number(options.NumMessages, count), number(options.NumUnseen, unseen)
	out.NumRecent, out.NumDeleted = number(options.NumRecent, 0), number(options.NumDeleted, 0)
	if options.Size {
		out.Size = &bytes
	}
	return out, nil
}

// unseen is how many of count posts the reader has not read.
func (s *session) unseen(a archive.Shelf, count int64, wanted bool) (int64, error) {
	if !wanted {
		return 0, nil
	}
	set, err := a.Seen(s.ctx)
	if err != nil || set == "" {
		return count, err
	}
	read, _, err := a.Count(s.ctx, parseSet(set).spans...)
	return count - read, err
}

// Select opens a mailbox. A stranger has nowhere to keep what they have read.
func (s *session) Select(name string, options *imap.SelectOptions) (*imap.SelectData, error) {
	s.box = nil
	b, err := s.openBox(name)
	if err != nil {
		return nil, err
	}
	b.readOnly = options.ReadOnly || s.reader.Stranger()
	data := &imap.SelectData{Flags: []imap.Flag{imap.FlagSeen}, NumMessages: uint32(len(b.posts)), UIDNext: b.next, UIDValidity: b.validity}
	if !b.readOnly {
		data.PermanentFlags = []imap.Flag{imap.FlagSeen}
	}
	for i, p := range b.posts {
		if !b.seen.has(p.uid) {
			data.FirstUnseenSeqNum = uint32(i) + 1
			break
		}
	}
	s.box = b
	return data, nil
}

func (s *session) Unselect() error {
	s.box = nil
	return nil
}

// recheck is how soon a reader who may read no more is sent away.
const recheck = time.Minute

// Poll tells what has come to the open mailbox.
func (s *session) Poll(w *imapserver.UpdateWriter, _ bool) error {
	if s.box == nil || s.box.shelf == nil {
		return nil
	}
	select {
	case <-s.box.filed:
	default:
		if s.server.Now().Sub(s.box.looked) < recheck {
			return nil
		}
	}
	_, err := s.look(w)
	return err
}

// look tells what has come, and whether it came by mail.
func (s *session) look(w *imapserver.UpdateWriter) (news bool, err error) {
	b := s.box
	if s.server.Now().Sub(b.looked) >= recheck {
		if _, _, err := s.open(b.name); errors.Is(err, error(errNoBox)) {
			return false, bye("This archive is not yours to read any more")
		} else if err != nil {
			return false, err
		}
		b.looked = s.server.Now()
	}
	before := len(b.posts)
	if news, err = b.grow(s); err != nil || len(b.posts) == before {
		return news, err
	}
	return news, w.WriteNumMessages(uint32(len(b.posts)))
}

// idlePoll is enough when nothing wakes.
const idlePoll = 30 * time.Second

// Idle tells what comes as it comes, until stop. What is imported is old news and waits for the next command.
func (s *session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	for {
		var filed <-chan struct{}
		if s.box != nil && s.box.shelf != nil {
			filed = s.box.filed
		}
		wait, cancel := context.WithTimeout(s.ctx, idlePoll)
		select {
		case <-stop:
			cancel()
			return nil
		case <-filed:
		case <-wait.Done():
		}
		cancel()
		if s.ctx.Err() != nil {
			return bye("The server stops")
		}
		if filed == nil {
			continue
		}
		if _, err := s.look(w); err != nil {
			return err
		}
	}
}

// What would change an archive is refused.

func (s *session) Create(string, *imap.CreateOptions) error               { return errReadOnly }
func (s *session) Delete(string) error                                    { return errReadOnly }
func (s *session) Rename(string, string, *imap.RenameOptions) error       { return errReadOnly }
func (s *session) Copy(imap.NumSet, string) (*imap.CopyData, error)       { return nil, errReadOnly }
func (s *session) Move(*imapserver.MoveWriter, imap.NumSet, string) error { return errReadOnly }
func (s *session) Subscribe(string) error                                 { return nil } // one sees all there is
func (s *session) Unsubscribe(string) error                               { return errReadOnly }
func (s *session) Append(string, imap.LiteralReader, *imap.AppendOptions) (*imap.AppendData, error) {
	return nil, errReadOnly
}

// Expunge finds nothing to do: nothing is ever \Deleted. CLOSE calls it, too.
func (s *session) Expunge(*imapserver.ExpungeWriter, *imap.UIDSet) error { return nil }

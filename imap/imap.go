// Package imap shows the archives as mailboxes, to be read and never changed but for what each reader has read.
//
// Enter with Server.Serve. RFC 9051 and RFC 3501 (IMAP4), 2177 (IDLE), 2595 (STARTTLS), 8314 (TLS from the first byte),
// 4616 (PLAIN). The wire is go-imap's; here is what a mailbox, a message and a search are.
package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"listd/archive"
	"listd/auth"
)

// Server serves archives. Its fields are set before Serve.
type Server struct {
	Library *archive.Library
	Users   *auth.Users
	Log     *slog.Logger
	TLS     *tls.Config // nil: no STARTTLS, and passwords in the clear on loopback only
	Limits  Limits
	Now     func() time.Time

	once   sync.Once
	ctx    context.Context // ends when the server does
	cancel context.CancelFunc
	guests *guests
	doors  *imapserver.Server
}

// Limits bound what clients cost.
type Limits struct {
	Anonymous          bool // anybody may read public archives, as the user "anonymous"
	Connections        int  // in all
	ConnectionsPerAddr int  // from one address
}

// What one address may have within an hour without having signed in, and how many passwords it may guess within
// auth.GuessWindow.
const (
	window        = time.Hour
	guestBytes    = 512 << 20
	guestSearches = 200
	maxGuesses    = 20
)

func (s *Server) start() {
	s.once.Do(func() {
		s.ctx, s.cancel = context.WithCancel(context.Background())
		s.guests = &guests{now: s.Now, most: s.Limits}
		s.doors = imapserver.New(&imapserver.Options{
			NewSession: s.open,
			Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}, imap.CapNamespace: {}, imap.CapESearch: {}, imap.CapUIDPlus: {},
				imap.CapListExtended: {}, imap.CapListStatus: {}, imap.CapStatusSize: {}, imap.CapChildren: {}, imap.CapMove: {}},
			Logger:    logger{s.Log},
			TLSConfig: s.TLS,
			// Who may send a password in the clear is decided for each connection, in Login.
			InsecureAuth: true,
		})
	})
}

// Serve serves clients of l until ctx ends, and then those it has no longer. With implicit TLS is spoken from the first byte.
func (s *Server) Serve(ctx context.Context, l net.Listener, implicit bool) error {
	s.start()
	stop := context.AfterFunc(ctx, func() {
		s.cancel()
		_ = s.doors.Close() // which closes l and its connections
	})
	defer stop()
	l = s.guests.listen(l)
	if implicit {
		l = tls.NewListener(l, s.TLS)
	}
	if err := s.doors.Serve(l); err != nil && ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve IMAP: %w", err)
	}
	return nil
}

// open begins a session.
func (s *Server) open(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	ctx, cancel := context.WithCancel(s.ctx)
	return &session{server: s, conn: c, ctx: ctx, cancel: cancel, addr: addrOf(c.NetConn())}, nil, nil
}

// logger takes go-imap's words. What it says of a client's errors is of no interest to who runs the site.
type logger struct{ log *slog.Logger }

func (l logger) Printf(format string, args ...any) {
	level := slog.LevelDebug
	if strings.HasPrefix(format, "panic") || strings.HasPrefix(format, "handling") {
		level = slog.LevelError
	}
	l.log.Log(context.Background(), level, "imap: "+fmt.Sprintf(format, args...))
}

// The answers that say no.
var (
	errReadOnly = no(imap.ResponseCodeNoPerm, "Archives are read-only; what you have read is kept as \\Seen")
	errNoBox    = no(imap.ResponseCodeNonExistent, "There is no such mailbox, or it is not yours to read")
	errLimit    = no(imap.ResponseCodeLimit, "You have read as much as one may without signing in; try again in an hour")
	errPrivacy  = no(imap.ResponseCodePrivacyRequired, "Begin TLS before you send a password")
)

func no(code imap.ResponseCode, text string) *imap.Error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}

// bye ends a session whose reader may read no more.
func bye(text string) *imap.Error {
	return &imap.Error{Type: imap.StatusResponseTypeBye, Text: text}
}

package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	gosmtp "github.com/emersion/go-smtp"
)

// Limits bound what a peer may do. A zero field has the default in brackets.
type Limits struct {
	MessageSize        int64         // bytes (25 MiB)
	Recipients         int           // of one transaction (1000)
	Connections        int           // in all (500)
	ConnectionsPerAddr int           // of one address (50); of loopback: any number
	Errors             int           // refused commands before the connection is ended (20)
	CommandTimeout     time.Duration // for the next command (5 min)
	DataTimeout        time.Duration // between two blocks of a message (3 min)
	DataTotal          time.Duration // for a whole message (30 min)
	MemoryWait         time.Duration // for memory to be free (30 s)
	Shutdown           time.Duration // for dialogs to end (20 s)
}

// maxLine is the longest line of a command or a message, in bytes: what is longer is refused with the message, so that
// go-smtp's own limit, which ends the connection, only meets attacks. It is memory that a peer can have by a command.
const maxLine = 128 << 10

func (l Limits) withDefaults() Limits {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	wait := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	if l.MessageSize <= 0 {
		l.MessageSize = 25 << 20
	}
	def(&l.Recipients, 1000)
	def(&l.Connections, 500)
	def(&l.ConnectionsPerAddr, 50)
	def(&l.Errors, 20)
	wait(&l.CommandTimeout, 5*time.Minute)
	wait(&l.DataTimeout, 3*time.Minute)
	wait(&l.DataTotal, 30*time.Minute)
	wait(&l.MemoryWait, 30*time.Second)
	wait(&l.Shutdown, 20*time.Second)
	return l
}

// Server takes mail. Its fields are set before the first Serve.
type Server struct {
	Inbox    Inbox
	Hostname string
	TLS      *tls.Config // nil: no STARTTLS
	Limits   Limits
	Budget   *Budget
	Log      *slog.Logger // nil: none

	once    sync.Once
	mu      sync.Mutex
	wires   map[*wire]struct{}
	byAddr  map[netip.Addr]int
	closing bool
}

func (s *Server) init() {
	s.once.Do(func() {
		s.Limits = s.Limits.withDefaults()
		s.byAddr = map[netip.Addr]int{}
		s.wires = map[*wire]struct{}{}
		if s.Log == nil {
			s.Log = slog.New(slog.DiscardHandler)
		}
	})
}

// Serve serves a listener until ctx ends: then it takes no more connections, tells those that wait for a command 421,
// lets a message under way be finished for up to Limits.Shutdown, and returns nil. It may serve several listeners at once.
func (s *Server) Serve(ctx context.Context, l net.Listener, p Protocol) error {
	s.init()
	g := gosmtp.NewServer(gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) { return s.newSession(c, p) }))
	g.Domain, g.LMTP, g.TLSConfig = s.Hostname, p == LMTP, s.TLS
	// go-smtp takes a byte less than it announces.
	g.MaxRecipients, g.MaxMessageBytes, g.MaxLineLength = s.Limits.Recipients, s.Limits.MessageSize+1, maxLine
	g.ReadTimeout, g.WriteTimeout = s.Limits.CommandTimeout, s.Limits.CommandTimeout
	g.EnableSMTPUTF8, g.EnableDSN = true, true
	g.ErrorLog = errorLog{s.Log}
	served := make(chan error, 1)
	go func() { served <- g.Serve(&guard{Listener: l, s: s, ctx: ctx}) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	return s.shutDown(g, served)
}

// shutDown ends a server: idle connections now, those in a message when it has been answered or time is up.
func (s *Server) shutDown(g *gosmtp.Server, served <-chan error) error {
	done := make(chan error, 1)
	go func() { done <- g.Shutdown(context.Background()) }()
	<-served // the listener is closed
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.each((*wire).goAway)
	var err error
	select {
	case err = <-done:
	case <-time.After(s.Limits.Shutdown):
		s.each(func(w *wire) { _ = w.Close() }) // which also ends what the Inbox does for it
		err = <-done
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, gosmtp.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *Server) each(f func(*wire)) {
	s.mu.Lock()
	all := slices.Collect(maps.Keys(s.wires))
	s.mu.Unlock()
	for _, w := range all {
		f(w)
	}
}

// enter takes a place for a connection if there is one.
func (s *Server) enter(w *wire) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.wires) >= s.Limits.Connections {
		return false
	}
	if w.ip.IsValid() && !w.ip.IsLoopback() && s.byAddr[w.ip] >= s.Limits.ConnectionsPerAddr {
		return false
	}
	s.wires[w] = struct{}{}
	s.byAddr[w.ip]++
	return true
}

func (s *Server) leave(w *wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.wires, w)
	if s.byAddr[w.ip]--; s.byAddr[w.ip] == 0 {
		delete(s.byAddr, w.ip)
	}
}

// errorLog takes what go-smtp logs: lost connections, mostly, and panics.
type errorLog struct{ log *slog.Logger }

func (e errorLog) Printf(format string, v ...any) {
	level := slog.LevelDebug
	if strings.HasPrefix(format, "panic") {
		level = slog.LevelError
	}
	e.log.Log(context.Background(), level, "smtp: "+strings.TrimSpace(fmt.Sprintf(format, v...)))
}

func (e errorLog) Println(v ...any) {
	e.log.Debug("smtp: " + strings.TrimSpace(fmt.Sprintln(v...)))
}

package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"listd/archive"
	"listd/config"
	"listd/digest"
	"listd/inbound"
	"listd/lists"
	"listd/queue"
	"listd/roster"
	"listd/smtp"
	"listd/store"
	"listd/task"
	"listd/web"
)

// node is a site that is running: it takes mail, carries it, and does what is due.
type node struct {
	*site
	server *smtp.Server
	worker *queue.Worker
	tasks  *task.Runner
	sender interface {
		queue.Sender
		Close()
	}
	doors []door
	boxes []imapDoor
	pages net.Listener
	http  *http.Server // nil: no pages
}

// door is a listener and what is spoken there.
type door struct {
	net.Listener
	protocol smtp.Protocol
}

// newNode makes everything ready, down to the open ports.
func newNode(t *site) (*node, error) {
	n := &node{site: t}
	var err error
	if n.sender, err = newSender(t.cfg); err != nil {
		return nil, err
	}
	c := t.cfg.SMTP
	n.server = &smtp.Server{Inbox: t.door, Hostname: t.cfg.Hostname, Log: t.log, Budget: smtp.NewBudget(int64(c.Memory) - outMemory(c)),
		Limits: smtp.Limits{MessageSize: int64(c.MaxMessageSize), Recipients: c.MaxRecipients, Connections: c.MaxConnections,
			ConnectionsPerAddr: c.MaxConnectionsPerAddress, Errors: c.MaxErrors, CommandTimeout: time.Duration(c.CommandTimeout),
			DataTotal: time.Duration(c.DataTimeout), Shutdown: shutdown}}
	if n.server.TLS, err = serverTLS(t.cfg.TLS); err != nil {
		return nil, err
	}
	holder := chance()
	n.worker = &queue.Worker{DB: t.db, Sender: n.sender, Out: t.out, Log: t.log,
		Press:  queue.Press{Minter: t.minter, URL: t.cfg.HTTP.URL, Signer: (&signers{db: t.db, log: t.log}).of},
		Holder: int64(binary.BigEndian.Uint64(holder[:])>>1 | 1),
		Memory: outMemory(c), Parallel: t.cfg.Delivery.Workers, PerDestination: t.cfg.Delivery.PerDestination}
	t.books.Owner = t.door.Owner
	n.worker.Failed = func(tx *store.Tx) error { return errors.Join(t.books.BouncesCame(tx), t.door.ReportsCame(tx)) }
	sweeper := queue.Sweeper{LogKept: time.Duration(t.cfg.Delivery.LogDays) * 24 * time.Hour}
	desk := t.desk()
	n.tasks = &task.Runner{DB: t.db, Log: t.log,
		Steps: map[string]task.Step{queue.FanOutKind: t.out.FanOut, inbound.ExpireKind: t.door.Expire, queue.SweepKind: sweeper.Sweep,
			inbound.RuleKind: t.door.CarryOut, roster.VacationKind: t.books.EndVacations, archive.SweepKind: archive.Sweep, roster.WordsKind: roster.DropWords,
			roster.BouncesKind: t.books.ReadBounces, roster.BounceRoundKind: t.books.BounceRound, roster.RemedyKind: t.door.Remedy,
			inbound.ReportKind: t.door.Report, digest.Kind: desk.Step, digest.DraftKind: desk.DraftStep, digest.ReportKind: desk.ReportStep,
			digest.FetchKind: desk.FetchStep, lists.LastIssueKind: desk.LastStep},
		Planners: []task.Planner{t.door.Plan, sweeper.Plan, t.books.Plan, archive.PlanSweep, t.books.PlanBounces, t.door.PlanReports, desk.Plan, desk.PlanReports, desk.PlanFetch}}
	if !t.cfg.Postgres() {
		t.door.Room = roomOn(filepath.Dir(t.cfg.Database))
	}
	return n, n.listen()
}

// openPages opens the pages' door. While the world has not been told of it, a port that is taken keeps no mail server from
// its work.
func (n *node) openPages() error {
	if n.cfg.HTTP.Listen == "" {
		return nil
	}
	l, err := net.Listen("tcp", n.cfg.HTTP.Listen)
	if err != nil && n.cfg.HTTP.URL == "" {
		n.log.Warn("no pages are served: set http.listen to a free port, or to \"\"", slog.Any("error", err))
		return nil
	}
	if err != nil {
		return portError(n.cfg.HTTP.Listen, err)
	}
	s := &web.Site{Books: n.books, Door: n.door, Library: n.lib, Users: n.users, Hostname: n.cfg.Hostname, Log: n.log, Now: n.db.Now}
	n.pages = l
	n.http = &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug)}
	return nil
}

// servePages serves the pages until ctx ends.
func (n *node) servePages(ctx context.Context) error {
	if n.http == nil {
		return nil
	}
	defer context.AfterFunc(ctx, func() {
		late, cancel := context.WithTimeout(context.Background(), shutdown)
		defer cancel()
		_ = n.http.Shutdown(late) // what is not done by then is not done
	})()
	if err := n.http.Serve(n.pages); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve pages: %w", err)
	}
	return nil
}

// outMemory is what of the message bytes in memory is for mail on its way out.
func outMemory(c config.SMTP) int64 { return int64(c.Memory) / 4 }

// shutdown is how long dialogs may take to end.
const shutdown = 20 * time.Second

// listen opens the configured ports: what cannot be opened is known before anything runs.
func (n *node) listen() error {
	for protocol, addresses := range map[smtp.Protocol][]string{smtp.SMTP: n.cfg.SMTP.Listen, smtp.LMTP: n.cfg.SMTP.LMTP} {
		for _, address := range addresses {
			network, at := config.Listener(address)
			if network == "unix" {
				// A socket of a run that was killed is in the way.
				if err := removeStale(at); err != nil {
					return errors.Join(err, n.shut())
				}
			}
			// No keep-alive: a peer that says nothing is hung up on long before.
			listener := net.ListenConfig{KeepAlive: -1}
			l, err := listener.Listen(context.Background(), network, at)
			if err != nil {
				return errors.Join(portError(address, err), n.shut())
			}
			n.doors = append(n.doors, door{l, protocol})
		}
	}
	if err := errors.Join(n.openPages(), n.openIMAP()); err != nil {
		return errors.Join(err, n.shut())
	}
	return nil
}

// shut closes the doors of a node that does not run after all.
func (n *node) shut() (err error) {
	for _, d := range n.doors {
		err = errors.Join(err, d.Close())
	}
	for _, d := range n.boxes {
		err = errors.Join(err, d.Close())
	}
	return err
}

func portError(address string, err error) error {
	switch {
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("listen on %s: %w; run as root, give the program CAP_NET_BIND_SERVICE, or choose a port above 1023", address, err)
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("listen on %s: %w; another mail server runs there: stop it, or change listen in listd.toml", address, err)
	}
	return fmt.Errorf("listen on %s: %w", address, err)
}

// removeStale removes a socket that nobody serves any more.
func removeStale(path string) error {
	if c, err := net.Dial("unix", path); err == nil {
		return errors.Join(fmt.Errorf("listen on unix:%s: another program serves it", path), c.Close())
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// run serves until ctx ends, then lets what is under way be finished.
func (n *node) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, d := range n.doors {
		g.Go(func() error { return n.server.Serve(ctx, d.Listener, d.protocol) })
	}
	g.Go(func() error { return n.servePages(ctx) })
	g.Go(func() error { return n.serveIMAP(ctx) })
	g.Go(func() error { n.db.Listen(ctx); return nil })
	g.Go(func() error { n.followKeys(ctx); return nil })
	g.Go(func() error { n.tasks.Run(ctx); return nil })
	g.Go(func() error { n.door.KeepCount(ctx); return nil })
	g.Go(func() error { n.follower().Run(ctx); return nil })
	g.Go(func() error { return n.fetch(ctx) })
	g.Go(func() error { return n.worker.Run(ctx) })
	err := g.Wait()
	n.sender.Close()
	return err
}

// newSender is the way out that the configuration wants.
func newSender(cfg config.Config) (interface {
	queue.Sender
	Close()
}, error) {
	d := cfg.Delivery
	if d.Relay != "" {
		password, err := d.Password()
		if err != nil {
			return nil, err
		}
		return &smtp.Relay{Addr: d.Relay, Hostname: cfg.Hostname, Security: smtp.Security(d.RelayTLS), User: d.RelayUser, Password: password}, nil
	}
	direct := &smtp.Direct{Hostname: cfg.Hostname, Port: d.Port, AllowPrivate: d.AllowPrivate}
	if cfg.DNS.Resolver != "" {
		direct.Resolver = smtp.NewResolver(cfg.DNS.Resolver)
	}
	if d.LocalAddress != "" {
		ip, err := netip.ParseAddr(d.LocalAddress)
		if err != nil {
			return nil, fmt.Errorf("delivery.local_address: %w", err)
		}
		direct.LocalAddr = ip
	}
	return direct, nil
}

// serverTLS is the certificate for STARTTLS. It is read anew when its file changes, so that a renewal needs no restart.
func serverTLS(c config.TLS) (*tls.Config, error) {
	if c.Cert == "" {
		return nil, nil
	}
	k := &keyPair{c: c}
	if _, err := k.get(nil); err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return &tls.Config{GetCertificate: k.get, MinVersion: tls.VersionTLS12}, nil
}

// minFree is how much of a disk stays free: SQLite must never meet its end.
const minFree = 500 << 20

// roomOn says whether the disk of a folder has room for more mail.
func roomOn(dir string) func() error {
	var mu sync.Mutex
	var asked time.Time
	var answer error
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(asked) > time.Second {
			asked, answer = time.Now(), room(dir)
		}
		return answer
	}
}

func room(dir string) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return fmt.Errorf("free disk space of %s: %w", dir, err)
	}
	if free := int64(s.Bavail) * s.Bsize; free < minFree {
		return fmt.Errorf("only %d MiB are free on the disk of %s; %d MiB are kept free", free>>20, dir, minFree>>20)
	}
	return nil
}

// logStart says what runs where.
func (n *node) logStart() {
	var at []string
	for _, d := range n.doors {
		at = append(at, d.Addr().String())
	}
	var boxes []string
	for _, d := range n.boxes {
		boxes = append(boxes, d.Addr().String())
	}
	way := "straight to the MX"
	if n.cfg.Delivery.Relay != "" {
		way = "relay " + n.cfg.Delivery.Relay
	}
	pages := "none"
	if n.pages != nil {
		pages = n.pages.Addr().String()
	}
	n.log.Info("listd serves", slog.String("version", version), slog.String("hostname", n.cfg.Hostname),
		slog.String("listen", strings.Join(at, " ")), slog.String("delivery", way), slog.String("imap", strings.Join(boxes, " ")),
		slog.String("pages", pages))
}

package queue

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"listd/mail"
	"listd/store"
)

// The worker's times and sizes.
const (
	lease      = 5 * time.Minute
	minLease   = 2 * time.Minute // no dialog begins with less
	renewEvery = time.Minute
	poll       = 5 * time.Second // enough without any waking
	maxShared  = 100             // recipients of one transaction (RFC 5321 section 4.5.3.1.8)
	claimRows  = 1000            // rows claimed in one transaction
	shutdown   = 20 * time.Second
)

// Worker claims deliveries, has them sent, and settles them. Several may share one PostgreSQL database, each with a
// Holder of its own.
type Worker struct {
	DB             *store.DB
	Sender         Sender
	Out            Out
	Press          Press
	Log            *slog.Logger
	Holder         int64          // this run's name in the rows; not 0
	Parallel       int            // dialogs at once; 0: 8
	PerDestination int            // dialogs at once with one destination; 0: 20. A relay may have all.
	Memory         int64          // message bytes in workers' hands; 0: 48 MiB. One greater message alone may exceed it
	Chance         func() float64 // in [0, 1); nil: random
	// Failed is called in each transaction that settles a delivery as failed, so that who reads failures can be woken;
	// nil: nobody is.
	Failed func(*store.Tx) error
}

// Run works until ctx ends. Then it gives back what has not begun, lets dialogs end for up to 20 s, and settles them.
func (w *Worker) Run(ctx context.Context) error {
	if w.Parallel == 0 {
		w.Parallel = 8
	}
	if w.PerDestination == 0 {
		w.PerDestination = 20
	}
	if w.Out.Relay {
		w.PerDestination = w.Parallel
	}
	if w.Memory == 0 {
		w.Memory = cacheBytes
	}
	if w.Chance == nil {
		w.Chance = rand.Float64
	}
	for err := w.prepare(ctx); err != nil; err = w.prepare(ctx) {
		if ctx.Err() != nil {
			return nil
		}
		w.Log.LogAttrs(ctx, slog.LevelError, "the queue waits for the database", slog.Any("error", err))
		select {
		case <-ctx.Done():
		case <-time.After(poll):
		}
	}
	talk, stopTalking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopTalking()
	d := newDispatcher(w)
	var talkers, settlers sync.WaitGroup
	for range w.Parallel {
		talkers.Go(func() { w.talk(talk, d) })
	}
	s := newSettler(w.DB, w.Log)
	s.failed = w.Failed
	d.settle = s.in
	settlers.Go(func() { s.run() })
	d.run(ctx) // returns when ctx ends; no further dialog begins
	ended := make(chan struct{})
	go func() { talkers.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(shutdown):
		stopTalking()
		<-ended
	}
	close(s.in)
	settlers.Wait()
	return nil
}

// prepare takes back what an earlier run held, if this node is alone, and moves what was queued for another way out.
func (w *Worker) prepare(ctx context.Context) error {
	if w.DB.Single() {
		if err := w.DB.Update(ctx, func(tx *store.Tx) error {
			if _, err := tx.TakeBack(); err != nil {
				return err
			}
			return tx.TakeBackTasks()
		}); err != nil {
			return err
		}
	}
	for {
		moved := 0
		err := w.DB.Update(ctx, func(tx *store.Tx) (err error) {
			moved, err = tx.Reroute(w.Out.Relay, 1000)
			return err
		})
		if err != nil || moved == 0 {
			return err
		}
	}
}

// dialog is one transaction to be had: the recipients of one outgoing at one destination.
type dialog struct {
	lane store.Lane
	out  *loaded
	to   []store.Claimed
	from time.Time // when it was claimed, or last renewed

	cancel context.CancelFunc // breaks it off; set while it is under way
}

// talk has dialogs until there are no more.
func (w *Worker) talk(ctx context.Context, d *dispatcher) {
	for {
		g, ok := d.next()
		if !ok {
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		d.arm(g, cancel)
		replies := w.send(ctx, d, g)
		cancel()
		now := w.DB.Now()
		talked := false
		for i, c := range g.to {
			r := replies[i]
			talked = talked || !unreached(r)
			s := Outcome(c, r, now, g.out.GiveUp, w.Chance())
			w.logOutcome(ctx, g.out, c, r, s)
			d.settle <- s
		}
		d.ended(g, talked, now)
	}
}

// send sends, and holds the Sender to its word: one reply for each recipient.
func (w *Worker) send(ctx context.Context, d *dispatcher, g *dialog) (replies []mail.Reply) {
	defer func() {
		if p := recover(); p != nil {
			w.Log.LogAttrs(ctx, slog.LevelError, "panic while sending", slog.Int64("outgoing", int64(g.out.ID)), slog.Any("panic", p))
			replies = nil
		}
		none := *mail.Refuse(451, "4.3.0", "listd could not send this message; its log says why")
		for i := range replies {
			if replies[i].Code == 0 {
				replies[i] = none
			}
		}
		for len(replies) < len(g.to) {
			replies = append(replies, none)
		}
	}()
	if err := d.cache.use(ctx, g.out); err != nil {
		w.Log.LogAttrs(ctx, slog.LevelError, "the message cannot be read", slog.Int64("outgoing", int64(g.out.ID)), slog.Any("error", err))
		return nil
	}
	env, m := g.out.render(w.Press, g.to, w.DB.Now())
	replies = w.Sender.Send(ctx, g.to[0].Rcpt.Domain, env, m)
	w.convert(ctx, d, g, replies)
	return replies
}

// convert offers the message once more, in 7 bit, to the recipients whose server wants it converted, and puts their
// replies in place of those.
func (w *Worker) convert(ctx context.Context, d *dispatcher, g *dialog, replies []mail.Reply) {
	var to []store.Claimed
	var at []int
	for i, r := range replies[:min(len(replies), len(g.to))] {
		if r.Permanent() && r.Enhanced == unconverted {
			to, at = append(to, g.to[i]), append(at, i)
		}
	}
	if len(to) == 0 || !g.out.message.EightBit() {
		return
	}
	f, made, err := g.out.sevenBit()
	d.cache.grow(g.out, made)
	if err != nil {
		for _, i := range at {
			replies[i].Text += "; signed or encrypted, the message cannot be converted"
		}
		return
	}
	env, m := f.render(w.Press, to, w.DB.Now())
	for i, r := range w.Sender.Send(ctx, to[0].Rcpt.Domain, env, m) {
		if i < len(at) {
			replies[at[i]] = r
		}
	}
}

// unconverted is the enhanced code for what the next server takes only when converted (RFC 3463 section 3.7), as an 8-bit
// body without 8BITMIME (RFC 6152 section 3).
var unconverted = [3]int{5, 6, 3}

// unreached reports whether a reply says that the destination could not be talked to: enhanced codes X.4.Z are the
// network's (RFC 3463 section 3.5), and 421 is a server going away.
func unreached(r mail.Reply) bool {
	return r.Temporary() && (r.Enhanced[1] == 4 || r.Code == 421)
}

func (w *Worker) logOutcome(ctx context.Context, o *loaded, c store.Claimed, r mail.Reply, s store.Settled) {
	level, text := slog.LevelDebug, "sent"
	switch s.State {
	case store.Failed:
		level, text = slog.LevelWarn, "failed"
	case store.Due:
		level, text = slog.LevelInfo, "deferred"
	}
	if !w.Log.Enabled(ctx, level) {
		return
	}
	w.Log.LogAttrs(ctx, level, text, slog.String("id", o.Trace), slog.String("rcpt", c.Rcpt.String()),
		slog.Int("attempt", c.Attempt), slog.Int("code", r.Code), slog.String("reply", s.Reply))
}

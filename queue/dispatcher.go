package queue

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"listd/store"
)

// dispatcher stands between the rows and the workers: it knows which lanes have due rows, claims ahead of the workers,
// and hands out dialogs as governors and priorities allow.
type dispatcher struct {
	w      *Worker
	db     *store.DB
	log    *slog.Logger
	cache  *cache
	settle chan<- store.Settled

	mu        sync.Mutex
	more      *sync.Cond // something to hand out, or the end
	lanes     map[laneKey]*lane
	governors map[string]*governor
	begun     map[*dialog]struct{} // dialogs in a worker's hands
	buffered  int                  // rows claimed and not begun
	picks     int
	closed    bool
	hungry    chan struct{} // the buffer runs low, or a governor has opened
}

type laneKey struct {
	destination string
	priority    int
}

// lane is a store.Lane with what was claimed of it.
type lane struct {
	store.Lane
	dialogs []*dialog
	rows    int  // in dialogs
	known   bool // Next is true as far as we know
}

func newDispatcher(w *Worker) *dispatcher {
	d := &dispatcher{w: w, db: w.DB, log: w.Log, lanes: map[laneKey]*lane{}, governors: map[string]*governor{},
		begun: map[*dialog]struct{}{}, hungry: make(chan struct{}, 1), cache: newCache(w.DB)}
	d.more = sync.NewCond(&d.mu)
	return d
}

// run claims until ctx ends, then gives back what was not begun.
func (d *dispatcher) run(ctx context.Context) {
	defer d.close()
	renew := time.NewTicker(renewEvery)
	defer renew.Stop()
	var looked time.Time // when the lanes were last read
	var took time.Duration
	for ctx.Err() == nil {
		woken := d.db.Woken()
		start := time.Now()
		if err := d.look(ctx); err != nil {
			d.waits(ctx, "the queue waits for the database", err)
		}
		looked, took = time.Now(), time.Since(start)
		for again := true; again && ctx.Err() == nil; {
			n, err := d.claim(ctx)
			if err != nil {
				d.waits(ctx, "claiming waits for the database", err)
			}
			again = n > 0 && err == nil
		}
		// A wake-up is answered at once, unless reading the lanes takes so long that it must not happen all the time.
		pause := max(10*took-time.Since(looked), 0)
		select {
		case <-ctx.Done():
		case <-d.hungry:
		case <-renew.C:
			d.renew(ctx)
		case <-time.After(poll):
		case <-woken:
			select {
			case <-ctx.Done():
			case <-time.After(min(pause, poll)):
			}
		}
	}
}

func (d *dispatcher) waits(ctx context.Context, text string, err error) {
	if ctx.Err() == nil {
		d.log.LogAttrs(ctx, slog.LevelError, text, slog.Any("error", err))
	}
}

// look reads which lanes there are. On a busy lane nothing is read: it is known to be due.
func (d *dispatcher) look(ctx context.Context) error {
	var found []store.Lane
	var paused bool
	err := d.db.View(ctx, func(tx *store.Tx) (err error) {
		if paused, err = Paused(tx); err != nil || paused {
			return err
		}
		found, err = tx.Lanes(nil, 1<<20)
		return err
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.db.Now()
	for _, l := range d.lanes {
		l.known = false
	}
	for _, f := range found {
		k := laneKey{f.Destination, f.Priority}
		l := d.lanes[k]
		if l == nil {
			l = &lane{}
			d.lanes[k] = l
		}
		l.Lane, l.known = f, true
	}
	maps.DeleteFunc(d.lanes, func(_ laneKey, l *lane) bool { return !l.known && len(l.dialogs) == 0 })
	maps.DeleteFunc(d.governors, func(_ string, g *governor) bool { return g.idle(now) && len(d.governors) > 10000 })
	return nil
}

// governor is the one of a destination. d.mu is held.
func (d *dispatcher) governor(destination string) *governor {
	g := d.governors[destination]
	if g == nil {
		g = newGovernor(d.w.PerDestination)
		if d.w.Out.Relay {
			g.limit = g.cap
		}
		d.governors[destination] = g
	}
	return g
}

// wanted are the lanes to claim from now, best first, with the buffer's room shared among them.
func (d *dispatcher) wanted(now time.Time) []store.Lane {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.buffered > claimRows/2 {
		return nil
	}
	var out []store.Lane
	for _, l := range d.lanes {
		if l.known && !l.Next.After(now) && l.rows < claimRows/4 && !now.Before(d.governor(l.Destination).until) {
			out = append(out, l.Lane)
		}
	}
	slices.SortFunc(out, func(a, b store.Lane) int {
		if a.Priority != b.Priority {
			return a.Priority - b.Priority
		}
		return a.Next.Compare(b.Next)
	})
	return out
}

// claim claims rows of the lanes that want it in one transaction, and says how many.
func (d *dispatcher) claim(ctx context.Context) (int, error) {
	lanes := d.wanted(d.db.Now())
	if len(lanes) == 0 {
		return 0, nil
	}
	// With one destination all room is its own; with many, none takes more than one of its dialogs may carry.
	each := max(claimRows/len(lanes), maxShared)
	var got [][]store.Claimed
	var until time.Time
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		got = got[:0]
		until = tx.Now.Add(lease)
		rows := 0
		for _, l := range lanes {
			claimed, err := tx.Claim(l, each, d.w.Holder, until)
			if err != nil {
				return err
			}
			got = append(got, claimed)
			if rows += len(claimed); rows >= claimRows {
				break
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	from := until.Add(-lease)
	total := 0
	var failed error
	for i, rows := range got {
		total += len(rows)
		dialogs, err := d.group(ctx, lanes[i], rows, from)
		failed = err
		d.mu.Lock()
		l := d.lanes[laneKey{lanes[i].Destination, lanes[i].Priority}]
		l.dialogs = append(l.dialogs, dialogs...)
		l.rows += len(rows)
		d.buffered += len(rows)
		if len(rows) < each {
			l.known = false // until it is looked at again
		}
		d.more.Broadcast()
		d.mu.Unlock()
	}
	return total, failed
}

// group makes dialogs of claimed rows: one recipient each of a personal outgoing, up to maxShared of another. Rows
// whose outgoing cannot be read are left to their lease.
func (d *dispatcher) group(ctx context.Context, l store.Lane, rows []store.Claimed, from time.Time) (out []*dialog, err error) {
	open := map[store.OutgoingID]*dialog{}
	for _, c := range rows {
		if g := open[c.Outgoing]; g != nil && len(g.to) < maxShared && g.to[0].Rcpt.Domain == c.Rcpt.Domain || g != nil && d.w.Out.Relay && len(g.to) < maxShared {
			g.to = append(g.to, c)
			continue
		}
		o, e := d.cache.meta(ctx, c.Outgoing)
		if e != nil {
			err = e
			continue
		}
		g := &dialog{lane: l, out: o, to: []store.Claimed{c}, from: from}
		out = append(out, g)
		if !o.Personal {
			open[c.Outgoing] = g
		}
	}
	return out, err
}

// next hands out the next dialog; false when there will be none.
func (d *dispatcher) next() (*dialog, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for !d.closed {
		now := d.db.Now()
		if l := d.best(now); l != nil {
			g := l.dialogs[0]
			l.dialogs = l.dialogs[1:]
			l.rows -= len(g.to)
			d.buffered -= len(g.to)
			if d.buffered < claimRows/2 || l.rows == 0 {
				d.feed()
			}
			if now.Sub(g.from) > lease-minLease {
				continue // its rows fall due when their lease ends
			}
			d.governor(l.Destination).begin()
			d.begun[g] = struct{}{}
			return g, true
		}
		d.more.Wait()
	}
	return nil, false
}

// arm lets renew break a dialog off.
func (d *dispatcher) arm(g *dialog, cancel context.CancelFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g.cancel = cancel
}

// best is the lane to take a dialog from: the lowest priority, and of those the one due longest; but one pick in four
// ignores priority, so that nothing starves.
func (d *dispatcher) best(now time.Time) *lane {
	d.picks++
	fair := d.picks%4 == 0
	var best *lane
	for _, l := range d.lanes {
		if len(l.dialogs) == 0 || !d.governor(l.Destination).may(now) {
			continue
		}
		if best == nil || !fair && l.Priority < best.Priority || (fair || l.Priority == best.Priority) && l.dialogs[0].from.Before(best.dialogs[0].from) {
			best = l
		}
	}
	return best
}

// ended takes note of a dialog's end. The dialogs of a destination that is dead now are given back.
func (d *dispatcher) ended(g *dialog, talked bool, now time.Time) {
	d.cache.release(g.out)
	d.mu.Lock()
	delete(d.begun, g)
	gov := d.governor(g.lane.Destination)
	gov.end(talked, now)
	var back []*dialog
	if now.Before(gov.until) {
		for _, l := range d.lanes {
			if l.Destination == g.lane.Destination {
				back = append(back, d.empty(l)...)
			}
		}
	}
	until := gov.until
	d.more.Broadcast()
	d.mu.Unlock()
	if len(back) > 0 {
		d.log.LogAttrs(context.Background(), slog.LevelWarn, "destination does not answer", slog.String("destination", name(g.lane.Destination)),
			slog.Time("until", until))
		d.giveBack(back, until)
	}
}

// name is a destination for people.
func name(destination string) string {
	if destination == "" {
		return "relay"
	}
	return destination
}

// empty takes a lane's dialogs out. d.mu is held.
func (d *dispatcher) empty(l *lane) []*dialog {
	out := l.dialogs
	d.buffered -= l.rows
	l.dialogs, l.rows = nil, 0
	return out
}

// giveBack settles dialogs that were never begun: their attempt is not counted.
func (d *dispatcher) giveBack(dialogs []*dialog, due time.Time) {
	for _, g := range dialogs {
		for _, c := range g.to {
			d.settle <- store.Settled{ID: c.ID, Claim: c.Claim, State: store.Due, Next: due}
		}
	}
}

func (d *dispatcher) feed() {
	select {
	case d.hungry <- struct{}{}:
	default:
	}
}

// close ends the handing out and gives back what was not begun.
func (d *dispatcher) close() {
	d.mu.Lock()
	d.closed = true
	var back []*dialog
	for _, l := range d.lanes {
		back = append(back, d.empty(l)...)
	}
	d.more.Broadcast()
	d.mu.Unlock()
	d.giveBack(back, d.db.Now())
}

// renew prolongs the leases of all this holder has. What was not begun, and could not be renewed, is not begun.
func (d *dispatcher) renew(ctx context.Context) {
	d.mu.Lock()
	held := slices.Collect(maps.Keys(d.begun))
	for _, l := range d.lanes {
		held = append(held, l.dialogs...)
	}
	d.mu.Unlock()
	var ids []store.DeliveryID
	for _, g := range held {
		for _, c := range g.to {
			ids = append(ids, c.ID)
		}
	}
	if len(ids) == 0 {
		return
	}
	var now time.Time
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		now = tx.Now
		_, err := tx.Renew(d.w.Holder, ids, tx.Now.Add(lease))
		return err
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		for _, g := range held {
			g.from = now
		}
		return
	}
	d.waits(ctx, "leases could not be renewed", err)
	for g := range d.begun {
		if g.cancel != nil && d.db.Now().Sub(g.from) > lease-renewEvery-10*time.Second {
			g.cancel() // another node may begin it soon
		}
	}
}

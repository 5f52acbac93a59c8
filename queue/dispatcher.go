package queue

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"listd/mail"
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
	ready     int                  // rows claimed that best could have handed out when it last looked
	picks     int
	closed    bool
	again     string        // the last Retry that was heeded
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
		begun: map[*dialog]struct{}{}, hungry: make(chan struct{}, 1), cache: newCache(w.DB, w.Memory)}
	d.more = sync.NewCond(&d.mu)
	return d
}

// run claims until ctx ends, then gives back what was not begun.
func (d *dispatcher) run(ctx context.Context) {
	defer d.close()
	renew := time.NewTicker(renewEvery)
	defer renew.Stop()
	var woken <-chan struct{}
	var looked, again time.Time // when the lanes were last read, and when they are to be
	var took time.Duration
	for look := true; ctx.Err() == nil; {
		if look {
			woken = d.db.Woken(store.Deliveries)
			start := time.Now()
			if err := d.look(ctx); err != nil {
				d.waits(ctx, "the queue waits for the database", err)
			}
			looked = time.Now()
			took, again = looked.Sub(start), looked.Add(poll)
		}
		for more := true; more && ctx.Err() == nil; {
			n, err := d.claim(ctx)
			if err != nil {
				d.waits(ctx, "claiming waits for the database", err)
			}
			more = n > 0 && err == nil
		}
		look = false
		select {
		case <-ctx.Done():
		case <-d.hungry:
		case <-renew.C:
			d.renew(ctx)
		case <-time.After(time.Until(again)):
			look = true
		case <-woken:
			// Answered at once, unless reading the lanes takes so long that it must not happen all the time.
			woken = nil
			if soon := looked.Add(10 * took); soon.Before(again) {
				again = soon
			}
		}
	}
}

func (d *dispatcher) waits(ctx context.Context, text string, err error) {
	if ctx.Err() == nil {
		d.log.LogAttrs(ctx, slog.LevelError, text, slog.Any("error", err))
	}
}

// look reads which lanes there are. When the queue is paused there are none, and what was not begun is given back.
func (d *dispatcher) look(ctx context.Context) error {
	var found []store.Lane
	var paused bool
	var again string
	err := d.db.View(ctx, func(tx *store.Tx) (err error) {
		if paused, err = Paused(tx); err != nil || paused {
			return err
		}
		if again, err = retried(tx); err != nil {
			return err
		}
		found, err = tx.Lanes(nil, 1<<20)
		return err
	})
	if err != nil {
		return err
	}
	if !paused {
		d.forgive(again)
	}
	back := d.found(found, paused)
	d.giveBack(back, d.db.Now())
	return nil
}

// forgive opens all governors when the operator has wanted everything tried since the last look.
func (d *dispatcher) forgive(again string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.again == again {
		return
	}
	d.again = again
	for _, g := range d.governors {
		g.fails, g.until = 0, time.Time{}
	}
}

// found takes note of the lanes there are, and wakes who waits: governors open with time alone.
func (d *dispatcher) found(found []store.Lane, paused bool) (back []*dialog) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.db.Now()
	idle := len(d.begun) == 0
	for _, l := range d.lanes {
		l.known = false
		if paused {
			back = append(back, d.empty(l)...)
		}
		idle = idle && len(l.dialogs) == 0
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
	if idle {
		d.cache.tidy()
	}
	d.more.Broadcast()
	return back
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

// wanted are the lanes to claim from now, best first. Rows that wait for their destination's governor hold back nobody
// else's: only what could be handed out counts as the buffer's.
func (d *dispatcher) wanted(now time.Time) []store.Lane {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []store.Lane
	ready := 0
	for _, l := range d.lanes {
		gov := d.governor(l.Destination)
		if gov.may(now) {
			ready += l.rows
		}
		if l.known && !l.Next.After(now) && l.rows < claimRows/4 && !now.Before(gov.until) {
			out = append(out, l.Lane)
		}
	}
	if ready > claimRows/2 {
		return nil
	}
	return inTurn(out)
}

// inTurn puts lanes in the order they are claimed from: by priority, and of the same those due longest; but each fourth
// is the one due longest whatever its priority, so that nothing starves behind a crowd of busy destinations.
func inTurn(lanes []store.Lane) []store.Lane {
	slices.SortFunc(lanes, func(a, b store.Lane) int { return a.Next.Compare(b.Next) })
	urgent := slices.Clone(lanes)
	slices.SortStableFunc(urgent, func(a, b store.Lane) int { return a.Priority - b.Priority })
	oldest := lanes
	out := make([]store.Lane, 0, len(lanes))
	taken := make(map[laneKey]bool, len(lanes))
	for len(out) < len(lanes) {
		from := &urgent
		if len(out)%4 == 3 {
			from = &oldest
		}
		l := (*from)[0]
		*from = (*from)[1:]
		if k := (laneKey{l.Destination, l.Priority}); !taken[k] {
			taken[k] = true
			out = append(out, l)
		}
	}
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
	var now time.Time
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		got, now = got[:0], tx.Now
		rows := 0
		for _, l := range lanes {
			claimed, err := tx.Claim(l, each, d.w.Holder, now.Add(lease))
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
	total := 0
	var failed error
	for i, rows := range got {
		total += len(rows)
		// What is claimed is made ready even when ctx ends, so that it can be given back.
		dialogs, err := d.group(context.WithoutCancel(ctx), lanes[i], rows, now)
		failed = errors.Join(failed, err)
		back, until := d.buffer(lanes[i], dialogs, len(rows) < each)
		d.giveBack(back, until)
	}
	return total, failed
}

// buffer adds dialogs to their lane. It returns them if the destination has died meanwhile, and until when.
func (d *dispatcher) buffer(of store.Lane, dialogs []*dialog, all bool) (back []*dialog, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lanes[laneKey{of.Destination, of.Priority}]
	if all {
		l.known = false // until it is looked at again
	}
	if until = d.governor(of.Destination).until; d.db.Now().Before(until) {
		return dialogs, until
	}
	l.dialogs = append(l.dialogs, dialogs...)
	for _, g := range dialogs {
		l.rows += len(g.to)
	}
	d.more.Broadcast()
	return nil, until
}

// group makes dialogs of claimed rows: one recipient each of a personal outgoing, up to maxShared of another. Rows of an
// outgoing whose time is over are settled, those whose outgoing cannot be read are left to their lease.
func (d *dispatcher) group(ctx context.Context, l store.Lane, rows []store.Claimed, now time.Time) (out []*dialog, err error) {
	open := map[groupKey]*dialog{}
	for _, c := range rows {
		o, e := d.cache.meta(ctx, c.Outgoing)
		switch {
		case e != nil:
			err = e
			continue
		case now.After(o.GiveUp):
			d.expire(ctx, o, c)
			continue
		}
		k := groupKey{c.Outgoing, c.Rcpt.Domain}
		if d.w.Out.Relay {
			k.domain = ""
		}
		if g := open[k]; g != nil && len(g.to) < maxShared {
			g.to = append(g.to, c)
			continue
		}
		g := &dialog{lane: l, out: o, to: []store.Claimed{c}, from: now}
		out = append(out, g)
		if !o.Personal {
			open[k] = g
		}
	}
	return out, err
}

// groupKey is what the recipients of one transaction share; with a relay any domains may.
type groupKey struct {
	outgoing store.OutgoingID
	domain   string
}

// expire fails a delivery whose time is over without another attempt, with the last reply it had.
func (d *dispatcher) expire(ctx context.Context, o *loaded, c store.Claimed) {
	r := mail.Refuse(451, "4.4.7", "its destination did not answer for as long as listd tries") // RFC 3463 section 3.5
	s := store.Settled{ID: c.ID, Claim: c.Claim, State: store.Failed, Code: r.Code, Reply: replyText(*r), Untried: true,
		Class: mail.Network}
	d.w.logOutcome(ctx, o, c, *r, s)
	d.settle <- s
}

// next hands out the next dialog; false when there will be none.
func (d *dispatcher) next() (*dialog, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for !d.closed {
		now := d.db.Now()
		l := d.best(now)
		if d.ready < claimRows/2 {
			d.feed()
		}
		if l == nil {
			d.more.Wait()
			continue
		}
		g := l.dialogs[0]
		l.dialogs = l.dialogs[1:]
		l.rows -= len(g.to)
		if now.Sub(g.from) > lease-minLease {
			continue // its rows fall due when their lease ends
		}
		d.governor(l.Destination).begin()
		d.begun[g] = struct{}{}
		return g, true
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
	d.ready = 0
	for _, l := range d.lanes {
		if len(l.dialogs) == 0 || !d.governor(l.Destination).may(now) {
			continue
		}
		d.ready += l.rows
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

// renew prolongs the leases of all this holder has. What another has by now, and what could not be renewed, is not begun.
func (d *dispatcher) renew(ctx context.Context) {
	asked := d.mine()
	var ids []store.DeliveryID
	for g := range asked {
		for _, c := range g.to {
			ids = append(ids, c.ID)
		}
	}
	if len(ids) == 0 {
		return
	}
	var now time.Time
	held := make(map[store.DeliveryID]bool, len(ids))
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		now = tx.Now
		clear(held)
		still, err := tx.Renew(d.w.Holder, ids, now.Add(lease))
		for _, id := range still {
			held[id] = true
		}
		return err
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.waits(ctx, "leases could not be renewed", err)
		for g := range d.begun {
			if g.cancel != nil && d.db.Now().Sub(g.from) > lease-renewEvery-10*time.Second {
				g.cancel() // another node may begin it soon
			}
		}
		return
	}
	for g := range d.begun {
		if asked[g] {
			g.from = now
		}
	}
	for _, l := range d.lanes {
		l.dialogs = slices.DeleteFunc(l.dialogs, func(g *dialog) bool {
			if !asked[g] {
				return false
			}
			l.rows -= len(g.to)
			g.to = slices.DeleteFunc(g.to, func(c store.Claimed) bool { return !held[c.ID] })
			l.rows += len(g.to)
			g.from = now
			return len(g.to) == 0
		})
	}
}

// mine are the dialogs this holder has, begun or not.
func (d *dispatcher) mine() map[*dialog]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[*dialog]bool{}
	for g := range d.begun {
		out[g] = true
	}
	for _, l := range d.lanes {
		for _, g := range l.dialogs {
			out[g] = true
		}
	}
	return out
}

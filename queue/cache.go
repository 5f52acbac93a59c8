package queue

import (
	"context"
	"sync"

	"listd/mail"
	"listd/store"
)

// The cache's sizes, in bytes and entries.
const (
	cacheBytes = 48 << 20  // message bytes in workers' hands, unless Worker.Memory says otherwise
	cacheIdle  = 256       // outgoings remembered without being in use
	idleBytes  = 256 << 10 // a message this small stays when the queue is empty
)

// cache reads each outgoing once, and its message once for all workers that carry it.
type cache struct {
	db    *store.DB
	bound int64 // bytes of messages read; one greater message alone may exceed it
	mu    sync.Mutex
	room  *sync.Cond // bytes were freed
	all   map[store.OutgoingID]*loaded
	used  int64 // bytes of messages read
}

func newCache(db *store.DB, bound int64) *cache {
	c := &cache{db: db, bound: bound, all: map[store.OutgoingID]*loaded{}}
	c.room = sync.NewCond(&c.mu)
	return c
}

// meta is the outgoing without its message.
func (c *cache) meta(ctx context.Context, id store.OutgoingID) (*loaded, error) {
	c.mu.Lock()
	l := c.all[id]
	c.mu.Unlock()
	if l != nil {
		return l, nil
	}
	l = &loaded{}
	err := c.db.View(ctx, func(tx *store.Tx) (err error) {
		if l.Outgoing, err = tx.Outgoing(id); err != nil {
			return err
		}
		l.size, err = tx.MessageSize(l.Message)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := c.all[id]; first != nil {
		return first, nil
	}
	if len(c.all) >= cacheIdle {
		for id, old := range c.all { // any: those in dialogs are held by them
			if old.users == 0 {
				c.drop(old)
				delete(c.all, id)
			}
			if len(c.all) < cacheIdle/2 {
				break
			}
		}
	}
	c.all[id] = l
	return l, nil
}

// use makes the message ready and keeps it until release, which must follow even an error. It waits for room when much
// is in use.
func (c *cache) use(ctx context.Context, l *loaded) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.users++
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock() // so that nobody misses it between looking at ctx and waiting
		defer c.mu.Unlock()
		c.room.Broadcast()
	})
	defer stop()
	for !l.ready {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !l.reading && (c.used == 0 || c.used+l.size <= c.bound || c.shrink(l.size)) {
			break
		}
		c.room.Wait()
	}
	if l.ready {
		return nil
	}
	l.reading = true
	c.used += l.size
	c.mu.Unlock()
	var m mail.Message
	err := c.db.View(ctx, func(tx *store.Tx) (err error) {
		m, err = tx.Message(l.Message)
		return err
	})
	c.mu.Lock()
	l.reading = false
	c.room.Broadcast()
	if err != nil {
		c.used -= l.size
		return err
	}
	l.set(m)
	return nil
}

// shrink drops idle messages until n bytes fit, and says whether they do.
func (c *cache) shrink(n int64) bool {
	for _, l := range c.all {
		if l.users == 0 {
			c.drop(l)
		}
		if c.used == 0 || c.used+n <= c.bound {
			return true
		}
	}
	return false
}

// drop forgets a message that was read.
func (c *cache) drop(l *loaded) {
	if l.ready {
		l.set(mail.Message{})
		l.ready = false
		c.used -= l.size + l.grown
		l.grown = 0
	}
}

// grow counts n bytes that were made of a message in use. It does not wait for room: all might wait that have what the
// others wait for.
func (c *cache) grow(l *loaded, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.grown += n
	c.used += n
}

// release ends a use. The message stays, for more dialogs may want it, until another needs the room or tidy comes by.
func (c *cache) release(l *loaded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.users--; l.users == 0 && c.all[l.ID] != l {
		c.drop(l)
	}
	c.room.Broadcast()
}

// tidy drops large messages that nobody uses.
func (c *cache) tidy() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.all {
		if l.users == 0 && l.size > idleBytes {
			c.drop(l)
		}
	}
}

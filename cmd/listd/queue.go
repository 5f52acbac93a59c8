package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"listd/queue"
	"listd/store"
)

func (a *app) queueCommand() *cobra.Command {
	c := &cobra.Command{Use: "queue", Short: "What is to leave, and what has left"}
	c.AddCommand(a.queueLs(), a.queueShow(), a.queueRetry(), a.queueDrop(), a.queueWait(),
		a.queuePause("pause", "Stop sending, on all nodes", true), a.queuePause("resume", "Go on sending", false))
	return c
}

// What queue ls shows at most: in text, enough to see what is wrong.
const (
	maxDestinations = 1000
	maxDeliveries   = 1000
	someDeliveries  = 20
)

// queueFacts are the state of the queue.
type queueFacts struct {
	store.QueueCounts
	paused       bool
	destinations []store.DestinationCounts
	deliveries   []store.Delivery
}

func gatherQueue(tx *store.Tx) (q queueFacts, err error) {
	if q.QueueCounts, err = tx.QueueCounts(); err != nil {
		return q, err
	}
	if q.paused, err = queue.Paused(tx); err != nil {
		return q, err
	}
	if q.destinations, err = tx.QueueDestinations(maxDestinations); err != nil {
		return q, err
	}
	q.deliveries, err = tx.Undelivered(maxDeliveries)
	return q, err
}

func (q queueFacts) object() object {
	return object{{"due", q.Due}, {"deferred", q.Deferred}, {"sent", q.Sent}, {"failed", q.Failed}, {"fanning", q.Fanning},
		{"oldest", jsonTime(q.Oldest)}, {"paused", q.paused},
		{"destinations", objects(q.destinations, func(d store.DestinationCounts) object {
			return object{{"destination", d.Destination}, {"due", d.Due}, {"deferred", d.Deferred}, {"next", jsonTime(d.Next)},
				{"code", d.Code}, {"reply", d.Reply}}
		})},
		{"deliveries", objects(q.deliveries, deliveryObject)}}
}

func deliveryObject(d store.Delivery) object {
	state := string(d.State)
	if d.State == store.Due && d.Code != 0 && !d.Held {
		state = "deferred"
	}
	return object{{"id", d.ID}, {"to", d.Rcpt}, {"state", state}, {"attempts", d.Attempts}, {"code", d.Code}, {"reply", d.Reply},
		{"sending", d.Held}, {"next", jsonTime(whenNext(d))}, {"settled", jsonTime(d.Settled)}, {"subject", d.Subject},
		{"created", jsonTime(d.Created)}, {"outgoing", d.Outgoing}, {"trace", d.Trace}}
}

// whenNext is when a delivery is tried next; zero when it is being tried, or never again.
func whenNext(d store.Delivery) time.Time {
	if d.State != store.Due || d.Held {
		return time.Time{}
	}
	return d.Next
}

// why is a reply for people.
func why(code int, reply string) string {
	if code == 0 {
		return "not tried yet"
	}
	return strconv.Itoa(code) + " " + reply
}

func (a *app) queueLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "Show what waits, where, and why",
		Long: `ls counts: due is what is to leave now; deferred was tried and is tried again later; sent and failed are those of the
days that delivery.log_days keeps. Then it shows for each destination why mail waits there, and the first deliveries.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), func(t *site) error {
				var q queueFacts
				if err := t.db.View(c.Context(), func(tx *store.Tx) (err error) {
					q, err = gatherQueue(tx)
					return err
				}); err != nil {
					return err
				}
				return a.print(q.object(), q.write)
			})
		},
	}
}

// write shows the queue to people.
func (q queueFacts) write(w io.Writer) {
	fmt.Fprintf(w, "due %d, deferred %d, sent %d, failed %d\n", q.Due, q.Deferred, q.Sent, q.Failed)
	if !q.Oldest.IsZero() {
		fmt.Fprintf(w, "the oldest waits since %s\n", clockTime(q.Oldest))
	}
	if q.Fanning > 0 {
		fmt.Fprintf(w, "%s still being addressed\n", count(q.Fanning, "message", "messages"))
	}
	if q.paused {
		fmt.Fprintln(w, "The queue is paused; `listd queue resume` lets it go on.")
	}
	if len(q.destinations) == 0 {
		return
	}
	fmt.Fprintln(w)
	table(w, "DESTINATION DUE DEFERRED NEXT WHY", q.destinations, func(d store.DestinationCounts) []string {
		name := d.Destination
		if name == "" {
			name = "(relay)"
		}
		return []string{name, number(d.Due), number(d.Deferred), clockTime(d.Next), shorten(why(d.Code, d.Reply), 100)}
	})
	some := q.deliveries[:min(len(q.deliveries), someDeliveries)]
	fmt.Fprintln(w)
	table(w, "ID TO ATTEMPTS NEXT WHY", some, func(d store.Delivery) []string {
		next := clockTime(whenNext(d))
		if d.Held {
			next = "now"
		}
		return []string{number(d.ID), d.Rcpt, number(d.Attempts), next, shorten(why(d.Code, d.Reply), 100)}
	})
	if more := q.Due + q.Deferred - int64(len(some)); more > 0 {
		fmt.Fprintf(w, "… and %d more; --json shows up to %d\n", more, maxDeliveries)
	}
}

// errNoDelivery says that there is no such row.
var errNoDelivery = errors.New("there is no delivery with this number; `listd queue ls` and `listd trace` show them")

func (a *app) queueShow() *cobra.Command {
	return &cobra.Command{
		Use:               "show ID",
		Short:             "Show one delivery",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theDeliveries),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := idArgs[store.DeliveryID](args, "listd queue ls")
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				var d store.Delivery
				var from, list string
				var giveUp time.Time
				if err := t.db.View(c.Context(), func(tx *store.Tx) (err error) {
					if d, err = tx.Delivery(ids[0]); errors.Is(err, store.ErrNotFound) {
						return fmt.Errorf("%d: %w", ids[0], errNoDelivery)
					} else if err != nil {
						return err
					}
					o, err := tx.Outgoing(d.Outgoing)
					if err != nil {
						return err
					}
					from, giveUp = o.From.String(), o.GiveUp
					names, err := listNames(tx)
					list = names[d.List]
					return err
				}); err != nil {
					return err
				}
				o := append(deliveryObject(d), pair{"list", list}, pair{"from", from}, pair{"give_up", jsonTime(giveUp)})
				return a.print(o, func(w io.Writer) {
					facts(w, [][2]string{{"id", number(d.ID)}, {"to", d.Rcpt}, {"list", list}, {"subject", d.Subject}, {"return path", "<" + from + ">"},
						{"state", fmt.Sprint(deliveryObject(d)[2].value)}, {"attempts", number(d.Attempts)}, {"last reply", why(d.Code, d.Reply)},
						{"next", clockTime(whenNext(d))}, {"given up", clockTime(giveUp)}, {"settled", clockTime(d.Settled)},
						{"accepted", clockTime(d.Created)}, {"trace", d.Trace}})
				})
			})
		},
	}
}

// retryChunk is how many rows one transaction makes due.
const retryChunk = 5000

func (a *app) queueRetry() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "retry ID… | --all",
		Short: "Try deferred deliveries now",
		Long: `retry makes deferred deliveries due now. One that has failed for good is tried again, too, if it is named; --all takes
those only that are deferred. A running server begins with them within 5 seconds.`,
		Args: func(_ *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return errors.New("name deliveries by their numbers, or give --all")
			}
			return nil
		},
		ValidArgsFunction: a.complete(true, theDeliveries),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := idArgs[store.DeliveryID](args, "listd queue ls")
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				n := int64(len(ids))
				if all {
					n, err = retryAll(c.Context(), t)
				} else {
					err = retrySome(c.Context(), t, ids)
				}
				if err != nil {
					return err
				}
				return a.print(object{{"retried", n}}, func(w io.Writer) {
					fmt.Fprintf(w, "%s due now.\n", count(n, "delivery is", "deliveries are"))
				})
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all that are deferred")
	return c
}

// retrySome makes all of them due, or none.
func retrySome(ctx context.Context, t *site, ids []store.DeliveryID) error {
	return t.db.Update(ctx, func(tx *store.Tx) error {
		if err := queue.Retry(tx); err != nil {
			return err
		}
		for _, id := range ids {
			err := tx.RetryNow(id)
			if errors.Is(err, store.ErrNotFound) {
				err = tx.RetryFailed(id, tx.Now.Add(t.out.GiveUpAfter))
			}
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("%d: %w", id, notWaiting(tx, id))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// retryAll makes everything due that is deferred now; what is deferred anew meanwhile keeps its time.
func retryAll(ctx context.Context, t *site) (sum int64, err error) {
	var waiting int64
	if err := t.db.View(ctx, func(tx *store.Tx) error {
		c, err := tx.QueueCounts()
		waiting = c.Due + c.Deferred
		return err
	}); err != nil {
		return 0, err
	}
	for n := int64(retryChunk); n == retryChunk && sum < waiting; sum += n {
		if err := t.db.Update(ctx, func(tx *store.Tx) (err error) {
			if err := queue.Retry(tx); err != nil {
				return err
			}
			n, err = tx.RetryAllNow(retryChunk)
			return err
		}); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// notWaiting says why a delivery cannot be tried or given up.
func notWaiting(tx *store.Tx, id store.DeliveryID) error {
	d, err := tx.Delivery(id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return errNoDelivery
	case err != nil:
		return err
	case d.Held:
		return fmt.Errorf("a worker is sending it; `listd queue show %d` will tell how that went", id)
	}
	return fmt.Errorf("it does not wait any more: %s; `listd queue show %d` tells more", d.State, id)
}

func (a *app) queueDrop() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:               "drop ID…",
		Short:             "Give up deliveries: nobody gets them, and nobody is told",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.complete(true, theDeliveries),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := idArgs[store.DeliveryID](args, "listd queue ls")
			if err != nil {
				return err
			}
			if err := a.confirm(yes, fmt.Sprintf("This gives up %s for good.", count(len(ids), "delivery", "deliveries"))); err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				if err := t.db.Update(c.Context(), func(tx *store.Tx) error {
					for _, id := range ids {
						err := tx.Drop(id)
						if errors.Is(err, store.ErrNotFound) {
							err = fmt.Errorf("%d: %w", id, notWaiting(tx, id))
						}
						if err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					return err
				}
				return a.print(object{{"dropped", ids}}, func(w io.Writer) {
					fmt.Fprintf(w, "%s given up.\n", count(len(ids), "delivery", "deliveries"))
				})
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func (a *app) queuePause(verb, short string, on bool) *cobra.Command {
	return &cobra.Command{
		Use:   verb,
		Short: short,
		Long:  short + ". Mail is taken in all the same. A running server notices within 5 seconds; dialogs under way are finished.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), func(t *site) error {
				if err := t.db.Update(c.Context(), func(tx *store.Tx) error { return queue.Pause(tx, on) }); err != nil {
					return err
				}
				return a.print(object{{"paused", on}}, func(w io.Writer) {
					if on {
						fmt.Fprintln(w, "The queue is paused; `listd queue resume` lets it go on.")
					} else {
						fmt.Fprintln(w, "The queue goes on.")
					}
				})
			})
		},
	}
}

// waitPoll is how often queue wait looks.
const waitPoll = 100 * time.Millisecond

func (a *app) queueWait() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "wait",
		Short: "Wait until nothing is due",
		Long: `wait returns when nothing is due, under way or still to be addressed. What is deferred until later is not waited for.
A server must run to carry it.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), func(t *site) error {
				if err := waitIdle(c.Context(), t, timeout); err != nil {
					return err
				}
				var q queueFacts
				if err := t.db.View(c.Context(), func(tx *store.Tx) (err error) {
					q, err = gatherQueue(tx)
					return err
				}); err != nil {
					return err
				}
				return a.print(q.object(), func(w io.Writer) {
					fmt.Fprintf(w, "Nothing is due: deferred %d, sent %d, failed %d.\n", q.Deferred, q.Sent, q.Failed)
				})
			})
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 0, "fail after this time, such as 30s (default: wait for ever)")
	return c
}

// waitIdle returns when nothing is due, or an error after the timeout if there is one.
func waitIdle(ctx context.Context, t *site, timeout time.Duration) error {
	var late <-chan time.Time
	if timeout > 0 {
		late = time.After(timeout)
	}
	tick := time.NewTicker(waitPoll)
	defer tick.Stop()
	for {
		var busy, paused bool
		if err := t.db.View(ctx, func(tx *store.Tx) (err error) {
			if busy, err = tx.AnyUndelivered(tx.Now); err != nil {
				return err
			}
			paused, err = queue.Paused(tx)
			return err
		}); err != nil {
			return err
		}
		switch {
		case !busy:
			return nil
		case paused:
			return errors.New("the queue is paused with deliveries due; `listd queue resume` lets it go on")
		}
		select {
		case <-ctx.Done():
			return errQuiet // who interrupts knows
		case <-late:
			return fmt.Errorf("deliveries are still due after %v; `listd queue ls` tells which; does `listd serve` run?", timeout)
		case <-tick.C:
		}
	}
}

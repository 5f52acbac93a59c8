package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

func (a *app) traceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "trace MESSAGE-ID|ADDRESS|ID",
		Short: "What became of a message, or of what goes to an address",
		Long: `trace tells what became of a message: when it was accepted and as what, and for each recipient the state, the number
of attempts and the last reply. A message is named by its Message-ID, or by the ID of the "250 queued as ID", of the log
and of the Received field. For an address it shows the latest deliveries to it.

Deliveries are remembered for the days of delivery.log_days, what came in for 30 days.`,
		Example: `  listd trace '<20260801120000.1@example.org>'
  listd trace x6kq3v2m7r5pa
  listd trace ada@example.org`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), func(t *site) error {
				r := traced{query: args[0]}
				if err := t.db.View(c.Context(), func(tx *store.Tx) error {
					r = traced{query: args[0]}
					return r.gather(tx)
				}); err != nil {
					return err
				}
				if len(r.intake)+len(r.deliveries)+len(r.held) == 0 {
					return fmt.Errorf("nothing is known of %s; what came in is remembered for 30 days, deliveries for %d", args[0], t.cfg.Delivery.LogDays)
				}
				return a.print(r.object(), r.write)
			})
		},
	}
}

// maxTraced bounds what is told of an address.
const maxTraced = 100

// traced is all that is known of a message, or of an address.
type traced struct {
	query      string
	intake     []store.Intake
	held       []heldFacts
	deliveries []store.Delivery
	names      map[lists.ID]string
}

func (r *traced) gather(tx *store.Tx) (err error) {
	if r.names, err = listNames(tx); err != nil {
		return err
	}
	id := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(r.query), "<"), ">")
	if !strings.Contains(id, "@") {
		return r.gatherTrace(tx, id)
	}
	if r.intake, err = tx.IntakeByMsgID(id); err != nil {
		return err
	}
	if len(r.intake) == 0 {
		addr, err := mail.ParseAddress(id)
		if err != nil {
			return nil // a Message-ID that nobody knows
		}
		r.deliveries, err = tx.DeliveriesTo(addr, maxTraced)
		return err
	}
	var seen []string
	for _, i := range r.intake {
		if slices.Contains(seen, i.Trace) {
			continue
		}
		seen = append(seen, i.Trace)
		if err := r.follow(tx, i.Trace); err != nil {
			return err
		}
	}
	return nil
}

// gatherTrace finds what an ID of ours stands for.
func (r *traced) gatherTrace(tx *store.Tx, trace string) (err error) {
	if err = r.follow(tx, trace); err != nil {
		return err
	}
	r.intake, err = tx.IntakeByTrace(trace)
	return err
}

// follow finds what waits and what left under a trace.
func (r *traced) follow(tx *store.Tx, trace string) error {
	held, err := tx.HeldOf(0, maxHeld)
	if err != nil {
		return err
	}
	for _, h := range held {
		if h.Trace == trace {
			r.held = append(r.held, heldFacts{h, r.names[h.List]})
		}
	}
	out, err := tx.OutgoingByTrace(trace)
	if err != nil {
		return err
	}
	for _, o := range out {
		for after, page := "", 1000; ; {
			some, err := tx.DeliveriesOf(o.ID, after, page)
			if err != nil {
				return err
			}
			r.deliveries = append(r.deliveries, some...)
			if len(some) < page {
				break
			}
			after = some[len(some)-1].Rcpt
		}
	}
	return nil
}

func (r *traced) object() object {
	return object{{"query", r.query},
		{"intake", objects(r.intake, func(i store.Intake) object {
			return object{{"id", i.Trace}, {"list", r.names[i.List]}, {"message_id", i.MsgID}, {"sender", i.Sender}, {"outcome", i.Outcome},
				{"rule", i.Rule}, {"seq", i.Seq}, {"at", jsonTime(i.At)}}
		})},
		{"held", objects(r.held, heldFacts.object)},
		{"deliveries", objects(r.deliveries, func(d store.Delivery) object {
			return append(deliveryObject(d), pair{"list", r.names[d.List]})
		})}}
}

// write shows it to people, each message with its recipients below it.
func (r *traced) write(w io.Writer) {
	for _, i := range r.intake {
		outcome := i.Outcome
		if i.Seq > 0 {
			outcome += fmt.Sprintf(" as number %d", i.Seq)
		}
		if i.Rule != "" {
			outcome += " (rule " + i.Rule + ")"
		}
		facts(w, [][2]string{{"accepted", clockTime(i.At) + " as " + i.Trace}, {"by", r.names[i.List]}, {"from", i.Sender},
			{"Message-ID", i.MsgID}, {"outcome", outcome}})
		fmt.Fprintln(w)
	}
	for _, h := range r.held {
		fmt.Fprintf(w, "It waits for a moderator as number %d: `listd held show %d`.\n\n", h.ID, h.ID)
	}
	if len(r.deliveries) == 0 {
		fmt.Fprintln(w, "Nothing has left for it.")
		return
	}
	table(w, "ID TO STATE ATTEMPTS WHEN SUBJECT REPLY", r.deliveries, func(d store.Delivery) []string {
		when := d.Settled
		if when.IsZero() {
			when = whenNext(d)
		}
		return []string{number(d.ID), d.Rcpt, fmt.Sprint(deliveryObject(d)[2].value), number(d.Attempts), clockTime(when),
			shorten(d.Subject, 40), why(d.Code, d.Reply)}
	})
}

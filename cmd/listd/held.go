package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"listd/inbound"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

func (a *app) heldCommand() *cobra.Command {
	c := &cobra.Command{Use: "held", Short: "What waits for a moderator"}
	c.AddCommand(a.heldLs(), a.heldShow(),
		a.heldSettle("accept", "Let held posts through to the members", lists.Accept),
		a.heldSettle("reject", "Refuse held posts and tell their authors why", lists.Reject),
		a.heldSettle("discard", "Drop held posts without a word", lists.Discard))
	return c
}

// maxHeld bounds what held ls shows.
const maxHeld = 100_000

// heldFacts are a held post and its list's address.
type heldFacts struct {
	store.Held
	list string
}

func (h heldFacts) object() object {
	return object{{"id", h.ID}, {"list", h.list}, {"kind", h.Kind}, {"from", h.From.String()}, {"sender", h.Sender}, {"subject", h.Subject},
		{"reasons", h.Reasons}, {"rule", h.Rule}, {"at", jsonTime(h.At)}, {"expires", jsonTime(h.Expires)}, {"trace", h.Trace}}
}

func (a *app) heldLs() *cobra.Command {
	return &cobra.Command{
		Use:               "ls [LIST]",
		Short:             "Show what waits, the oldest first",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			var addr mail.Address
			if len(args) > 0 {
				var err error
				if addr, err = listArg(args[0]); err != nil {
					return err
				}
			}
			return a.with(c.Context(), func(t *site) error {
				var all []heldFacts
				if err := t.db.View(c.Context(), func(tx *store.Tx) (err error) {
					all, err = heldOf(tx, addr)
					return err
				}); err != nil {
					return err
				}
				return a.print(objects(all, heldFacts.object), func(w io.Writer) {
					if len(all) == 0 {
						fmt.Fprintln(w, "No held mail.")
						return
					}
					table(w, "ID LIST FROM SUBJECT WHY EXPIRES", all, func(h heldFacts) []string {
						return []string{number(h.ID), h.list, shorten(h.Sender, 40), shorten(h.Subject, 40),
							shorten(strings.Join(h.Reasons, " "), 60), clockTime(h.Expires)}
					})
				})
			})
		},
	}
}

func heldOf(tx *store.Tx, addr mail.Address) (all []heldFacts, err error) {
	var l lists.List
	if !addr.IsZero() {
		if l, err = findList(tx, addr); err != nil {
			return nil, err
		}
	}
	names, err := listNames(tx)
	if err != nil {
		return nil, err
	}
	found, err := tx.HeldOf(l.ID, maxHeld)
	for _, h := range found {
		all = append(all, heldFacts{h, names[h.List]})
	}
	return all, err
}

func (a *app) heldShow() *cobra.Command {
	var raw bool
	c := &cobra.Command{
		Use:               "show ID",
		Short:             "Show a held post and why it waits",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theHeld),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := idArgs[store.HeldID](args, "listd held ls")
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				var h heldFacts
				var m mail.Message
				if err := t.db.View(c.Context(), func(tx *store.Tx) (err error) {
					if h.Held, err = tx.Held(ids[0]); errors.Is(err, store.ErrNotFound) {
						return fmt.Errorf("%d: %w", ids[0], inbound.ErrSettled)
					} else if err != nil {
						return err
					}
					names, err := listNames(tx)
					if err != nil {
						return err
					}
					h.list = names[h.List]
					m, err = tx.Message(h.Message)
					return err
				}); err != nil {
					return err
				}
				if raw && !a.json {
					_, err := a.out.Write(append(m.Head, m.Body...))
					return err
				}
				return a.printHeld(h, m, raw)
			})
		},
	}
	c.Flags().BoolVar(&raw, "raw", false, "print the message as it came")
	return c
}

func (a *app) printHeld(h heldFacts, m mail.Message, raw bool) error {
	head, text := readable(m)
	o := append(h.object(), pair{"size", len(m.Head) + len(m.Body)}, pair{"head", head}, pair{"text", text})
	if raw {
		o = append(o, pair{"raw", string(m.Head) + string(m.Body)})
	}
	return a.print(o, func(w io.Writer) {
		rows := [][2]string{{"id", number(h.ID)}, {"list", h.list}, {"sender", h.Sender}, {"envelope", h.From.Path()}, {"held", clockTime(h.At)},
			{"expires", clockTime(h.Expires)}, {"trace", h.Trace}}
		for i, r := range h.Reasons {
			name := "why"
			if i > 0 {
				name = ""
			}
			rows = append(rows, [2]string{name, r})
		}
		facts(w, rows)
		fmt.Fprintf(w, "\n%s\n%s", terminalSafe(head), terminalSafe(text))
		if !strings.HasSuffix(text, "\n") {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "\n`listd held accept %[1]d` lets it through; `reject %[1]d --reason \"…\"` refuses it; `discard %[1]d` drops it.\n", h.ID)
	})
}

// readable is a message for people: the fields of its head, decoded, and its text.
func readable(m mail.Message) (head, text string) {
	var b strings.Builder
	for f := range mail.Fields(m.Head) {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, mail.DecodeWords(f.Value()))
	}
	root, err := mail.Parse(m, mail.MIMELimits{})
	if err != nil {
		return b.String(), fmt.Sprintf("(The message cannot be taken apart: %v.)\n", err)
	}
	var parts []string
	describe(root, &parts)
	return b.String(), strings.Join(parts, "\n")
}

// describe adds the texts of a part, and a line for each part that is none.
func describe(p *mail.Part, to *[]string) {
	switch {
	case p.Type == "multipart" || p.Type == "message" && len(p.Children) > 0:
		for _, c := range p.Children {
			describe(c, to)
		}
	case p.Type == "text" && p.Disposition != "attachment":
		text, _ := p.Text() // what cannot be decoded is shown as well as can be
		if p.Subtype != "plain" {
			text = "(text/" + p.Subtype + ")\n" + text
		}
		*to = append(*to, text)
	default:
		name := ""
		if p.Filename != "" {
			name = " " + p.Filename
		}
		*to = append(*to, fmt.Sprintf("(%s/%s%s, %s)\n", p.Type, p.Subtype, name, count(len(p.Body), "byte", "bytes")))
	}
}

// past are the words for what has been done.
var past = map[lists.Action]string{lists.Accept: "accepted", lists.Reject: "rejected", lists.Discard: "discarded"}

func (a *app) heldSettle(verb, short string, act lists.Action) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:               verb + " ID…",
		Short:             short,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.complete(true, theHeld),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := idArgs[store.HeldID](args, "listd held ls")
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error { return a.settle(c.Context(), t, ids, act, reason) })
		},
	}
	if act == lists.Reject {
		c.Flags().StringVar(&reason, "reason", "", "what the author is told (default: why it was held)")
	}
	return c
}

// settle decides about each; what goes wrong with one does not keep the others.
func (a *app) settle(ctx context.Context, t *site, ids []store.HeldID, act lists.Action, reason string) error {
	type done struct {
		id store.HeldID
		h  store.Held
	}
	var all []done
	failed := false
	for _, id := range ids {
		h, err := t.door.Settle(ctx, id, act, reason)
		if err != nil {
			fmt.Fprintf(a.errs, "listd: %v\n", err)
			failed = true
			continue
		}
		all = append(all, done{id, h})
	}
	err := a.print(objects(all, func(d done) object {
		return object{{"id", d.id}, {"action", act.String()}, {"sender", d.h.Sender}, {"subject", d.h.Subject}, {"trace", d.h.Trace}}
	}), func(w io.Writer) {
		for _, d := range all {
			fmt.Fprintf(w, "%d %s: %s\n", d.id, past[act], oneLine(d.h.Sender+": "+d.h.Subject))
		}
	})
	if err == nil && failed {
		err = errQuiet
	}
	return err
}

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"listd/config"
	"listd/imap"
	"listd/inbound"
	"listd/mail"
	"listd/smtp"
	"listd/store"
)

// fetch fetches the mail of all mailboxes until ctx ends. Messages on their way share the memory of those that come by
// SMTP.
func (n *node) fetch(ctx context.Context) error {
	p, err := n.site.poller()
	if err != nil {
		return err
	}
	p.Reserve = func(ctx context.Context, bytes int64) (func(), error) {
		taken, err := n.server.Budget.Acquire(ctx, bytes)
		return func() { n.server.Budget.Release(taken) }, err
	}
	p.Run(ctx)
	return nil
}

// poller fetches from the mailboxes of the configuration.
func (t *site) poller() (*imap.Poller, error) {
	holder := chance()
	p := &imap.Poller{Inbox: t.door, Ledger: &inbound.Ledger{DB: t.db}, Ours: t.door.Ours, Log: t.log, MaxSize: int64(t.cfg.SMTP.MaxMessageSize),
		Holder: int64(binary.BigEndian.Uint64(holder[:])>>1 | 1)}
	if r := t.cfg.DNS.Resolver; r != "" {
		p.Dial = (&net.Dialer{Resolver: smtp.NewResolver(r)}).DialContext
	}
	for _, m := range t.cfg.Mailboxes {
		a, err := account(t.cfg, m)
		if err != nil {
			return nil, fmt.Errorf("mailbox %s: %w", m.Label(), err)
		}
		p.Accounts = append(p.Accounts, a)
	}
	return p, nil
}

// account is a mailbox of the configuration as imap has it.
func account(cfg config.Config, m config.Mailbox) (a imap.Account, err error) {
	a = imap.Account{Name: m.Label(), User: m.User, Password: m.Password, Folder: m.Folder, To: m.DoneFolder, Poll: time.Duration(m.Poll),
		Done: map[config.MailboxDone]imap.Done{config.MoveDone: imap.Move, config.DeleteDone: imap.Delete}[m.Done]} // else imap.Flag
	a.Addr, a.Implicit, a.Clear = m.Server()
	if a.Domain = m.Domain; a.Domain == "" {
		a.Domain = cfg.Hostname
	}
	if m.List != "" {
		if a.List, err = mail.ParseAddress(m.List); err != nil {
			return a, fmt.Errorf("list: %w", err)
		}
	}
	if m.Plus != "" {
		if a.Plus, err = mail.ParseAddress(m.Plus); err != nil {
			return a, fmt.Errorf("plus: %w", err)
		}
	}
	return a, nil
}

func (a *app) mailboxCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "mailbox",
		Short: "Mailboxes at a provider that mail is fetched from",
		Long: `A group without a mail server of its own can have its mail fetched from a mailbox at its provider: see [[mailbox]] in
listd.toml. listd serve fetches as mail comes in; these commands show how far it is, and try a mailbox.`,
	}
	c.AddCommand(a.mailboxLs(), a.mailboxTest())
	return c
}

// noMailbox says how to have one.
const noMailbox = "no mailbox is configured; listd.toml shows how, under [[mailbox]]"

func (a *app) mailboxLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "Show the mailboxes, and how far each has been fetched",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), func(t *site) error {
				known, err := (&inbound.Ledger{DB: t.db}).Mailboxes(c.Context())
				if err != nil {
					return err
				}
				rows := make([]mailboxRow, len(t.cfg.Mailboxes))
				for i, m := range t.cfg.Mailboxes {
					rows[i].Mailbox = m
					for _, k := range known {
						if k.Name == m.Label() {
							rows[i].far = k
						}
					}
				}
				return a.print(objects(rows, mailboxRow.object), func(w io.Writer) {
					if len(rows) == 0 {
						fmt.Fprintln(w, strings.ToUpper(noMailbox[:1])+noMailbox[1:]+".")
						return
					}
					table(w, "NAME SERVER FOLDER UID LATER FETCHED ERROR", rows, func(r mailboxRow) []string {
						addr, _, _ := r.Server()
						return []string{r.Label(), addr, r.Folder, number(r.far.UID), number(r.later()), clockTime(r.far.At), shorten(r.far.Error, 100)}
					})
				})
			})
		},
	}
}

// mailboxRow is a mailbox and how far it has been fetched.
type mailboxRow struct {
	config.Mailbox
	far inbound.Mailbox
}

// later is how many messages wait for another try.
func (r mailboxRow) later() (n int) {
	for _, u := range r.far.Unsettled {
		if u.State == inbound.Later {
			n++
		}
	}
	return n
}

func (r mailboxRow) object() object {
	addr, _, _ := r.Server()
	return object{{"name", r.Label()}, {"server", addr}, {"user", r.User}, {"folder", r.Folder}, {"list", r.List}, {"done", string(r.Done)},
		{"uidvalidity", r.far.Validity}, {"uid", r.far.UID}, {"later", r.later()}, {"fetched", jsonTime(r.far.At)}, {"error", r.far.Error}}
}

// theMailboxes completes names of mailboxes.
func (a *app) theMailboxes(_ *cobra.Command, args []string, begun string) (out []string, _ cobra.ShellCompDirective) {
	path, err := config.Find(a.config, os.Getenv("LISTD_CONFIG"))
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	cfg, err := config.Load(path)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	for _, m := range cfg.Mailboxes {
		if strings.HasPrefix(m.Label(), begun) {
			out = append(out, m.Label())
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) mailboxTest() *cobra.Command {
	return &cobra.Command{
		Use:   "test NAME",
		Short: "Sign in to a mailbox and say how many messages wait; nothing is changed",
		Example: `  listd mailbox test group@example.org
  listd mailbox ls                       shows the names`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.theMailboxes,
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), func(t *site) error {
				p, err := t.poller()
				if err != nil {
					return err
				}
				for _, account := range p.Accounts {
					if account.Name == args[0] {
						return a.tryMailbox(c.Context(), p, account)
					}
				}
				if len(p.Accounts) == 0 {
					return errors.New(noMailbox)
				}
				return fmt.Errorf("%s: there is no such mailbox in the configuration; `listd mailbox ls` shows those that are", args[0])
			})
		},
	}
}

func (a *app) tryMailbox(ctx context.Context, p *imap.Poller, account imap.Account) error {
	far, err := p.Ledger.Mailbox(ctx, account.Name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	s, err := p.Probe(ctx, account, far)
	if err != nil {
		return fmt.Errorf("mailbox %s: %w", account.Name, err)
	}
	return a.print(object{{"name", account.Name}, {"messages", s.Messages}, {"waiting", s.Waiting}, {"idle", s.Idle}, {"move", s.Move}, {"keywords", s.Keywords}},
		func(w io.Writer) {
			fmt.Fprintf(w, "%s lets us in: its folder %s has %d messages, of which the server would take %d.\n", account.Addr, account.Folder, s.Messages, s.Waiting)
			if !s.Idle {
				fmt.Fprintf(w, "It does not tell of mail as it comes (IDLE): listd looks every %v.\n", account.Poll)
			}
			if !s.Keywords && account.Done == imap.Flag {
				fmt.Fprintln(w, "It keeps no keywords: what was taken is marked as read alone.")
			}
		})
}

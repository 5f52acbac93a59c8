package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"listd/mail"
	"listd/store"
)

func (a *app) userCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "user",
		Short: "Who signs in: sessions, and app passwords for IMAP",
		Long: `Whoever is on a list or runs one can sign in: on the pages by a link that is mailed to them, in a mail program by an app
password. Members make one themselves by mailing "password" to a list's -request address; here you make one for them.`,
	}
	c.AddCommand(a.userLs(), a.userShow(), a.userPassword(), a.userRevoke())
	return c
}

func (a *app) userLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "Show who has signed in or has an app password",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), func(t *site) error {
				var all []store.User
				if err := t.db.View(c.Context(), func(tx *store.Tx) error {
					all = all[:0]
					for after := ""; ; {
						some, err := tx.Users(after, 1000)
						all = append(all, some...)
						if err != nil || len(some) < 1000 {
							return err
						}
						after = some[len(some)-1].Address.Key()
					}
				}); err != nil {
					return err
				}
				return a.print(objects(all, func(u store.User) object {
					return object{{"address", u.Address.String()}, {"created", u.Created}}
				}), func(w io.Writer) {
					table(w, "ADDRESS SINCE", all, func(u store.User) []string {
						return []string{u.Address.String(), u.Created.Local().Format(time.DateOnly)}
					})
				})
			})
		},
	}
}

// userArg is an address that may sign in.
func userArg(arg string) (mail.Address, error) {
	addr, err := mail.ParseAddress(arg)
	if err != nil {
		return addr, usage("%q is no address: %w", arg, err)
	}
	return addr, nil
}

func (a *app) userShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show ADDRESS",
		Short: "Show the app passwords of an address, never the passwords themselves",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := userArg(args[0])
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				var u store.User
				var passwords []store.AppPassword
				err := t.db.View(c.Context(), func(tx *store.Tx) (err error) {
					if u, err = tx.UserAt(addr); err == nil {
						passwords, err = tx.AppPasswords(u.ID)
					}
					return err
				})
				if errors.Is(err, store.ErrNotFound) {
					return fmt.Errorf("%s has never signed in and has no app password; \"listd user password %s\" makes one", addr, addr)
				}
				if err != nil {
					return err
				}
				return a.print(object{{"address", u.Address.String()}, {"created", u.Created}, {"passwords", objects(passwords, func(p store.AppPassword) object {
					return object{{"label", p.Label}, {"created", p.Created}, {"used", timeOrNil(p.Used)}}
				})}}, func(w io.Writer) {
					table(w, "LABEL MADE USED", passwords, func(p store.AppPassword) []string {
						used := "never"
						if !p.Used.IsZero() {
							used = p.Used.Local().Format(time.DateOnly)
						}
						return []string{p.Label, p.Created.Local().Format(time.DateOnly), used}
					})
				})
			})
		},
	}
}

// timeOrNil is nil for no time.
func timeOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

func (a *app) userPassword() *cobra.Command {
	label := "mail program"
	c := &cobra.Command{
		Use:   "password ADDRESS",
		Short: "Make an app password for an address and print it, this once",
		Example: `  listd user password ann@example.org --label Thunderbird
  listd user password ann@example.org --label mbsync > ~/.mbsyncpass`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := userArg(args[0])
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				var password string
				if err := t.db.Update(c.Context(), func(tx *store.Tx) (err error) {
					password, err = t.users.NewPassword(tx, addr, label)
					return err
				}); err != nil {
					return err
				}
				return a.print(object{{"address", addr.String()}, {"label", label}, {"password", password}}, func(w io.Writer) { fmt.Fprintln(w, password) })
			})
		},
	}
	c.Flags().StringVar(&label, "label", label, "what it is for, to tell it from others")
	return c
}

func (a *app) userRevoke() *cobra.Command {
	label := ""
	c := &cobra.Command{
		Use:   "revoke ADDRESS",
		Short: "Take back app passwords of an address and end its sessions",
		Example: `  listd user revoke ann@example.org                      all passwords, all sessions
  listd user revoke ann@example.org --label Thunderbird  one password`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := userArg(args[0])
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				var gone int64
				err := t.db.Update(c.Context(), func(tx *store.Tx) error {
					gone = 0
					u, err := tx.UserAt(addr)
					if err != nil {
						return err
					}
					all, err := tx.AppPasswords(u.ID)
					if err != nil {
						return err
					}
					for _, p := range all {
						if label == "" || p.Label == label {
							n, err := tx.DropAppPasswords(u.ID, p.Label)
							if err != nil {
								return err
							}
							gone += n
						}
					}
					if label != "" {
						return nil
					}
					return tx.DropSessionsOf(u.ID)
				})
				if errors.Is(err, store.ErrNotFound) || err == nil && gone == 0 && label != "" {
					return fmt.Errorf("%s has no such app password; \"listd user show %s\" shows those it has", addr, addr)
				}
				if err != nil {
					return err
				}
				return a.print(object{{"address", addr.String()}, {"passwords", gone}}, func(w io.Writer) {
					fmt.Fprintf(w, "%d app passwords of %s open nothing any more\n", gone, addr)
				})
			})
		},
	}
	c.Flags().StringVar(&label, "label", "", "only the password of this label")
	return c
}

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"listd/config"
	"listd/mailauth"
	"listd/store"
)

func (a *app) domainCommand() *cobra.Command {
	c := &cobra.Command{Use: "domain", Short: "The domains lists live in: their keys and DNS records"}
	c.AddCommand(a.domainAdd(), a.domainLs(), a.domainShow())
	return c
}

func (a *app) domainAdd() *cobra.Command {
	return &cobra.Command{
		Use:     "add DOMAIN",
		Short:   "Make keys for a domain and print its DNS records",
		Example: `  listd domain add lists.example.com`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			domain, err := domainArg(args[0])
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				keys, err := addKeys(c.Context(), t.db, domain)
				if errors.Is(err, store.ErrExists) {
					return fmt.Errorf("%s has keys already; `listd domain show %s` prints its records", domain, domain)
				}
				if err != nil {
					return err
				}
				return a.printDomain(domain, append(dnsRecords(domain), keyRecords(keys)...))
			})
		},
	}
}

func (a *app) domainLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "Show the domains that have keys",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), func(t *site) error {
				var keys []store.DKIMKey
				if err := t.db.View(c.Context(), func(tx *store.Tx) (err error) {
					keys, err = tx.DKIMKeys("")
					return err
				}); err != nil {
					return err
				}
				return a.print(objects(keys, func(k store.DKIMKey) object {
					return object{{"domain", k.Domain}, {"selector", k.Selector}, {"created", jsonTime(k.Created)}}
				}), func(w io.Writer) {
					if len(keys) == 0 {
						fmt.Fprintln(w, "No domain has keys: mail leaves unsigned. `listd domain add DOMAIN` makes some.")
						return
					}
					table(w, "DOMAIN SELECTOR CREATED", keys, func(k store.DKIMKey) []string { return []string{k.Domain, k.Selector, clockTime(k.Created)} })
				})
			})
		},
	}
}

func (a *app) domainShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show DOMAIN",
		Short: "Print the DNS records of a domain",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			domain, err := domainArg(args[0])
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				var rows []store.DKIMKey
				if err := t.db.View(c.Context(), func(tx *store.Tx) (err error) {
					rows, err = tx.DKIMKeys(domain)
					return err
				}); err != nil {
					return err
				}
				if len(rows) == 0 {
					return fmt.Errorf("%s has no keys; `listd domain add %s` makes them", domain, domain)
				}
				var keys []mailauth.Key
				for _, r := range rows {
					k, err := mailauth.ParseKey(r.Domain, r.Selector, r.Private)
					if err != nil {
						return err
					}
					keys = append(keys, k)
				}
				return a.printDomain(domain, append(dnsRecords(domain), keyRecords(keys)...))
			})
		},
	}
}

// domainArg is a domain as an argument names it.
func domainArg(s string) (string, error) {
	s = strings.ToLower(strings.TrimSuffix(s, "."))
	c := config.Default()
	if c.Hostname = s; c.Check() != nil {
		return "", usage("%q is no domain: write one such as lists.example.org", s)
	}
	return s, nil
}

func (a *app) printDomain(domain string, records []dnsRecord) error {
	return a.print(object{{"domain", domain}, {"dns", objects(records, dnsRecord.object)}}, func(w io.Writer) {
		fmt.Fprintf(w, "Set these DNS records for %s:\n\n", domain)
		table(w, "NAME TYPE VALUE", records, func(r dnsRecord) []string { return []string{r.name, r.kind, r.value} })
	})
}

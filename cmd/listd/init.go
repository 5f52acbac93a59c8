package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"listd/config"
	"listd/mailauth"
)

func (a *app) initCommand() *cobra.Command {
	var domain, dir, owner string
	c := &cobra.Command{
		Use:   "init --domain DOMAIN",
		Short: "Set up a site: its configuration and its database",
		Long: `init writes listd.toml with every key explained, creates the database beside it, and prints the DNS records that
the domain needs and what to do next. It overwrites nothing.

DOMAIN is the name of this server and the domain of its lists, such as lists.example.org. Choose a domain that has no
mailboxes: all mail to it will come here. Lists in further domains can be created later.`,
		Example: `  listd init --domain lists.example.org --owner you@example.org
  listd init --domain lists.example.org --dir /etc/listd`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if domain == "" {
				return usage("--domain is missing: it names this server, as in `listd init --domain lists.example.org`")
			}
			if a.config != "" && dir != "" {
				return usage("--config and --dir both say where listd.toml goes: give one of them")
			}
			cfg := config.Default()
			cfg.Hostname, cfg.Owner = domain, owner
			if err := cfg.Check(); err != nil {
				return &usageError{err}
			}
			if owner != "" {
				if _, err := addressArg(owner); err != nil {
					return err
				}
			}
			path := a.config
			if path == "" {
				path = filepath.Join(dir, "listd.toml")
			}
			return a.init(c.Context(), path, cfg)
		},
	}
	c.Flags().StringVar(&domain, "domain", "", "the name of this server and the domain of its lists")
	c.Flags().StringVar(&dir, "dir", "", "the folder to set up (default: this one)")
	c.Flags().StringVar(&owner, "owner", "", "who runs the site: mail to postmaster@ and abuse@ goes there")
	return c
}

// init writes the configuration to path and creates the database beside it.
func (a *app) init(ctx context.Context, path string, cfg config.Config) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	here := cfg.In(filepath.Dir(path))
	if _, err := os.Lstat(here.Database); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already, and init overwrites nothing: choose another folder with --dir, or move it away", here.Database)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and init overwrites nothing: edit it, choose another folder with --dir, or move it away", path)
	}
	if err != nil {
		return err
	}
	var keys []mailauth.Key
	_, err = f.Write(config.Template(cfg))
	if err = errors.Join(err, f.Close()); err == nil {
		var t *site
		if t, err = openSite(ctx, here, migrate, a.errs); err == nil {
			keys, err = addKeys(ctx, t.db, here.Hostname)
			t.close()
		}
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return a.printInit(path, here, keyRecords(keys))
}

// dnsRecord is one to set for the domain.
type dnsRecord struct{ name, kind, value, why string }

func (r dnsRecord) object() object {
	return object{{"name", r.name}, {"type", r.kind}, {"value", r.value}, {"why", r.why}}
}

func dnsRecords(domain string) []dnsRecord {
	return []dnsRecord{
		{domain + ".", "A", "<this server's IPv4 address>", "where the server is"},
		{domain + ".", "AAAA", "<its IPv6 address>", "only if it has one"},
		{"<each address>", "PTR", domain + ".", "set at your hosting provider; many servers refuse mail without it"},
		{domain + ".", "MX", "10 " + domain + ".", "mail to the lists comes here"},
		{domain + ".", "TXT", `"v=spf1 mx -all"`, "mail from the lists leaves from here only (SPF, RFC 7208); a relay needs its include: too"},
		{"_dmarc." + domain + ".", "TXT", `"v=DMARC1; p=none"`, "big providers want one (DMARC, RFC 7489)"},
	}
}

func (a *app) printInit(path string, cfg config.Config, keys []dnsRecord) error {
	listd := "listd"
	if wd, err := os.Getwd(); err != nil || filepath.Join(wd, "listd.toml") != path {
		listd += " --config " + path
	}
	owner := cfg.Owner
	if owner == "" {
		owner = "you@example.org"
	}
	next := [][2]string{
		{listd + " list create pyug@" + cfg.Hostname + " --owner " + owner, "your first list"},
		{listd + " member import pyug@" + cfg.Hostname + " members.csv", "its members: an address a line, or CSV"},
		{listd + " serve", "runs the server"},
	}
	records := append(dnsRecords(cfg.Hostname), keys...)
	var commands []string
	for _, n := range next {
		commands = append(commands, n[0])
	}
	return a.print(object{{"domain", cfg.Hostname}, {"config", path}, {"database", cfg.Database},
		{"dns", objects(records, dnsRecord.object)}, {"next", commands}},
		func(w io.Writer) {
			fmt.Fprintf(w, "Written: %s\n         %s\n\n", path, cfg.Database)
			fmt.Fprintf(w, "Set these DNS records:\n\n")
			table(w, "NAME TYPE VALUE", records, func(r dnsRecord) []string { return []string{r.name, r.kind, r.value} })
			fmt.Fprintln(w)
			for _, r := range records {
				fmt.Fprintf(w, "  %-5s %s\n", r.kind, r.why)
			}
			if cfg.Owner == "" {
				fmt.Fprintf(w, "\nNobody reads postmaster@%s yet, which RFC 5321 asks for: set owner in listd.toml.\n", cfg.Hostname)
			}
			fmt.Fprintf(w, "\nThen:\n\n")
			for _, n := range next {
				fmt.Fprintf(w, "  # %s\n  %s\n", n[1], n[0])
			}
		})
}

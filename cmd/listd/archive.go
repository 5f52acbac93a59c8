package main

import (
	"archive/zip"
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

func (a *app) archiveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "archive",
		Short: "What lists have said: bring old mail in, take it out, search it, remove a post",
	}
	c.AddCommand(a.archiveImport(), a.archiveExport(), a.archiveSearch(), a.archiveRemove(), a.archiveReindex(), a.archiveRedirect())
	return c
}

func (a *app) archiveImport() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "import LIST FILE...",
		Short: "Bring old mail into a list's archive; - is standard input",
		Long: `import files old mail in a list's archive: mbox files of every kind (also of HyperKitty, Mailman 3 and Google Groups),
Mailman 2's monthly texts, Maildirs, folders of MH or .eml files, the zip that groups.io exports, and any of the files
compressed with gzip. Which kind a file is shows in the file.

What is missing or broken is mended by a field on top of the message, and named in the report. Nobody gets mail, and no
digest will have these posts. What the list has already is passed over: an import that was broken off is completed by
running it again. A server may run meanwhile.`,
		Example: `  listd archive import pyug@lists.example.org pyug.mbox/pyug.mbox
  listd archive import pyug@lists.example.org 2004-*.txt.gz
  listd archive import pyug@lists.example.org ~/Maildir`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: a.completeFirst(theLists),
		RunE: func(c *cobra.Command, args []string) error {
			kind, err := formatArg(format)
			if err != nil {
				return err
			}
			return a.onList(c.Context(), args[0], func(t *site, l lists.List) error {
				return a.importFiles(c.Context(), t, l, args[1:], archive.ReadOptions{Format: kind, Max: int64(t.cfg.SMTP.MaxMessageSize) * 2,
					Now: t.db.Now(), Domain: l.Address.Domain})
			})
		},
	}
	c.Flags().StringVar(&format, "format", "", "mboxo, mboxrd, mboxcl, mboxcl2, pipermail or eml, if the file does not show it")
	return c
}

func formatArg(name string) (archive.Format, error) {
	if name == "" {
		return archive.AnyFormat, nil
	}
	for f := archive.Mboxo; f <= archive.EML; f++ {
		if f.String() == name {
			return f, nil
		}
	}
	return 0, usage("--format: there is no %q; there are mboxo, mboxrd, mboxcl, mboxcl2, pipermail and eml", name)
}

// imported is what became of one file.
type imported struct {
	file string
	archive.Imported
	err error
}

func (a *app) importFiles(ctx context.Context, t *site, l lists.List, files []string, o archive.ReadOptions) error {
	var all []imported
	var failed error
	for _, name := range files {
		one := imported{file: name}
		one.Imported, one.err = a.importFile(ctx, t, l, name, o)
		all = append(all, one)
		if one.err != nil {
			failed = fmt.Errorf("%s: %w; what was filed before stays, and the same command completes it", name, one.err)
			break
		}
	}
	if failed == nil {
		fmt.Fprintln(a.errs, "taking in the words; a search finds them when that is done")
		failed = t.follower().CatchUp(ctx, l.ID)
	}
	if failed == nil {
		failed = (&archive.Indexer{DB: t.db, Log: t.log}).Tidy(ctx)
	}
	return errors.Join(a.print(objects(all, imported.object), func(w io.Writer) {
		for _, one := range all {
			fmt.Fprintf(w, "%s: %s read, %d new, %d there already, %d skipped\n", one.file, count(one.Read, "message", "messages"), one.New, one.Known, one.Skipped)
			for _, odd := range one.Odd {
				fmt.Fprintf(w, "  %5d  %s (first: %s)\n", odd.Count, terminalSafe(odd.What), terminalSafe(odd.Where))
			}
		}
	}), failed)
}

func (i imported) object() object {
	return object{{"file", i.file}, {"read", i.Read}, {"new", i.New}, {"known", i.Known}, {"skipped", i.Skipped}, {"odd", objects(i.Odd, func(o archive.Oddity) object {
		return object{{"what", o.What}, {"count", o.Count}, {"where", o.Where}}
	})}}
}

// importFile imports one file or folder.
func (a *app) importFile(ctx context.Context, t *site, l lists.List, name string, o archive.ReadOptions) (sum archive.Imported, err error) {
	collection, size, done, err := openCollection(a, name, o)
	if err != nil {
		return sum, err
	}
	defer done()
	im := archive.Importer{DB: t.db, Follow: t.follower(), Progress: a.importBar(name, size)}
	return im.Import(ctx, l, collection)
}

// openCollection opens a file, a folder or standard input. size is what Offset will come to, 0 if that is not known.
func openCollection(a *app, name string, o archive.ReadOptions) (c iter.Seq2[archive.Old, error], size int64, done func(), err error) {
	nothing := func() {}
	if name == "-" {
		return archive.ReadOld("standard input", a.in, o), 0, nothing, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, 0, nothing, err
	}
	if info.IsDir() {
		folder := os.DirFS(name)
		if _, err := os.Stat(filepath.Join(name, "cur")); err == nil {
			o.Folders = true
			return archive.ReadMaildir(folder, o), 0, nothing, nil
		}
		return archive.ReadFolder(folder, o), 0, nothing, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, nothing, err
	}
	done = func() { _ = f.Close() } // it was only read
	if _, err := zip.NewReader(f, info.Size()); err == nil {
		return archive.ReadZip(name, f, info.Size(), o), 0, done, nil
	}
	if !strings.HasSuffix(name, ".gz") {
		size = info.Size()
	}
	return archive.ReadOld(name, bufio.NewReaderSize(f, 1<<20), o), size, done, nil
}

// importBar shows at a terminal how far an import is.
func (a *app) importBar(name string, size int64) func(archive.Imported) {
	f, ok := a.errs.(*os.File)
	if a.json || !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	if size <= 0 {
		size = -1
	}
	bar := progressbar.NewOptions64(size, progressbar.OptionSetWriter(a.errs), progressbar.OptionSetDescription(filepath.Base(name)),
		progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish())
	return func(sum archive.Imported) {
		bar.Describe(fmt.Sprintf("%s: %d", filepath.Base(name), sum.Read))
		_ = bar.Set64(min(sum.Offset, max(size, sum.Offset*size/max(size, 1)))) // a bar that cannot be drawn hinders nobody
	}
}

func (a *app) archiveExport() *cobra.Command {
	return &cobra.Command{
		Use:   "export LIST",
		Short: "Write a list's archive as an mbox to standard output",
		Long: `export writes every post of a list's archive to standard output, as an mbox of the kind mboxrd: "listd archive import"
reads it back to the last byte. Posts that no reader sees are not in it.`,
		Example:           `  listd archive export pyug@lists.example.org | gzip > pyug.mbox.gz`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			return a.onList(c.Context(), args[0], func(t *site, l lists.List) error {
				w := bufio.NewWriterSize(a.out, 1<<20)
				if err := t.lib.Export(c.Context(), l, archive.NewMboxWriter(w)); err != nil {
					return err
				}
				return w.Flush()
			})
		},
	}
}

func (a *app) archiveSearch() *cobra.Command {
	q := archive.Query{}
	limit := 20
	c := &cobra.Command{
		Use:   "search LIST WORDS...",
		Short: "Find posts of a list",
		Long: `search finds posts: words that all must be there, "phrases", -not, one OR another, begin*, from:, subject:,
date:2026-01..2026-03, before:, after:, has:attachment. Put what has quotes or begins with - behind --.`,
		Example: `  listd archive search pyug@lists.example.org virtual environments
  listd archive search pyug@lists.example.org -- '"release candidate"' -windows from:ann date:2026`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: a.completeFirst(theLists),
		RunE: func(c *cobra.Command, args []string) error {
			q.Text = strings.Join(args[1:], " ")
			return a.onList(c.Context(), args[0], func(t *site, l lists.List) error {
				res, err := t.lib.Whole(l).Search(c.Context(), q, "", limit)
				if err != nil {
					return err
				}
				return a.printHits(res)
			})
		},
	}
	c.Flags().BoolVar(&q.ByRank, "rank", false, "the best first, not the latest")
	c.Flags().BoolVar(&q.Group, "threads", false, "one post of a thread")
	c.Flags().IntVar(&limit, "limit", limit, "how many, at most 100")
	return c
}

func (a *app) printHits(res archive.Result) error {
	text := func(h archive.Hit) string {
		var b strings.Builder
		for _, p := range h.Snippet {
			b.WriteString(p.Text)
		}
		return b.String()
	}
	return a.print(objects(res.Hits, func(h archive.Hit) object {
		return object{{"seq", h.Seq}, {"date", h.Date}, {"author", h.Author.String()}, {"subject", h.Subject}, {"message_id", h.MsgID}, {"text", text(h)}}
	}), func(w io.Writer) {
		for _, h := range res.Hits {
			fmt.Fprintf(w, "%6d  %s  %s  %s\n        %s\n", h.Seq, h.Date.Format(time.DateOnly), terminalSafe(h.Author.String()), terminalSafe(h.Subject), terminalSafe(text(h)))
		}
		more := ""
		if res.Many {
			more = "more than "
		}
		fmt.Fprintf(w, "%s%s\n", more, count(res.Total, "post", "posts"))
		for _, odd := range res.Odd {
			fmt.Fprintf(w, "not understood: %s\n", terminalSafe(odd))
		}
	})
}

func (a *app) archiveRemove() *cobra.Command {
	var why string
	var yes bool
	c := &cobra.Command{
		Use:   "rm LIST NUMBER",
		Short: "Remove a post from the archive, for ever",
		Long: `rm removes what a post said, in every form that this server keeps: its text, attachments and words. Its number and its
links stay, and lead to a note that it was removed. What members were sent is theirs.`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := strconv.ParseUint(args[1], 10, 32)
			if err != nil || n == 0 {
				return usage("%q is no number of a post: the pages and \"listd archive search\" show them", args[1])
			}
			return a.onList(c.Context(), args[0], func(t *site, l lists.List) error {
				p, err := t.lib.Whole(l).Post(c.Context(), lists.Seq(n))
				if err != nil {
					return fmt.Errorf("%s %d: %w", l.Address, n, err)
				}
				if err := a.confirm(yes, fmt.Sprintf("Remove %q by %s for ever?", terminalSafe(p.Subject), terminalSafe(p.Author.String()))); err != nil {
					return err
				}
				var due int
				if err := t.db.Update(c.Context(), func(tx *store.Tx) (err error) {
					due, err = archive.Remove(tx, l, p.Seq, why)
					return err
				}); err != nil {
					return err
				}
				return a.print(object{{"list", l.Address.String()}, {"seq", p.Seq}, {"due", due}}, func(w io.Writer) {
					fmt.Fprintf(w, "post %d of %s is removed\n", p.Seq, l.Address)
					if due > 0 {
						fmt.Fprintf(w, "it is still on its way to members; \"listd queue drop\" stops that\n")
					}
				})
			})
		},
	}
	c.Flags().StringVar(&why, "why", "", "a reason that readers see")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func (a *app) archiveReindex() *cobra.Command {
	return &cobra.Command{
		Use:               "reindex LIST",
		Short:             "Take in the words of a list's posts anew",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			return a.onList(c.Context(), args[0], func(t *site, l lists.List) error {
				x := archive.Indexer{DB: t.db, Log: t.log}
				if err := x.Reindex(c.Context(), l); err != nil {
					return err
				}
				return a.print(object{{"list", l.Address.String()}}, func(w io.Writer) { fmt.Fprintf(w, "%s: done\n", l.Address) })
			})
		},
	}
}

func (a *app) archiveRedirect() *cobra.Command {
	return &cobra.Command{
		Use:   "redirect LIST FILE",
		Short: "Have the addresses of an old web archive lead to the posts here",
		Long: `redirect reads a file with a line for each page of an old archive: its path, a comma, and the Message-ID of the post it
showed, or the number the post has here. Who asks this server for such a path is led to the post. Paths of HyperKitty
need no file: they have the Message-ID in them.`,
		Example: `  /pipermail/pyug/2004-March/001234.html,<200403041200.i24C0abc@mail.example.org>
  /archives/pyug/msg00017.html,17`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			content, err := a.readFile(args[1])
			if err != nil {
				return err
			}
			return a.onList(c.Context(), args[0], func(t *site, l lists.List) error {
				n, err := a.redirect(c.Context(), t, l, args[1], content)
				if err != nil {
					return err
				}
				return a.print(object{{"list", l.Address.String()}, {"pages", n}}, func(w io.Writer) {
					fmt.Fprintf(w, "%s lead to posts of %s\n", count(n, "page", "pages"), l.Address)
				})
			})
		},
	}
}

// redirect reads and keeps a map of pages; one bad line, and nothing is kept.
func (a *app) redirect(ctx context.Context, t *site, l lists.List, name string, content []byte) (int, error) {
	r := csv.NewReader(strings.NewReader(string(content)))
	r.FieldsPerRecord, r.LazyQuotes, r.TrimLeadingSpace = 2, true, true
	rows, err := r.ReadAll()
	if err != nil {
		return 0, fmt.Errorf("%s: %w: want a path, a comma, and a Message-ID or a number, on each line", name, err)
	}
	var all []store.Moved
	var bad []error
	whole := t.lib.Whole(l)
	for i, row := range rows {
		seq, err := postNamed(ctx, whole, row[1])
		if err == nil && (!strings.HasPrefix(row[0], "/") || len(row[0]) > 500) {
			err = errors.New("a path begins with / and has no host")
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: line %d: %w", name, i+1, err))
			continue
		}
		all = append(all, store.Moved{Path: row[0], List: l.ID, Seq: seq})
	}
	if len(bad) > 0 {
		return 0, errors.Join(append(bad[:min(len(bad), 20)], errors.New("nothing was kept: mend the file and try again"))...)
	}
	for chunk := all; len(chunk) > 0; {
		n := min(len(chunk), 500)
		if err := t.db.Update(ctx, func(tx *store.Tx) error { return tx.SetMoved(chunk[:n]) }); err != nil {
			return 0, err
		}
		chunk = chunk[n:]
	}
	return len(all), nil
}

// postNamed is the post of a number or a Message-ID.
func postNamed(ctx context.Context, whole *archive.Archive, name string) (lists.Seq, error) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		p, err := whole.Post(ctx, lists.Seq(n))
		return p.Seq, err
	}
	ids := mail.MessageIDs(name)
	if len(ids) == 0 {
		ids = []string{strings.Trim(name, "<> ")}
	}
	seq, err := whole.ByHash(ctx, archive.Hash(ids[0]))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return seq, nil
}

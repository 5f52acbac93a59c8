package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"listd/config"
	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/roster"
	"listd/smtp"
	"listd/smtp/sink"
)

func (a *app) demoCommand() *cobra.Command {
	var once bool
	var dir string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show a whole site on this machine, without any configuration",
		Long: `demo brings up a site on loopback, in a folder of its own: two lists, their members, and a place where all mail that
leaves is caught. It posts a message by SMTP and shows the copies arriving; then it stays up for you to post your own.

Nothing can reach the world: the ports are the kernel's choice on 127.0.0.1, and all mail goes to the demo's own outbox.
The folder is removed at the end, unless --dir names one.`,
		Example: `  listd demo
  listd demo --once               # for scripts: exits 0 only if every copy arrived as it should
  listd demo --dir /tmp/mysite    # keep the site, to look at or to go on with`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d := &demo{app: a, dir: dir, keep: dir != ""}
			return d.run(c.Context(), once)
		},
	}
	c.Flags().BoolVar(&once, "once", false, "post, check what arrives, and end")
	c.Flags().StringVar(&dir, "dir", "", "keep the site in this folder (default: a temporary one, removed at the end)")
	return c
}

// What the demo's site looks like.
const (
	demoDomain  = "lists.example.org"
	demoMembers = 20
)

var (
	demoAuthor = mail.Address{Local: "organizer", Domain: "example.org"}
	demoList   = mail.Address{Local: "pyug", Domain: demoDomain}
	demoNews   = mail.Address{Local: "pyug-news", Domain: demoDomain}
)

// demo is a site on loopback and the outbox all its mail goes to.
type demo struct {
	*app
	dir    string
	keep   bool
	node   *node
	out    *sink.Sink
	outbox string

	mu      sync.Mutex
	caught  int
	arrived chan sink.Mail
}

func (d *demo) run(ctx context.Context, once bool) (err error) {
	if err := d.open(ctx); err != nil {
		return err
	}
	defer d.cleanUp()
	ctx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- d.node.run(ctx) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ran)
	}()
	if err := d.show(ctx); err != nil || once {
		return err
	}
	d.invite()
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(d.app.out)
			return nil
		case err := <-ran:
			ran <- nil
			return err
		case m := <-d.arrived:
			d.line(m)
		}
	}
}

// open makes the folder, the outbox and the site.
func (d *demo) open(ctx context.Context) (err error) {
	if !d.keep {
		if d.dir, err = os.MkdirTemp("", "listd-demo-"); err != nil {
			return err
		}
	}
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return err
	}
	d.outbox = filepath.Join(d.dir, "outbox")
	if err := os.MkdirAll(d.outbox, 0o755); err != nil {
		return err
	}
	old, err := os.ReadDir(d.outbox)
	if err != nil {
		return err
	}
	d.caught = len(old)
	d.arrived = make(chan sink.Mail, 10*demoMembers)
	d.out = &sink.Sink{Hostname: "outbox.example.org", Keep: d.catch}
	relay, err := d.out.Listen()
	if err != nil {
		return err
	}
	cfg := config.Default()
	cfg.Hostname, cfg.Owner = demoDomain, demoAuthor.String()
	cfg.Database = filepath.Join(d.dir, "listd.db")
	cfg.SMTP.Listen = []string{"127.0.0.1:0"}
	cfg.HTTP.Listen = "127.0.0.1:0"
	cfg.Delivery.Relay, cfg.Delivery.RelayTLS = relay, config.NoTLS
	cfg.Log.Level = config.Warn
	t, err := openSite(ctx, cfg, migrate, d.errs)
	if err != nil {
		return err
	}
	t.door.Auth = nil // it would ask the world's DNS
	if err := d.populate(ctx, t); err != nil {
		return errors.Join(err, t.db.Close())
	}
	if d.node, err = newNode(t); err != nil {
		return errors.Join(err, t.db.Close())
	}
	cfg.SMTP.Listen = []string{d.address()}
	cfg.HTTP.Listen = d.node.pages.Addr().String()
	return os.WriteFile(filepath.Join(d.dir, "listd.toml"), config.Template(cfg), 0o644)
}

func (d *demo) address() string { return d.node.doors[0].Addr().String() }

func (d *demo) cleanUp() {
	d.out.Close()
	d.node.close()
	if !d.keep {
		if err := os.RemoveAll(d.dir); err != nil {
			fmt.Fprintln(d.errs, err)
		}
	}
}

// populate creates the lists; in a folder that has them already they stay as they are.
func (d *demo) populate(ctx context.Context, t *site) error {
	for _, c := range []roster.Creation{
		{Address: demoList, Settings: map[string]string{"title": "Python User Group", "description": "Everything about our meetings",
			"subject_prefix": "[pyug] ", "footer": "{title} -- {address}\nTo leave, write to {leave}"}},
		{Address: demoNews, Settings: map[string]string{"title": "Python User Group News", "kind": "announcement"}},
	} {
		if _, _, err := t.books.Create(ctx, c); err != nil {
			if errors.Is(err, roster.ErrTaken) {
				continue
			}
			return err
		}
		if _, err := t.books.Add(ctx, c.Address, demoRows(), nil); err != nil {
			return err
		}
	}
	return nil
}

func demoRows() []lists.Row {
	rows := []lists.Row{{Address: demoAuthor, Name: "The Organizer", Mode: lists.Each, Roles: lists.Subscriber | lists.Owner}}
	for n := 2; n <= demoMembers; n++ {
		rows = append(rows, lists.Row{Address: mail.Address{Local: fmt.Sprintf("member%02d", n), Domain: "example.net"}, Mode: lists.Each, Roles: lists.Subscriber})
	}
	return rows
}

// catch writes what leaves into the outbox, a file each.
func (d *demo) catch(m sink.Mail) {
	d.mu.Lock()
	d.caught++
	n := d.caught
	d.mu.Unlock()
	name := fmt.Sprintf("%04d-%s.eml", n, strings.Map(fileRune, strings.Join(m.To, "+")))
	head := "Return-Path: <" + m.From + ">\r\nDelivered-To: " + strings.Join(m.To, ", ") + "\r\n"
	if err := os.WriteFile(filepath.Join(d.outbox, name), append([]byte(head), m.Data...), 0o644); err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(d.errs, "listd:", err)
	}
	select {
	case d.arrived <- m:
	default: // nobody looks any more
	}
}

func fileRune(r rune) rune {
	if r == '/' || r < ' ' {
		return '_'
	}
	return r
}

// show posts a message and watches its copies arrive.
func (d *demo) show(ctx context.Context) error {
	fmt.Fprintf(d.app.out, "listd demo: a whole site on this machine, in %s\n\n", d.dir)
	fmt.Fprintf(d.app.out, "  list  %-32s  discussion, %d members\n", demoList, demoMembers)
	fmt.Fprintf(d.app.out, "  list  %-32s  announcements by its owner, %d members\n\n", demoNews, demoMembers)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	start := d.node.db.Now()
	post := demoPost(start)
	began := time.Now()
	reply, err := d.post(ctx, post)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.app.out, "%s posts by SMTP; on disk after %.1f ms:\n  %v\n\n", demoAuthor, since(began), &reply)
	if !reply.OK() {
		return fmt.Errorf("the post was not taken")
	}
	missing := map[string]bool{}
	for _, r := range demoRows() {
		missing[r.Address.String()] = true
	}
	var wrong []string
	for n := 1; len(missing) > 0; {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d copies have not arrived: %w", len(missing), demoMembers, context.Cause(ctx))
		case m := <-d.arrived:
			if !bytes.Contains(m.Data, []byte(demoMessageID(start))) {
				continue // a notice, or what an earlier run of this folder had left to do
			}
			if why := d.check(m, missing); why != "" {
				wrong = append(wrong, why)
			}
			fmt.Fprintf(d.app.out, "%4d  ", n)
			d.line(m)
			n++
			for _, to := range m.To {
				delete(missing, to)
			}
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d copies arrived, but not as they should:\n  %s", demoMembers, strings.Join(wrong, "\n  "))
	}
	fmt.Fprintf(d.app.out, "\nAll %d copies arrived within %.0f ms, each with a return path and a link to leave of its own.\n", demoMembers, since(began))
	return nil
}

func since(t time.Time) float64 { return float64(time.Since(t).Microseconds()) / 1000 }

// check says what is wrong with a copy; empty if it is as it should be.
func (d *demo) check(m sink.Mail, missing map[string]bool) string {
	if len(m.To) != 1 || !missing[m.To[0]] {
		return fmt.Sprintf("an envelope to %v was not expected", m.To)
	}
	to := m.To[0]
	verp, found := strings.CutPrefix(m.From, "pyug-bounces+")
	token, _, _ := strings.Cut(verp, "@")
	_, subscription, ok := d.node.minter.ReadVERP(token)
	if !found || !ok {
		return fmt.Sprintf("%s: the envelope's sender %s carries no token", to, m.From)
	}
	copied, err := mail.Read(bytes.NewReader(m.Data), mail.Limits{}, mail.Strict)
	if err != nil {
		return fmt.Sprintf("%s: %v", to, err)
	}
	leave := d.node.minter.Leave(mail.Address{Local: "pyug-leave", Domain: demoDomain}, subscription)
	for name, want := range map[string]string{
		"From": "The Organizer <" + demoAuthor.String() + ">", "To": demoList.String(), "Subject": "[pyug] Our next meeting",
		"List-Id": "Python User Group <pyug.lists.example.org>", "List-Post": "<mailto:pyug@lists.example.org>",
		"List-Unsubscribe": "<mailto:" + leave.String() + ">", "Precedence": "list",
	} {
		if got := mail.Values(copied.Head, name); len(got) != 1 || got[0] != want {
			return fmt.Sprintf("%s: %s is %q, not %q", to, name, got, want)
		}
	}
	if !bytes.Contains(copied.Body, []byte("To leave, write to pyug-leave@")) {
		return to + ": the footer is missing"
	}
	return ""
}

// line shows one mail that has left.
func (d *demo) line(m sink.Mail) {
	head, _, _ := bytes.Cut(m.Data, []byte("\r\n\r\n"))
	from := m.From
	if from == "" {
		from = "<>"
	}
	fmt.Fprintf(d.app.out, "to %-22s from %-44s %s\n", strings.Join(m.To, ", "), from, mail.DecodeWords(mail.Get(append(head, "\r\n"...), "Subject")))
}

func demoMessageID(now time.Time) string {
	return fmt.Sprintf("<demo.%d@example.org>", now.UnixMilli())
}

// demoPost is what a mail program would send.
func demoPost(now time.Time) []byte {
	text := strings.ReplaceAll(`From: The Organizer <organizer@example.org>
To: pyug@lists.example.org
Subject: Our next meeting
Date: `+now.Format("Mon, 02 Jan 2006 15:04:05 -0700")+`
Message-ID: `+demoMessageID(now)+`
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Hello everybody,

we meet on the second Tuesday of the month, as always. Who would like to
give a talk? Ten minutes are welcome, and so are beginners.

See you there!
`, "\n", "\r\n")
	return []byte(text)
}

// post sends the message over the wire, as any mail program does.
func (d *demo) post(ctx context.Context, raw []byte) (mail.Reply, error) {
	m, err := mail.Read(bytes.NewReader(raw), mail.Limits{}, mail.Strict)
	if err != nil {
		return mail.Reply{}, err
	}
	r := &smtp.Relay{Addr: d.address(), Hostname: "organizer.example.org", Security: smtp.Clear}
	defer r.Close()
	return r.Send(ctx, demoDomain, mail.Envelope{From: demoAuthor, To: []mail.Rcpt{{Address: demoList}}}, m)[0], nil
}

var _ queue.Sender = (*smtp.Relay)(nil)

// invite says how to go on.
func (d *demo) invite() {
	fmt.Fprintf(d.app.out, `Each lies in %s.

The site stays up. Post a message of your own from another terminal, with either of these:

  swaks --server %[2]s --from %[3]s --to %[4]s \
        --header 'Subject: Hello' --body 'My first post'

  printf 'From: %[3]s\nTo: %[4]s\nSubject: Hello\n\nMy first post\n' |
    curl --crlf smtp://%[2]s --mail-from %[3]s --mail-rcpt %[4]s -T -

Or join by mail, as a newcomer would; the question that comes back lies in the outbox:

  swaks --server %[2]s --from newcomer@example.com --to pyug-join@%[6]s --header 'Subject: join' --body join

What the list has said is read at http://%[7]s/l/%[4]s/

The command line works on it, too:

  listd --config %[5]s list show %[4]s
  listd --config %[5]s queue ls

Ctrl-C ends the demo`, d.outbox, d.address(), demoAuthor, demoList, filepath.Join(d.dir, "listd.toml"), demoDomain, d.node.pages.Addr())
	if !d.keep {
		fmt.Fprint(d.app.out, " and removes its folder")
	}
	fmt.Fprint(d.app.out, ".\n\n")
}

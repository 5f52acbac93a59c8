package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/rogpeppe/go-internal/testscript"

	"listd/mail"
)

// provider starts a server with a mailbox, and has listd.toml name it: `provider LINE…`, each a further line of [[mailbox]].
func (w *world) provider(ts *testscript.TestScript, neg bool, args []string) {
	user := imapmemserver.NewUser("group@provider.test", "secret")
	ts.Check(user.Create("INBOX", nil))
	users := imapmemserver.New()
	users.AddUser(user)
	server := imapserver.New(&imapserver.Options{InsecureAuth: true, Logger: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return users.NewSession(), nil, nil
		},
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}, imap.CapMove: {}, imap.CapUIDPlus: {}}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l) // it ends when the story does
	}()
	ts.Defer(func() {
		_ = server.Close()
		<-served
	})
	ts.Setenv("PROVIDER", l.Addr().String())
	ts.Check(os.WriteFile(ts.MkAbs("mailbox.password"), []byte("secret\n"), 0o600))
	f, err := os.OpenFile(ts.MkAbs("listd.toml"), os.O_APPEND|os.O_WRONLY, 0)
	ts.Check(err)
	_, err = fmt.Fprintf(f, "\n[[mailbox]]\nurl = \"imap://%s\"\nuser = \"group@provider.test\"\npassword_file = \"mailbox.password\"\n%s\n",
		l.Addr(), strings.Join(args, "\n"))
	ts.Check(err)
	ts.Check(f.Close())
}

// signedIn is a mail program at the provider.
func (w *world) signedIn(ts *testscript.TestScript) *imapclient.Client {
	c, err := imapclient.DialInsecure(ts.Getenv("PROVIDER"), nil)
	ts.Check(err)
	ts.Check(c.Login("group@provider.test", "secret").Wait())
	return c
}

// deliver puts messages into the provider's mailbox: `deliver FILE…`.
func (w *world) deliver(ts *testscript.TestScript, neg bool, args []string) {
	c := w.signedIn(ts)
	defer c.Close()
	for _, file := range args {
		text := strings.ReplaceAll(ts.ReadFile(file), "\n", "\r\n")
		a := c.Append("INBOX", int64(len(text)), nil)
		_, err := a.Write([]byte(text))
		ts.Check(err)
		ts.Check(a.Close())
		_, err = a.Wait()
		ts.Check(err)
	}
}

// folder prints what is in a folder at the provider: `folder NAME`, a line each, the subject and the flags.
func (w *world) folder(ts *testscript.TestScript, neg bool, args []string) {
	c := w.signedIn(ts)
	defer c.Close()
	d, err := c.Select(args[0], &imap.SelectOptions{ReadOnly: true}).Wait()
	ts.Check(err)
	if d.NumMessages == 0 {
		return
	}
	head := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, Peek: true}
	all, err := c.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{Flags: true, BodySection: []*imap.FetchItemBodySection{head}}).Collect()
	ts.Check(err)
	for _, m := range all {
		words := []string{mail.Get(m.FindBodySection(head), "Subject")}
		for _, f := range m.Flags {
			words = append(words, strings.ToLower(string(f)))
		}
		slices.Sort(words[1:])
		fmt.Fprintln(ts.Stdout(), strings.Join(words, " "))
	}
}

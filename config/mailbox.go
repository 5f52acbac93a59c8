package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Mailbox is a mailbox at a provider that listd fetches mail from by IMAP: one [[mailbox]] of the file.
type Mailbox struct {
	Name         string      `toml:"name"`          // in logs and for `listd mailbox`; "": the user
	URL          string      `toml:"url"`           // imaps://host[:port], or imap://host[:port] for STARTTLS
	User         string      `toml:"user"`          // as the provider knows it
	PasswordFile string      `toml:"password_file"` // see Password
	Folder       string      `toml:"folder"`
	List         string      `toml:"list"`   // what all of it goes to; "": to whom each message was sent
	Plus         string      `toml:"plus"`   // group@provider: group+dev-request@provider is dev-request@domain; "": no such addresses
	Domain       string      `toml:"domain"` // of the lists that plus addresses lead to; "": hostname
	Done         MailboxDone `toml:"done"`
	DoneFolder   string      `toml:"done_folder"` // where MoveDone moves
	Poll         Duration    `toml:"poll"`        // how often to look where the server does not tell of mail
}

// MailboxDone is what becomes of a message in its mailbox when it has been taken.
type MailboxDone string

// The ways to be done with a message.
const (
	FlagDone   MailboxDone = "flag"   // \Seen and the keyword $Listd
	MoveDone   MailboxDone = "move"   // to another folder
	DeleteDone MailboxDone = "delete" // for good
)

// DefaultMailbox is what holds where a [[mailbox]] says nothing.
func DefaultMailbox() Mailbox {
	return Mailbox{Folder: "INBOX", Done: FlagDone, DoneFolder: "listd", Poll: Duration(time.Minute)}
}

// Label is what the mailbox is called: its name, or its user.
func (m Mailbox) Label() string {
	if m.Name != "" {
		return m.Name
	}
	return m.User
}

// Server is where the mailbox is, a host:port, and how one speaks there: TLS from the first byte, in clear text all
// along, since it is on this machine, or with STARTTLS.
func (m Mailbox) Server() (addr string, implicit, clear bool) {
	u, err := url.Parse(m.URL)
	if err != nil {
		return "", false, false // Check says so
	}
	port := u.Port()
	if implicit = u.Scheme == "imaps"; port == "" {
		port = map[bool]string{true: "993", false: "143"}[implicit]
	}
	addr = net.JoinHostPort(u.Hostname(), port)
	return addr, implicit, !implicit && loopback(addr)
}

// Password reads the mailbox's password: the file's content without the line break at its end.
func (m Mailbox) Password() (string, error) { return secret("mailbox.password_file", m.PasswordFile) }

func (i IMAP) check(p *problems, cert bool) {
	listeners := append(slices.Clone(i.Listen), i.TLS...)
	for n, l := range listeners {
		key, example := "imap.listen", ":143"
		if n >= len(i.Listen) {
			key, example = "imap.tls", ":993"
		}
		err := listenable(l, example)
		if err == nil && !strings.HasSuffix(l, ":0") && slices.Contains(listeners[:n], l) {
			err = errors.New("it is listed twice; take one out")
		}
		p.add(key, l, err)
	}
	if len(i.TLS) > 0 && !cert {
		p.say("imap.tls", "TLS needs a certificate; set cert and key in [tls]")
	}
	p.add("imap.max_connections", i.MaxConnections, within(i.MaxConnections, 1, 100_000))
	p.add("imap.max_connections_per_address", i.MaxConnectionsPerAddress, within(i.MaxConnectionsPerAddress, 1, 100_000))
}

// checkMailboxes checks each alone, and that no two are one.
func (c Config) checkMailboxes(p *problems) {
	for i, m := range c.Mailboxes {
		var own problems
		m.check(&own)
		for _, other := range c.Mailboxes[:i] {
			switch a, _, _ := m.Server(); {
			case m.Label() == other.Label() && m.Label() != "":
				own.say("mailbox.name", fmt.Sprintf("another mailbox is called %q, too; give each a name of its own", m.Label()))
			case m.same(other) && a != "":
				own.say("mailbox", "it is there twice; take one out")
			}
		}
		for _, err := range own {
			if len(c.Mailboxes) > 1 {
				err = fmt.Errorf("[[mailbox]] number %d: %w", i+1, err)
			}
			*p = append(*p, err)
		}
	}
}

// same reports whether two are one mailbox.
func (m Mailbox) same(other Mailbox) bool {
	a, _, _ := m.Server()
	b, _, _ := other.Server()
	return strings.EqualFold(a, b) && m.User == other.User && m.Folder == other.Folder
}

func (m Mailbox) check(p *problems) {
	p.say("mailbox.url", mailboxURL(m.URL))
	for _, text := range []struct{ key, value, missing string }{
		{"mailbox.user", m.User, "it is missing; give the name that the provider knows you by"},
		{"mailbox.password_file", m.PasswordFile, "it is missing; write the password into a file of its own and name that"},
		{"mailbox.folder", m.Folder, `it is empty; give a folder, such as "INBOX"`},
		{"mailbox.done_folder", m.DoneFolder, `it is empty; give a folder, such as "listd"`},
		{"mailbox.name", m.Name, ""},
	} {
		switch {
		case text.value == "":
			p.say(text.key, text.missing)
		case len(text.value) > 200 || strings.ContainsFunc(text.value, func(r rune) bool { return r < ' ' || r == 0x7f }):
			p.say(text.key, "take the control characters out; it has 200 bytes at most")
		}
	}
	if m.List != "" {
		p.add("mailbox.list", m.List, address(m.List))
	}
	if m.Plus != "" {
		p.add("mailbox.plus", m.Plus, address(m.Plus))
	}
	if m.Domain != "" {
		p.add("mailbox.domain", m.Domain, domain(m.Domain))
	}
	switch {
	case m.List != "" && m.Plus != "":
		p.say("mailbox.list", "all mail goes to this list, whatever address it was sent to; take plus out, or list")
	case m.Domain != "" && m.Plus == "":
		p.say("mailbox.domain", "it is for plus addresses, and there are none; set plus, or take this out")
	case m.Done == MoveDone && m.Folder == m.DoneFolder:
		p.say("mailbox.done_folder", "it is the folder that is fetched; name another")
	}
	p.add("mailbox.done", m.Done, oneOf(m.Done, FlagDone, MoveDone, DeleteDone))
	p.add("mailbox.poll", m.Poll, within(m.Poll, Duration(5*time.Second), Duration(day)))
}

// mailboxURL says what is wrong with a mailbox's address, never quoting it: people write passwords into URLs.
func mailboxURL(s string) string {
	const want = `want "imaps://imap.example.org", or "imap://imap.example.org" where the server knows STARTTLS only`
	if s == "" {
		return "it is missing; " + want
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "imaps" && u.Scheme != "imap" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return want
	case u.User != nil:
		return "take user and password out of it; they have keys of their own"
	case strings.Trim(u.Path, "/") != "":
		return "take the path out of it; folder names what is fetched"
	}
	if addr, _, _ := (Mailbox{URL: s}).Server(); dialable(addr, "") != nil {
		return want
	}
	return ""
}

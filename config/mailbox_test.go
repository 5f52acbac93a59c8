package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"listd/config"
)

// mailboxes is a configuration that fetches from these, each right but for what change does to it.
func mailboxes(change ...func(*config.Mailbox)) config.Config {
	c := config.Default()
	c.Hostname = "lists.example.org"
	for _, f := range change {
		m := config.DefaultMailbox()
		m.URL, m.User, m.PasswordFile = "imaps://imap.example.org", "group@example.org", "p"
		f(&m)
		c.Mailboxes = append(c.Mailboxes, m)
	}
	return c
}

// says wants an error of these words, or none for none.
func says(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
		t.Errorf("Check:\n%v\nwant\n%s", err, want)
	}
}

func TestMailboxServer(t *testing.T) {
	for _, c := range []struct {
		url, addr       string
		implicit, clear bool
	}{
		{"imaps://imap.example.org", "imap.example.org:993", true, false},
		{"imaps://imap.example.org:9993/", "imap.example.org:9993", true, false},
		{"imap://imap.example.org", "imap.example.org:143", false, false},
		{"imap://[2001:db8::1]:1143", "[2001:db8::1]:1143", false, false},
		{"imap://127.0.0.1:1143", "127.0.0.1:1143", false, true},
		{"imap://localhost", "localhost:143", false, true},
		{"imaps://localhost", "localhost:993", true, false},
	} {
		addr, implicit, clear := config.Mailbox{URL: c.url}.Server()
		if addr != c.addr || implicit != c.implicit || clear != c.clear {
			t.Errorf("%s is %s, %v, %v; want %s, %v, %v", c.url, addr, implicit, clear, c.addr, c.implicit, c.clear)
		}
		says(t, mailboxes(func(m *config.Mailbox) { m.URL = c.url }).Check(), "")
	}
}

func TestCheckMailboxes(t *testing.T) {
	fine := func(*config.Mailbox) {}
	const want = `mailbox.url: want "imaps://imap.example.org", or "imap://imap.example.org" where the server knows STARTTLS only`
	for _, c := range []struct {
		change func(*config.Mailbox)
		want   string
	}{
		{fine, ""},
		{func(m *config.Mailbox) { m.List = "dev@lists.example.org" }, ""},
		{func(m *config.Mailbox) { m.Plus, m.Domain = "group@example.org", "lists.example.com" }, ""},
		{func(m *config.Mailbox) { m.Done, m.Folder = config.MoveDone, "Lists/dev" }, ""},
		{func(m *config.Mailbox) { m.URL = "" },
			`mailbox.url: it is missing; want "imaps://imap.example.org", or "imap://imap.example.org" where the server knows STARTTLS only`},
		{func(m *config.Mailbox) { m.URL = "imap.example.org:993" }, want},
		{func(m *config.Mailbox) { m.URL = "https://imap.example.org" }, want},
		{func(m *config.Mailbox) { m.URL = "imaps://imap.example.org:0" }, want},
		{func(m *config.Mailbox) { m.URL = "imaps://" }, want},
		{func(m *config.Mailbox) { m.URL = "imaps://group:secret@imap.example.org" }, "mailbox.url: take user and password out of it; they have keys of their own"},
		{func(m *config.Mailbox) { m.URL = "imaps://imap.example.org/INBOX" }, "mailbox.url: take the path out of it; folder names what is fetched"},
		{func(m *config.Mailbox) { m.User = "" }, "mailbox.user: it is missing; give the name that the provider knows you by"},
		{func(m *config.Mailbox) { m.User = "a\r\nb" }, "mailbox.user: take the control characters out; it has 200 bytes at most"},
		{func(m *config.Mailbox) { m.PasswordFile = "" }, "mailbox.password_file: it is missing; write the password into a file of its own and name that"},
		{func(m *config.Mailbox) { m.Folder = "" }, `mailbox.folder: it is empty; give a folder, such as "INBOX"`},
		{func(m *config.Mailbox) { m.List = "dev" }, `mailbox.list = "dev": want one address, such as admin@example.org`},
		{func(m *config.Mailbox) { m.List, m.Plus = "dev@a.b", "group@example.org" },
			"mailbox.list: all mail goes to this list, whatever address it was sent to; take plus out, or list"},
		{func(m *config.Mailbox) { m.Domain = "a.b" }, "mailbox.domain: it is for plus addresses, and there are none; set plus, or take this out"},
		{func(m *config.Mailbox) { m.Done, m.DoneFolder = config.MoveDone, "INBOX" }, "mailbox.done_folder: it is the folder that is fetched; name another"},
		{func(m *config.Mailbox) { m.Done = "keep" }, `mailbox.done = "keep": want "flag", "move" or "delete"`},
		{func(m *config.Mailbox) { m.Poll = 0 }, `mailbox.poll = "0s": want 5s to 1d`},
	} {
		says(t, mailboxes(c.change).Check(), c.want)
	}
	for _, c := range []struct {
		second func(*config.Mailbox)
		want   string
	}{
		{func(m *config.Mailbox) { m.Name, m.Folder = "other", "Lists" }, ""},
		{func(m *config.Mailbox) { m.Folder = "Lists" },
			`[[mailbox]] number 2: mailbox.name: another mailbox is called "group@example.org", too; give each a name of its own`},
		{func(m *config.Mailbox) { m.Name, m.URL = "other", "imaps://IMAP.example.org:993" }, `[[mailbox]] number 2: mailbox: it is there twice; take one out`},
	} {
		says(t, mailboxes(fine, c.second).Check(), c.want)
	}
}

func TestCheckIMAP(t *testing.T) {
	for _, c := range []struct {
		imap config.IMAP
		want string
	}{
		{config.IMAP{Listen: []string{":143"}, MaxConnections: 1, MaxConnectionsPerAddress: 1}, ""},
		{config.IMAP{Listen: []string{"143"}, MaxConnections: 1, MaxConnectionsPerAddress: 1},
			`imap.listen = "143": want an address and a port's number, such as :143 or [::1]:2525`},
		{config.IMAP{TLS: []string{":993"}, MaxConnections: 1, MaxConnectionsPerAddress: 1}, `imap.tls: TLS needs a certificate; set cert and key in [tls]`},
		{config.IMAP{Listen: []string{":143", ":143"}, MaxConnections: 1, MaxConnectionsPerAddress: 1}, `imap.listen = ":143": it is listed twice; take one out`},
		{config.IMAP{MaxConnectionsPerAddress: 1}, `imap.max_connections = 0: want 1 to 100000`},
	} {
		conf := mailboxes()
		conf.IMAP = c.imap
		says(t, conf.Check(), c.want)
	}
}

func TestMailboxPassword(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "listd.toml"), "hostname = 'lists.test'\n[[mailbox]]\nurl = 'imaps://a.test'\nuser = 'u'\npassword_file = 'secret'\n")
	write(t, filepath.Join(dir, "secret"), "hush\n")
	c, err := config.Load(filepath.Join(dir, "listd.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := c.Mailboxes[0].Password(); p != "hush" || err != nil {
		t.Errorf("Password = %q, %v", p, err)
	}
	if err := os.Remove(filepath.Join(dir, "secret")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Mailboxes[0].Password(); err == nil {
		t.Error("a missing file has a password")
	}
}

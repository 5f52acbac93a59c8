package config_test

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"listd/config"
)

func TestParseOfNothingIsDefault(t *testing.T) {
	for _, text := range []string{"", "\n# only words\r\n", "\xef\xbb\xbf# with a byte order mark\n", "[smtp]\n[log]\n"} {
		c, err := config.Parse([]byte(text))
		if err != nil || !reflect.DeepEqual(c, config.Default()) {
			t.Errorf("Parse(%q) = %+v, %v; want the default", text, c, err)
		}
	}
}

func TestParse(t *testing.T) {
	// Every way in which TOML can write the same.
	want := config.Default()
	want.Hostname = "lists.test"
	want.SMTP.Listen = []string{"127.0.0.1:2525", "[::1]:2525"}
	want.Delivery.Workers = 3
	for _, text := range []string{
		"hostname = \"lists.test\"\n[smtp]\nlisten = [\"127.0.0.1:2525\", \"[::1]:2525\"]\n[delivery]\nworkers = 3\n",
		"\"hostname\" = 'lists.test'\r\nsmtp.listen = [\r\n  \"127.0.0.1:2525\", # one\r\n\r\n  \"[::1]:2525\",\r\n]\r\ndelivery.workers=3",
		"delivery = { workers = 3 }\nsmtp = {listen = ['127.0.0.1:2525', '[::1]:2525']}\nhostname = \"\"\"\nlists.test\"\"\"\n",
		"hostname = 'lists.test.'\n [ delivery ] # [smtp]\n workers = 3\n\t[smtp]\nlisten = ['127.0.0.1:2525', '[::1]:2525']\n[log]\n[http]\nurl = ''\n[dns]\n" +
			"resolver = '''\n'''\n[tls]\n#\n[delivery.x]\n",
	} {
		c, err := config.Parse([]byte(text))
		if strings.Contains(text, "delivery.x") {
			if err == nil || err.Error() != "line 14: unknown key delivery.x; take it out; the nearest that listd knows is delivery.port" {
				t.Errorf("Parse(%q): %v", text, err)
			}
			err = nil
		}
		if err != nil || !reflect.DeepEqual(c, want) {
			t.Errorf("Parse(%q) =\n%+v, %v; want\n%+v", text, c, err, want)
		}
	}
}

func TestParseMailboxes(t *testing.T) {
	first, second := config.DefaultMailbox(), config.DefaultMailbox()
	first.URL, first.Poll = "imaps://a.test", config.Duration(5*60e9)
	second.URL, second.Plus, second.Domain = "imap://b.test", "g@b.test", "lists.test"
	c, err := config.Parse([]byte("[[mailbox]] # one\nurl = 'imaps://a.test'\npoll = '5m'\n\n[smtp]\nmax_errors = 3\n[[ \"mailbox\" ]]\n" +
		"url = \"\"\"\nimap://b.test\"\"\"\nplus = 'g@b.test'\ndomain = 'Lists.Test.'\n[[mailbox]]\n"))
	if want := []config.Mailbox{first, second, config.DefaultMailbox()}; err != nil || !reflect.DeepEqual(c.Mailboxes, want) || c.SMTP.MaxErrors != 3 {
		t.Errorf("Parse: %+v, %v; want %+v", c.Mailboxes, err, want)
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`hostnam = "a.b"`, `line 1: unknown key hostnam; did you mean hostname?`},
		{`Hostname = "a.b"`, `line 1: unknown key Hostname; did you mean hostname?`},
		{"\n# x\nworkers = 3", `line 3: unknown key workers; did you mean delivery.workers?`},
		{"[delivery]\n\nmax_recipients = 3", `line 3: unknown key delivery.max_recipients; did you mean smtp.max_recipients?`},
		{"[smtp]\nlisten = [\n':25',\n]\nsize = 3", `line 5: unknown key smtp.size; take it out; the nearest that listd knows is smtp.listen`},
		{"[imapd]\nlisten = []\ntls = []", `line 1: unknown key imapd; did you mean imap?`},
		{"[backup]\nurl = ''\nevery = ''", `line 1: unknown key backup; take it out; the nearest that listd knows is http`},
		{"backup = { a.b = 1, a.c = 2 }", `line 1: unknown key backup; take it out; the nearest that listd knows is http`},
		{"[[mailbox]]\nurl = ''\n[[mailbox]]\nuser = ''\nusr = ''", `line 5: unknown key mailbox.usr; did you mean mailbox.user?`},
		{"[[mailbox]]\nhostname = ''", `line 2: unknown key mailbox.hostname; did you mean hostname?`},
		{"[[mailbox]]\nfolder = 3\n", `line 2: mailbox.folder: want a text in quotes`},
		{"[[mailbox]]\nfolder = ''\npoll = 60\n",
			`line 3: mailbox.poll: "60": want a time such as 90s, 5m, 12h or 5d, at most ten years`},
		{"[mailbox]\nurl = ''", "line 1: mailbox: want a table for each: write [[mailbox]] on a line of its own, its keys below\nline 2: mailbox: want a table for each: write [[mailbox]] on a line of its own, its keys below"},
		{"mailbox = [{ url = '' }]", `line 1: mailbox: want a table for each: write [[mailbox]] on a line of its own, its keys below`},
		{"mailbox.url = ''", `line 1: mailbox: want a table for each: write [[mailbox]] on a line of its own, its keys below`},
		{"[[mailboxes]]\nurl = ''", `line 1: unknown key mailboxes; did you mean mailbox?`},
		{"[[mailbox]]\n[mailbox.x]\ny = 1", `line 2: unknown key mailbox.x; take it out; the nearest that listd knows is mailbox.url`},
		{"smtp = { listen = [], listne = [] }", `line 1: unknown key smtp.listne; did you mean smtp.listen?`},
		{"x = '''\n[smtp]\nlisten = 3\n'''\n[dns]\nresolve = ''",
			"line 1: unknown key x; take it out; the nearest that listd knows is dns\n" +
				"line 6: unknown key dns.resolve; did you mean dns.resolver?"},
		{"hostname = 3", `line 1: hostname: want a text in quotes`},
		{"[smtp]\nmax_errors = \"3\"", `line 2: smtp.max_errors: want a whole number without quotes, such as 10`},
		{"[smtp]\nmax_errors = 3.5", `line 2: smtp.max_errors: want a whole number without quotes, such as 10`},
		{"[smtp]\nlisten = \":25\"", `line 2: smtp.listen: want a list of texts in quotes, such as ["127.0.0.1:2525"]`},
		{"[smtp]\nlisten = [25]", `line 2: smtp.listen: want a list of texts in quotes, such as ["127.0.0.1:2525"]`},
		{"[smtp]\nmemory = []", `line 2: smtp.memory: want a text such as "128MiB"`},
		{"[delivery]\ngive_up_after = []", `line 2: delivery.give_up_after: want a text such as "5d"`},
		{"[delivery]\nallow_private = \"yes\"", `line 2: delivery.allow_private: want true or false, without quotes`},
		{"smtp = 3", `line 1: smtp: want a table: write [smtp] on a line of its own, its keys below`},
		{"[[smtp]]", `line 1: smtp: want a table: write [smtp] on a line of its own, its keys below`},
		{"[smtp]\nmax_message_size = \"25 apples\"",
			`line 2: smtp.max_message_size: "25 apples": want a size such as 500KiB or 25MiB, at most 1024GiB`},
		{"[smtp]\ncommand_timeout = 300",
			`line 2: smtp.command_timeout: "300": want a time such as 90s, 5m, 12h or 5d, at most ten years`},
		{"owner = 'a'\nowner = 'b'", `line 2: Key 'owner' has already been defined.`},
		{"[smtp]\n[smtp]", `line 2: Key 'smtp' has already been defined.`},
		{strings.Repeat("#", 70_000), `this is no configuration of listd: it is longer than 64KiB`},
		{"[smtp]\nlisten = [" + strings.Repeat("\n", 300) + "]", `line 2: a value has at most 200 lines`},
	} {
		_, err := config.Parse([]byte(c.text))
		if err == nil || err.Error() != c.want {
			t.Errorf("Parse(%.60q):\n%v\nwant\n%s", c.text, err, c.want)
		}
	}
}

// FuzzParse: any bytes are a configuration or an error in words; what was parsed survives being written and read again.
func FuzzParse(f *testing.F) {
	c := config.Default()
	c.Hostname = "lists.test"
	f.Add(config.Template(c))
	for _, seed := range []string{
		"", "hostname = 'a.b'\r\n", "smtp = {listen = []}", "[smtp]\nlisten = [\n':25',\n]", "x = '''\n[smtp]\n'''", "[[a.b]]\n[a.b.c]",
		"\"\" = 1", "'a.b' = 1", "[delivery]\ngive_up_after = '1d2h'", "[smtp]\nmemory = 1e3", "owner = \"\\u0000\\u001b\"", "a.b.c = 1", "[",
		"[[mailbox]]\nurl = 'imaps://a.test'\n[[mailbox]]\npoll = '2m'\n[imap]\ntls = [':993']", "mailbox = []", "[mailbox]", "[[mailbox]]\n[[mailbox.x]]",
		"[log]\nlevel = \"\"\"\\\n  debug\"\"\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := config.Parse(b)
		_ = c.Check()
		if err != nil {
			if !utf8.ValidString(err.Error()) {
				t.Errorf("an error that cannot be shown: %q", err)
			}
			return
		}
		text := config.Template(c)
		again, err := config.Parse(text)
		if err != nil || !reflect.DeepEqual(c, again) {
			t.Errorf("%q was read as\n%+v, written as\n%s and read again as\n%+v, %v", b, c, text, again, err)
		}
	})
}

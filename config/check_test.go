package config_test

import (
	"strings"
	"testing"

	"listd/config"
)

func TestCheckAccepts(t *testing.T) {
	for name, change := range map[string]func(*config.Config){
		"the default and a hostname": func(*config.Config) {},
		"one machine alone":          func(c *config.Config) { c.Hostname = "localhost" },
		"PostgreSQL by TCP": func(c *config.Config) {
			c.Database = "postgres://listd:p%40ss@db.example.org:5433/listd?sslmode=require"
		},
		"PostgreSQL by its socket": func(c *config.Config) { c.Database = "postgresql:///listd?host=/run/postgresql" },
		"a path of a database":     func(c *config.Config) { c.Database = "/var/lib/listd/my lists.db" },
		"no door":                  func(c *config.Config) { c.SMTP.Listen = nil },
		"several doors": func(c *config.Config) {
			c.SMTP.Listen = []string{"127.0.0.1:0", "127.0.0.1:0", "[::1]:25"}
			c.SMTP.LMTP = []string{"localhost:24", "unix:/run/lmtp.sock"}
		},
		"a relay with a password": func(c *config.Config) {
			c.Delivery.Relay, c.Delivery.RelayTLS = "smtp.example.org:465", config.Implicit
			c.Delivery.RelayUser, c.Delivery.RelayPasswordFile = "u", "f"
		},
		"a relay on this machine with a password": func(c *config.Config) {
			c.Delivery.Relay, c.Delivery.RelayTLS = "[::1]:587", config.NoTLS
			c.Delivery.RelayUser, c.Delivery.RelayPasswordFile = "u", "f"
		},
		"an owner with letters of their own": func(c *config.Config) { c.Owner = "jörg@exämple.org" },
		"an address to dial from":            func(c *config.Config) { c.Delivery.LocalAddress = "2001:db8::1" },
		"a resolver":                         func(c *config.Config) { c.DNS.Resolver = "[::1]:53" },
		"a certificate":                      func(c *config.Config) { c.TLS = config.TLS{Cert: "c", Key: "k"} },
	} {
		c := config.Default()
		c.Hostname = "lists.example.org"
		change(&c)
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	listen := func(a ...string) func(*config.Config) { return func(c *config.Config) { c.SMTP.Listen = a } }
	lmtp := func(a ...string) func(*config.Config) { return func(c *config.Config) { c.SMTP.LMTP = a } }
	host := func(h string) func(*config.Config) { return func(c *config.Config) { c.Hostname = h } }
	database := func(d string) func(*config.Config) { return func(c *config.Config) { c.Database = d } }
	delivery := func(d config.Delivery) func(*config.Config) {
		return func(c *config.Config) {
			c.Delivery.Relay, c.Delivery.RelayUser, c.Delivery.RelayPasswordFile = d.Relay, d.RelayUser, d.RelayPasswordFile
			c.Delivery.RelayTLS = d.RelayTLS
		}
	}
	for _, c := range []struct {
		change func(*config.Config)
		want   string
	}{
		{host(""), `hostname: it is missing; give the name of this server, as in hostname = "lists.example.org"`},
		{host("mailhost"), `hostname = "mailhost": want the whole name with its domain, such as lists.example.org`},
		{host("192.0.2.1"), `hostname = "192.0.2.1": want a name, not an IP address`},
		{host("exämple.org"), `hostname = "exämple.org": write a name with letters beyond a to z in its xn-- form`},
		{host("a b.org"), `hostname = "a b.org": a name has letters, digits, hyphens and dots alone`},
		{host("a.b\r\nX: y"), `hostname = "a.b\r\nX: y": a name has letters, digits, hyphens and dots alone`},
		{host("-a.org"), `hostname = "-a.org": between the dots of a name stand 1 to 63 characters, with no hyphen at either end`},
		{host("a..org"), `hostname = "a..org": between the dots of a name stand 1 to 63 characters, with no hyphen at either end`},
		{func(c *config.Config) { c.Owner = "admin" }, `owner = "admin": want one address, such as admin@example.org`},
		{func(c *config.Config) { c.Owner = "a@b.org, c@d.org" }, `owner = "a@b.org, c@d.org": want one address, such as admin@example.org`},
		{database(" "), `database: it is empty; give a file, such as "listd.db", or "postgres://user@host/listd"`},
		{database("mysql://u:secret@h/d"), `database: listd knows SQLite and PostgreSQL; give a file's path, or postgres://user@host/listd`},
		{database("postgres://u:sec#ret/@h:x/d"), `database: this postgres:// address cannot be read; in a password, write @ as %40, / as %2F, # as %23 and % as %25`},
		{database("postgres://u:secret@h"), `database: name the database behind the host, as in postgres://user@host/listd`},
		{database("host=h dbname=d"), `database: write PostgreSQL's place as postgres://user@host/listd`},
		{database("file:a.db?mode=ro"), `database: give the path of a file alone, such as "listd.db"`},
		{database(":memory:"), `database: give the path of a file alone, such as "listd.db"`},
		{listen("25"), `smtp.listen = "25": want an address and a port's number, such as :25 or [::1]:2525`},
		{listen(":smtp"), `smtp.listen = ":smtp": want an address and a port's number, such as :25 or [::1]:2525`},
		{listen(":70000"), `smtp.listen = ":70000": want an address and a port's number, such as :25 or [::1]:2525`},
		{listen("::1:25"), `smtp.listen = "::1:25": want an address and a port's number, such as :25 or [::1]:2525`},
		{listen(":25", ":25"), `smtp.listen = ":25": it is listed twice; take one out`},
		{lmtp("127.0.0.1:25"), `smtp.lmtp = "127.0.0.1:25": port 25 is SMTP's alone (RFC 2033 section 5); take 24`},
		{lmtp("unix:"), `smtp.lmtp = "unix:": write the socket's path behind unix:, as in unix:/run/listd/lmtp.sock`},
		{lmtp("/run/lmtp.sock"), `smtp.lmtp = "/run/lmtp.sock": want an address and a port's number, such as 127.0.0.1:24 or [::1]:2525`},
		{func(c *config.Config) { c.SMTP.Memory = 1 << 20 }, `smtp.memory = "1MiB": one message of max_message_size must fit; give it at least 25MiB`},
		{func(c *config.Config) { c.SMTP.MaxMessageSize = 0 }, `smtp.max_message_size = "0": want 1KiB to 1GiB`},
		{func(c *config.Config) { c.SMTP.MaxRecipients = -1 }, `smtp.max_recipients = -1: want 1 to 100000`},
		{func(c *config.Config) { c.SMTP.CommandTimeout = 0 }, `smtp.command_timeout = "0s": want 1s to 1d`},
		{func(c *config.Config) { c.Delivery.Workers = 0 }, `delivery.workers = 0: want 1 to 1000`},
		{func(c *config.Config) { c.Delivery.Port = 65536 }, `delivery.port = 65536: want 1 to 65535`},
		{func(c *config.Config) { c.Delivery.LocalAddress = "0.0.0.0" },
			`delivery.local_address = "0.0.0.0": want an IP address of this machine, such as 192.0.2.1; empty lets the system choose`},
		{delivery(config.Delivery{Relay: "smtp.example.org", RelayTLS: config.Opportunistic}),
			`delivery.relay = "smtp.example.org": want a host and a port's number, such as smtp.example.org:587`},
		{delivery(config.Delivery{Relay: ":25", RelayTLS: config.Opportunistic}),
			`delivery.relay = ":25": want a host and a port's number, such as smtp.example.org:587`},
		{delivery(config.Delivery{Relay: "h:25", RelayTLS: "always"}),
			`delivery.relay_tls = "always": want "opportunistic", "required", "implicit" or "none"`},
		{delivery(config.Delivery{RelayTLS: config.Required}),
			`delivery.relay_tls = "required": it holds for the relay alone, and there is none; set relay, or take this out`},
		{delivery(config.Delivery{Relay: "h:25", RelayUser: "u", RelayTLS: config.Required}),
			`delivery: relay_user and relay_password_file belong together; give both, or neither`},
		{delivery(config.Delivery{RelayUser: "u", RelayPasswordFile: "f", RelayTLS: config.Opportunistic}),
			`delivery.relay_user: there is no relay to sign in to; set relay, or take this out`},
		{delivery(config.Delivery{Relay: "h:25", RelayUser: "u", RelayPasswordFile: "f", RelayTLS: config.Opportunistic}),
			`delivery.relay_user: the password could be read on the way; set relay_tls = "required", or "implicit" for port 465`},
		{func(c *config.Config) { c.DNS.Resolver = "127.0.0.1" }, `dns.resolver = "127.0.0.1": want a host and a port's number, such as 127.0.0.1:53`},
		{func(c *config.Config) { c.HTTP.Listen = "8080" },
			`http.listen = "8080": want an address and a port's number, such as 127.0.0.1:8080 or [::1]:2525`},
		{func(c *config.Config) { c.HTTP.URL = "lists.example.org" },
			`http.url = "lists.example.org": want an address such as "https://lists.example.org", without a slash at its end`},
		{func(c *config.Config) { c.TLS.Cert = "c" }, `tls: cert and key belong together; give both, or neither`},
		{func(c *config.Config) { c.Log.Level = "loud" }, `log.level = "loud": want "debug", "info", "warn" or "error"`},
		{func(c *config.Config) { c.Log.Format = "xml" }, `log.format = "xml": want "text" or "json"`},
	} {
		given := config.Default()
		given.Hostname = "lists.example.org"
		c.change(&given)
		err := given.Check()
		if err == nil || err.Error() != c.want {
			t.Errorf("Check:\n%v\nwant\n%s", err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("an error shows a password: %v", err)
		}
	}
}

func TestCheckTellsEverything(t *testing.T) {
	err := config.Config{}.Check()
	for _, key := range []string{"hostname", "database", "smtp.max_message_size", "smtp.max_errors", "delivery.workers", "delivery.relay_tls", "log.level"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("the error of an empty configuration lacks %s: %v", key, err)
		}
	}
}

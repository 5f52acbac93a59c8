package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Check returns all that is wrong with c, joined; each line names the key and says what to do. It opens no file.
func (c Config) Check() error {
	var p problems
	c.checkSite(&p)
	c.SMTP.check(&p)
	c.Delivery.check(&p)
	if r := c.DNS.Resolver; r != "" {
		p.add("dns.resolver", r, dialable(r, "127.0.0.1:53"))
	}
	if l := c.HTTP.Listen; l != "" {
		p.add("http.listen", l, listenable(l, "127.0.0.1:8080"))
	}
	if u := c.HTTP.URL; u != "" {
		p.add("http.url", u, webAddress(u))
	}
	c.IMAP.check(&p, c.TLS.Cert != "")
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		p.say("tls", "cert and key belong together; give both, or neither")
	}
	p.add("log.level", c.Log.Level, oneOf(c.Log.Level, Debug, Info, Warn, Error))
	p.add("log.format", c.Log.Format, oneOf(c.Log.Format, Text, JSON))
	c.checkMailboxes(&p)
	return errors.Join(p...)
}

func (c Config) checkSite(p *problems) {
	if c.Hostname == "" {
		p.say("hostname", `it is missing; give the name of this server, as in hostname = "lists.example.org"`)
	} else {
		p.add("hostname", c.Hostname, domain(c.Hostname))
	}
	if c.Owner != "" {
		p.add("owner", c.Owner, address(c.Owner))
	}
	p.say("database", databaseProblem(c.Database)) // without the value: it may hold a password
}

func (s SMTP) check(p *problems) {
	listeners := append(slices.Clone(s.Listen), s.LMTP...)
	for i, l := range listeners {
		key, err := "smtp.listen", error(nil)
		switch path, unix := strings.CutPrefix(l, unixPrefix); {
		case i < len(s.Listen):
			err = listenable(l, ":25")
		case unix && path == "":
			key, err = "smtp.lmtp", errors.New("write the socket's path behind unix:, as in unix:/run/listd/lmtp.sock")
		case !unix:
			key, err = "smtp.lmtp", listenable(l, "127.0.0.1:24")
			if err == nil && strings.HasSuffix(l, ":25") {
				err = errors.New("port 25 is SMTP's alone (RFC 2033 section 5); take 24")
			}
		}
		if err == nil && !strings.HasSuffix(l, ":0") && slices.Contains(listeners[:i], l) {
			err = errors.New("it is listed twice; take one out")
		}
		p.add(key, l, err)
	}
	p.add("smtp.max_message_size", s.MaxMessageSize, within(s.MaxMessageSize, 1<<10, 1<<30))
	p.add("smtp.max_recipients", s.MaxRecipients, within(s.MaxRecipients, 1, 100_000))
	p.add("smtp.max_connections", s.MaxConnections, within(s.MaxConnections, 1, 100_000))
	p.add("smtp.max_connections_per_address", s.MaxConnectionsPerAddress, within(s.MaxConnectionsPerAddress, 1, 100_000))
	p.add("smtp.max_errors", s.MaxErrors, within(s.MaxErrors, 1, 1000))
	p.add("smtp.command_timeout", s.CommandTimeout, within(s.CommandTimeout, Duration(time.Second), Duration(day)))
	p.add("smtp.data_timeout", s.DataTimeout, within(s.DataTimeout, Duration(time.Second), Duration(day)))
	if s.Memory < s.MaxMessageSize {
		p.add("smtp.memory", s.Memory,
			fmt.Errorf("one message of max_message_size must fit; give it at least %v", s.MaxMessageSize))
	}
}

func (d Delivery) check(p *problems) {
	if d.Relay != "" {
		p.add("delivery.relay", d.Relay, dialable(d.Relay, "smtp.example.org:587"))
	}
	d.checkRelay(p)
	p.add("delivery.workers", d.Workers, within(d.Workers, 1, 1000))
	p.add("delivery.port", d.Port, within(d.Port, 1, 65535))
	p.add("delivery.per_destination", d.PerDestination, within(d.PerDestination, 1, 1000))
	p.add("delivery.give_up_after", d.GiveUpAfter, within(d.GiveUpAfter, Duration(time.Minute), Duration(30*day)))
	p.add("delivery.log_days", d.LogDays, within(d.LogDays, 1, 3650))
	if l := d.LocalAddress; l != "" {
		if ip, err := netip.ParseAddr(l); err != nil || ip.IsUnspecified() || ip.IsMulticast() {
			p.add("delivery.local_address", l, errors.New("want an IP address of this machine, such as 192.0.2.1; empty lets the system choose"))
		}
	}
}

// checkRelay holds the relay's keys against each other.
func (d Delivery) checkRelay(p *problems) {
	err := oneOf(d.RelayTLS, Opportunistic, Required, Implicit, NoTLS)
	if err == nil && d.Relay == "" && d.RelayTLS != Opportunistic {
		err = errors.New("it holds for the relay alone, and there is none; set relay, or take this out")
	}
	p.add("delivery.relay_tls", d.RelayTLS, err)
	if (d.RelayUser == "") != (d.RelayPasswordFile == "") {
		p.say("delivery", "relay_user and relay_password_file belong together; give both, or neither")
	}
	if d.RelayUser == "" {
		return
	}
	switch {
	case d.Relay == "":
		p.say("delivery.relay_user", "there is no relay to sign in to; set relay, or take this out")
	case strings.ContainsFunc(d.RelayUser, func(r rune) bool { return r < ' ' || r == 0x7f }):
		p.say("delivery.relay_user", "take the control characters out")
	case d.RelayTLS != Required && d.RelayTLS != Implicit && !loopback(d.Relay):
		p.say("delivery.relay_user", `the password could be read on the way; set relay_tls = "required", or "implicit" for port 465`)
	}
}

// webAddress checks how the world reaches the pages: links in mail are built on it.
func webAddress(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
		strings.HasSuffix(s, "/") {
		return errors.New(`want an address such as "https://lists.example.org", without a slash at its end`)
	}
	return nil
}

// problems gathers what is wrong, so that one run tells all of it.
type problems []error

// add adds err, if there is one, with the key and the value that it is about.
func (p *problems) add(key string, value any, err error) {
	if err == nil {
		return
	}
	if _, number := value.(int); number {
		*p = append(*p, fmt.Errorf("%s = %d: %w", key, value, err))
		return
	}
	*p = append(*p, fmt.Errorf("%s = %q: %w", key, fmt.Sprint(value), err))
}

// say adds a reason, if there is one, that shows no value.
func (p *problems) say(key, reason string) {
	if reason != "" {
		*p = append(*p, fmt.Errorf("%s: %s", key, reason))
	}
}

func within[N ~int | ~int64](n, least, most N) error {
	if n >= least && n <= most {
		return nil
	}
	return fmt.Errorf("want %v to %v", least, most)
}

func oneOf[S ~string](s S, words ...S) error {
	if slices.Contains(words, s) {
		return nil
	}
	var list strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			list.WriteString(" or ")
		case i > 0:
			list.WriteString(", ")
		}
		fmt.Fprintf(&list, "%q", string(w))
	}
	return fmt.Errorf("want %s", list.String())
}

// databaseProblem says what is wrong with a database's name, never quoting it.
func databaseProblem(name string) string {
	scheme, _, isURL := strings.Cut(name, "://")
	switch {
	case strings.TrimSpace(name) == "":
		return `it is empty; give a file, such as "listd.db", or "postgres://user@host/listd"`
	case strings.ContainsRune(name, 0):
		return "take the NUL out"
	case isURL && scheme != "postgres" && scheme != "postgresql":
		return "listd knows SQLite and PostgreSQL; give a file's path, or postgres://user@host/listd"
	case isURL:
		u, err := url.Parse(name)
		if err != nil {
			return "this postgres:// address cannot be read; in a password, write @ as %40, / as %2F, # as %23 and % as %25"
		}
		if strings.Trim(u.Path, "/") == "" && !u.Query().Has("dbname") {
			return "name the database behind the host, as in postgres://user@host/listd"
		}
	case strings.HasPrefix(name, "host=") || strings.Contains(name, "dbname="):
		return "write PostgreSQL's place as postgres://user@host/listd"
	case strings.HasPrefix(name, "file:") || strings.HasPrefix(name, ":memory:"):
		return `give the path of a file alone, such as "listd.db"`
	}
	return ""
}

// domain checks a host name with a domain: letters, digits and hyphens (RFC 1123 section 2.1).
func domain(name string) error {
	if name == "localhost" {
		return nil // for a try on one machine
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return errors.New("want a name, not an IP address")
	}
	labels := strings.Split(name, ".")
	if len(labels) < 2 {
		return errors.New("want the whole name with its domain, such as lists.example.org")
	}
	if len(name) > 253 {
		return errors.New("a name has at most 253 characters")
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return errors.New("between the dots of a name stand 1 to 63 characters, with no hyphen at either end")
		}
		for _, r := range l {
			switch {
			case r > 0x7f:
				return errors.New("write a name with letters beyond a to z in its xn-- form")
			case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			default:
				return errors.New("a name has letters, digits, hyphens and dots alone")
			}
		}
	}
	return nil
}

// address checks the look of a mail address; package mail, which config must not know, reads it in earnest.
func address(a string) error {
	at := strings.LastIndexByte(a, '@')
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("<>,;", r) }
	if at < 1 || at == len(a)-1 || strings.ContainsFunc(a, bad) {
		return errors.New("want one address, such as admin@example.org")
	}
	return nil
}

// listenable checks host:port, where the host may be empty and the port 0 for one of the system's choice.
func listenable(addr, example string) error {
	_, port, err := net.SplitHostPort(addr)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("want an address and a port's number, such as %s or [::1]:2525", example)
	}
	return nil
}

// dialable checks host:port.
func dialable(addr, example string) error {
	host, port, err := net.SplitHostPort(addr)
	n, e := strconv.ParseUint(port, 10, 16)
	if err != nil || e != nil || n == 0 || host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("want a host and a port's number, such as %s", example)
	}
	return nil
}

// loopback reports whether what is said to addr, a host:port, stays on this machine.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Package config is listd's configuration: one documented struct, its defaults, and what is wrong with a given one.
// Enter with Find and Load; `listd init` writes Template. Only cmd/listd reads it: the rooms are given values.
//
// The text is TOML, and listd.toml beside this file is what a newcomer gets, every key with its default in plain words.
// A key that does not exist is an error, since a misspelt limit that is silently ignored is worse than none.
package config

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Config is everything that can be configured for one node. Nodes that share a database may differ in it.
type Config struct {
	Hostname string   `toml:"hostname"` // this server's name: EHLO, Received, Message-ID; a domain of its own
	Owner    string   `toml:"owner"`    // the site's owner: postmaster@, abuse@, alarms; "": nobody yet
	Database string   `toml:"database"` // a SQLite file's path, or postgres://…
	SMTP     SMTP     `toml:"smtp"`
	Delivery Delivery `toml:"delivery"`
	DNS      DNS      `toml:"dns"`
	Feeds    Feeds    `toml:"feeds"`
	HTTP     HTTP     `toml:"http"`
	IMAP     IMAP     `toml:"imap"`
	TLS      TLS      `toml:"tls"`
	Log      Log      `toml:"log"`

	Mailboxes []Mailbox `toml:"mailbox"`
}

// SMTP is the door through which mail comes in, and its limits.
type SMTP struct {
	Listen []string `toml:"listen"` // host:port each; none: the door is shut
	LMTP   []string `toml:"lmtp"`   // RFC 2033; host:port or unix:/path each

	MaxMessageSize           Size     `toml:"max_message_size"`            // RFC 1870
	MaxRecipients            int      `toml:"max_recipients"`              // of one message
	MaxConnections           int      `toml:"max_connections"`             // in all
	MaxConnectionsPerAddress int      `toml:"max_connections_per_address"` // from one IP address
	MaxErrors                int      `toml:"max_errors"`                  // of a client, before listd hangs up
	CommandTimeout           Duration `toml:"command_timeout"`             // until the next command, or the next bytes of a message
	DataTimeout              Duration `toml:"data_timeout"`                // for a whole message
	Memory                   Size     `toml:"memory"`                      // message bytes held at once, in the whole process
}

// Delivery is how mail leaves.
type Delivery struct {
	Relay             string   `toml:"relay"`               // host:port of a smarthost; "": straight to the MX
	RelayUser         string   `toml:"relay_user"`          // RFC 4954; "": no AUTH
	RelayPasswordFile string   `toml:"relay_password_file"` // see Password
	RelayTLS          RelayTLS `toml:"relay_tls"`
	Workers           int      `toml:"workers"`         // dialogs at once
	Port              int      `toml:"port"`            // of the MX; anything but 25 is for tests
	PerDestination    int      `toml:"per_destination"` // dialogs at once with one destination
	GiveUpAfter       Duration `toml:"give_up_after"`   // RFC 5321 section 4.5.4.1 wants 4 to 5 days
	LogDays           int      `toml:"log_days"`        // how long `listd trace` remembers a delivery
	AllowPrivate      bool     `toml:"allow_private"`   // deliver to loopback, link-local and private addresses
	LocalAddress      string   `toml:"local_address"`   // the IP address to dial from; "": the system's choice
}

// DNS is whom to ask for MX and address records.
type DNS struct {
	Resolver string `toml:"resolver"` // host:port; "": the system's
}

// Feeds is how feeds and calendars are fetched for round-ups.
type Feeds struct {
	AllowPrivate bool `toml:"allow_private"` // from loopback, link-local and private addresses, and any port, too
}

// HTTP is the door of the web pages: confirming, leaving and moderating by a link.
type HTTP struct {
	Listen string `toml:"listen"` // host:port; "": the door is shut
	URL    string `toml:"url"`    // how the world reaches it; "": mails carry no links
}

// IMAP is the door through which archives are read as mailboxes.
type IMAP struct {
	Listen                   []string `toml:"listen"`                      // host:port each; clear text until STARTTLS
	TLS                      []string `toml:"tls"`                         // host:port each; TLS from the first byte (RFC 8314)
	Anonymous                bool     `toml:"anonymous"`                   // public archives without signing in
	MaxConnections           int      `toml:"max_connections"`             // in all
	MaxConnectionsPerAddress int      `toml:"max_connections_per_address"` // from one IP address
}

// TLS is the certificate for STARTTLS, both files in PEM.
type TLS struct {
	Cert string `toml:"cert"` // the chain, leaf first; "": STARTTLS is not offered
	Key  string `toml:"key"`
}

// Log is what listd tells about itself on standard error.
type Log struct {
	Level  LogLevel  `toml:"level"`
	Format LogFormat `toml:"format"`
}

// RelayTLS says how the dialog with the relay is protected.
type RelayTLS string

// The ways to speak to a relay.
const (
	Opportunistic RelayTLS = "opportunistic" // STARTTLS where it is offered, any certificate
	Required      RelayTLS = "required"      // STARTTLS with a valid certificate, or no mail (RFC 3207)
	Implicit      RelayTLS = "implicit"      // TLS from the first byte with a valid certificate (RFC 8314), port 465 as a rule
	NoTLS         RelayTLS = "none"          // clear text
)

// LogLevel is a level of package slog by its name in lower case.
type LogLevel string

// The levels, quiet ones last.
const (
	Debug LogLevel = "debug"
	Info  LogLevel = "info"
	Warn  LogLevel = "warn"
	Error LogLevel = "error"
)

var _ slog.Leveler = LogLevel("")

// Level is l for package slog; Info if l has no meaning.
func (l LogLevel) Level() slog.Level {
	var s slog.Level
	if err := s.UnmarshalText([]byte(l)); err != nil {
		return slog.LevelInfo
	}
	return s
}

// LogFormat is how a log line is written.
type LogFormat string

// The formats.
const (
	Text LogFormat = "text" // key=value
	JSON LogFormat = "json" // one object a line
)

// Default returns what holds where the file says nothing. It lacks a hostname, which nobody can guess.
func Default() Config {
	return Config{
		Database: "listd.db",
		SMTP: SMTP{
			Listen:                   []string{":25"},
			LMTP:                     []string{},
			MaxMessageSize:           25 << 20,
			MaxRecipients:            100, // RFC 5321 section 4.5.3.1.8: at least
			MaxConnections:           500,
			MaxConnectionsPerAddress: 100,
			MaxErrors:                10,
			CommandTimeout:           Duration(5 * time.Minute), // RFC 5321 section 4.5.3.2.7
			DataTimeout:              Duration(10 * time.Minute),
			Memory:                   128 << 20,
		},
		Delivery: Delivery{
			RelayTLS:       Opportunistic,
			Workers:        8,
			Port:           25,
			PerDestination: 20,
			GiveUpAfter:    Duration(5 * day),
			LogDays:        14,
		},
		HTTP: HTTP{Listen: "127.0.0.1:8080"},
		IMAP: IMAP{Listen: []string{}, TLS: []string{}, MaxConnections: 500, MaxConnectionsPerAddress: 20},
		Log:  Log{Level: Info, Format: Text},
	}
}

// Postgres reports whether the database is PostgreSQL, not a SQLite file.
func (c Config) Postgres() bool {
	return strings.HasPrefix(c.Database, "postgres://") || strings.HasPrefix(c.Database, "postgresql://")
}

// In returns c with its relative paths taken from the folder dir, so that it does not matter where listd is started.
func (c Config) In(dir string) Config {
	from := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	if !c.Postgres() {
		c.Database = from(c.Database)
	}
	c.TLS.Cert, c.TLS.Key = from(c.TLS.Cert), from(c.TLS.Key)
	c.Delivery.RelayPasswordFile = from(c.Delivery.RelayPasswordFile)
	c.Mailboxes = slices.Clone(c.Mailboxes)
	for i := range c.Mailboxes {
		c.Mailboxes[i].PasswordFile = from(c.Mailboxes[i].PasswordFile)
	}
	lmtp := make([]string, len(c.SMTP.LMTP))
	for i, l := range c.SMTP.LMTP {
		if path, ok := strings.CutPrefix(l, unixPrefix); ok {
			l = unixPrefix + from(path)
		}
		lmtp[i] = l
	}
	c.SMTP.LMTP = lmtp
	return c
}

// unixPrefix begins an LMTP address that is a socket's path.
const unixPrefix = "unix:"

// Listener splits an address of SMTP.Listen or SMTP.LMTP into what net.Listen wants.
func Listener(address string) (network, addr string) {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		return "unix", path
	}
	return "tcp", address
}

// Password reads the relay's password: the file's content without the line break at its end.
func (d Delivery) Password() (string, error) {
	return secret("delivery.relay_password_file", d.RelayPasswordFile)
}

// secret reads a password's file.
func secret(key, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w: write the password into that file, readable by listd alone", key, err)
	}
	password := strings.TrimRight(string(b), "\r\n")
	if password == "" {
		return "", fmt.Errorf("%s: %s is empty: write the password into it", key, path)
	}
	return password, nil
}

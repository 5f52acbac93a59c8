// Package smtp is the wire, both ways: Server takes mail by SMTP and LMTP and gives it to an Inbox; Relay and Direct
// carry mail to a smarthost and to the MX hosts of a domain. It knows no list and no row.
//
// RFC 5321, 2033 (LMTP), 1870 (SIZE), 2034 (ENHANCEDSTATUSCODES), 2920 (PIPELINING), 3030 (CHUNKING), 3207 (STARTTLS),
// 3461 (DSN), 4954 (AUTH), 6152 (8BITMIME), 6531 (SMTPUTF8).
package smtp

import (
	"context"
	"io"

	"listd/mail"
)

// Inbox decides about what comes in.
type Inbox interface {
	// Check is asked at RCPT, with what is known by then. It returns nil or a *mail.Reply.
	Check(ctx context.Context, env mail.Envelope, to mail.Rcpt) error

	// Accept takes a message for all of env.To, or refuses it. What it took is durable when it returns: one reply for
	// each of env.To, in their order. An error that is no *mail.Reply is temporary trouble; its text stays here.
	Accept(ctx context.Context, env mail.Envelope, data io.Reader) ([]mail.Reply, error)
}

// Protocol is what a listener speaks.
type Protocol uint8

// The protocols.
const (
	SMTP Protocol = iota
	LMTP
)

// Package mail knows what an e-mail is: addresses, the envelope, the raw head and body, replies, and
// how a message is read, taken apart and composed. It is pure: no clock, no files, no network.
//
// Enter with Read for bytes from outside, ParseAddress for an address, Get and Fields for a head, ReadBody for what a
// person reads of a message and Blocks for who wrote what of it.
//
// RFC 5321, 5322, 2045-2047, 2231, 3461, 3463, 3676, 6531, 6532.
package mail

import (
	"fmt"
	"net/netip"
)

// Rcpt is one recipient of an envelope, with its DSN wishes (RFC 3461 section 4).
type Rcpt struct {
	Address
	Notify, ORcpt string
}

// Peer is who speaks to us.
type Peer struct {
	IP       netip.Addr
	Helo     string // the argument of EHLO, HELO or LHLO, as given
	Auth     string // the authenticated identity; empty if there is none
	Protocol string // RFC 3848: SMTP, ESMTP, ESMTPS, LMTP, UTF8SMTP, …
	TLS      bool
}

// Envelope is what SMTP says about a message without looking at it (RFC 5321 section 2.3.1).
type Envelope struct {
	From           Address // the reverse-path; the zero value is the null one
	To             []Rcpt
	UTF8, EightBit bool
	Size           int64 // bytes, as announced by SIZE= (RFC 1870); 0 if it was not
	Peer           Peer
	EnvID, Ret     string // RFC 3461

	// Source is a unique key of where the mail came from (mailbox/uidvalidity/uid); empty for SMTP. A second
	// Accept of the same Source answers 250 and does nothing.
	Source string
}

// Message is a message as it lies: the head verbatim as received, its last line ended by CRLF and without the
// empty line after it; the body as it follows that empty line. The author's DKIM signature must still verify.
type Message struct{ Head, Body []byte }

// Size is the length of the message on the wire before dot-stuffing, in bytes.
func (m Message) Size() int64 { return int64(len(m.Head)) + 2 + int64(len(m.Body)) }

// Reply is what an SMTP server says (RFC 5321 section 4.2) with its enhanced status code (RFC 3463). It is an
// error, so that what the peer shall hear travels as one; unwrap it with errors.As.
type Reply struct {
	Code     int
	Enhanced [3]int
	Text     string
}

// Refuse makes the Reply with this code, enhanced code such as "5.7.1", and text.
func Refuse(code int, enhanced, text string) *Reply {
	r := &Reply{Code: code, Text: text}
	// A malformed constant is a programmer's mistake, found by the tests; it leaves the zero enhanced code.
	_, _ = fmt.Sscanf(enhanced, "%d.%d.%d", &r.Enhanced[0], &r.Enhanced[1], &r.Enhanced[2])
	return r
}

func (r *Reply) Error() string {
	return fmt.Sprintf("%d %d.%d.%d %s", r.Code, r.Enhanced[0], r.Enhanced[1], r.Enhanced[2], r.Text)
}

// OK reports whether the reply is 2yz.
func (r *Reply) OK() bool { return r.Code/100 == 2 }

// Temporary reports whether the reply is 4yz: the same may succeed later.
func (r *Reply) Temporary() bool { return r.Code/100 == 4 }

// Permanent reports whether the reply is 5yz.
func (r *Reply) Permanent() bool { return r.Code/100 == 5 }

package smtp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode/utf8"

	"listd/mail"
)

// send has one transaction on c. It returns one reply for each recipient; err says that the connection is of no more
// use, and began whether the server had answered anything of this transaction: if not, another connection may be tried.
func (c *client) send(ctx context.Context, env mail.Envelope, m mail.Message) (replies []mail.Reply, began bool, err error) {
	c.watch(ctx)
	defer c.unwatch()
	c.used++
	replies = make([]mail.Reply, len(env.To))
	params, refused := c.fit(env, m)
	if refused != nil {
		return fill(replies, *refused), true, nil
	}
	if c.has("PIPELINING") {
		began, err = c.pipelined(env, m, params, replies)
	} else {
		began, err = c.stepwise(env, m, params, replies)
	}
	if ctx.Err() != nil && err != nil {
		err = ctx.Err() // that the connection is closed is its effect
	}
	if err != nil && began {
		for i := range replies {
			if replies[i].Code == 0 || replies[i].OK() {
				replies[i] = lost(err)
			}
		}
	}
	return replies, began, err
}

// fill gives the recipients that have no reply yet this one.
func fill(replies []mail.Reply, r mail.Reply) []mail.Reply {
	for i := range replies {
		if replies[i].Code == 0 {
			replies[i] = r
		}
	}
	return replies
}

// lost is the reply of our own to a connection that broke.
func lost(err error) mail.Reply {
	var ne net.Error
	switch {
	case errors.Is(err, errPeer):
		return *mail.Refuse(451, "4.5.0", "Delivery broke off: "+err.Error())
	case errors.Is(err, context.Canceled):
		return *mail.Refuse(451, "4.4.2", "Delivery was broken off on our side")
	case errors.As(err, &ne) && ne.Timeout():
		return *mail.Refuse(451, "4.4.2", "The server did not answer in time")
	}
	return *mail.Refuse(451, "4.4.2", "The connection to the server was lost")
}

// fit makes the parameters of MAIL, or says why the server cannot have the message. An 8-bit body for a server without
// 8BITMIME is not converted here (RFC 6152 section 3 leaves the choice): the message is signed, and that would break it.
//
// A head with raw UTF-8 goes with SMTPUTF8 where that is offered, and else as it is: servers pass 8-bit heads on, while
// rewriting one would break the author's signature and refusing it would help nobody (RFC 6531 wants the latter).
func (c *client) fit(env mail.Envelope, m mail.Message) (params string, refused *mail.Reply) {
	eight := m.EightBit() // it reads the whole body: once
	if eight && !c.has("8BITMIME") {
		return "", mail.Refuse(554, "5.6.3", "The next server takes no 8-bit mail (8BITMIME)")
	}
	if c.has("8BITMIME") && (eight || m.UTF8Head()) {
		params += " BODY=8BITMIME"
	}
	if c.has("SMTPUTF8") && needsUTF8(env, m) {
		params += " SMTPUTF8"
	}
	if limit, ok := c.ext["SIZE"]; ok {
		n := m.Size()
		if most, err := strconv.ParseInt(limit, 10, 64); err == nil && most > 0 && n > most {
			return "", mail.Refuse(552, "5.3.4", fmt.Sprintf("The message is larger than the %d bytes the next server takes", most))
		}
		params += " SIZE=" + strconv.FormatInt(n, 10)
	}
	return params, nil
}

// needsUTF8 reports whether a transaction is one of RFC 6531. A head in another 8-bit charset is not.
func needsUTF8(env mail.Envelope, m mail.Message) bool {
	if env.UTF8 || env.From.UTF8() || m.UTF8Head() && utf8.Valid(m.Head) {
		return true
	}
	for _, to := range env.To {
		if to.UTF8() {
			return true
		}
	}
	return false
}

var utf8Refused = *mail.Refuse(553, "5.6.7", "The next server takes no addresses beyond ASCII (SMTPUTF8)")

// refuseUTF8 answers for the recipients a server without SMTPUTF8 cannot take (RFC 6531 section 3.2), and says whether
// any is left.
func (c *client) refuseUTF8(env mail.Envelope, replies []mail.Reply) (left bool) {
	can := c.has("SMTPUTF8")
	for i, to := range env.To {
		if !can && (to.UTF8() || env.From.UTF8()) {
			replies[i] = utf8Refused
		} else {
			left = true
		}
	}
	return left
}

// pipelined sends MAIL, all RCPT and DATA in one write (RFC 2920), reads their replies, and sends the message if there
// is anyone to have it: a recipient who is refused does not keep it from the others.
func (c *client) pipelined(env mail.Envelope, m mail.Message, params string, replies []mail.Reply) (began bool, err error) {
	if !c.refuseUTF8(env, replies) {
		return true, nil
	}
	b := append(c.buf[:0], "MAIL FROM:<"...)
	b = append(append(append(append(b, env.From.String()...), '>'), params...), "\r\n"...)
	for i, to := range env.To {
		if replies[i].Code == 0 {
			b = append(append(append(b, "RCPT TO:<"...), to.String()...), ">\r\n"...)
		}
	}
	b = append(b, "DATA\r\n"...)
	c.buf = b
	if err := c.deadline(c.t.Command); err != nil {
		return false, err
	}
	if _, err := c.conn.Write(b); err != nil {
		return false, err
	}
	from, err := c.read(c.t.Command)
	if err != nil {
		return false, err
	}
	if from.Code == 421 {
		return false, &from // it had hung up before we came
	}
	taken := false
	for i := range env.To {
		if replies[i].Code != 0 {
			continue
		}
		r, err := c.read(c.t.Command)
		if err != nil {
			return true, err
		}
		if !from.OK() {
			r = from
		}
		replies[i] = refusalOr(r)
		taken = taken || r.OK()
	}
	data, err := c.read(c.t.DataStart)
	if err != nil {
		return true, err
	}
	switch {
	case data.Code == 354 && taken:
		return true, c.content(m, replies)
	case data.Code == 354:
		// RFC 2920 section 3.1: a server that says 354 to nobody wants an empty message.
		if _, err := c.conn.Write([]byte(".\r\n")); err != nil {
			return true, err
		}
		_, err := c.read(c.t.DataEnd)
		return true, err
	}
	for i := range replies {
		if replies[i].OK() {
			replies[i] = refusal(data)
		}
	}
	return true, c.rset()
}

// stepwise is for a server without PIPELINING.
func (c *client) stepwise(env mail.Envelope, m mail.Message, params string, replies []mail.Reply) (began bool, err error) {
	if !c.refuseUTF8(env, replies) {
		return true, nil
	}
	from, _, err := c.command("MAIL FROM:<" + env.From.String() + ">" + params)
	if err != nil {
		return false, err
	}
	if from.Code == 421 {
		return false, &from
	}
	if !from.OK() {
		fill(replies, refusal(from))
		return true, c.rset()
	}
	taken := false
	for i, to := range env.To {
		if replies[i].Code != 0 {
			continue
		}
		r, _, err := c.command("RCPT TO:<" + to.String() + ">")
		if err != nil {
			return true, err
		}
		replies[i] = refusalOr(r)
		taken = taken || r.OK()
	}
	if !taken {
		return true, c.rset()
	}
	data, _, err := c.command("DATA")
	if err != nil {
		return true, err
	}
	if data.Code != 354 {
		for i := range replies {
			if replies[i].OK() {
				replies[i] = refusal(data)
			}
		}
		return true, c.rset()
	}
	return true, c.content(m, replies)
}

// refusal is a reply where 2yz or 3yz makes no sense: then it is temporary trouble.
func refusal(r mail.Reply) mail.Reply {
	if r.Code/100 == 2 || r.Code/100 == 3 {
		return *mail.Refuse(451, "4.5.0", "The server answered out of turn: "+strings.TrimSpace(r.Text))
	}
	return r
}

func refusalOr(r mail.Reply) mail.Reply {
	if r.OK() {
		return r
	}
	return refusal(r)
}

var (
	crlf     = []byte("\r\n")
	crlfDot  = []byte("\r\n.")
	finalDot = []byte(".\r\n")
	dot      = []byte(".")
)

// content sends the message and its final dot, and gives the reply to all recipients that were taken.
func (c *client) content(m mail.Message, replies []mail.Reply) error {
	if err := c.write(m); err != nil {
		return err
	}
	r, err := c.read(c.t.DataEnd)
	if err != nil {
		return err
	}
	r = refusalOr(r)
	for i := range replies {
		if replies[i].OK() {
			replies[i] = r
		}
	}
	return nil
}

// write writes the message dot-stuffed (RFC 5321 section 4.5.2). A small one is one write to the connection; of a large
// one, what needs no stuffing is not copied.
func (c *client) write(m mail.Message) error {
	if c.w == nil {
		c.w = bufio.NewWriterSize(blocks{c}, blockSize/2)
	}
	_ = stuff(c.w, m.Head) // a bufio.Writer keeps its error for Flush
	_, _ = c.w.Write(crlf)
	ended := stuff(c.w, m.Body)
	if !ended && len(m.Body) > 0 {
		_, _ = c.w.Write(crlf)
	}
	_, _ = c.w.Write(finalDot)
	return c.w.Flush()
}

// stuff writes p, which begins a line, with a second dot before each that begins a line. It reports whether p ends one.
func stuff(w *bufio.Writer, p []byte) (ended bool) {
	ended = bytes.HasSuffix(p, crlf)
	if bytes.HasPrefix(p, dot) {
		_ = w.WriteByte('.') // as above
	}
	for {
		i := bytes.Index(p, crlfDot)
		if i < 0 {
			_, _ = w.Write(p)
			return ended
		}
		_, _ = w.Write(p[:i+3])
		_ = w.WriteByte('.')
		p = p[i+3:]
	}
}

// blocks writes to a client's connection in blocks, each under a deadline of its own.
type blocks struct{ c *client }

func (w blocks) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if err := w.c.deadline(w.c.t.DataBlock); err != nil {
			return n, err
		}
		k, err := w.c.conn.Write(p[n:min(len(p), n+blockSize)])
		if n += k; err != nil {
			return n, err
		}
	}
	return n, nil
}

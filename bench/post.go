package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load is posts to a list, from one of its members, each on a connection of its own as servers send them.
type load struct {
	addr     string // listd's
	from, to string
	conns    int // at a time
	count    int // posts; ignored if until is set
	size     int // bytes, head and body
	until    func() bool
	patient  bool // a 452 is waited out
	prepared []byte
}

// accepted is what came of a load.
type accepted struct {
	posts   int
	seconds float64
	latency []float64 // of each, in ms: from connecting to the reply to the final dot
	refused int       // 452 that were waited out
}

var unique atomic.Int64

// head is a message's, with a Message-ID nobody had before.
func (l load) head(start time.Time) string {
	n := unique.Add(1)
	return fmt.Sprintf("From: A Member <%s>\r\nTo: <%s>\r\nSubject: post number %d\r\nDate: %s\r\n"+
		"Message-ID: <%d.%d@bench.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"+
		"Content-Transfer-Encoding: 7bit\r\n\r\n", l.from, l.to, n, start.Format(time.RFC1123Z), start.UnixNano(), n)
}

// text is n bytes of lines.
func text(n int) []byte {
	const line = "The quick brown fox jumps over the lazy dog; pack my box with jugs.\r\n"
	b := []byte(strings.Repeat(line, n/len(line)))
	if rest := n - len(b); rest > 2 {
		b = append(append(b, line[:rest-2]...), "\r\n"...)
	}
	return b
}

// run posts it all, and fails with the first post that is refused.
func (l load) run(ctx context.Context) (accepted, error) {
	var out accepted
	var mu sync.Mutex
	var first error
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	body := l.prepared
	if body == nil {
		body = text(max(l.size-len(l.head(start)), 3))
	}
	stop := func() bool {
		if l.until != nil {
			return l.until()
		}
		return next.Add(1) > int64(l.count)
	}
	for range l.conns {
		wg.Go(func() {
			for ctx.Err() == nil && !stop() {
				began := time.Now()
				refused, err := l.one(ctx, []byte(l.head(start)), body)
				mu.Lock()
				if out.refused += refused; err != nil {
					first = errors.Join(first, err)
					mu.Unlock()
					return
				}
				out.posts++
				out.latency = append(out.latency, ms(time.Since(began)))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	out.seconds = time.Since(start).Seconds()
	return out, errors.Join(first, ctx.Err())
}

// one posts one message; refused is how many 452 it waited out.
func (l load) one(ctx context.Context, head, body []byte) (refused int, err error) {
	for {
		err := l.try(ctx, head, body)
		if !l.patient || err == nil || !strings.HasPrefix(err.Error(), "452") || ctx.Err() != nil {
			return refused, err
		}
		refused++
	}
}

// postTime bounds one post.
const postTime = 5 * time.Minute

func (l load) try(ctx context.Context, head, body []byte) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", l.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(postTime)); err != nil {
		return err
	}
	r := bufio.NewReader(c)
	say := func(line, want string) error {
		if line != "" {
			if _, err := io.WriteString(c, line+"\r\n"); err != nil {
				return err
			}
		}
		return hear(r, want)
	}
	for _, step := range []struct{ line, want string }{{"", "220"}, {"EHLO bench.example", "250"},
		{fmt.Sprintf("MAIL FROM:<%s> SIZE=%d", l.from, len(head)+len(body)), "250"}, {"RCPT TO:<" + l.to + ">", "250"}, {"DATA", "354"}} {
		if err := say(step.line, step.want); err != nil {
			return err
		}
	}
	// One write where it is small; a large body is shared by all and not copied.
	message := net.Buffers{head, body, []byte(".\r\n")}
	if _, err := message.WriteTo(c); err != nil {
		if e := hear(r, "250"); e != nil { // refused in the midst: what was said tells why
			return e
		}
		return err
	}
	if err := hear(r, "250"); err != nil {
		return err
	}
	_, err = io.WriteString(c, "QUIT\r\n")
	return err
}

// hear reads a reply and wants its code.
func hear(r *bufio.Reader, want string) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		if !strings.HasPrefix(line, want) {
			return errors.New(strings.TrimSpace(line))
		}
		return nil
	}
}

package sink

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Blast says what the bare client sends.
type Blast struct {
	Conns int    // connections at once
	Count int    // transactions in all
	Rcpts int    // recipients of each
	Data  []byte // the message, CRLF, dot-stuffed, without the final dot
}

// Run sends it all to addr and returns how long that took. Nothing is looked at but the first digit of each reply:
// MAIL, all RCPT and DATA go in one write, the message in the next, and the connection waits for the replies.
func (b Blast) Run(ctx context.Context, addr string) (time.Duration, error) {
	var left atomic.Int64
	left.Store(int64(b.Count))
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	start := time.Now()
	for range max(b.Conns, 1) {
		wg.Go(func() {
			if err := b.one(ctx, addr, &left); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if first == nil {
					first = err
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start), first
}

func (b Blast) one(ctx context.Context, addr string, left *atomic.Int64) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	r := bufio.NewReaderSize(c, 4<<10)
	expect := func(n int) error {
		for n > 0 {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return err
			}
			if line[0] != '2' && line[0] != '3' {
				return fmt.Errorf("refused: %s", bytes.TrimSpace(line))
			}
			if len(line) < 4 || line[3] != '-' {
				n--
			}
		}
		return nil
	}
	if err := expect(1); err != nil {
		return err
	}
	if _, err := c.Write([]byte("EHLO blast.invalid\r\n")); err != nil {
		return err
	}
	if err := expect(1); err != nil {
		return err
	}
	data := append(append([]byte(nil), b.Data...), ".\r\n"...)
	var cmd []byte
	for i := left.Add(-1); i >= 0 && ctx.Err() == nil; i = left.Add(-1) {
		cmd = append(cmd[:0], "MAIL FROM:<blast@blast.invalid>\r\n"...)
		for n := range max(b.Rcpts, 1) {
			cmd = fmt.Appendf(cmd, "RCPT TO:<m%d-%d@members.invalid>\r\n", i, n)
		}
		cmd = append(cmd, "DATA\r\n"...)
		if _, err := c.Write(cmd); err != nil {
			return err
		}
		if err := expect(max(b.Rcpts, 1) + 2); err != nil {
			return err
		}
		if _, err := c.Write(data); err != nil {
			return err
		}
		if err := expect(1); err != nil {
			return err
		}
	}
	_, err = c.Write([]byte("QUIT\r\n"))
	return err
}

package smtp

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestPoolSweep keeps connections in fake time: they go when they were idle long enough, with a goodbye.
func TestPoolSweep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pool
		var mu sync.Mutex
		goodbyes := 0
		connect := func(context.Context) (*client, error) {
			near, far := net.Pipe()
			go func() {
				r := bufio.NewReader(far)
				_, _ = io.WriteString(far, "220 x\r\n")
				afterHello(far, r)
				if line, _ := r.ReadString('\n'); strings.HasPrefix(line, "QUIT") {
					mu.Lock()
					goodbyes++
					mu.Unlock()
				}
				_ = far.Close()
			}()
			return newClient(t.Context(), near, "h.example", Timeouts{})
		}
		send := func(addr string) {
			t.Helper()
			got, err := p.transact(t.Context(), addr, connect, envelope("a@x"), small)
			if err != nil || !got[0].OK() {
				t.Fatalf("got %v, %v", got, err)
			}
		}
		gone := func(want int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			p.mu.Lock()
			defer p.mu.Unlock()
			if goodbyes != want || p.count != len(p.idle) {
				t.Errorf("%d connections went, want %d; %d are counted", goodbyes, want, p.count)
			}
		}
		send("a")
		time.Sleep(keepIdle / 2)
		send("b")
		gone(0)
		time.Sleep(keepIdle * 3 / 4)
		gone(1)
		time.Sleep(keepIdle)
		gone(2)
		p.mu.Lock()
		if p.timer != nil {
			t.Error("it sweeps an empty pool")
		}
		p.mu.Unlock()
		for i := range keepMost + 3 {
			send(strings.Repeat("c", i+1))
		}
		gone(2 + 3) // no more are kept than that
		p.close()
		gone(2 + 3 + keepMost)
		send("d")
		gone(2 + 3 + keepMost + 1)
	})
}

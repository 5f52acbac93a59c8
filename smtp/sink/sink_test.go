package sink

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"testing"
)

// TestContent sends contents whose end lies across writes in every way, and expects each back as it was.
func TestContent(t *testing.T) {
	t.Parallel()
	bodies := []string{"", "a\r\n", ".\r\n", "..\r\n", "a\r\n.b\r\n\r\n", strings.Repeat("0123456789\r\n", 5000), ".\r\n.\r\n"}
	for _, body := range bodies {
		stuffed := strings.ReplaceAll("\r\n"+body, "\r\n.", "\r\n..")[2:] + ".\r\n"
		for cut := range min(len(stuffed), 30) {
			got := roundTrip(t, stuffed[:len(stuffed)-cut], stuffed[len(stuffed)-cut:])
			if string(got.Data) != body {
				t.Fatalf("cut %d: got %.60q, want %.60q", cut, got.Data, body)
			}
		}
	}
}

func roundTrip(t *testing.T, pieces ...string) Mail {
	t.Helper()
	var mu sync.Mutex
	var got []Mail
	s := &Sink{Keep: func(m Mail) { mu.Lock(); got = append(got, m); mu.Unlock() }}
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); (&session{s: s, c: server, raw: server}).serve() }()
	go func() {
		buf := make([]byte, 4096)
		for {
			if _, err := client.Read(buf); err != nil {
				return
			}
		}
	}()
	for _, p := range append([]string{"EHLO x\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"}, append(pieces, "QUIT\r\n")...) {
		if p == "" {
			continue
		}
		if _, err := client.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	if len(got) != 1 || got[0].From != "a@b" || len(got[0].To) != 1 || got[0].To[0] != "c@d" {
		t.Fatalf("got %d mails: %+v", len(got), got)
	}
	return got[0]
}

func TestBlast(t *testing.T) {
	t.Parallel()
	s := &Sink{}
	addr, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	data := bytes.Repeat([]byte("Subject: x\r\n"), 200)
	if _, err := (Blast{Conns: 4, Count: 1000, Rcpts: 3, Data: data}).Run(context.Background(), addr); err != nil {
		t.Fatal(err)
	}
	if s.Transactions() != 1000 || s.Recipients() != 3000 || s.Bytes() != int64(1000*len(data)) {
		t.Errorf("the sink counted %v", s)
	}
}

func BenchmarkBlast(b *testing.B) {
	s := &Sink{}
	addr, err := s.Listen()
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.ResetTimer()
	if _, err := (Blast{Conns: 8, Count: b.N, Rcpts: 1, Data: bytes.Repeat([]byte("0123456789012345678901234567890\r\n"), 60)}).Run(context.Background(), addr); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
}

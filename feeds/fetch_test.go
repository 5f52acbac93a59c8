package feeds_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"listd/feeds"
)

func TestFetch(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "listd/test" || r.Header.Get("Cookie") != "" {
			t.Errorf("asked as %q", r.UserAgent())
		}
		if r.Header.Get("If-None-Match") == `"1"` && r.Header.Get("If-Modified-Since") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Last-Modified", "Mon, 03 Mar 2031 10:00:00 GMT")
		http.SetCookie(w, &http.Cookie{Name: "who", Value: "me"})
		fmt.Fprint(w, "hello")
	}))
	t.Cleanup(s.Close)
	f := feeds.Fetcher{Agent: "listd/test", Near: true}
	body, state, err := f.Fetch(t.Context(), s.URL, feeds.State{})
	if err != nil || string(body) != "hello" || state.ETag != `"1"` || state.Modified == "" {
		t.Fatalf("%q %v %v", body, state, err)
	}
	if _, again, err := f.Fetch(t.Context(), s.URL, state); !errors.Is(err, feeds.ErrUnchanged) || again != state {
		t.Errorf("%v %v", again, err)
	}
	if _, _, err := (&feeds.Fetcher{}).Fetch(t.Context(), s.URL, feeds.State{}); err == nil {
		t.Error("the own machine was asked")
	}
}

// What a server may do wrong ends in an error, soon, and in little memory.
func TestFetchHostile(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/huge", func(w http.ResponseWriter, _ *http.Request) {
		for range 100 << 4 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/bomb", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		for range 100 << 4 {
			if _, err := z.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	mux.HandleFunc("/ftp", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "ftp://example.org/", http.StatusFound)
	})
	mux.HandleFunc("/gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	mux.HandleFunc("/unasked", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<rss>")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/head", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	for path, says := range map[string]string{
		"/huge": "more than 1048576 bytes", "/bomb": "more than 1048576 bytes", "/loop": "redirects", "/file": "want http or https", "/ftp": "want http or https",
		"/gone": "410", "/unasked": "304", "/drip": "deadline", "/head": "header",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			f := feeds.Fetcher{Near: true, MaxBytes: 1 << 20}
			if path == "/drip" {
				f.Timeout = 100 * time.Millisecond
			}
			body, _, err := f.Fetch(t.Context(), s.URL+path, feeds.State{})
			if err == nil || !strings.Contains(err.Error(), says) || body != nil {
				t.Errorf("%d bytes, %v; want %q", len(body), err, says)
			}
		})
	}
}

// The name of a server that is in the own network by the time it is dialed: the DNS may say anything, and each redirect is
// a new name.
func TestFetchRebound(t *testing.T) {
	t.Parallel()
	for _, ip := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1", "0.0.0.0"} {
		f := feeds.Fetcher{Resolver: answering(t, net.ParseIP(ip))}
		_, _, err := f.Fetch(t.Context(), "http://blog.test/", feeds.State{})
		if err == nil || !strings.Contains(err.Error(), "private network") {
			t.Errorf("%s: %v", ip, err)
		}
	}
}

// answering is a resolver whose server says of every name that it has one address.
func answering(t *testing.T, ip net.IP) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	go func() {
		b := make([]byte, 512)
		for {
			n, who, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			// RFC 1035 section 4.1: the question again, and to A one record that points at its name.
			q := b[:n]
			end := 12
			for end < n && q[end] != 0 {
				end += int(q[end]) + 1
			}
			end += 5
			out := append([]byte{}, q[:min(end, n)]...)
			out[2], out[3], out[6], out[7], out[8], out[9], out[10], out[11] = 0x81, 0x80, 0, 0, 0, 0, 0, 0
			if end <= n && out[end-3] == 1 {
				out[7] = 1
				out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
				out = append(out, ip.To4()...)
			}
			if _, err := pc.WriteTo(out, who); err != nil {
				return
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAddressOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"192.0.2.1:5", "198.51.100.7", "192.0.2.1"}, // only a proxy of ours is believed
		{"127.0.0.1:5", "203.0.113.9, 198.51.100.7", "198.51.100.7"},
		{"127.0.0.1:5", "", "127.0.0.1"},
		{"127.0.0.1:5", "nonsense", "127.0.0.1"},
		{"[::1]:5", "2001:db8::1", "2001:db8::1"},
		{"[::ffff:192.0.2.1]:5", "", "192.0.2.1"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := addressOf(r).String(); got != c.want {
			t.Errorf("%s, forwarded for %q: %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}

// TestFormValue reads what providers and browsers send (RFC 8058 section 3.1).
func TestFormValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, body, want string
		bad              bool
	}{
		{"application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", "One-Click", false},
		{"application/x-www-form-urlencoded; charset=utf-8", "do=leave", "leave", false},
		{"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n", "One-Click", false},
		{"multipart/form-data; boundary=b", "no parts at all", "", true},
		{"multipart/form-data", "x", "", true},
		{"", "", "", false},
		{"nonsense/;;", "x", "", true},
	} {
		r := httptest.NewRequest(http.MethodPost, "/leave/x", strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		got, err := formValue(r)
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%s, %q: %q, %v", c.kind, c.body, got, err)
		}
	}
}

// TestFields are on every answer; a page that does not exist has them, too.
func TestFields(t *testing.T) {
	t.Parallel()
	s := &Site{Hostname: "lists.test", Now: time.Now}
	for _, path := range []string{"/", "/style.css", "/nothing"} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, w.Header())
		}
		if w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s sets a cookie", path)
		}
	}
}

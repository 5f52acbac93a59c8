package feeds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// State is what a server said of the version that it sent last, for it to say that this is the one it still has.
type State struct{ ETag, Modified string }

// Fetcher fetches feeds. The zero value is ready; the fields are set before use, and it is safe for concurrent use.
type Fetcher struct {
	Resolver *net.Resolver // nil: the system's
	Agent    string        // User-Agent; "" is listd
	Timeout  time.Duration // for all of it; 0 is 20 seconds
	MaxBytes int64         // of a feed, unpacked; 0 is 4 MiB

	// Near allows servers in the own network and at any port, for rehearsals and tests.
	Near bool
}

// ErrUnchanged says that a feed is what it was.
var ErrUnchanged = errors.New("the feed has not changed")

// Bounds of a fetch.
const (
	maxRedirects = 5
	maxHeader    = 64 << 10
	maxState     = 500 // bytes of an ETag or a date
)

// check says what is wrong with the address of a feed, or nil.
func check(address string, near bool) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme == "" || len(address) > maxURL || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return fmt.Errorf("%q is no address: want one such as https://blog.example.org/feed.xml", address)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q: want http or https", address)
	case u.Hostname() == "":
		return fmt.Errorf("%q names no server", address)
	case u.User != nil:
		return fmt.Errorf("%q: no password may stand in it", u.Redacted())
	case !near && u.Port() != "" && (u.Scheme != "http" || u.Port() != "80") && (u.Scheme != "https" || u.Port() != "443"):
		return fmt.Errorf("%q: want port 80 for http, 443 for https", address)
	}
	if ip, err := netip.ParseAddr(strings.Trim(u.Hostname(), "[]")); err == nil && !near && !public(ip) {
		return fmt.Errorf("%q is in a private network", address)
	}
	return nil
}

// Fetch fetches a feed, or says ErrUnchanged. Where an address leads is looked at when it is dialed, after the DNS has
// spoken, and again at each redirect: nothing within the own network is ever asked. What is larger than MaxBytes, as it
// comes or unpacked, is an error.
func (f *Fetcher) Fetch(ctx context.Context, address string, was State) (body []byte, now State, err error) {
	if err := check(address, f.Near); err != nil {
		return nil, was, err
	}
	timeout, most := f.Timeout, f.MaxBytes
	if timeout == 0 {
		timeout = 20 * time.Second
	}
	if most == 0 {
		most = 4 << 20
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, was, err
	}
	r.Header.Set("User-Agent", f.Agent)
	if f.Agent == "" {
		r.Header.Set("User-Agent", "listd")
	}
	r.Header.Set("Accept", "application/atom+xml, application/rss+xml, application/rdf+xml, text/calendar, application/xml;q=0.9, */*;q=0.5")
	if was.ETag != "" {
		r.Header.Set("If-None-Match", was.ETag)
	}
	if was.Modified != "" {
		r.Header.Set("If-Modified-Since", was.Modified)
	}
	c := f.client()
	defer c.CloseIdleConnections()
	answer, err := c.Do(r)
	if err != nil {
		return nil, was, err
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode == http.StatusNotModified && was != State{}:
		return nil, was, ErrUnchanged
	case answer.StatusCode != http.StatusOK:
		return nil, was, fmt.Errorf("%s answers %q", answer.Request.URL.Redacted(), answer.Status)
	}
	body, err = io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err == nil && int64(len(body)) > most {
		err = fmt.Errorf("%s sends more than %d bytes", answer.Request.URL.Redacted(), most)
	}
	if err != nil {
		return nil, was, err
	}
	return body, State{ETag: bounded(answer.Header.Get("ETag")), Modified: bounded(answer.Header.Get("Last-Modified"))}, nil
}

func bounded(s string) string {
	if len(s) > maxState {
		return ""
	}
	return s
}

// client is for one fetch: it keeps no connection and no cookie, and uses no proxy, which would dial in our place.
func (f *Fetcher) client() *http.Client {
	d := &net.Dialer{Timeout: 10 * time.Second, Resolver: f.Resolver}
	if !f.Near {
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error { return dialable(address) }
	}
	return &http.Client{
		Transport: &http.Transport{DialContext: d.DialContext, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: maxHeader, ForceAttemptHTTP2: true, DisableKeepAlives: true},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("%d redirects are too many", len(via))
			}
			return check(r.URL.String(), f.Near)
		},
	}
}

// dialable says what is wrong with the address of a socket, which is what the DNS has come to.
func dialable(address string) error {
	a, err := netip.ParseAddrPort(address)
	switch {
	case err != nil:
		return err
	case a.Port() != 80 && a.Port() != 443:
		return fmt.Errorf("port %d is not asked for feeds", a.Port())
	case !public(a.Addr()):
		return fmt.Errorf("%s is in a private network", a.Addr())
	}
	return nil
}

// reserved are the networks that no feed is in, beside those that netip knows by name (IANA's special-purpose registries).
var reserved = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10")

// nat64 carries IPv4 addresses in its last 32 bits (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func prefixes(all ...string) (out []netip.Prefix) {
	for _, p := range all {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// public reports whether an address is one of the Internet's.
func public(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

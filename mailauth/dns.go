package mailauth

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"
)

// Resolver is what is asked of the DNS. *net.Resolver is one.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

var _ Resolver = (*net.Resolver)(nil)

// dns is a Resolver that asks for whole names only, remembers TXT records, and whose every error is a *net.DNSError
// that is either "not found" or temporary.
type dns struct {
	r     Resolver
	cache *cache
	now   func() time.Time
}

func newDNS(r Resolver, c *cache, now func() time.Time) *dns {
	if r == nil {
		r = net.DefaultResolver
	}
	return &dns{r, c, now}
}

func (d *dns) LookupTXT(ctx context.Context, name string) ([]string, error) {
	name, err := rooted(name)
	if err != nil {
		return nil, err
	}
	now := d.now()
	if txt, ok := d.cache.get(name, now); ok {
		if txt == nil {
			return nil, notFound(name)
		}
		return txt, nil
	}
	txt, err := d.r.LookupTXT(ctx, name)
	err = plain(ctx, name, err)
	switch {
	case err == nil && len(txt) > 0:
		d.cache.put(name, txt, now.Add(5*time.Minute))
	case err == nil, isNotFound(err):
		err = notFound(name)
		d.cache.put(name, nil, now.Add(time.Minute)) // short: a record is looked for most when it has just been published
	}
	return txt, err
}

func (d *dns) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	name, err := rooted(name)
	if err != nil {
		return nil, err
	}
	mx, err := d.r.LookupMX(ctx, name)
	return mx, plain(ctx, name, err)
}

func (d *dns) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	host, err := rooted(host)
	if err != nil {
		return nil, err
	}
	ips, err := d.r.LookupIPAddr(ctx, host)
	return ips, plain(ctx, host, err)
}

func (d *dns) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	names, err := d.r.LookupAddr(ctx, addr)
	return names, plain(ctx, addr, err)
}

// exists reports whether a domain has an address or takes mail; one that does not is non-existent to RFC 9989 (section
// 3.2.14). Where the DNS gives no answer it is taken to exist, as that is the ordinary case.
func (d *dns) exists(ctx context.Context, domain string) bool {
	ips, err := d.LookupIPAddr(ctx, domain)
	if len(ips) > 0 || err != nil && !isNotFound(err) {
		return true
	}
	mx, err := d.LookupMX(ctx, domain)
	return len(mx) > 0 || err != nil && !isNotFound(err)
}

// rooted makes a name that no search list is tried for, and refuses what can be no name.
func rooted(name string) (string, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if len(name) > 253 {
		return "", notFound(name[:253])
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.IndexFunc(label, func(r rune) bool { return r <= ' ' || r >= 0x7f }) >= 0 {
			return "", notFound(name)
		}
	}
	return name + ".", nil
}

func notFound(name string) error {
	return &net.DNSError{Err: "no such record", Name: name, IsNotFound: true}
}

func isNotFound(err error) bool {
	var d *net.DNSError
	return errors.As(err, &d) && d.IsNotFound
}

// plain makes any error one of two: there is no such record, or it is unknown. The SPF library looks at the type itself,
// and takes what it does not know for permanent.
func plain(ctx context.Context, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &net.DNSError{Err: "no answer in time", Name: name, IsTemporary: true, IsTimeout: true}
	case isNotFound(err):
		return notFound(name)
	}
	return &net.DNSError{Err: err.Error(), Name: name, IsTemporary: true}
}

// The bounds of the cache: names of each generation, and bytes of an answer.
const (
	maxNames  = 2048
	maxAnswer = 4096
)

// cache remembers TXT records and their absence for minutes, as a list is written to in bursts. It has two generations:
// when the young one is full it becomes the old one, and the old one is forgotten.
type cache struct {
	mu         sync.Mutex
	young, old map[string]answer
}

type answer struct {
	txt   []string // nil if there is none
	until time.Time
}

func (c *cache) get(name string, now time.Time) (txt []string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.young[name]
	if !ok {
		a, ok = c.old[name]
	}
	return a.txt, ok && now.Before(a.until)
}

func (c *cache) put(name string, txt []string, until time.Time) {
	size := 0
	for _, t := range txt {
		size += len(t)
	}
	if size > maxAnswer {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young == nil || len(c.young) >= maxNames {
		c.old, c.young = c.young, make(map[string]answer)
	}
	c.young[name] = answer{txt, until}
}

package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"listd/mail"
)

// Lookup is what Direct asks of DNS; *net.Resolver has it.
type Lookup interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
}

var _ Lookup = (*net.Resolver)(nil)

// NewResolver asks the server at hostport; the system's if that is empty.
func NewResolver(hostport string) *net.Resolver {
	if hostport == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, hostport)
	}}
}

// exchangers are the hosts that take a domain's mail, the best first; or why there are none.
type exchangers struct {
	hosts   []string // without a final dot; or an IP address, for an address literal
	refused *mail.Reply
}

// addresses are those of a host; or why there are none.
type addresses struct {
	ips     []netip.Addr
	refused *mail.Reply
}

// exchangers asks for the MX hosts of a domain (RFC 5321 section 5.1).
func (d *Direct) exchangers(ctx context.Context, domain string) exchangers {
	if literal, ok := strings.CutPrefix(domain, "["); ok {
		ip := strings.TrimSuffix(literal, "]")
		if len(ip) > 5 && strings.EqualFold(ip[:5], "IPv6:") {
			ip = ip[5:]
		}
		return exchangers{hosts: []string{ip}}
	}
	found, err := d.lookup().LookupMX(ctx, domain+".") // rooted: no search list
	switch {
	case len(found) > 0: // an error then tells of malformed ones that were left out
	case err == nil, notFound(err):
		// No MX: the domain is its own, of preference 0.
		if d.ourselves(domain) {
			return exchangers{refused: loop(domain)}
		}
		return exchangers{hosts: []string{domain}}
	default:
		return exchangers{refused: mail.Refuse(451, "4.4.3", "DNS does not tell where mail for "+domain+" goes")}
	}
	if len(found) == 1 && strings.Trim(found[0].Host, ".") == "" {
		return exchangers{refused: mail.Refuse(556, "5.1.10", domain+" takes no mail (RFC 7505)")}
	}
	d.chance(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	slices.SortStableFunc(found, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	return d.better(domain, found)
}

// better are the hosts up to where we stand ourselves.
func (d *Direct) better(domain string, found []*net.MX) exchangers {
	most := -1
	for _, mx := range found {
		if d.ourselves(mx.Host) {
			most = int(mx.Pref)
			break
		}
	}
	var e exchangers
	for _, mx := range found {
		host := strings.TrimSuffix(strings.ToLower(mx.Host), ".")
		if most >= 0 && int(mx.Pref) >= most {
			break
		}
		if host != "" && !slices.Contains(e.hosts, host) {
			e.hosts = append(e.hosts, host)
		}
	}
	switch {
	case len(e.hosts) > 0:
	case most >= 0:
		e.refused = loop(domain)
	default:
		e.refused = mail.Refuse(556, "5.1.10", domain+" takes no mail (RFC 7505)")
	}
	return e
}

func (d *Direct) ourselves(host string) bool {
	return d.Hostname != "" && strings.EqualFold(strings.TrimSuffix(host, "."), strings.TrimSuffix(d.Hostname, "."))
}

func loop(domain string) *mail.Reply {
	return mail.Refuse(554, "5.4.6", "Mail for "+domain+" loops back to this server: its best MX is ourselves")
}

// addresses asks for the addresses of a host.
func (d *Direct) addresses(ctx context.Context, host, domain string) addresses {
	if ip, err := netip.ParseAddr(host); err == nil {
		return addresses{ips: []netip.Addr{ip.Unmap()}}
	}
	found, err := d.lookup().LookupIPAddr(ctx, host+".")
	if err != nil && !notFound(err) {
		return addresses{refused: mail.Refuse(451, "4.4.3", "DNS does not tell the address of "+host)}
	}
	var a addresses
	for _, f := range found {
		if ip, ok := netip.AddrFromSlice(f.IP); ok {
			a.ips = append(a.ips, ip.Unmap())
		}
	}
	switch {
	case len(a.ips) > 0:
	case host == domain:
		a.refused = mail.Refuse(550, "5.1.2", "There is no domain "+domain+" that takes mail: it has neither MX nor address")
	default:
		a.refused = mail.Refuse(550, "5.4.4", fmt.Sprintf("The mail server of %s, %s, has no address", domain, host))
	}
	return a
}

func notFound(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound
}

// forbidden are networks that no public MX is in, beside those netip knows of: a domain's owner must not have us talk to
// what is behind our own walls.
var forbidden = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),      // this network
	netip.MustParsePrefix("100.64.0.0/10"),  // carriers' NAT, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),   // RFC 6890
	netip.MustParsePrefix("198.18.0.0/15"),  // benchmarks, RFC 2544
	netip.MustParsePrefix("240.0.0.0/4"),    // reserved, and broadcast
	netip.MustParsePrefix("::/96"),          // v4-compatible, RFC 4291
	netip.MustParsePrefix("64:ff9b:1::/48"), // local NAT64, RFC 8215
	netip.MustParsePrefix("fec0::/10"),      // site-local, RFC 3879
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixToFour = netip.MustParsePrefix("2002::/16")    // RFC 3056
)

// private reports whether an address is not of the public Internet, also when it is wrapped in another.
func private(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	b := ip.AsSlice()
	switch {
	case !ip.IsGlobalUnicast() || ip.IsPrivate():
		return true
	case nat64.Contains(ip):
		return private(netip.AddrFrom4([4]byte(b[12:16])))
	case sixToFour.Contains(ip):
		return private(netip.AddrFrom4([4]byte(b[2:6])))
	}
	return slices.ContainsFunc(forbidden, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// What is remembered for how long, and of how many names.
const (
	remember     = time.Minute
	rememberMost = 10_000
)

// memo remembers values for a short while.
type memo[T any] struct {
	mu sync.Mutex
	m  map[string]remembered[T]
}

type remembered[T any] struct {
	v     T
	until time.Time
}

func (m *memo[T]) get(key string) (v T, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.m[key]
	if !ok || !time.Now().Before(r.until) {
		return v, false
	}
	return r.v, true
}

// put remembers v. When it is full, it forgets what is old; when nothing is, everything: it is no more than a minute's.
func (m *memo[T]) put(key string, v T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if len(m.m) >= rememberMost {
		for k, r := range m.m {
			if !now.Before(r.until) {
				delete(m.m, k)
			}
		}
		if len(m.m) >= rememberMost {
			clear(m.m)
		}
	}
	if m.m == nil {
		m.m = map[string]remembered[T]{}
	}
	m.m[key] = remembered[T]{v, now.Add(remember)}
}

func (m *memo[T]) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.m, key)
}

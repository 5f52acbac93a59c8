package mailauth

import (
	"context"
	"errors"
	"net"
	"strings"

	"blitiri.com.ar/go/spf"

	"listd/mail"
)

// checkSPF is RFC 7208's check_host. The null reverse-path has the sender postmaster at the domain of HELO (section
// 2.4); a domain that is none, such as an address literal, has no result (section 4.3). Of mail that was fetched, which no
// peer has brought, nothing can be said.
func checkSPF(ctx context.Context, d *dns, env mail.Envelope) SPF {
	if !env.Peer.IP.IsValid() {
		return SPF{}
	}
	s := SPF{Result: None, Domain: env.From.Domain}
	local := env.From.Local
	if env.From.IsZero() {
		s.Helo = true
		local = "postmaster"
		a, err := mail.ParseAddress("postmaster@" + env.Peer.Helo)
		if err != nil {
			return s
		}
		s.Domain = a.Domain
	}
	if strings.HasPrefix(s.Domain, "[") || !strings.Contains(s.Domain, ".") {
		return s
	}
	if local == "" || strings.Contains(local, "@") {
		local = "postmaster" // the library takes what follows the first @ for the domain
	}
	ip := net.IP(env.Peer.IP.Unmap().AsSlice())
	got, err := spf.CheckHostWithSender(ip, env.Peer.Helo, local+"@"+s.Domain, spf.WithContext(ctx), spf.WithResolver(d))
	s.Result = Result(got)
	if err != nil && s.Result != Pass && s.Result != None {
		s.Reason = err.Error()
		if lost := (*net.DNSError)(nil); errors.As(err, &lost) {
			s.Reason = "the DNS does not answer" // not whom was asked: the field leaves this house
		}
	}
	return s
}

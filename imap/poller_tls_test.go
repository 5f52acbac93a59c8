package imap_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// certificate is one for 127.0.0.1, and who trusts it.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(c)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestFetchTLS: from the first byte or by STARTTLS, with a certificate that is trusted or not at all.
func TestFetchTLS(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t)
	for name, implicit := range map[string]bool{"implicit": true, "STARTTLS": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, m := newPollSite(t), &memory{user: imapmemserver.NewUser("group@provider.test", "secret")}
			users := imapmemserver.New()
			users.AddUser(m.user)
			m.mailbox(t, "INBOX")
			m.put(t, "INBOX", message("one"))
			config := &tls.Config{Certificates: []tls.Certificate{cert}}
			options := &imapserver.Options{Logger: slog.NewLogLogger(slog.NewTextHandler(t.Output(), nil), slog.LevelDebug), TLSConfig: config,
				NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
					return users.NewSession(), nil, nil
				},
				Caps: imap.CapSet{imap.CapIMAP4rev1: {}}}
			server := imapserver.New(options)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			m.addr = l.Addr().String()
			if implicit {
				l = tls.NewListener(l, config)
			}
			served := make(chan struct{})
			go func() {
				defer close(served)
				_ = server.Serve(l) // it ends when the test closes it
			}()
			t.Cleanup(func() {
				_ = server.Close()
				<-served
			})
			a := m.account()
			a.Clear, a.Implicit = false, implicit
			if err := s.poller().Fetch(t.Context(), a); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("an unknown certificate: %v", err)
			}
			a.TLS = &tls.Config{RootCAs: pool}
			fetch(t, s.poller(), a)
			if got := s.subjects(); !slices.Equal(got, []string{"one"}) {
				t.Errorf("the list has %q", got)
			}
		})
	}
}

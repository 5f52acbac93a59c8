package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"listd/mail"
)

// Security is how a connection to a server is protected.
type Security string

// Opportunistic takes STARTTLS where it is offered, whatever the certificate, and does without where that fails
// (RFC 7435); Required wants it, with a certificate for the server's name; Implicit is TLS from the first byte
// (RFC 8314), with such a certificate; Clear never asks.
const (
	Opportunistic Security = "opportunistic"
	Required      Security = "required"
	Implicit      Security = "implicit"
	Clear         Security = "none"
)

// connect dials, says hello, and turns to TLS as sec wants it. Where opportunistic TLS comes to nothing it dials once
// more: the connection with the broken handshake is of no use.
func connect(ctx context.Context, hostname string, sec Security, cfg *tls.Config, t Timeouts, dial func(context.Context) (net.Conn, error)) (*client, error) {
	c, err := open(ctx, hostname, sec, cfg, t, dial)
	if errors.Is(err, errTLS) && sec != Required && sec != Implicit && ctx.Err() == nil {
		return open(ctx, hostname, Clear, nil, t, dial)
	}
	return c, err
}

func open(ctx context.Context, hostname string, sec Security, cfg *tls.Config, t Timeouts, dial func(context.Context) (net.Conn, error)) (*client, error) {
	t = t.withDefaults()
	short, cancel := context.WithTimeout(ctx, t.Connect)
	defer cancel()
	conn, err := dial(short)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	if sec == Implicit {
		over := tls.Client(conn, cfg)
		if err := over.HandshakeContext(short); err != nil {
			_ = conn.Close() // the error is what counts, here and below
			return nil, fmt.Errorf("%w: %w", errTLS, err)
		}
		conn = over
	}
	c, err := newClient(ctx, conn, hostname, t)
	if err == nil {
		err = c.secure(ctx, sec, cfg)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// secure asks for STARTTLS if it is offered and wanted.
func (c *client) secure(ctx context.Context, sec Security, cfg *tls.Config) error {
	if c.tls || sec == Clear {
		return nil
	}
	if !c.has("STARTTLS") {
		if sec == Required {
			return mail.Refuse(451, "4.7.4", "The server offers no STARTTLS, and TLS is required")
		}
		return nil
	}
	err := c.startTLS(ctx, cfg)
	var refusal *mail.Reply
	if errors.As(err, &refusal) && refusal.Code != 421 && !c.tls && sec != Required {
		return nil // it offers what it does not have; we talk on as we were
	}
	return err
}

// clientTLS is base, or Go's defaults, for a server of this name.
func clientTLS(base *tls.Config, host string, anyCertificate bool) *tls.Config {
	cfg := base.Clone()
	if cfg == nil {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	cfg.InsecureSkipVerify = cfg.InsecureSkipVerify || anyCertificate
	return cfg
}

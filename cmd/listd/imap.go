package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"listd/imap"
)

// imapDoor is a listener at which archives are read.
type imapDoor struct {
	net.Listener
	implicit bool // TLS from the first byte
}

// openIMAP opens the ports of the IMAP server.
func (n *node) openIMAP() error {
	c := n.cfg.IMAP
	if len(c.TLS) > 0 && n.server.TLS == nil {
		return errors.New("imap.tls needs a certificate: set cert and key under [tls]")
	}
	for _, at := range [...]struct {
		addresses []string
		implicit  bool
	}{{c.Listen, false}, {c.TLS, true}} {
		for _, address := range at.addresses {
			l, err := net.Listen("tcp", address)
			if err != nil {
				return portError(address, err)
			}
			n.boxes = append(n.boxes, imapDoor{l, at.implicit})
		}
	}
	return nil
}

// serveIMAP serves the archives until ctx ends.
func (n *node) serveIMAP(ctx context.Context) error {
	if len(n.boxes) == 0 {
		return nil
	}
	var config *tls.Config
	if n.server.TLS != nil {
		config = n.server.TLS.Clone()
	}
	c := n.cfg.IMAP
	s := &imap.Server{Library: n.lib, Users: n.users, Log: n.log, TLS: config, Now: n.db.Now,
		Limits: imap.Limits{Anonymous: c.Anonymous, Connections: c.MaxConnections, ConnectionsPerAddr: c.MaxConnectionsPerAddress}}
	failed := make(chan error, len(n.boxes))
	for _, d := range n.boxes {
		go func() { failed <- s.Serve(ctx, d.Listener, d.implicit) }()
	}
	var err error
	for range n.boxes {
		err = errors.Join(err, <-failed)
	}
	if err != nil {
		return fmt.Errorf("serve archives: %w", err)
	}
	return nil
}

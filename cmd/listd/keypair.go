package main

import (
	"crypto/tls"
	"os"
	"sync"
	"time"

	"listd/config"
)

// keyPair is a certificate and its key as they lie on the disk.
type keyPair struct {
	c config.TLS

	mu      sync.Mutex
	pair    *tls.Certificate
	written time.Time // when the certificate's file was
}

// get is a tls.Config's GetCertificate. A pair that cannot be read in the midst of a renewal leaves the last one.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	info, err := os.Stat(k.c.Cert)
	if err == nil && k.pair != nil && info.ModTime().Equal(k.written) {
		return k.pair, nil
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(k.c.Cert, k.c.Key); err == nil {
			k.pair, k.written = &pair, info.ModTime()
		}
	}
	if k.pair != nil {
		return k.pair, nil
	}
	return nil, err
}

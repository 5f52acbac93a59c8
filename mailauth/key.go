package mailauth

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"listd/mail"
)

// Key is a private key that signs for a domain, RSA or Ed25519, with the selector that it is published under.
type Key struct {
	Domain, Selector string
	private          crypto.Signer
}

// String names the key and does not tell it.
func (k Key) String() string { return k.Algorithm() + " key " + k.name() }

// GoString is String: a key is printed in no format.
func (k Key) GoString() string { return k.String() }

func (k Key) name() string { return k.Selector + "._domainkey." + k.Domain }

// Algorithm is what stands in a= of the key's signatures.
func (k Key) Algorithm() string {
	if _, ok := k.private.(ed25519.PrivateKey); ok {
		return "ed25519-sha256"
	}
	return "rsa-sha256"
}

// GenerateKeys makes the two keys of a domain. Who verifies knows one of them at least: all know RSA, and Ed25519 is the
// stronger (RFC 8463 section 5).
func GenerateKeys(domain, selectorRSA, selectorEd string) ([]Key, error) {
	if selectorRSA == selectorEd {
		return nil, errors.New("two keys need two selectors")
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	_, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	first, err := newKey(domain, selectorRSA, r)
	if err != nil {
		return nil, err
	}
	second, err := newKey(domain, selectorEd, e)
	return []Key{first, second}, err
}

// ParseKey reads a private key: PEM of PKCS #8, or of PKCS #1 as older tools write it.
func ParseKey(domain, selector string, text []byte) (Key, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return Key{}, errors.New("no key in PEM form")
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if block.Type == "RSA PRIVATE KEY" {
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	if err != nil {
		return Key{}, fmt.Errorf("no key that signs: %w", err)
	}
	switch k := private.(type) {
	case *rsa.PrivateKey:
		return newKey(domain, selector, k)
	case ed25519.PrivateKey:
		return newKey(domain, selector, k)
	}
	return Key{}, errors.New("the key must be RSA or Ed25519")
}

func newKey(domain, selector string, private crypto.Signer) (Key, error) {
	a, err := mail.ParseAddress("postmaster@" + domain)
	if err != nil || strings.HasPrefix(a.Domain, "[") {
		return Key{}, fmt.Errorf("%q is no domain to sign for", domain)
	}
	if selector = strings.ToLower(selector); !name(selector) {
		return Key{}, fmt.Errorf("%q is no selector: letters, digits, hyphens, and dots between", selector)
	}
	k := Key{Domain: a.Domain, Selector: selector, private: private}
	if r, ok := private.(*rsa.PrivateKey); ok && (r.N.BitLen() < 2048 || r.N.BitLen() > maxRSA) { // RFC 8301 section 3.2
		return Key{}, fmt.Errorf("an RSA key of %d bits; it must have 2048 to %d", r.N.BitLen(), maxRSA)
	}
	if len(k.name()) > 253 {
		return Key{}, fmt.Errorf("%s is too long for a name", k.name())
	}
	return k, nil
}

// PEM is the private key in PKCS #8.
func (k Key) PEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil // the zero Key; there is no other way
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// DNSRecord is the TXT record to publish: its name and what it says (RFC 6376 section 3.6.1, RFC 8463 section 4).
func (k Key) DNSRecord() (name, txt string) {
	kind, public := "ed25519", []byte(nil)
	switch pub := k.private.Public().(type) {
	case ed25519.PublicKey:
		public = pub
	case *rsa.PublicKey:
		kind = "rsa"
		public, _ = x509.MarshalPKIXPublicKey(pub) // an RSA key always can be
	}
	return k.name(), "v=DKIM1; k=" + kind + "; p=" + base64.StdEncoding.EncodeToString(public)
}

// CharacterStrings cuts what a TXT record says into the strings of at most 255 octets that it consists of on the wire
// and in zone files (RFC 1035 section 3.3.14).
func CharacterStrings(txt string) (out []string) {
	for len(txt) > 255 {
		out = append(out, txt[:255])
		txt = txt[255:]
	}
	return append(out, txt)
}

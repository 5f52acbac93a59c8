package mailauth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"listd/mail"
)

// maxSignatures is how many of a message's are looked at: each costs a query and a computation.
const maxSignatures = 5

// The sizes of RSA keys that are taken, in bits: less is no proof (RFC 8301 section 3.2), more is a way to keep us busy.
const (
	minRSA = 1024
	maxRSA = 4096
)

// signature is a DKIM-Signature field on its way to a Signature.
type signature struct {
	Signature
	field     mail.Field
	tags      []tag // of the field's value, which begins at colon+1
	colon     int
	names     []string // h=, in lower case
	relaxed   bool     // how the head was made canonical
	body      bool     // and the body: relaxed
	hash, sig []byte
	auid      string // the domain of i=
}

// checkDKIM verifies a message's signatures (RFC 6376 section 6.1).
func checkDKIM(ctx context.Context, d *dns, h head, body []byte, authors []string, now time.Time) []Signature {
	sigs := choose(h, authors)
	bodies := map[bool][sha256.Size]byte{} // by relaxed; computed once
	keys := make([]key, len(sigs))
	var wg sync.WaitGroup
	for i, s := range sigs {
		if s.parse(now); s.Result != "" {
			continue
		}
		sum, ok := bodies[s.body]
		if !ok {
			if sum = simpleBody(body); s.body {
				sum = relaxedBody(body)
			}
			bodies[s.body] = sum
		}
		if string(sum[:]) != string(s.hash) {
			s.end(Fail, "the body has been changed")
			continue
		}
		wg.Go(func() { keys[i] = fetchKey(ctx, d, s.Selector+"._domainkey."+s.Domain) })
	}
	wg.Wait()
	out := make([]Signature, len(sigs))
	for i, s := range sigs {
		if s.Result == "" {
			s.verify(h, keys[i])
		}
		out[i] = s.Signature
	}
	return out
}

// choose takes the first signatures, those of an author's domain, or of one above or below it, before all others: on
// its way a message may have got any number on top.
func choose(h head, authors []string) (out []*signature) {
	var rest []*signature
	for _, i := range h.at["dkim-signature"] {
		s := &signature{field: h.fields[i]}
		s.colon = bytes.IndexByte(s.field.Raw, ':')
		var err error
		if s.tags, err = readTags(s.field.Raw[s.colon+1:]); err != nil {
			s.end(PermError, err.Error())
		} else if d := strings.ToLower(s.value("d")); name(d) {
			s.Domain = d
		}
		if slices.ContainsFunc(authors, func(a string) bool { return within(a, s.Domain) || within(s.Domain, a) }) {
			out = append(out, s)
		} else if len(rest) < maxSignatures {
			rest = append(rest, s)
		}
	}
	out = out[:min(len(out), maxSignatures)]
	out = append(out, rest[:min(len(rest), maxSignatures-len(out))]...)
	slices.SortStableFunc(out, func(a, b *signature) int { return h.index(a.field) - h.index(b.field) })
	return out
}

// index is where a field stands in the head.
func (h head) index(f mail.Field) int {
	return slices.IndexFunc(h.fields, func(g mail.Field) bool { return &g.Raw[0] == &f.Raw[0] })
}

// within reports whether a domain is another or lies below it.
func within(domain, above string) bool {
	rest, ok := strings.CutSuffix(domain, above)
	return ok && above != "" && (rest == "" || rest[len(rest)-1] == '.')
}

func (s *signature) value(tag string) string {
	v, _ := value(s.field.Raw[s.colon+1:], s.tags, tag)
	return v
}

func (s *signature) has(tag string) bool {
	_, ok := value(s.field.Raw[s.colon+1:], s.tags, tag)
	return ok
}

// end settles the signature.
func (s *signature) end(r Result, reason string) {
	if s.Result == "" {
		s.Result, s.Reason = r, reason
	}
}

// parse reads the field (RFC 6376 section 3.5). It leaves Result empty if the signature is worth verifying.
func (s *signature) parse(now time.Time) {
	if s.Result != "" {
		return
	}
	s.Algorithm = strings.ToLower(s.value("a"))
	s.WholeBody = !s.has("l")
	if sel := strings.ToLower(s.value("s")); name(sel) {
		s.Selector = sel
	}
	for n := range strings.SplitSeq(strings.ToLower(s.value("h")), ":") {
		s.names = append(s.names, n)
	}
	s.Signed = slices.Clone(s.names)
	slices.Sort(s.Signed)
	s.Signed = slices.Compact(s.Signed)
	s.tag = s.value("b")
	s.tag = s.tag[:min(len(s.tag), 8)]
	var errHash, errSig error
	s.hash, errHash = base64.StdEncoding.DecodeString(s.value("bh"))
	s.sig, errSig = base64.StdEncoding.DecodeString(s.value("b"))
	known := s.canonical()
	s.auid = s.Domain
	if i := s.value("i"); i != "" {
		s.auid = strings.ToLower(i[strings.LastIndexByte(i, '@')+1:])
	}
	switch {
	case s.value("v") != "1":
		s.end(PermError, "no version 1")
	case s.Domain == "" || s.Selector == "":
		s.end(PermError, "no domain or no selector")
	case !slices.Contains(s.names, "from"):
		s.end(PermError, "From is not covered")
	case errHash != nil || errSig != nil || len(s.sig) == 0:
		s.end(PermError, "a hash or a signature that is no base64")
	case !within(s.auid, s.Domain):
		s.end(PermError, "i= is not within d=")
	case !known:
		s.end(PermError, "unknown canonicalization")
	case s.has("q") && !slices.Contains(strings.Split(s.value("q"), ":"), "dns/txt"):
		s.end(PermError, "no way to ask for the key that we know")
	case s.Algorithm == "rsa-sha1":
		s.end(ByPolicy, "rsa-sha1 proves nothing (RFC 8301)")
	case s.Algorithm != "rsa-sha256" && s.Algorithm != "ed25519-sha256":
		s.end(PermError, "unknown algorithm")
	case !s.WholeBody:
		s.end(ByPolicy, "l= leaves the end of the body open to anyone")
	}
	s.checkTimes(now)
}

// canonical reads c=.
func (s *signature) canonical() bool {
	head, body, _ := strings.Cut(strings.ToLower(s.value("c")), "/")
	s.relaxed, s.body = head == "relaxed", body == "relaxed"
	return (s.relaxed || head == "simple" || head == "") && (s.body || body == "simple" || body == "")
}

func (s *signature) checkTimes(now time.Time) {
	var t, x int64
	for name, at := range map[string]*int64{"t": &t, "x": &x} {
		var err error
		if v := s.value(name); s.has(name) {
			if len(v) > 12 && strings.Trim(v, "0123456789") == "" {
				v = "999999999999" // section 3.5: as far as the eye can see
			}
			if *at, err = strconv.ParseInt(v, 10, 64); err != nil || *at < 0 {
				s.end(PermError, name+"= is no time")
			}
		}
	}
	switch {
	case s.has("x") && x < t:
		s.end(PermError, "x= is before t=")
	case s.has("x") && now.Unix() > x:
		s.end(Fail, "expired")
	}
}

// verify holds the head against the signature.
func (s *signature) verify(h head, k key) {
	if k.result != Pass {
		s.end(k.result, k.reason)
		return
	}
	if k.strict && s.auid != s.Domain {
		s.end(PermError, "the key is not for the domain of i=")
		return
	}
	sum := sha256.Sum256(s.signed(h))
	switch pub := k.public.(type) {
	case *rsa.PublicKey:
		if s.Algorithm != "rsa-sha256" {
			s.end(PermError, "the key is for another algorithm")
		} else if n := pub.N.BitLen(); n < minRSA || n > maxRSA {
			s.end(ByPolicy, fmt.Sprintf("a key of %d bits", n))
		} else if rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], s.sig) != nil {
			s.end(Fail, "the head has been changed, or the signature is forged")
		}
	case ed25519.PublicKey:
		if s.Algorithm != "ed25519-sha256" {
			s.end(PermError, "the key is for another algorithm")
		} else if !ed25519.Verify(pub, sum[:], s.sig) { // RFC 8463 section 3: it signs the hash
			s.end(Fail, "the head has been changed, or the signature is forged")
		}
	}
	s.end(Pass, "")
}

// signed is what the signature signs: the fields it names, each name taking the lowest field not yet taken, and itself
// with an empty b= (RFC 6376 sections 3.7 and 5.4.2).
func (s *signature) signed(h head) (out []byte) {
	left := map[string][]int{}
	for _, n := range s.names {
		at, ok := left[n]
		if !ok {
			at = h.at[n]
		}
		if len(at) > 0 && &h.fields[at[len(at)-1]].Raw[0] == &s.field.Raw[0] {
			at = at[:len(at)-1] // it was not there when it was made
		}
		if left[n] = at; len(at) == 0 {
			continue
		}
		f := h.fields[at[len(at)-1]]
		left[n] = at[:len(at)-1]
		if s.relaxed {
			out = appendRelaxed(out, f)
		} else {
			out = append(out, f.Raw...)
		}
	}
	own := slices.Clone(s.field.Raw)
	for _, t := range s.tags {
		if t.name == "b" {
			own = slices.Delete(own, s.colon+1+t.from, s.colon+1+t.to)
		}
	}
	if s.relaxed {
		out = appendRelaxed(out, mail.Field{Name: s.field.Name, Raw: own})
	} else {
		out = append(out, own...)
	}
	return out[:len(trimLine(out))]
}

func trimLine(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		if b = b[:n-1]; n > 1 && b[n-2] == '\r' {
			b = b[:n-2]
		}
	}
	return b
}

// key is a public key as it is published, or why there is none.
type key struct {
	public crypto.PublicKey
	strict bool // t=s: for d= itself only
	result Result
	reason string
}

// fetchKey asks for a key. Of several records the first that is one counts (RFC 6376 section 3.6.2.2 leaves it open).
func fetchKey(ctx context.Context, d *dns, name string) key {
	txt, err := d.LookupTXT(ctx, name)
	switch {
	case isNotFound(err):
		return key{result: PermError, reason: "no key is published"}
	case err != nil:
		return key{result: TempError, reason: "the DNS does not answer"}
	}
	var first error
	for _, record := range txt[:min(len(txt), 10)] {
		k, err := parseKey(record)
		if err == nil {
			k.result = Pass
			return k
		}
		if first == nil {
			first = err
		}
	}
	return key{result: PermError, reason: first.Error()}
}

// parseKey reads a key record (RFC 6376 section 3.6.1, RFC 8463 section 4). t=y, "testing", is ignored as everybody
// does: what verifies verifies.
func parseKey(record string) (key, error) {
	var k key
	list := []byte(record)
	tags, err := readTags(list)
	if err != nil {
		return k, fmt.Errorf("no key: %w", err)
	}
	get := func(name, otherwise string) string {
		if v, ok := value(list, tags, name); ok {
			return v
		}
		return otherwise
	}
	if v := get("v", "DKIM1"); v != "DKIM1" {
		return k, errors.New("no key: another version")
	}
	if hs := strings.Split(get("h", "sha256"), ":"); !slices.Contains(hs, "sha256") {
		return k, errors.New("the key is not for sha256")
	}
	if ss := strings.Split(get("s", "*"), ":"); !slices.Contains(ss, "*") && !slices.Contains(ss, "email") {
		return k, errors.New("the key is not for mail")
	}
	k.strict = slices.Contains(strings.Split(get("t", ""), ":"), "s")
	p, ok := value(list, tags, "p")
	switch {
	case !ok:
		return k, errors.New("no key: there is no p=")
	case p == "":
		return k, errors.New("the key has been revoked")
	}
	der, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		return k, errors.New("p= is no base64")
	}
	switch kind := get("k", "rsa"); kind {
	case "rsa":
		pub, err := parseRSA(der)
		k.public = pub
		return k, err
	case "ed25519":
		if len(der) != ed25519.PublicKeySize {
			return k, errors.New("p= is no Ed25519 key")
		}
		k.public = ed25519.PublicKey(der)
		return k, nil
	}
	return k, errors.New("a key of an unknown kind")
}

// parseRSA reads a SubjectPublicKeyInfo, which everybody publishes, or a bare RSAPublicKey, which RFC 6376 says (its
// erratum 3017).
func parseRSA(der []byte) (*rsa.PublicKey, error) {
	if pub, err := x509.ParsePKIXPublicKey(der); err == nil {
		if pub, ok := pub.(*rsa.PublicKey); ok {
			return pub, nil
		}
		return nil, errors.New("p= is no RSA key")
	}
	pub, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil, errors.New("p= is no RSA key")
	}
	return pub, nil
}

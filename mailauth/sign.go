package mailauth

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"listd/mail"
)

// Signer signs for a domain, once with each of its keys. It is for use by several goroutines at once.
type Signer struct {
	keys  []Key
	begin []string // of each field, up to t=
}

// NewSigner makes a Signer of the keys of one domain. Its fields stand in the order of the keys.
func NewSigner(keys ...Key) (*Signer, error) {
	if len(keys) == 0 {
		return nil, errors.New("no keys to sign with")
	}
	s := &Signer{keys: keys}
	for _, k := range keys {
		if k.private == nil {
			return nil, errors.New("a key that is none")
		}
		if k.Domain != keys[0].Domain {
			return nil, fmt.Errorf("keys of two domains, %s and %s", keys[0].Domain, k.Domain)
		}
		s.begin = append(s.begin, "DKIM-Signature: v=1; a="+k.Algorithm()+"; c=relaxed/relaxed;\r\n\td="+k.Domain+"; s="+k.Selector+";\r\n\tt=")
	}
	return s, nil
}

// Domain is whom the Signer signs for.
func (s *Signer) Domain() string { return s.keys[0].Domain }

// BodyHash is the hash of a body that Sign wants. It is the same for all who get the body.
func (s *Signer) BodyHash(body []byte) [sha256.Size]byte { return relaxedBody(body) }

// Sign makes the DKIM-Signature fields to put in front of a head, one for each key. The same arguments make the same
// fields. The head must have a From field (RFC 6376 section 5.4).
//
// It is called for each recipient: where a message differs for each, it is the head that does.
func (s *Signer) Sign(head []byte, bodyHash [sha256.Size]byte, now time.Time) ([]byte, error) {
	fields := chosen(head)
	canonical := make([]byte, 0, len(head)+512)
	from := false
	for i := len(fields) - 1; i >= 0; i-- { // of those with one name the lowest is taken first
		from = from || fields[i].Is("From")
		canonical = appendRelaxed(canonical, fields[i])
	}
	if !from {
		return nil, errors.New("sign: the message has no From")
	}
	rest := make([]byte, 0, 1024) // what is the same for all keys: t= to b=
	rest = strconv.AppendInt(rest, now.Unix(), 10)
	rest = appendNames(append(rest, ";\r\n\th="...), fields)
	rest = append(rest, ";\r\n\tbh="...)
	rest = base64.StdEncoding.AppendEncode(rest, bodyHash[:])
	rest = append(rest, ";\r\n\tb="...)

	out := make([]byte, 0, len(s.keys)*(len(rest)+512))
	n := len(canonical)
	for i, k := range s.keys {
		start := len(out)
		out = append(append(out, s.begin[i]...), rest...)
		canonical = appendRelaxed(canonical[:n], mail.Field{Name: "DKIM-Signature", Raw: out[start:]})
		sig, err := k.sign(sha256.Sum256(trimLine(canonical)))
		if err != nil {
			return nil, fmt.Errorf("sign with %s: %w", k, err)
		}
		out = append(appendFolded(out, base64.StdEncoding.EncodeToString(sig)), "\r\n"...)
	}
	return out, nil
}

func (k Key) sign(sum [sha256.Size]byte) ([]byte, error) {
	if e, ok := k.private.(ed25519.PrivateKey); ok {
		return ed25519.Sign(e, sum[:]), nil // RFC 8463 section 3: of the hash
	}
	return k.private.Sign(nil, sum[:], crypto.SHA256) // PKCS #1 v1.5, which takes no chance
}

var _ crypto.Signer = (*rsa.PrivateKey)(nil)

// What a reader sees, or what is done with the message, is covered; what is added on the way is not (RFC 6376 section
// 5.4.1). A message has one of the sealed fields. It may get further List- ones where another list passes it on; RFC 8058
// section 3.1 wants List-Unsubscribe and List-Unsubscribe-Post.
var (
	sealedNames = [...]string{"From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References",
		"MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
	coveredNames = [...]string{"Sender", "Auto-Submitted", "Archived-At", "Feedback-ID", "CFBL-Address", "CFBL-Feedback-ID",
		"Content-ID", "Content-Disposition", "Content-Language"}
)

func covers(name string) bool {
	for _, n := range sealedNames {
		if len(n) == len(name) && strings.EqualFold(n, name) {
			return true
		}
	}
	for _, n := range coveredNames {
		if len(n) == len(name) && strings.EqualFold(n, name) {
			return true
		}
	}
	return len(name) > 5 && strings.EqualFold(name[:5], "List-")
}

// chosen are the fields of a head that are covered, in its order.
func chosen(head []byte) []mail.Field {
	out := make([]mail.Field, 0, 24)
	for f := range mail.Fields(head) {
		if f.Name != "" && covers(f.Name) {
			out = append(out, f)
		}
	}
	return out
}

// appendNames appends h=, in lines of 78: the fields bottom up, and then once more the sealed ones that are there, so that
// none can be added (RFC 6376 section 8.15).
func appendNames(dst []byte, fields []mail.Field) []byte {
	width := len("\th=")
	add := func(name string, first bool) {
		if !first {
			dst = append(dst, ':')
			width++
		}
		if width+len(name)+1 > 77 {
			dst = append(dst, "\r\n\t "...)
			width = 2
		}
		for i := range len(name) {
			dst = append(dst, lower(name[i]))
		}
		width += len(name)
	}
	for i := len(fields) - 1; i >= 0; i-- {
		add(fields[i].Name, i == len(fields)-1)
	}
	for _, n := range sealedNames {
		if slices.ContainsFunc(fields, func(f mail.Field) bool { return f.Is(n) }) {
			add(n, false)
		}
	}
	return dst
}

// appendFolded appends a signature in lines.
func appendFolded(dst []byte, sig string) []byte {
	n := 72 // behind "\tb="
	for len(sig) > n {
		dst = append(append(dst, sig[:n]...), "\r\n\t "...)
		sig = sig[n:]
	}
	return append(dst, sig...)
}

package lists

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"

	"listd/mail"
)

// Tokens stand in local parts, which some relays turn to lower case and people spell: RFC 4648 section 6's
// alphabet in lower case.
const base32 = "abcdefghijklmnopqrstuvwxyz234567"

// macChars are 40 bits: 2^39 mails for a fair chance to forge one bounce, and no row to look up.
const macChars = 8

// What a mac is for goes into it first, so that a token of one kind is none of another.
const (
	forVERP  = 'v'
	forLeave = 'l'
)

// Minter makes and reads the tokens that carry their own proof. It is safe for concurrent use.
type Minter struct {
	ring atomic.Pointer[ring]
}

// ring are the keys of a Minter at one time.
type ring struct {
	macs *sync.Pool
	more []*sync.Pool // of keys that read what they made, and make nothing
}

type macState struct {
	h   hash.Hash
	in  [17]byte
	sum [sha256.Size]byte
	out [40]byte
}

// NewMinter is a Minter with this secret key. What was made with one of the old keys is still good, so that a key can be
// changed without breaking a link in anybody's mail.
func NewMinter(key []byte, old ...[]byte) *Minter {
	m := &Minter{}
	m.Turn(key, old...)
	return m
}

// Turn has the Minter make tokens with this key from now on, and read those of the others, too: of older keys, and of one
// that another node may be about to use.
func (m *Minter) Turn(key []byte, others ...[]byte) {
	r := &ring{macs: macsOf(key)}
	for _, k := range others {
		r.more = append(r.more, macsOf(k))
	}
	m.ring.Store(r)
}

func macsOf(key []byte) *sync.Pool {
	key = append([]byte(nil), key...)
	return &sync.Pool{New: func() any { return &macState{h: hmac.New(sha256.New, key)} }}
}

// VERP is the envelope sender of what is sent to one subscription: bounces with the token of the outgoing
// message and the subscription.
func (m *Minter) VERP(bounces mail.Address, outgoing, sub int64) mail.Address {
	macs := m.ring.Load().macs
	s := macs.Get().(*macState)
	defer macs.Put(s)
	o, u := uint64(outgoing), uint64(sub)
	// How many digits the first number has, both numbers, the mac: 23 characters are left of 64 beside the
	// longest name, so two numbers of 35 bits fit.
	b := append(s.out[:0], '+', base32[digits(o)])
	b = appendMac(appendDigits(appendDigits(b, o), u), s, forVERP, o, u)
	return mail.Address{Local: bounces.Local + string(b), Domain: bounces.Domain}
}

// ReadVERP reads the token of VERP; not ok if it is none that this key made.
func (m *Minter) ReadVERP(token string) (outgoing, sub int64, ok bool) {
	if len(token) < 1+1+1+macChars {
		return 0, 0, false
	}
	body, mac := token[:len(token)-macChars], token[len(token)-macChars:]
	n := strings.IndexByte(base32, lower(body[0]))
	if n < 1 || 1+n >= len(body) {
		return 0, 0, false
	}
	o, ok1 := readDigits(body[1 : 1+n])
	u, ok2 := readDigits(body[1+n:])
	if !ok1 || !ok2 || !m.proves(mac, forVERP, o, u) {
		return 0, 0, false
	}
	return int64(o), int64(u), true
}

// Leave is the address that ends one subscription at once: leave with the subscription's token. It is good for
// as long as the subscription lives.
func (m *Minter) Leave(leave mail.Address, sub int64) mail.Address {
	macs := m.ring.Load().macs
	s := macs.Get().(*macState)
	defer macs.Put(s)
	b := appendMac(appendDigits(append(s.out[:0], '+'), uint64(sub)), s, forLeave, uint64(sub), 0)
	return mail.Address{Local: leave.Local + string(b), Domain: leave.Domain}
}

// LeaveToken is the token of Leave alone, for a link.
func (m *Minter) LeaveToken(sub int64) string {
	return m.Leave(mail.Address{}, sub).Local[1:]
}

// ReadLeave reads the token of Leave; not ok if it is none that this key made.
func (m *Minter) ReadLeave(token string) (sub int64, ok bool) {
	if len(token) < 1+macChars {
		return 0, false
	}
	u, ok := readDigits(token[:len(token)-macChars])
	if !ok || !m.proves(token[len(token)-macChars:], forLeave, u, 0) {
		return 0, false
	}
	return int64(u), true
}

func (m *Minter) proves(mac string, use byte, a, b uint64) bool {
	var got [macChars]byte
	for i := range got {
		got[i] = lower(mac[i])
	}
	r := m.ring.Load()
	ok := proves(r.macs, got, use, a, b)
	for _, o := range r.more {
		ok = proves(o, got, use, a, b) || ok // every key is tried: the time tells nothing
	}
	return ok
}

func proves(macs *sync.Pool, mac [macChars]byte, use byte, a, b uint64) bool {
	s := macs.Get().(*macState)
	defer macs.Put(s)
	want := appendMac(s.out[:0], s, use, a, b)
	return subtle.ConstantTimeCompare(want, mac[:]) == 1
}

// appendMac appends the first 40 bits of HMAC-SHA256 over the use and the numbers.
func appendMac(b []byte, s *macState, use byte, x, y uint64) []byte {
	s.in[0] = use
	binary.BigEndian.PutUint64(s.in[1:], x)
	binary.BigEndian.PutUint64(s.in[9:], y)
	s.h.Reset()
	s.h.Write(s.in[:])
	sum := s.h.Sum(s.sum[:0])
	return appendBits(b, sum[:macChars*5/8])
}

// appendBits appends five bits a character; bits that do not fill one are left out.
func appendBits(b, in []byte) []byte {
	var acc, have uint
	for _, c := range in {
		acc, have = acc<<8|uint(c), have+8
		for have >= 5 {
			have -= 5
			b = append(b, base32[acc>>have&31])
		}
	}
	return b
}

// digits is how many characters a number takes; zero takes one.
func digits(n uint64) int { return max(1, (bits.Len64(n)+4)/5) }

func appendDigits(b []byte, n uint64) []byte {
	for i := digits(n) - 1; i >= 0; i-- {
		b = append(b, base32[n>>(5*i)&31])
	}
	return b
}

// readDigits reads what appendDigits wrote and nothing else, so that a number has one spelling.
func readDigits(s string) (n uint64, ok bool) {
	for i := range len(s) {
		d := strings.IndexByte(base32, lower(s[i]))
		if d < 0 || n>>59 != 0 {
			return 0, false
		}
		n = n<<5 | uint64(d)
	}
	return n, len(s) == digits(n)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// RandomToken spells 100 bits of chance in 20 characters; the last four bits are not used.
func RandomToken(random [13]byte) string {
	return string(appendBits(make([]byte, 0, 20), random[:]))
}

// HashToken is what is stored of a random token: who reads the database cannot use it. Relays may have changed
// its case.
func HashToken(token string) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.ToLower(token)))
}

package lists

import (
	"crypto/sha256"
	"math"
	"strings"
	"testing"

	"listd/mail"
)

func TestVERP(t *testing.T) {
	t.Parallel()
	m, other := NewMinter([]byte("key")), NewMinter([]byte("another"))
	bounces := mail.Address{Local: "pyug-bounces", Domain: "lists.example.org"}
	for _, c := range [][2]int64{{0, 0}, {1, 2}, {31, 32}, {1 << 34, 1 << 34}, {math.MaxInt64, math.MaxInt64}, {7, 1}, {123456789, 987654}} {
		a := m.VERP(bounces, c[0], c[1])
		token, ok := strings.CutPrefix(a.Local, "pyug-bounces+")
		if !ok || a.Domain != bounces.Domain {
			t.Fatal(a)
		}
		for _, spelled := range []string{token, strings.ToUpper(token)} {
			o, s, ok := m.ReadVERP(spelled)
			if !ok || o != c[0] || s != c[1] {
				t.Errorf("ReadVERP(%s) = %d, %d, %v, want %v", spelled, o, s, ok, c)
			}
		}
		if _, _, ok := other.ReadVERP(token); ok {
			t.Error("another key reads it")
		}
		if _, ok := m.ReadLeave(token); ok {
			t.Error("a bounce's token is none to leave")
		}
		for i := range len(token) {
			b := []byte(token)
			if b[i]++; b[i] > 'z' || b[i] == '8' {
				b[i] = 'a'
			}
			if _, _, ok := m.ReadVERP(string(b)); ok {
				t.Errorf("%s with character %d changed is accepted", token, i)
			}
		}
	}
}

// RFC 5321 section 4.5.3.1.1: a local part has 64 octets.
func TestVERPFits(t *testing.T) {
	t.Parallel()
	l := List{Address: mail.Address{Local: strings.Repeat("a", maxName), Domain: "x"}}
	a := NewMinter(nil).VERP(l.Bounces(), 1<<35-1, 1<<35-1)
	if len(a.Local) != 64 {
		t.Errorf("%d octets: %s", len(a.Local), a)
	}
	if n := len(l.Moderate(RandomToken([13]byte{})).Local); n > 64 {
		t.Errorf("%d octets", n)
	}
}

func TestLeaveToken(t *testing.T) {
	t.Parallel()
	m := NewMinter([]byte("key"))
	l := pyug(t, nil)
	for _, sub := range []int64{0, 1, 32, 1 << 40, math.MaxInt64} {
		a := m.Leave(l.Leave(), sub)
		r := Routes(a.Local)
		if len(r) != 1 || r[0].Kind != ToLeave || r[0].List != "pyug" {
			t.Fatalf("%s: %v", a, r)
		}
		got, ok := m.ReadLeave(r[0].Token)
		if !ok || got != sub {
			t.Errorf("ReadLeave = %d, %v, want %d", got, ok, sub)
		}
		if _, ok := m.ReadLeave("a" + r[0].Token); ok {
			t.Error("a number has two spellings")
		}
	}
}

func TestRandomToken(t *testing.T) {
	t.Parallel()
	var r [13]byte
	seen := map[string]bool{RandomToken(r): true}
	for bit := range 104 {
		r = [13]byte{}
		r[bit/8] = 0x80 >> (bit % 8)
		tok := RandomToken(r)
		if len(tok) != 20 || seen[tok] != (bit >= 100) {
			t.Errorf("bit %d: %s", bit, tok)
		}
		seen[tok] = true
		if HashToken(tok) != HashToken(strings.ToUpper(tok)) || HashToken(tok) != sha256.Sum256([]byte(tok)) {
			t.Error("HashToken")
		}
	}
}

func FuzzToken(f *testing.F) {
	m := NewMinter([]byte("key"))
	a := mail.Address{Local: "x", Domain: "y"}
	f.Add(m.VERP(a, 1, 2).Local[2:])
	f.Add(m.Leave(a, 77).Local[2:])
	f.Add("")
	f.Add("ÿÿÿÿÿÿÿÿÿÿÿÿ")
	f.Fuzz(func(t *testing.T, token string) {
		if o, s, ok := m.ReadVERP(token); ok && m.VERP(a, o, s).Local != "x+"+strings.ToLower(token) {
			t.Errorf("%q is a second spelling", token)
		}
		if s, ok := m.ReadLeave(token); ok && m.Leave(a, s).Local != "x+"+strings.ToLower(token) {
			t.Errorf("%q is a second spelling", token)
		}
	})
}

func BenchmarkVERP(b *testing.B) {
	m := NewMinter([]byte("a key of thirty-two bytes length"))
	a := mail.Address{Local: "pyug-bounces", Domain: "lists.example.org"}
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		m.VERP(a, 123456, i)
	}
}

func TestMinterConcurrent(t *testing.T) {
	t.Parallel()
	m := NewMinter([]byte("key"))
	want := m.VERP(mail.Address{Local: "b"}, 5, 6)
	done := make(chan bool)
	for range 8 {
		go func() {
			ok := true
			for range 200 {
				ok = ok && m.VERP(mail.Address{Local: "b"}, 5, 6) == want
				m.Leave(mail.Address{Local: "b"}, 9)
			}
			done <- ok
		}()
	}
	for range 8 {
		if !<-done {
			t.Error("a token came out wrong")
		}
	}
}

// A link in a mail outlives the key it was made with.
func TestMinterRotates(t *testing.T) {
	t.Parallel()
	first := NewMinter([]byte("first"))
	second := NewMinter([]byte("second"), []byte("first"))
	third := NewMinter([]byte("third"), []byte("second"))
	token := first.LeaveToken(42)
	if sub, ok := second.ReadLeave(token); !ok || sub != 42 {
		t.Errorf("the old key's token reads %d, %v", sub, ok)
	}
	if _, ok := third.ReadLeave(token); ok {
		t.Error("a key that was given up still reads")
	}
	if second.LeaveToken(42) == token {
		t.Error("the new key makes the old key's token")
	}
}

// A Minter that is in use turns to another key; meanwhile no token that is good at both ends fails.
func TestMinterTurns(t *testing.T) {
	t.Parallel()
	one, two := []byte("one"), []byte("two")
	m := NewMinter(one)
	old := m.LeaveToken(42)
	m.Turn(one, two) // another node may make tokens with it already
	if _, ok := m.ReadLeave(NewMinter(two).LeaveToken(42)); !ok || m.LeaveToken(42) != old {
		t.Error("a key that is known makes tokens before its time, or does not read them")
	}
	done := make(chan bool)
	for range 4 {
		go func() {
			ok := true
			for range 500 {
				sub, good := m.ReadLeave(m.LeaveToken(7))
				ok = ok && good && sub == 7
			}
			done <- ok
		}()
	}
	for n := range 50 {
		if n%2 == 0 {
			m.Turn(two, one)
		} else {
			m.Turn(one, two)
		}
	}
	for range 4 {
		if !<-done {
			t.Error("a token was not read in the midst of a turn")
		}
	}
	m.Turn(two, one)
	if _, ok := m.ReadLeave(old); !ok || m.LeaveToken(42) == old {
		t.Error("the old key does not read, or still makes tokens")
	}
	if m.Turn(two); m.reads(old) {
		t.Error("a key that was given up still reads")
	}
}

func (m *Minter) reads(token string) bool {
	_, ok := m.ReadLeave(token)
	return ok
}

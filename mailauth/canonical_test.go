package mailauth

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"strings"
	"testing"

	"listd/mail"
)

// naive is the relaxed form of a body, word for word as RFC 6376 section 3.4.4 has it.
func naive(body []byte) []byte {
	if len(body) == 0 {
		return nil
	}
	var out []byte
	lines := strings.Split(string(body), "\n")
	last := lines[len(lines)-1]
	for _, l := range lines[:len(lines)-1] {
		out = append(out, naiveLine(strings.TrimSuffix(l, "\r"))+"\r\n"...)
	}
	if l := naiveLine(last); l != "" {
		out = append(out, l+"\r\n"...)
	}
	for bytes.HasSuffix(out, []byte("\r\n\r\n")) {
		out = out[:len(out)-2]
	}
	if string(out) == "\r\n" {
		return nil
	}
	return out
}

func naiveLine(l string) string {
	var b strings.Builder
	for i := range len(l) {
		switch c := l[i]; {
		case c != ' ' && c != '\t':
			b.WriteByte(c)
		case i == 0 || l[i-1] != ' ' && l[i-1] != '\t':
			b.WriteByte(' ')
		}
	}
	return strings.TrimSuffix(b.String(), " ")
}

// naiveSimple is RFC 6376 section 3.4.3.
func naiveSimple(body []byte) []byte {
	s := strings.ReplaceAll(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n", "\r\n")
	for strings.HasSuffix(s, "\r\n") {
		s = s[:len(s)-2]
	}
	return []byte(s + "\r\n")
}

func sameBody(t *testing.T, body []byte) {
	t.Helper()
	if relaxedBody(body) != sha256.Sum256(naive(body)) {
		t.Errorf("relaxed: %q is not %q", body, naive(body))
	}
	if simpleBody(body) != sha256.Sum256(naiveSimple(body)) {
		t.Errorf("simple: %q is not %q", body, naiveSimple(body))
	}
}

// The examples of RFC 6376 section 3.4.5.
func TestBodyExamples(t *testing.T) {
	t.Parallel()
	const body = " C \r\nD \t E\r\n\r\n\r\n"
	if relaxedBody([]byte(body)) != sha256.Sum256([]byte(" C\r\nD E\r\n")) {
		t.Error("relaxed")
	}
	if simpleBody([]byte(body)) != sha256.Sum256([]byte(" C \r\nD \t E\r\n")) {
		t.Error("simple")
	}
	if relaxedBody(nil) != sha256.Sum256(nil) || simpleBody(nil) != sha256.Sum256([]byte("\r\n")) {
		t.Error("empty")
	}
}

func TestHeaderExamples(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"A: X\r\n":              "a:X\r\n",
		"B : Y\t\r\n\tZ  \r\n":  "b:Y Z\r\n",
		"Subject:\r\n":          "subject:\r\n",
		"Subject:\r\n \r\n x":   "subject:x\r\n",
		"sUB-Ject:a:b\r\n c":    "sub-ject:a:b c\r\n",
		"X:\t \tlead\ttrail\t ": "x:lead trail\r\n",
	} {
		for f := range mail.Fields([]byte(raw)) {
			if got := string(appendRelaxed(nil, f)); got != want {
				t.Errorf("%q is %q, want %q", raw, got, want)
			}
		}
	}
}

// Every short body of the bytes that matter, at every distance from the eight bytes that are looked at together.
func TestBodyShort(t *testing.T) {
	t.Parallel()
	const bytesThatMatter = " \t\r\na"
	buf := make([]byte, 0, 32)
	for pad := range 9 {
		for n := range 5 {
			for code := range pow(len(bytesThatMatter), n) {
				buf = append(buf[:0], "01234567"[:pad%9%8]...)
				for range n {
					buf = append(buf, bytesThatMatter[code%len(bytesThatMatter)])
					code /= len(bytesThatMatter)
				}
				sameBody(t, buf)
				sameBody(t, append(buf, "tail of it"...))
			}
		}
	}
}

func pow(a, n int) int {
	if n == 0 {
		return 1
	}
	return a * pow(a, n-1)
}

// Long bodies by chance, also of more than the writer gathers.
func TestBodyRandom(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	units := []string{" ", "\t", "\r\n", "\n", "\r", "a", "bc", "  ", " \r\n", "a b", "\r\n\r\n", strings.Repeat("word ", 20), strings.Repeat("x", 5000)}
	for range 300 {
		var b []byte
		for range r.IntN(120) {
			n := len(units)
			if r.IntN(10) > 0 {
				n-- // the long one seldom
			}
			b = append(b, units[r.IntN(n)]...)
		}
		sameBody(t, b)
	}
}

func FuzzBodyHash(f *testing.F) {
	for _, s := range []string{"", "\r\n", " \r\n", "a", "a \r\n\r\n", "a\tb  c\r\n \t\r\n", "a\nb\r\n", "\n \n", "a\r \rb\r\r\n", "12345678 \r\n", "1234567\t\t8 "} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sameBody(t, body)
		if len(body) < 1000 {
			sameBody(t, bytes.Repeat(append(body, "12345678"...), 9))
		}
	})
}

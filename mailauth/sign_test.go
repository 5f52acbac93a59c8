package mailauth_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"listd/mail"
	"listd/mailauth"
)

// Our signatures verify with go-msgauth and with us.
func TestSignatureVerifies(t *testing.T) {
	t.Parallel()
	records := published(t)
	s := signer(t)
	for name, m := range odd() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := signed(t, s, m)
			if r := verifier(zone(records)).Verify(t.Context(), mail.Envelope{}, m); len(r.DKIM) != 2 || r.DKIM[0].Result != mailauth.Pass || r.DKIM[1].Result != mailauth.Pass {
				t.Errorf("we say %s", results(r.DKIM))
			}
			if name == "bare CR" {
				return // go-msgauth takes it for a line end in part; mail has none
			}
			got, err := dkim.VerifyWithOptions(bytes.NewReader(whole(m)), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
				return []string{records[name]}, nil
			}})
			if err != nil || len(got) != 2 {
				t.Fatal(got, err)
			}
			for _, v := range got {
				if v.Err != nil || v.Domain != "example.com" {
					t.Errorf("go-msgauth says %v of %s", v.Err, v.Domain)
				}
			}
		})
	}
}

// job is what testdata/dkimpy.py does.
type job struct {
	DNS    map[string]string `json:"dns"`
	Verify []string          `json:"verify"`
	Sign   []order           `json:"sign"`
}

type order struct {
	Message   string `json:"message"`
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Key       string `json:"key"`
	Algorithm string `json:"algorithm"`
	Canonical string `json:"canonical"`
}

type done struct {
	Verified [][]bool `json:"verified"`
	Signed   []string `json:"signed"`
}

func dkimpy(t *testing.T, j job) (d done) {
	t.Helper()
	in, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	for _, python := range []string{"/usr/bin/python3", "python3"} { // Debian's module is for Debian's Python
		cmd := exec.CommandContext(t.Context(), python, "testdata/dkimpy.py")
		cmd.Stdin = bytes.NewReader(in)
		var complaints bytes.Buffer
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if cmd.ProcessState.ExitCode() == 77 || errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
			continue
		}
		if err != nil {
			t.Fatalf("dkimpy: %v\n%s", err, complaints.String())
		}
		if err := json.Unmarshal(out, &d); err != nil {
			t.Fatal(err)
		}
		if complaints.Len() > 0 {
			t.Log(complaints.String())
		}
		return d
	}
	t.Skip("dkimpy is not installed: apt-get install python3-dkim python3-nacl")
	return d
}

// Our signatures verify with dkimpy.
func TestSignatureVerifiesWithDkimpy(t *testing.T) {
	t.Parallel()
	j := job{DNS: published(t)}
	all := odd()
	delete(all, "space before colon") // it does not know the obsolete form
	names := slices.Sorted(maps.Keys(all))
	for _, name := range names {
		j.Verify = append(j.Verify, base64.StdEncoding.EncodeToString(whole(signed(t, signer(t), all[name]))))
	}
	for i, got := range dkimpy(t, j).Verified {
		if !slices.Equal(got, []bool{true, true}) {
			t.Errorf("%s: %v", names[i], got)
		}
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	s := signer(t)
	m := odd()["one-click"]
	first, err := s.Sign(m.Head, s.BodyHash(m.Body), noon())
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := s.Sign(m.Head, s.BodyHash(m.Body), noon()); !bytes.Equal(first, again) {
		t.Error("signed twice, it differs")
	}
	if later, _ := s.Sign(m.Head, s.BodyHash(m.Body), noon().Add(time.Second)); bytes.Equal(first, later) {
		t.Error("a second later it is the same")
	}
	if s.Domain() != "example.com" {
		t.Error(s.Domain())
	}
	var fields []mail.Field
	for f := range mail.Fields(first) {
		fields = append(fields, f)
	}
	if len(fields) != 2 || !fields[0].Is("DKIM-Signature") || !fields[1].Is("DKIM-Signature") {
		t.Fatalf("%q", first)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(first), "\r\n"), "\r\n") {
		if len(line) > 78 || strings.TrimSpace(line) == "" {
			t.Errorf("a line of %d: %q", len(line), line)
		}
	}
	for i, want := range []string{"a=rsa-sha256", "a=ed25519-sha256"} {
		if !strings.Contains(string(fields[i].Raw), want) || !strings.Contains(string(fields[i].Raw), "t=1772366400;") {
			t.Errorf("%q", fields[i].Raw)
		}
	}
	r := verifier(zone(published(t))).Verify(t.Context(), mail.Envelope{}, signed(t, s, m))
	sig, ok := r.AuthorSignature()
	if !ok || !sig.WholeBody || !sig.Covers("From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "Reply-To", "MIME-Version",
		"Content-Type", "Content-Transfer-Encoding", "List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted") {
		t.Errorf("%+v", sig)
	}
	if sig.Covers("Received") || sig.Covers("From", "X-Other") {
		t.Error("it covers too much")
	}
}

func TestSignWithoutFrom(t *testing.T) {
	t.Parallel()
	s := signer(t)
	if _, err := s.Sign([]byte("To: a@example.org\r\n"), s.BodyHash(nil), noon()); err == nil {
		t.Error("a message without From is signed")
	}
}

// What is done to a signed message on its way, and whether the signatures survive it.
func TestSealed(t *testing.T) {
	t.Parallel()
	m := signed(t, signer(t), odd()["one-click"])
	v := verifier(zone(published(t)))
	for name, c := range map[string]struct {
		change func(m mail.Message) mail.Message
		want   mailauth.Result
	}{
		"nothing":           {func(m mail.Message) mail.Message { return m }, mailauth.Pass},
		"Received on top":   {onTop("Received: from x\r\n"), mailauth.Pass},
		"List-Id on top":    {onTop("List-Id: <other.example.net>\r\n"), mailauth.Pass},
		"From on top":       {onTop("From: eve@example.net\r\n"), mailauth.Fail},
		"Subject on top":    {onTop("Subject: Other\r\n"), mailauth.Fail},
		"Reply-To on top":   {onTop("Reply-To: eve@example.net\r\n"), mailauth.Fail},
		"From at the end":   {atEnd("From: eve@example.net\r\n"), mailauth.Fail},
		"Subject changed":   {replaced("A post", "A past"), mailauth.Fail},
		"one-click changed": {replaced("/u/0123456789", "/u/0123456780"), mailauth.Fail},
		"refolded":          {replaced("Subject: A post", "subject:\r\n\tA\r\n post "), mailauth.Pass},
		"footer":            {func(m mail.Message) mail.Message { m.Body = append(m.Body, "--\r\n"...); return m }, mailauth.Fail},
		"empty lines":       {func(m mail.Message) mail.Message { m.Body = append(m.Body, "\r\n\r\n"...); return m }, mailauth.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := v.Verify(t.Context(), mail.Envelope{}, c.change(mail.Message{Head: bytes.Clone(m.Head), Body: bytes.Clone(m.Body)}))
			for _, s := range r.DKIM {
				if s.Result != c.want {
					t.Errorf("%s says %s, want %s", s.Algorithm, s.Result, c.want)
				}
			}
		})
	}
}

func onTop(field string) func(mail.Message) mail.Message {
	return func(m mail.Message) mail.Message {
		return mail.Message{Head: append([]byte(field), m.Head...), Body: m.Body}
	}
}

func atEnd(field string) func(mail.Message) mail.Message {
	return func(m mail.Message) mail.Message { return mail.Message{Head: append(m.Head, field...), Body: m.Body} }
}

func replaced(old, new string) func(mail.Message) mail.Message {
	return func(m mail.Message) mail.Message {
		return mail.Message{Head: bytes.Replace(m.Head, []byte(old), []byte(new), 1), Body: m.Body}
	}
}

func TestNewSigner(t *testing.T) {
	t.Parallel()
	k := keys(t)
	other, err := mailauth.ParseKey("example.org", "r1", k[0].PEM())
	if err != nil {
		t.Fatal(err)
	}
	for name, keys := range map[string][]mailauth.Key{"none": nil, "two domains": {k[0], other}, "zero": {{}}} {
		if _, err := mailauth.NewSigner(keys...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if s, err := mailauth.NewSigner(k[1]); err != nil || bytes.Count(signed(t, s, odd()["plain"]).Head, []byte("DKIM-Signature")) != 1 {
		t.Error("one key makes no one signature", err)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, k := range keys(t) {
		again, err := mailauth.ParseKey(k.Domain, strings.ToUpper(k.Selector), k.PEM())
		if err != nil {
			t.Fatal(err)
		}
		name, txt := k.DNSRecord()
		if n, s := again.DNSRecord(); n != name || s != txt || again.Algorithm() != k.Algorithm() {
			t.Errorf("%s is %s after reading", k, again)
		}
		if strings.Join(mailauth.CharacterStrings(txt), "") != txt {
			t.Errorf("cut, %q says something else", txt)
		}
		for _, s := range mailauth.CharacterStrings(txt) {
			if len(s) > 255 {
				t.Errorf("a string of %d", len(s))
			}
		}
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			if out := fmt.Sprintf(format, k); out != k.Algorithm()+" key "+name {
				t.Errorf("%s prints %q", format, out)
			}
		}
	}
	if _, txt := keys(t)[0].DNSRecord(); len(mailauth.CharacterStrings(txt)) != 2 {
		t.Error("an RSA key must be cut")
	}
}

func TestParseKeyRefuses(t *testing.T) {
	t.Parallel()
	good := keys(t)[1].PEM()
	for name, c := range map[string]struct {
		domain, selector string
		pem              []byte
	}{
		"no PEM":         {"example.com", "s", []byte("x")},
		"no key":         {"example.com", "s", []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")},
		"no domain":      {"", "s", good},
		"a literal":      {"[192.0.2.1]", "s", good},
		"no selector":    {"example.com", "", good},
		"injection":      {"example.com", "s; x=1", good},
		"line end":       {"example.com\r\nX: y", "s", good},
		"dots":           {"example.com", "a..b", good},
		"too long":       {strings.Repeat("a.", 100) + "example.com", strings.Repeat("s.", 40) + "s", good},
		"short RSA":      {"example.com", "s", shortRSA(t)},
		"elliptic curve": {"example.com", "s", []byte("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIHdtZZLN5GUF2ZbPfDA7ZbhK3V5rEzZLxOZO5RMnqOxh\n-----END PRIVATE KEY-----\n")},
	} {
		if k, err := mailauth.ParseKey(c.domain, c.selector, c.pem); err == nil {
			t.Errorf("%s: %s", name, k)
		}
	}
	if _, err := mailauth.GenerateKeys("example.com", "s", "s"); err == nil {
		t.Error("one selector for two keys")
	}
	if k, err := mailauth.ParseKey("Münster.example", "s", good); err != nil || k.Domain != "xn--mnster-3ya.example" {
		t.Error(k, err)
	}
}

// shortRSA is a key that may verify and must not sign.
func shortRSA(t *testing.T) []byte {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

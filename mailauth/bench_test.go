package mailauth_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"listd/mail"
	"listd/mailauth"
)

// listed is a post as it leaves for a member.
func listed() mail.Message {
	m := odd()["one-click"]
	var head bytes.Buffer
	for i := range 4 {
		fmt.Fprintf(&head, "Received: from mx%d.example.org (mx%d.example.org [192.0.2.%d])\r\n\tby mx.example.com with ESMTPS id %d\r\n\tfor <dev@example.com>; Mon, 02 Jan 2006 15:04:05 -0700\r\n", i, i, i, i)
	}
	head.Write(m.Head)
	for _, n := range []string{"Id: <dev.example.com>", "Help: <mailto:dev-request@example.com?subject=help>", "Subscribe: <mailto:dev-join@example.com>",
		"Post: <mailto:dev@example.com>", "Owner: <mailto:dev-owner@example.com>", "Archive: <https://lists.example.com/dev/>"} {
		head.WriteString("List-" + n + "\r\n")
	}
	return mail.Message{Head: head.Bytes(), Body: []byte(strings.Repeat("This is a line of a post, of the length that lines of a post have mostly.\r\n", 55))}
}

// What a signature costs beside the mathematics: of each round ours and bare ones of the same keys, by turns; "ratio" is
// ours for each second to bare ones for each second.
func BenchmarkSign(b *testing.B) {
	k := keys(b)
	block, _ := pem.Decode(k[0].PEM())
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		b.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	m := listed()
	sum := sha256.Sum256(m.Head)
	for name, keys := range map[string][]mailauth.Key{"rsa": k[:1], "both": k} {
		b.Run(name, func(b *testing.B) {
			s, err := mailauth.NewSigner(keys...)
			if err != nil {
				b.Fatal(err)
			}
			hash := s.BodyHash(m.Body)
			ours, bare := time.Hour, time.Hour // the quickest of each: on a busy machine the rest is waiting
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				if _, err := s.Sign(m.Head, hash, noon()); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				if _, err := rsa.SignPKCS1v15(nil, private.(*rsa.PrivateKey), crypto.SHA256, sum[:]); err != nil {
					b.Fatal(err)
				}
				if len(keys) > 1 {
					ed25519.Sign(ed, sum[:])
				}
				ours = min(ours, middle.Sub(start))
				bare = min(bare, time.Since(middle))
			}
			b.ReportMetric(float64(bare)/float64(ours), "ratio")
			b.ReportMetric(1/ours.Seconds(), "signed/s")
		})
	}
}

// The hash of a body, and as a ratio to the hash of the same bytes as they lie, by turns.
func BenchmarkBodyHash(b *testing.B) {
	s := signer(b)
	for name, body := range map[string]string{
		"text":   strings.Repeat("This is a line of a post, of the length that lines of a post have mostly.\r\n", 14_000),
		"quoted": strings.Repeat("> > This is a line.  And  then some more of it that somebody said. \r\n", 14_000),
		"code":   strings.Repeat("\t\tif err != nil {\r\n\t\t\treturn err\r\n\t\t}\r\n", 20_000),
		"base64": strings.Repeat("TWFuIGlzIGRpc3Rpbmd1aXNoZWQsIG5vdCBvbmx5IGJ5IGhpcyByZWFzb24sIGJ1dCBieSB0aGlz\r\n", 13_000),
		"tabs":   strings.Repeat("a\t", 500_000),
		"4KiB":   strings.Repeat("This is a line of a post, of the length that lines of a post have mostly.\r\n", 55),
	} {
		b.Run(name, func(b *testing.B) {
			raw := []byte(body)
			b.ReportAllocs()
			ours, bare := time.Hour, time.Hour
			for b.Loop() {
				start := time.Now()
				s.BodyHash(raw)
				middle := time.Now()
				sha256.Sum256(raw)
				ours = min(ours, middle.Sub(start))
				bare = min(bare, time.Since(middle))
			}
			b.ReportMetric(float64(bare)/float64(ours), "ratio")
			b.ReportMetric(float64(len(raw))/ours.Seconds()/1e6, "MB/s")
		})
	}
}

// A post with SPF, two signatures and a policy, the DNS answering at once; "cold" asks it each time.
func BenchmarkVerify(b *testing.B) {
	records := published(b)
	records["_dmarc.example.com"] = "v=DMARC1; p=reject"
	records["example.com"] = "v=spf1 ip4:192.0.2.1 -all"
	m := signed(b, signer(b), listed())
	env := from("ann@example.com", "192.0.2.1")
	for _, name := range []string{"warm", "cold"} {
		b.Run(name, func(b *testing.B) {
			v := verifier(zone(records))
			b.ReportAllocs()
			for b.Loop() {
				if name == "cold" {
					v = verifier(v.Resolver)
				}
				if r := v.Verify(b.Context(), env, m); r.DMARC.Result != mailauth.Pass || !r.DMARC.AlignedDKIM || !r.DMARC.AlignedSPF {
					b.Fatalf("%+v", r)
				}
			}
		})
	}
}

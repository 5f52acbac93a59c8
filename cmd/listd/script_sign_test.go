package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/mail"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/rogpeppe/go-internal/testscript"
)

// selector is that of the keys of a story.
const selector = "story"

// dated is a Date relative to now, as stories write it: "Date: now-48h".
var dated = regexp.MustCompile(`(?m)^Date: now([-+][0-9a-z]+)?$`)

// date writes the Date fields of files that say now, or now-48h: `date FILE…`.
func (w *world) date(ts *testscript.TestScript, neg bool, args []string) {
	for _, file := range args {
		text := dated.ReplaceAllStringFunc(ts.ReadFile(file), func(line string) string {
			at := time.Now()
			if shift := strings.TrimPrefix(line, "Date: now"); shift != "" {
				d, err := time.ParseDuration(shift)
				ts.Check(err)
				at = at.Add(d)
			}
			return "Date: " + at.Format(time.RFC1123Z)
		})
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o644))
	}
}

// prepend puts a file in front of another, as a server on the way does with a field: `prepend FILE FRONT`; appended is it
// behind: `append FILE END`.
func (w *world) prepend(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(ts.ReadFile(args[1])+ts.ReadFile(args[0])), 0o644))
}

func (w *world) appendTo(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(ts.ReadFile(args[0])+ts.ReadFile(args[1])), 0o644))
}

// sign signs a file with a domain's key, which the nameserver of the story then publishes: `sign DOMAIN FILE [FIELD:FIELD…]`.
// Without fields it covers those that everybody covers.
func (w *world) sign(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || w.names == nil {
		ts.Fatalf("usage, after dns: sign DOMAIN FILE [FIELD:FIELD…]")
	}
	domain := args[0]
	key, ok := w.keys[domain]
	if !ok {
		public, private, err := ed25519.GenerateKey(nil)
		ts.Check(err)
		key = private
		w.keys[domain] = key
		r, err := parseRecord(selector + "._domainkey." + domain + " TXT v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public))
		ts.Check(err)
		w.names.add(r)
	}
	fields := []string{"From", "To", "Cc", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
	if len(args) > 2 {
		fields = strings.Split(args[2], ":")
	}
	var out bytes.Buffer
	ts.Check(dkim.Sign(&out, strings.NewReader(wire(ts.ReadFile(args[1]))), &dkim.SignOptions{Domain: domain, Selector: selector, Signer: key,
		HeaderKeys: fields, HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed}))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.ReplaceAll(out.String(), "\r\n", "\n")), 0o644))
}

// verify wants a domain's signature on a mail to verify, as its recipients see it; with ! it must not: `verify DOMAIN FILE`.
func (w *world) verify(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || w.names == nil {
		ts.Fatalf("usage, after dns: verify DOMAIN FILE")
	}
	text := wire(ts.ReadFile(args[1]))
	_, err := mail.ReadMessage(strings.NewReader(text)) // the verifier takes what is no mail for one without signatures
	ts.Check(err)
	found, err := dkim.VerifyWithOptions(strings.NewReader(text), &dkim.VerifyOptions{LookupTXT: w.names.txt})
	ts.Check(err)
	said := fmt.Sprintf("there is no signature of %s", args[0])
	for _, v := range found {
		if v.Domain != args[0] {
			continue
		}
		if v.Err == nil {
			if neg {
				ts.Fatalf("the signature of %s verifies", v.Domain)
			}
			return
		}
		said = fmt.Sprintf("the signature of %s: %v", v.Domain, v.Err)
	}
	if !neg {
		ts.Fatalf("%s", said)
	}
}

// wire is a text as SMTP carries it.
func wire(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
}

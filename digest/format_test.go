package digest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// odd are posts that somebody has written to break a digest, or that mail programs are bad at.
func odd() map[string]string {
	separator, preamble := strings.Repeat("-", 30), strings.Repeat("-", 70)
	return map[string]string{
		"fake separators":      "Subject: fakes\n\none\n\n" + separator + "\n\nFrom: mallory@example.net\nSubject: not a post\n\ntwo\n\n" + preamble + "\n\nthree\n",
		"fake separators deep": "Subject: fakes\n\n " + separator + "\n   " + separator + "\n" + separator + " \n" + separator + "x\n-- \n" + separator[1:] + "\n",
		"fake trailer":         "Subject: end\n\nx\n\n" + separator + "\n\nEnd of dev Digest, Vol 3, Issue 12\n***********************************\n\n End of dev Digest\n",
		"fake boundary":        "Content-Type: multipart/mixed; boundary=\"dd0000000000000001\"\nSubject: boundary\n\n--dd0000000000000001\n\nx\n--dd0000000000000001--\n--md0000000000000001--\n",
		"another boundary":     "Subject: boundary\n\n--dd0000000000000001x\n--md0000000000000001x--\n",
		"no body":              "From: ann@example.org\nSubject: no body\n\n",
		"nothing":              "From: ann@example.org\n\n",
		"blank lines":          "Subject: blank\n\n\n\n\nword\n\n\n\n",
		"no final line end":    "Subject: open\n\nno line end",
		"no charset":           "Subject: raw\n\ncaf\xe9 na\xefve\n",
		"8-bit head":           "Subject: caf\xc3\xa9\nFrom: \"J\xc3\xbcrgen\" <j@example.org>\n\nx\n",
		"latin-1 head":         "Subject: caf\xe9\n\nx\n",
		"odd fields":           "subject:no blank\nX-A  : b\nFrom:   ann@example.org  \n\tfolded\n\nx\n",
		"controls in subject":  "Subject: =?utf-8?q?a=0d=0aBcc:_x=1b[31m=00?=\n\nx\n",
		"bidi":                 "Subject: =?utf-8?q?abc=E2=80=AEfdp=2Eexe?=\nContent-Type: text/plain; charset=utf-8\n\n\u202eolleh\u202c\n",
		"html in subject":      "Subject: <script>alert(1)</script>\nFrom: \"<b>\" <b@example.org>\n\nx\n",
		"long subject":         "Subject: " + strings.Repeat("word ", 180) + "\n\nx\n",
		"many recipients":      "To: " + strings.TrimSuffix(strings.Repeat("ann@example.org,\n ", 50), ",\n ") + "\nCc: b@example.org\nKeywords: a, b\nSubject: many\n\nx\n",
		"nested digest":        "Content-Type: multipart/digest; boundary=q\nSubject: nested\n\n--q\n\nSubject: inner\n\none\n--q\n\nSubject: inner two\n\ntwo\n--q--\n",
		"nested rfc822":        "Content-Type: message/rfc822\nSubject: wrapped\n\nContent-Type: message/rfc822\nSubject: inner\n\nSubject: innermost\n\ndeep\n",
		"delivery status":      "Content-Type: multipart/report; report-type=delivery-status; boundary=q\nSubject: report\n\n--q\n\nfailed\n--q\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@b\nAction: failed\n--q--\n",
		"signed":               "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; micalg=pgp-sha256; boundary=q\nSubject: signed\n\n--q\nContent-Type: text/plain\n\n- -- \ntrailing blanks  \n--q\nContent-Type: application/pgp-signature\n\n-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n--q--\n",
		"smime":                "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\nContent-Transfer-Encoding: base64\nSubject: sealed\n\nMIAGCSqGSIb3DQEHA6CAMIACAQAxggE=\n",
		"inline pgp":           "Subject: inline\n\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n- -----\n-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n",
		"unclosed multipart":   "Content-Type: multipart/mixed; boundary=q\nSubject: unclosed\n\n--q\n\none\n",
		"megabyte":             "Subject: megabyte\n\n" + strings.Repeat("0123456789 abcdefghijklmnopqrstuvwxyz 0123456789 abcdefghijklmno\n", 16<<10),
		"dots and froms":       "Subject: dots\n\n.\n..\nFrom here\n>From there\n",
		"form feed":            "Subject: feeds\n\na\fb\vc\u0085d\u2028e\n",
		"fields in text":       "Subject: fields\n\nFrom: x@example.org\nSubject: y\n\nz\n",
	}
}

// corpus are all posts, in a fixed order; the names come with them.
func corpus(t testing.TB) (names []string, posts []mail.Message) {
	t.Helper()
	files, err := filepath.Glob("../mail/testdata/body/*.eml")
	if err != nil || len(files) < 60 {
		t.Fatal(len(files), err)
	}
	texts := odd()
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(f)] = string(b)
	}
	for name := range texts {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		text := strings.ReplaceAll(strings.ReplaceAll(texts[name], "\r\n", "\n"), "\n", "\r\n")
		m, err := mail.Read(strings.NewReader(text), mail.Limits{}, mail.Mend)
		if err != nil {
			t.Fatal(name, err)
		}
		if mail.Get(m.Head, "Message-ID") == "" {
			m.Head = append(m.Head, fmt.Sprintf("Message-ID: <%d@example.org>\r\n", i)...)
		}
		posts = append(posts, m)
	}
	return names, posts
}

// material is an issue of these posts.
func material(posts []mail.Message) Material {
	l := lists.List{ID: 1, Address: mail.Address{Local: "dev", Domain: "lists.example.org"}, ListID: "dev.lists.example.org", Policy: lists.DefaultPolicy()}
	text, err := lists.NoticeText("digest", "en")
	if err != nil {
		panic(err) // it is built in
	}
	m := Material{List: l, Schedule: l.Policy.Digest, Language: "en", Volume: 3, Number: 12, Part: 1, Parts: 1, First: 1, ID: "d0000000000000001",
		At: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC), Text: text, Hostname: "mx.example.org", URL: "https://lists.example.org"}
	for i, p := range posts {
		m.Posts = append(m.Posts, store.Post{Seq: lists.Seq(i + 1), Message: store.MessageID(i), Subject: mail.DecodeWords(mail.Get(p.Head, "Subject")),
			Author: mail.Author(p.Head).String(), Size: p.Size(), Filed: m.At.Add(time.Duration(i-len(posts)) * time.Hour)})
	}
	m.Load = func(_ context.Context, p store.Post) (mail.Message, error) { return posts[p.Message], nil }
	return m
}

// apart takes a digest apart in Python.
func apart(t *testing.T, how string, m mail.Message, into any) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "digest.eml")
	if err := os.WriteFile(file, whole(m), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "python3", "testdata/apart.py", how, file)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatal(err)
	}
}

func whole(m mail.Message) []byte {
	return slices.Concat(m.Head, []byte("\r\n"), m.Body)
}

// Python's email package takes a MIME digest apart into the posts that went in, byte for byte.
func TestMIME(t *testing.T) {
	t.Parallel()
	names, posts := corpus(t)
	m, err := MIME(t.Context(), material(posts))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Subject, Masthead, Footer string
		Posts                     [][]byte
		Subjects                  []string
	}
	apart(t, "mime", m, &got)
	if len(got.Posts) != len(posts) || len(posts) < 100 {
		t.Fatalf("%d posts of %d", len(got.Posts), len(posts))
	}
	for i, p := range posts {
		if !bytes.Equal(got.Posts[i], whole(p)) {
			t.Errorf("%s: got\n%.500q\nwant\n%.500q", names[i], got.Posts[i], whole(p))
		}
	}
	if got.Subject != "dev Digest, Vol 3, Issue 12" || !strings.Contains(got.Masthead, "Today's Topics:\n\n   1. ") ||
		got.Footer != "End of dev Digest, Vol 3, Issue 12\n"+strings.Repeat("*", 34)+"\n" {
		t.Errorf("%q\n%s\n%s", got.Subject, got.Masthead, got.Footer)
	}
	// Our own parser agrees.
	root, err := mail.Parse(m, mail.MIMELimits{Parts: 5000})
	if err != nil || len(root.Children) != 3 || len(root.Children[1].Children) != len(posts) {
		t.Fatal(err)
	}
}

// A burster takes a plain digest apart into the fields and texts that went in.
func TestPlain(t *testing.T) {
	t.Parallel()
	names, posts := corpus(t)
	m, err := Plain(t.Context(), material(posts))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Subject, Masthead string
		Posts             []struct {
			Fields [][2]string
			Text   string
		}
	}
	apart(t, "plain", m, &got)
	if len(got.Posts) != len(posts) || got.Subject != "dev Digest, Vol 3, Issue 12" {
		t.Fatalf("%d posts of %d, %q", len(got.Posts), len(posts), got.Subject)
	}
	for i, p := range posts {
		var want [][2]string
		for _, name := range []string{"Date", "From", "To", "Cc", "Subject", "Message-ID", "Keywords"} {
			if v := mail.Get(p.Head, name); v != "" {
				want = append(want, [2]string{name, oneLine(mail.DecodeWords(v), 10_000)})
			}
		}
		if !slices.Equal(got.Posts[i].Fields, want) {
			t.Errorf("%s: %q, want %q", names[i], got.Posts[i].Fields, want)
		}
		body := mail.ReadBody(p, 10<<20)
		text := strings.Trim(body.Text, "\n")
		rest, ok := strings.CutPrefix(got.Posts[i].Text, text)
		if !ok || len(body.Files) == 0 && rest != "" && text != "" {
			t.Errorf("%s: %.1000q, want %.1000q", names[i], got.Posts[i].Text, text)
		}
		for _, f := range body.Files {
			link := fmt.Sprintf("\n<https://lists.example.org/l/dev@lists.example.org/%d/part/", i+1)
			if !strings.Contains(rest, "["+f.Name+": "+f.Type) || !strings.Contains(rest, link) {
				t.Errorf("%s: %s is not in %q", names[i], f.Name, rest)
			}
		}
	}
}

// What leaves is mail as other mail of the list.
func TestHeads(t *testing.T) {
	t.Parallel()
	_, posts := corpus(t)
	for mode, build := range Builders() {
		in := material(posts[:3])
		in.Parts, in.Mode = 2, mode
		m, err := build(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		subject, reply := "dev Digest, Vol 3, Issue 12 (1/2)", "dev@lists.example.org"
		if mode == lists.Roundup { // a letter, which nobody answers to all
			subject, reply = "dev: 2031-02-03", "dev-owner@lists.example.org"
		}
		for name, want := range map[string]string{
			"From": "dev <dev-request@lists.example.org>", "To": "dev@lists.example.org", "Reply-To": reply,
			"Subject": subject, "Auto-Submitted": "auto-generated", "List-Id": "<dev.lists.example.org>",
			"List-Unsubscribe": "<mailto:dev-leave@lists.example.org>", "List-Post": "<mailto:dev@lists.example.org>", "Precedence": "",
			"In-Reply-To": "", "References": "", "MIME-Version": "1.0", "Message-ID": "<d0000000000000001@mx.example.org>", "X-Loop": "dev@lists.example.org",
			"Date": "Mon, 03 Feb 2031 04:05:06 +0000",
		} {
			if got := mail.Values(m.Head, name); want == "" && len(got) > 0 || want != "" && (len(got) != 1 || got[0] != want) {
				t.Errorf("%s: %s is %q, want %q", mode, name, got, want)
			}
		}
		if n := len(mail.Values(m.Head, "Content-Type")); n != 1 {
			t.Errorf("%s: %d Content-Type", mode, n)
		}
		for line := range bytes.Lines(whole(m)) {
			if !bytes.HasSuffix(line, []byte("\r\n")) || mode != lists.Digest && len(line) > 1000 {
				t.Errorf("%s: %.100q", mode, line)
				break
			}
		}
	}
}

// A field that members never get is not in their digest either, and an anonymous list's does not say who wrote.
func TestEnclosed(t *testing.T) {
	t.Parallel()
	post := mail.Message{Head: []byte("Approved: secret\r\nFrom: Ann Li <ann@example.org>\r\nReceived: from home.example.org\r\nSubject: x\r\nDate: Mon, 03 Feb 2031 04:05:06 +0000\r\n"),
		Body: []byte("text\r\n")}
	for _, anonymous := range []string{"no", "yes"} {
		for mode, build := range Builders() {
			in := material([]mail.Message{post})
			if err := in.List.Policy.Set("anonymous", anonymous); err != nil {
				t.Fatal(err)
			}
			m, err := build(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			all := string(whole(m))
			named := strings.Contains(strings.ToLower(all), "ann")
			if strings.Contains(all, "secret") || named == (anonymous == "yes") {
				t.Errorf("%s, anonymous %s:\n%s", mode, anonymous, all)
			}
		}
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	m := material(make([]mail.Message, 6))
	for i, p := range []store.Post{
		{Seq: 11, Subject: "One", Author: "Ann Li <ann@example.org>", Thread: 5},
		{Seq: 12, Subject: "Two", Author: "ben@example.org", Thread: 6},
		{Seq: 13, Subject: "Re: One", Author: "<i>Cy</i>\x1b <cy@example.org>", Thread: 5, Parent: 11},
		{Seq: 14, Subject: "Re: Old", Author: "Di <di@example.org>", Thread: 2, Parent: 3, Hidden: true},
		{Seq: 15, Subject: "Re: One", Author: "Ann Li <ann@example.org>", Thread: 5, Parent: 13},
		{Seq: 16, Subject: strings.Repeat("long ", 20), Author: "Ed <ed@example.org>", Thread: 5, Parent: 11},
	} {
		m.Posts[i] = p
	}
	out, err := Index(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	const want = `Today's Topics:

    11  One (Ann Li)
        <https://lists.example.org/l/dev@lists.example.org/11>
    13    Re: One (<i>Cy</i>)
          <https://lists.example.org/l/dev@lists.example.org/13>
    15      Re: One (Ann Li)
            <https://lists.example.org/l/dev@lists.example.org/15>
    16    long long long long long long long long long long long long
          long long long long long long long long (Ed)
          <https://lists.example.org/l/dev@lists.example.org/16>

    12  Two (ben@example.org)
        <https://lists.example.org/l/dev@lists.example.org/12>

    14  Re: Old (Di)

`
	if text := strings.ReplaceAll(string(out.Body), "\r\n", "\n"); !strings.Contains(text, want) {
		t.Error(text)
	}
}

// Threads come whole and once, whatever parents are said to be.
func TestThreaded(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var posts []store.Post
		for s := range 40 {
			posts = append(posts, store.Post{Seq: lists.Seq(s + 1), Parent: lists.Seq(r.IntN(60)), Thread: store.ThreadID(r.IntN(5))})
		}
		got := threaded(posts)
		seen := map[lists.Seq]bool{}
		for _, e := range got {
			seen[e.Seq] = true
		}
		if len(got) != 40 || len(seen) != 40 {
			t.Fatal(len(got), len(seen))
		}
	}
}

func TestLoadFails(t *testing.T) {
	t.Parallel()
	cause := errors.New("the disk is gone")
	for _, mode := range []lists.Mode{lists.Digest, lists.Plain} {
		m := material(make([]mail.Message, 2))
		m.Load = func(context.Context, store.Post) (mail.Message, error) { return mail.Message{}, cause }
		if _, err := Builders()[mode](t.Context(), m); !errors.Is(err, cause) {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

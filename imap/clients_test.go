package imap

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

// This file has programs that others wrote read an archive.

// fill files n messages in few transactions, and returns the hashes of what is stored.
func (h *house) fill(l lists.List, n int) map[string]bool {
	h.Helper()
	sums := map[string]bool{}
	for done := 0; done < n; {
		var batch []mail.Message
		for range min(500, n-done) {
			done++
			text := strings.Repeat(fmt.Sprintf("Line of the text of post %d, as long as lines are in mails.\r\n", done), 1+done%40)
			if done%97 == 0 {
				text = "From the beginning\r\n>From there\r\n.\r\n..\r\n\r\n\r\n" + text + "no line end"
			}
			m := mail.Message{Head: fmt.Appendf(nil, "From: Ann <ann@example.org>\r\nTo: dev@lists.test\r\nSubject: Post %d\r\nMessage-ID: <%d@example.org>\r\n", done, done),
				Body: []byte(text)}
			batch = append(batch, m)
			sum := sha256.Sum256([]byte(string(m.Head) + "\r\n" + string(m.Body)))
			sums[hex.EncodeToString(sum[:])] = true
		}
		h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
			for _, m := range batch {
				id, err := tx.AddMessage(m.Head, store.PackBody(m.Body))
				if err != nil {
					return err
				}
				if _, err := archive.File(tx, l, archive.Describe(l, m, tx.Now), id); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	return sums
}

func needs(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed; `make needs` installs it", program)
	}
	return path
}

// mbsync fetches 10,000 messages byte for byte, and when it comes again, nothing.
func TestMbsync(t *testing.T) {
	t.Parallel()
	mbsync := needs(t, "mbsync")
	const n = 10_000
	h := newHouse(t, Limits{})
	l := h.list("dev@lists.test")
	password := h.member(l, "ann@example.org")
	sums := h.fill(l, n)
	dir := t.TempDir()
	run := h.mbsync(mbsync, dir, password)
	run()
	files := fetched(t, dir)
	if len(files) != n {
		t.Fatalf("%d files", len(files))
	}
	before := map[string]time.Time{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		h.must(err)
		if at := bytes.Index(b, []byte("X-TUID: ")); at >= 0 { // mbsync's own mark, at the end of the head
			b = append(b[:at:at], b[at+bytes.IndexByte(b[at:], '\n')+1:]...)
		}
		b = bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) // a Maildir has the system's line ends
		if sum := sha256.Sum256(b); !sums[hex.EncodeToString(sum[:])] {
			t.Fatalf("%s is not what is stored:\n%q", f, b)
		}
		info, err := os.Stat(f)
		h.must(err)
		before[f] = info.ModTime()
	}
	run()
	again := fetched(t, dir)
	if len(again) != n {
		t.Fatalf("%d files after the second run", len(again))
	}
	for _, f := range again {
		if info, err := os.Stat(f); err != nil || !info.ModTime().Equal(before[f]) {
			t.Fatalf("%s was touched by the second run: %v", f, err)
		}
	}
	h.fill(l, 3)
	run()
	if again = fetched(t, dir); len(again) != n+3 {
		t.Errorf("%d files after three more posts", len(again))
	}
}

// fetched are the files that mbsync has made of the list's posts.
func fetched(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "dev@lists.test", "[cn][ue][rw]", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// mbsync makes ready what pulls ann's mailboxes into a folder.
func (h *house) mbsync(program, dir, password string) (run func()) {
	h.Helper()
	host, port, err := net.SplitHostPort(h.addr)
	h.must(err)
	conf := fmt.Sprintf(`FSync no

IMAPAccount listd
Host %s
Port %s
User ann@example.org
Pass %s
SSLType None
AuthMechs LOGIN
Timeout 120

IMAPStore remote
Account listd

MaildirStore local
Path %s/
Inbox %s/INBOX
SubFolders Verbatim

Channel all
Far :remote:
Near :local:
Patterns dev@*
Create Near
Sync Pull
SyncState *
`, host, port, password, dir, dir)
	h.must(os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600))
	return func() {
		h.Helper()
		c := exec.CommandContext(h.Context(), program, "-c", filepath.Join(dir, "conf"), "-V", "all")
		c.Env = append(os.Environ(), "HOME="+dir)
		if out, err := c.CombinedOutput(); err != nil {
			h.Fatalf("mbsync: %v\n%s", err, tail(out))
		}
	}
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

const imaplib = `
import hashlib, imaplib, sys
host, port, user, password = sys.argv[1:5]
c = imaplib.IMAP4(host, int(port))
c.login(user, password)
typ, boxes = c.list()
assert typ == 'OK' and any(b'dev@lists.test' in b for b in boxes), boxes
typ, data = c.select('"dev@lists.test"')
assert typ == 'OK', data
n = int(data[0])
typ, data = c.uid('SEARCH', None, 'ALL')
uids = data[0].split()
assert len(uids) == n, (len(uids), n)
for i in range(0, n, 50):
    typ, data = c.uid('FETCH', b','.join(uids[i:i+50]).decode(), '(UID RFC822.SIZE BODY.PEEK[])')
    assert typ == 'OK'
    for item in data:
        if isinstance(item, tuple):
            size = int(item[0].split(b'RFC822.SIZE ')[1].split()[0])
            assert size == len(item[1]), (item[0], len(item[1]))
            print(hashlib.sha256(item[1]).hexdigest())
assert c.store('1', '+FLAGS', '\\Seen')[0] == 'OK'
assert c.store('1', '+FLAGS', '\\Deleted')[0] == 'NO'
assert c.search(None, 'SEEN')[1][0] == b'1'
assert c.status('"dev@lists.test"', '(MESSAGES UNSEEN)')[0] == 'OK'
typ, data = c.append('"dev@lists.test"', None, None, b'Subject: x\r\n\r\nx\r\n')
assert typ == 'NO', data
c.close()
c.logout()
`

// Python's imaplib reads what is stored, with the size that is said.
func TestImaplib(t *testing.T) {
	t.Parallel()
	python := needs(t, "python3")
	h := newHouse(t, Limits{})
	l := h.list("dev@lists.test")
	password := h.member(l, "ann@example.org")
	sums := h.fill(l, 300)
	host, port, err := net.SplitHostPort(h.addr)
	h.must(err)
	out, err := exec.CommandContext(t.Context(), python, "-c", imaplib, host, port, "ann@example.org", password).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(out))
	}
	got := strings.Fields(string(out))
	for _, sum := range got {
		if !sums[sum] {
			t.Fatalf("%s is no stored message", sum)
		}
	}
	if len(got) != len(sums) {
		t.Errorf("%d messages, want %d", len(got), len(sums))
	}
}

// What Thunderbird and mutt ask for when they open a folder, in their words.
func TestClientsWords(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{})
	l := h.list("dev@lists.test")
	password := h.member(l, "ann@example.org")
	h.fill(l, 5)
	for _, words := range [][]string{
		{ // Thunderbird
			`list (subscribed) "" "*" return (special-use)`, `list "" "INBOX"`, `list "" "*"`, `select "dev@lists.test"`, `UID fetch 1:* (FLAGS)`,
			`UID fetch 1:5 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])`,
			`UID fetch 3 (UID RFC822.SIZE BODY.PEEK[])`, `uid store 3 +Flags (\Seen)`, `noop`, `IDLE`, `close`, `logout`},
		{ // mutt
			`CAPABILITY`, `ENABLE UTF8=ACCEPT`, `LIST "" ""`, `STATUS "dev@lists.test" (MESSAGES RECENT UNSEEN UIDNEXT UIDVALIDITY)`, `SELECT "dev@lists.test"`,
			`FETCH 1:5 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE FROM SENDER SUBJECT TO CC MESSAGE-ID REFERENCES CONTENT-TYPE CONTENT-DESCRIPTION IN-REPLY-TO REPLY-TO LINES LIST-POST X-LABEL)])`,
			`UID FETCH 2 BODY.PEEK[]`, `UID STORE 2 +FLAGS.SILENT (\Seen)`, `UID SEARCH UID 1:5 SUBJECT "post"`, `CHECK`, `CLOSE`, `LOGOUT`},
		{ // Apple Mail and offlineimap
			`NAMESPACE`, `LSUB "" "*"`, `EXAMINE "dev@lists.test"`, `FETCH 1:5 (INTERNALDATE UID RFC822.SIZE FLAGS ENVELOPE BODYSTRUCTURE)`, `FETCH 1 (UID FLAGS)`,
			`UID FETCH 4 (BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[HEADER])`, `UNSELECT`, `LOGOUT`},
	} {
		w := h.dial()
		w.ok("LOGIN ann@example.org " + password)
		for _, command := range words {
			if command == "IDLE" {
				_, err := fmt.Fprintf(w.Conn, "i IDLE\r\n")
				h.must(err)
				w.line()
				_, err = fmt.Fprintf(w.Conn, "DONE\r\n")
				h.must(err)
				w.line()
				continue
			}
			if strings.Contains(command, "special-use") {
				w.do(command) // an extension that is not offered; a client asks only where it is
				continue
			}
			w.ok(command)
		}
	}
}

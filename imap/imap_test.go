package imap

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"listd/archive"
	"listd/auth"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{})
	l := h.list("dev@lists.test", "archive=members")
	password := h.member(l, "ann@example.org")
	w := h.dial()
	w.no("SELECT dev@lists.test", "")
	w.no("LOGIN ann@example.org wrong", "AUTHENTICATIONFAILED")
	w.no("LOGIN bob@example.org "+password, "AUTHENTICATIONFAILED")
	w.no("LOGIN anonymous x", "AUTHENTICATIONFAILED")
	w.no(`LOGIN "" ""`, "AUTHENTICATIONFAILED")
	w.ok("LOGIN Ann@example.org " + strings.ToUpper(password))
	w.wants(w.ok("CAPABILITY"), "IMAP4rev2", "IDLE", "NAMESPACE", "UIDPLUS")
	w.wants(w.ok(`LIST "" "*"`), "INBOX", "dev@lists.test")
	w.wants(w.ok(`LSUB "" "*"`), "dev@lists.test")
	w.wants(w.ok("NAMESPACE"), `(("" "/")) NIL NIL`)
	w.wants(w.ok("EXAMINE INBOX"), "* 0 EXISTS")
	w.ok("LOGOUT")
	// PLAIN with an initial response.
	w = h.dial()
	w.no("AUTHENTICATE PLAIN AGFubgB4", "AUTHENTICATIONFAILED")
}

// Who guesses is not listened to any more, from this address.
func TestGuesses(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{})
	password := h.member(h.list("dev@lists.test"), "ann@example.org")
	for range maxGuesses {
		w := h.dial()
		w.no("LOGIN ann@example.org wrong", "Wrong address")
		_ = w.Close()
	}
	h.dial().no("LOGIN ann@example.org "+password, "Too many wrong passwords")
	h.now.Add(auth.GuessWindow.Milliseconds())
	h.dial().ok("LOGIN ann@example.org " + password)
}

// One sees what one may read, and nothing says that there is more.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{Anonymous: true})
	members := h.list("members@lists.test", "archive=members")
	h.list("shown@lists.test", "archive_addresses=shown")
	h.list("hidden@lists.test")
	h.list("quiet@lists.test", "advertised=no", "archive_addresses=shown")
	h.list("none@lists.test", "archive=none")
	password := h.member(members, "ann@example.org")
	stranger, member := h.dial(), h.dial()
	stranger.ok("LOGIN anonymous me@example.org")
	member.ok("LOGIN ann@example.org " + password)
	for name, sees := range map[string][2]string{ // L in the directory, O opens
		"members": {"", "LO"}, "shown": {"LO", "LO"}, "hidden": {"", "LO"}, "quiet": {"O", "O"}, "none": {"", ""}, "absent": {"", ""},
	} {
		for i, w := range []*wire{stranger, member} {
			got := ""
			if strings.Contains(w.ok(`LIST "" "*"`), name+"@lists.test") {
				got += "L"
			}
			if all := w.do("EXAMINE " + name + "@lists.test"); strings.HasPrefix(all[len(all)-1], "OK") {
				got += "O"
			} else if last := all[len(all)-1]; last != "NO [NONEXISTENT] There is no such mailbox, or it is not yours to read" {
				t.Errorf("%s: %q", name, last)
			}
			if got != sees[i] {
				t.Errorf("%s is seen %q by reader %d, want %q", name, got, i, sees[i])
			}
		}
	}
	stranger.ok("SELECT shown@lists.test")
	stranger.no(`STORE 1 +FLAGS (\Seen)`, "NOPERM")
}

// A member who has left is sent away within the minute.
func TestLeftMeanwhile(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{})
	l := h.list("dev@lists.test", "archive=members")
	password := h.member(l, "ann@example.org")
	w := h.dial()
	w.ok("LOGIN ann@example.org " + password)
	w.ok("SELECT dev@lists.test")
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
		s, err := tx.Subscription(l.ID, address("ann@example.org"))
		if err != nil {
			return err
		}
		return tx.DeleteSubscription(s.ID)
	}))
	h.now.Add(recheck.Milliseconds())
	_, err := fmt.Fprintf(w.Conn, "x NOOP\r\n")
	h.must(err)
	all, err := io.ReadAll(w.r)
	if err != nil && !errors.Is(err, net.ErrClosed) || strings.Contains(string(all), "OK") {
		t.Errorf("%q, %v", all, err)
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{})
	l := h.list("dev@lists.test")
	password := h.member(l, "ann@example.org")
	h.posts(l, 3)
	h.file(l, "From: bob@example.org\nSubject: s\nX-No-Archive: yes\n\nhidden\n")
	h.posts(l, 1)
	w := h.dial()
	w.ok("LOGIN ann@example.org " + password)
	got := w.ok("SELECT dev@lists.test")
	w.wants(got, "* 4 EXISTS", "[UIDNEXT 6]", `[PERMANENTFLAGS (\Seen)]`, "[UNSEEN 1]", "UIDVALIDITY 1930415400")
	w.wants(w.ok("EXAMINE dev@lists.test"), "[PERMANENTFLAGS ()]", "[READ-ONLY]")
	w.wants(w.ok("SELECT DEV@Lists.Test"), "* 4 EXISTS")
	w.wants(w.ok("UID FETCH 1:* (UID)"), "* 1 FETCH (UID 1)", "* 3 FETCH (UID 3)", "* 4 FETCH (UID 5)")
	w.wants(w.ok("STATUS dev@lists.test (MESSAGES UIDNEXT UIDVALIDITY UNSEEN SIZE RECENT)"), "MESSAGES 4", "UIDNEXT 6", "UNSEEN 4", "SIZE ")
	for command, code := range map[string]string{"CREATE x": "NOPERM", "DELETE dev@lists.test": "NOPERM", "RENAME dev@lists.test x": "NOPERM",
		"COPY 1 INBOX": "NOPERM", "MOVE 1 INBOX": "NOPERM", `STORE 1 +FLAGS (\Deleted)`: "NOPERM", `STORE 1 FLAGS (\Flagged \Seen)`: "NOPERM",
		"APPEND dev@lists.test {3+}\r\nabc": "NOPERM", "SORT (DATE) UTF-8 ALL": "Unknown command"} {
		w.no(command, code)
	}
	w.no("SELECT nothing@lists.test", "NONEXISTENT")
	w.no("SELECT ../../etc/passwd", "NONEXISTENT")
	w.ok("SELECT dev@lists.test")
	w.ok("EXPUNGE")
	w.ok("CLOSE")
}

// What one reads is seen, by oneself alone, and from one connection to the next.
func TestSeen(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{})
	l := h.list("dev@lists.test")
	ann, bob := h.member(l, "ann@example.org"), h.member(l, "bob@example.org")
	h.posts(l, 5)
	w := h.dial()
	w.ok("LOGIN ann@example.org " + ann)
	w.ok("SELECT dev@lists.test")
	w.ok("FETCH 1 (BODY.PEEK[])")
	w.wants(w.ok("FETCH 2 (BODY[TEXT])"), `FLAGS (\Seen)`, "The text of post 2.")
	w.wants(w.ok(`UID STORE 4:5 +FLAGS (\Seen)`), `* 4 FETCH (UID 4 FLAGS (\Seen))`, `* 5 FETCH (UID 5 FLAGS (\Seen))`)
	if got := w.ok(`STORE 4 -FLAGS.SILENT (\Seen)`); strings.Contains(got, "FETCH") {
		t.Errorf("silent: %q", got)
	}
	w.wants(w.ok("SEARCH SEEN"), "SEARCH 2 5")
	w.ok("EXAMINE dev@lists.test")
	w.ok("FETCH 3 (BODY[])") // which marks nothing
	w = h.dial()
	w.ok("LOGIN ann@example.org " + ann)
	w.wants(w.ok("STATUS dev@lists.test (UNSEEN)"), "UNSEEN 3")
	w.wants(w.ok("SELECT dev@lists.test"), "[UNSEEN 1]")
	w.wants(w.ok("SEARCH UNSEEN"), "SEARCH 1 3 4")
	w.ok("STORE 1:* FLAGS ()")
	w.wants(w.ok("SEARCH UNSEEN"), "SEARCH 1 2 3 4 5")
	w = h.dial()
	w.ok("LOGIN bob@example.org " + bob)
	w.ok("SELECT dev@lists.test")
	w.wants(w.ok("SEARCH UNSEEN"), "SEARCH 1 2 3 4 5")
}

const nested = `From: =?utf-8?q?J=C3=BCrgen?= <jo@example.org>
To: dev@lists.test, Ann <ann@example.org>
Cc: bob@example.org
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Message-ID: <m1@example.org>
In-Reply-To: <m0@example.org>
Date: Tue, 4 Mar 2031 18:30:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=x

preamble
--x
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe
--x
Content-Type: message/rfc822

Subject: inner
From: eve@example.org
Content-Type: multipart/alternative; boundary=y

--y

plain
--y
Content-Type: text/html

<p>html
--y--
--x
Content-Type: application/octet-stream; name=a.bin
Content-Disposition: attachment; filename=a.bin
Content-Transfer-Encoding: base64

AAECAw==
--x--
`

// Every section is of the stored bytes.
func TestSections(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{})
	l := h.list("dev@lists.test")
	password := h.member(l, "ann@example.org")
	m := h.file(l, nested)
	c, err := imapclient.DialInsecure(h.addr, nil)
	h.must(err)
	defer func() { _ = c.Close() }()
	h.must(c.Login("ann@example.org", password).Wait())
	_, err = c.Select("dev@lists.test", nil).Wait()
	h.must(err)
	whole := string(m.Head) + "\r\n" + string(m.Body)
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	for want, section := range map[string]*imap.FetchItemBodySection{
		whole:                           {},
		whole[10:30]:                    {Partial: &imap.SectionPartial{Offset: 10, Size: 20}},
		whole[len(whole)-5:]:            {Partial: &imap.SectionPartial{Offset: int64(len(whole)) - 5, Size: 1 << 40}},
		string(m.Head) + "\r\n":         {Specifier: imap.PartSpecifierHeader},
		string(m.Body):                  {Specifier: imap.PartSpecifierText},
		crlf("Cc: bob@example.org\n\n"): {Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"cc", "Bcc"}},
		"Gr=C3=BC=C3=9Fe":               {Part: []int{1}},
		crlf("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"):   {Part: []int{1}, Specifier: imap.PartSpecifierMIME},
		crlf("Subject: inner\nFrom: eve@example.org\nContent-Type: multipart/alternative; boundary=y\n\n"): {Part: []int{2}, Specifier: imap.PartSpecifierHeader},
		"plain":    {Part: []int{2, 1}},
		"<p>html":  {Part: []int{2, 2}},
		"AAECAw==": {Part: []int{3}},
	} {
		section.Peek = true
		got, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}}).Collect()
		if err != nil || len(got) != 1 || len(got[0].BodySection) != 1 {
			t.Fatalf("%+v: %v, %v", section, got, err)
		}
		if b := string(got[0].BodySection[0].Bytes); b != want {
			t.Errorf("%+v:\n%q, want\n%q", section, b, want)
		}
	}
	got, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{Envelope: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
		RFC822Size: true, InternalDate: true, BinarySection: []*imap.FetchItemBinarySection{{Part: []int{3}, Peek: true}}}).Collect()
	h.must(err)
	e := got[0].Envelope
	if e.Subject != "Grüße" || e.From[0].Name != "Jürgen" || e.MessageID != "m1@example.org" || len(e.To) != 2 || e.InReplyTo[0] != "m0@example.org" {
		t.Errorf("envelope %+v", e)
	}
	if got[0].RFC822Size != int64(len(whole)) || !got[0].InternalDate.Equal(h.db.Now()) {
		t.Errorf("size %d of %d, date %v", got[0].RFC822Size, len(whole), got[0].InternalDate)
	}
	if b := got[0].BinarySection[0].Bytes; string(b) != "\x00\x01\x02\x03" {
		t.Errorf("binary %q", b)
	}
	inner := got[0].BodyStructure.(*imap.BodyStructureMultiPart).Children[1].(*imap.BodyStructureSinglePart).MessageRFC822
	if inner == nil || inner.Envelope.Subject != "inner" || inner.BodyStructure.MediaType() != "multipart/alternative" || inner.NumLines == 0 {
		t.Errorf("the message within: %+v", inner)
	}
	var kinds []string
	got[0].BodyStructure.Walk(func(path []int, part imap.BodyStructure) bool {
		kinds = append(kinds, fmt.Sprint(path, " ", part.MediaType()))
		return true
	})
	if want := "[] multipart/mixed|[1] text/plain|[2] message/rfc822|[3] application/octet-stream"; strings.Join(kinds, "|") != want {
		t.Errorf("structure %q", strings.Join(kinds, "|"))
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{})
	l := h.list("dev@lists.test")
	password := h.member(l, "ann@example.org")
	h.posts(l, 9)
	h.file(l, nested)
	h.follow(l)
	w := h.dial()
	w.ok("LOGIN ann@example.org " + password)
	w.ok("SELECT dev@lists.test")
	w.ok(`STORE 1 +FLAGS.SILENT (\Seen)`)
	for search, want := range map[string]string{
		"ALL": "1 2 3 4 5 6 7 8 9 10", "2:3": "2 3", "UID 9:*": "9 10", "8:*": "8 9 10", "NOT 2:10": "1", "SEEN": "1", "UNSEEN 1:2": "2", "DELETED": "", "NOT DELETED 1": "1",
		"SUBJECT post": "1 2 3 4 5 6 7 8 9", `SUBJECT "post 7"`: "7", "FROM {7+}\r\njürgen": "10", "FROM jo@example.org": "10", "FROM ann": "1 2 3 4 5 6 7 8 9",
		`BODY "text of post 3"`: "3", "TEXT {7+}\r\ngrüße": "10", "BODY gruss": "10", "BODY tex": "1 2 3 4 5 6 7 8 9", "BODY nowhere": "",
		"OR SUBJECT 7 SUBJECT 8": "7 8", "NOT FROM ann": "10", "HEADER Message-ID m1@": "10", `HEADER In-Reply-To ""`: "10", "TO ann@example.org": "10", "CC bob": "10",
		"SINCE 4-Mar-2031": "1 2 3 4 5 6 7 8 9 10", "BEFORE 4-Mar-2031": "", "SENTON 4-Mar-2031 3": "3", "SENTBEFORE 4-Mar-2031": "", "LARGER 400": "10", "SMALLER 400 1": "1",
		"1:4294967295": "1 2 3 4 5 6 7 8 9 10", `BODY "" 1`: "1", "KEYWORD x": "", "UNKEYWORD x 1": "1", `TEXT "***" 4`: "4",
	} {
		charset := "CHARSET UTF-8 "
		got := w.ok("SEARCH " + charset + search)
		first, _, _ := strings.Cut(got, "\n")
		if first = strings.TrimSpace(strings.TrimPrefix(first, "* SEARCH")); first != want && !(want == "" && strings.HasPrefix(first, "OK")) {
			t.Errorf("%s: %q, want %q", search, first, want)
		}
	}
	w.wants(w.ok("UID SEARCH RETURN (MIN MAX COUNT) FROM ann"), "MIN 1", "MAX 9", "COUNT 9")
	w.ok("SEARCH RETURN (SAVE) 2:3")
	w.wants(w.ok("FETCH $ (UID)"), "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)")
	w.wants(w.ok("UID SEARCH RETURN (ALL) UID $ NOT UID 2"), "ALL 3")
	w.no("SEARCH "+strings.Repeat("NOT SEEN ", maxKeys)+"ALL", "Too many search keys")
}

// What comes while one idles is told at once.
func TestIdle(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{})
	l := h.list("dev@lists.test")
	password := h.member(l, "ann@example.org")
	h.posts(l, 1)
	w := h.dial()
	w.ok("LOGIN ann@example.org " + password)
	w.ok("SELECT dev@lists.test")
	_, err := fmt.Fprintf(w.Conn, "i IDLE\r\n")
	h.must(err)
	if line := w.line(); !strings.HasPrefix(line, "+") {
		t.Fatal(line)
	}
	for n := range 3 {
		h.posts(l, 1)
		if line, want := w.line(), fmt.Sprintf("* %d EXISTS", n+2); line != want {
			t.Fatalf("%q, want %q", line, want)
		}
	}
	_, err = fmt.Fprintf(w.Conn, "DONE\r\n")
	h.must(err)
	if line := w.line(); !strings.HasPrefix(line, "i OK") {
		t.Fatal(line)
	}
	h.posts(l, 2)
	w.wants(w.ok("NOOP"), "* 6 EXISTS")
}

// A client that goes does not wait for its IDLE to end by itself, nor does the server.
func TestIdleEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{})
	password := h.member(h.list("dev@lists.test"), "ann@example.org")
	for _, selected := range []bool{true, false} {
		w := h.dial()
		w.ok("LOGIN ann@example.org " + password)
		if selected {
			w.ok("SELECT dev@lists.test")
		}
		_, err := fmt.Fprintf(w.Conn, "i IDLE\r\n")
		h.must(err)
		w.line()
	} // the cleanup ends the server
}

func TestConnections(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{Connections: 3, ConnectionsPerAddr: 2})
	one, two := h.dial(), h.dial()
	c, err := net.Dial("tcp", h.addr)
	h.must(err)
	defer func() { _ = c.Close() }()
	h.must(c.SetDeadline(time.Now().Add(10 * time.Second)))
	if all, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(all), "* BYE Too many") {
		t.Errorf("%q, %v", all, err)
	}
	one.ok("LOGOUT")
	_, _ = io.ReadAll(one.r)
	for { // until the server has noticed
		if h.server.guests.count() < 2 {
			break
		}
	}
	h.dial().ok("NOOP")
	two.ok("NOOP")
}

// What a stranger may read has an end.
func TestStrangersLimits(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{Anonymous: true})
	l := h.list("dev@lists.test", "archive_addresses=shown")
	h.posts(l, 2)
	w := h.dial()
	w.ok("LOGIN anonymous x")
	w.ok("EXAMINE dev@lists.test")
	w.ok("FETCH 1 BODY[]")
	h.server.guests.may(addrOf(w.Conn), func(s *spent) bool { s.bytes, s.searches = guestBytes-10, guestSearches-1; return true })
	w.no("FETCH 1 BODY[]", "LIMIT")
	w.ok("FETCH 1 (UID FLAGS RFC822.SIZE)")
	w.ok("SEARCH ALL")
	w.no("SEARCH ALL", "LIMIT")
	h.now.Add(window.Milliseconds())
	w.ok("FETCH 1 BODY[]")
}

// Sets of four billion, literals of four gigabytes, nesting without end: harmless.
func TestHostile(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{})
	l := h.list("dev@lists.test")
	password := h.member(l, "ann@example.org")
	h.posts(l, 3)
	var deep strings.Builder
	deep.WriteString("From: x@example.org\nSubject: deep\n")
	for i := range 10_000 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	h.file(l, deep.String())
	h.file(l, "Subject: =?utf-8?q?=0D=0A=00x?= \"\\\nFrom: \"a\\\"\x01\" <a@example.org>, ((((,<<>>\nDate: never\nContent-Type: text/plain; x=\"\x80\"; charset==\n\n\xff\x00\n")
	login := func() *wire {
		w := h.dial()
		w.ok("LOGIN ann@example.org " + password)
		w.ok("SELECT dev@lists.test")
		return w
	}
	w := login()
	for _, command := range []string{"FETCH 1:4294967295 (UID)", "FETCH 4294967295 (UID)", "UID FETCH 4294967290:4294967295 (FLAGS)", "UID FETCH 4294967295:1 (FLAGS)", "FETCH *:* (FLAGS)",
		"FETCH " + strings.Repeat("1:*,", 5000) + "1 (UID)", `STORE 1:4294967295 +FLAGS (\Seen)`, `UID STORE 77:4294967295 +FLAGS (\Seen)`,
		"FETCH 4 (BODYSTRUCTURE ENVELOPE)", "FETCH 5 (BODYSTRUCTURE BODY ENVELOPE)", "FETCH 5 (BODY[1] BODY[1.1.1.1] BODY[99] BODY[0] BODY[1.MIME] BODY[2.HEADER])",
		"FETCH 1 (BODY[]<0.0> BODY[]<4294967295.4294967295>)", "FETCH 1:* ALL", "FETCH 1:* FULL"} {
		all := w.do(command)
		if last := all[len(all)-1]; !strings.HasPrefix(last, "OK") {
			t.Errorf("%.60s: %q", command, last)
		}
	}
	for _, raw := range []string{"x LOGIN {4294967295}\r\n", "x LOGIN {99999999999999999999}\r\n", "x FETCH " + strings.Repeat("(", 40_000) + "\r\n",
		"x SEARCH " + strings.Repeat("NOT ", 10_000) + "ALL\r\n", "x SEARCH " + strings.Repeat("OR ", 5_000) + "ALL\r\n", strings.Repeat("a", 200_000) + "\r\n",
		"x LIST \"\" " + strings.Repeat("*%", 10_000) + "\r\n", "x SELECT {3}\r\n\x00\x01\x02\r\n", "\x16\x03\x01\x02\x00\x01\x00\r\n", "GET / HTTP/1.1\r\n\r\n",
		"x UID FETCH 1 (BODY[" + strings.Repeat("1.", 20_000) + "1])\r\n", "x FETCH 1 BODY[HEADER.FIELDS (" + strings.Repeat("a ", 20_000) + ")]\r\n"} {
		w := login()
		_, err := io.WriteString(w.Conn, raw+"y LOGOUT\r\n")
		h.must(err)
		if c, ok := w.Conn.(*net.TCPConn); ok {
			h.must(c.CloseWrite())
		}
		// Whatever it says, it ends, and the server lives.
		if n, err := io.Copy(io.Discard, w.r); n > 1<<20 || err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%.40q: %d bytes, %v", raw, n, err)
		}
	}
	login().ok("NOOP")
}

func TestSet(t *testing.T) {
	t.Parallel()
	var s set
	in := map[uint32]bool{}
	state := uint32(1)
	next := func(n uint32) uint32 { state = state*1664525 + 1013904223; return state >> 8 % n }
	for range 5000 {
		first := next(300)
		last := first + next(20)
		sp := archive.Span{First: lists.Seq(first), Last: lists.Seq(last)}
		add := next(3) > 0
		if add {
			s.add(sp)
		} else {
			s.remove(sp)
		}
		for u := first; u <= last; u++ {
			in[u] = add
		}
		if next(50) == 0 {
			for u := range uint32(330) {
				if s.has(u) != in[u] {
					t.Fatalf("%d is in %s: %v, want %v", u, s, s.has(u), in[u])
				}
			}
			if again := parseSet(s.String()); !slices.Equal(again.spans, s.spans) {
				t.Fatalf("%s became %s", s, again)
			}
		}
	}
	for i := 1; i < len(s.spans); i++ {
		if s.spans[i].First <= s.spans[i-1].Last+1 {
			t.Errorf("spans touch: %s", s)
		}
	}
	top := set{}
	top.add(archive.Span{First: 1<<32 - 1, Last: 1<<32 - 1})
	top.add(archive.Span{First: 0, Last: 1})
	top.remove(archive.Span{First: 1<<32 - 1, Last: 1<<32 - 1})
	if top.String() != "0:1" {
		t.Errorf("at the ends: %s", top)
	}
	var many set
	for i := range 3 * maxSpans {
		many.add(archive.Span{First: lists.Seq(2*i + 1), Last: lists.Seq(2*i + 1)})
	}
	if len(many.spans) != maxSpans || !many.has(1) || !many.has(6*maxSpans-1) {
		t.Errorf("%d spans", len(many.spans))
	}
}

// Below a list lie its announcements, under the numbers they have there, and its digests, under numbers of their own.
func TestShelves(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Limits{})
	l := h.list("dev@lists.test")
	password := h.member(l, "ann@example.org")
	w := h.dial()
	w.ok("LOGIN ann@example.org " + password)
	w.wants(w.ok(`LIST "" "dev@*"`), `(\HasNoChildren) "/" "dev@lists.test"`)
	w.no("EXAMINE dev@lists.test/Digests", "NONEXISTENT")
	w.no("EXAMINE dev@lists.test/Announcements", "NONEXISTENT")
	w.no("EXAMINE dev@lists.test/Others", "NONEXISTENT")

	h.file(l, "From: ann@example.org\nSubject: Talk\n\nHello.\n")
	h.must(h.db.Update(t.Context(), func(tx *store.Tx) error {
		l.Policy.Kind = lists.Announcement
		err := tx.SavePolicy(l.ID, l.Policy)
		l.Version++
		return err
	}))
	h.file(l, "From: ann@example.org\nSubject: The meeting\n\nTuesday.\n")
	h.must(h.db.Update(t.Context(), func(tx *store.Tx) error {
		for i, text := range []string{"Digest one\r\n", "Digest two\r\n"} {
			m := mail.Message{Head: []byte("Subject: Issue\r\nFrom: dev@lists.test\r\n"), Body: []byte(text)}
			id, err := tx.AddMessage(m.Head, store.PackBody(m.Body))
			if err != nil {
				return err
			}
			if _, err := tx.KeepIssue(store.KeptIssue{List: l.ID, Message: id, Size: m.Size(), After: lists.Seq(i), Last: lists.Seq(i + 1)}); err != nil {
				return err
			}
		}
		return nil
	}))
	h.follow(l)

	w.wants(w.ok(`LIST "" "dev@*"`), `(\HasChildren) "/" "dev@lists.test"`, `(\HasNoChildren) "/" "dev@lists.test/Announcements"`, `(\HasNoChildren) "/" "dev@lists.test/Digests"`)
	w.wants(w.ok("SELECT dev@lists.test/Announcements"), "1 EXISTS", "UIDNEXT 3")
	w.wants(w.ok("UID SEARCH SUBJECT meeting"), "SEARCH 2")
	w.wants(w.ok("UID SEARCH SUBJECT talk"), "SEARCH\n")
	w.wants(w.ok("UID FETCH 1:* (UID BODY[HEADER.FIELDS (Subject)])"), "UID 2", "Subject: The meeting")
	w.ok(`UID STORE 2 +FLAGS (\Seen)`)
	w.wants(w.ok("STATUS dev@lists.test (MESSAGES UNSEEN)"), "MESSAGES 2", "UNSEEN 1")

	w.wants(w.ok("STATUS dev@lists.test/Digests (MESSAGES UNSEEN UIDNEXT)"), "MESSAGES 2", "UNSEEN 2", "UIDNEXT 3")
	w.wants(w.ok("SELECT dev@lists.test/Digests"), "2 EXISTS", "PERMANENTFLAGS")
	w.wants(w.ok("UID FETCH 2 BODY[]"), "Digest two", `FLAGS (\Seen)`)
	w.wants(w.ok("UID SEARCH UNSEEN"), "SEARCH 1")
	w.wants(w.ok(`UID SEARCH BODY "digest TWO"`), "SEARCH 2")
	w.wants(w.ok(`UID SEARCH HEADER Subject issue`), "SEARCH 1 2")
	w.wants(w.ok("STATUS dev@lists.test (UNSEEN)"), "UNSEEN 1")

	// A removed post takes the digest with it.
	h.must(h.db.Update(t.Context(), func(tx *store.Tx) error { _, err := archive.Remove(tx, l, 1, ""); return err }))
	w.wants(w.ok("SELECT dev@lists.test/Digests"), "1 EXISTS", "UIDNEXT 3")
	w.wants(w.ok("UID FETCH 1:* UID"), "UID 2")
}

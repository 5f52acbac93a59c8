package imap_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	listdimap "listd/imap"
)

// script is a server that speaks by the book until it comes to one command, and then says what the test wants.
type script struct {
	at    string // a word of the command; "" is the greeting
	say   string // instead of what is right; %TAG stands for the tag
	then  string // "" goes on by the book, "hang" says nothing more, "close" hangs up, "flood" says it for ever
	first string // said before the right answer
}

// serve answers on one connection. What it meets when the poller hangs up is of no interest.
func (sc script) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	answer := func(command, tag, right string) bool {
		if sc.at == "" && command != "" || sc.at != "" && !strings.Contains(command, sc.at) {
			_, err := fmt.Fprint(c, right)
			return err == nil
		}
		_, err := fmt.Fprint(c, sc.first+strings.ReplaceAll(sc.say, "%TAG", tag))
		switch {
		case sc.then == "hang":
			_, err = in.ReadString(0) // until the other side is gone
		case sc.then == "close":
			return false
		case sc.then == "flood":
			for err == nil {
				_, err = fmt.Fprint(c, sc.say)
			}
		case sc.say == "":
			_, err = fmt.Fprint(c, right)
		}
		return err == nil
	}
	if !answer("", "", "* OK [CAPABILITY IMAP4rev1] ready\r\n") {
		return
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		right := map[string]string{
			"CAPABILITY":    "* CAPABILITY IMAP4rev1\r\n",
			"SELECT":        "* 2 EXISTS\r\n* FLAGS (\\Seen \\Flagged)\r\n* OK [PERMANENTFLAGS (\\Seen \\Flagged \\*)] x\r\n* OK [UIDVALIDITY 9] x\r\n* OK [UIDNEXT 7] x\r\n",
			"UID SEARCH":    "* SEARCH 5 6\r\n",
			"UID FETCH 5:6": "* 1 FETCH (UID 5 RFC822.SIZE 20)\r\n* 2 FETCH (UID 6 RFC822.SIZE 20)\r\n",
			"UID FETCH 5 ":  "* 1 FETCH (UID 5 BODY[] {37}\r\nFrom: a@b.test\r\nSubject: five\r\n\r\nHi\r\n)\r\n",
			"UID FETCH 6 ":  "* 2 FETCH (UID 6 BODY[] {36}\r\nFrom: a@b.test\r\nSubject: six\r\n\r\nHi\r\n)\r\n",
		}
		text := ""
		for word, r := range right {
			if strings.HasPrefix(command, word) {
				text = r
			}
		}
		if strings.HasPrefix(command, "UID SEARCH UID 7:*") {
			text = "* SEARCH 6\r\n" // the last one, as RFC 9051 section 9 has it for n:*
		}
		if !answer(command, tag, text+tag+" OK done\r\n") {
			return
		}
	}
}

func (sc script) listen(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go sc.serve(c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}

// TestFetchHostile: whatever a server says, or does not, a visit ends, and takes what it gets whole.
func TestFetchHostile(t *testing.T) {
	t.Parallel()
	const size = "* 1 FETCH (UID 5 RFC822.SIZE 20)\r\n* 2 FETCH (UID 6 RFC822.SIZE 20)\r\n"
	for name, c := range map[string]struct {
		script
		want string // the error; "": none
		took string // the posts afterwards
	}{
		"by the book":         {script{at: "never"}, "", "five six"},
		"silent":              {script{then: "hang"}, "the server does not answer", ""},
		"gone":                {script{then: "close"}, "the server has closed the connection", ""},
		"bye":                 {script{say: "* BYE too many\r\n", then: "close"}, "too many", ""},
		"garbage":             {script{say: "\x00\xff220 smtp.test ESMTP\r\n", then: "hang"}, "cannot read tag", ""},
		"endless line":        {script{say: "* OK " + strings.Repeat("x", 4000), then: "flood"}, "the server ", ""},
		"silent at sign-in":   {script{at: "LOGIN", then: "hang"}, "the server does not answer", ""},
		"no sign-in":          {script{at: "LOGIN", say: "%TAG NO \x1b[31mno\r\n"}, `does not let us in: \x1b[31mno`, ""},
		"no folder":           {script{at: "SELECT", say: "%TAG NO no\r\n"}, "select folder", ""},
		"no UIDs":             {script{at: "SELECT", say: "* 1 EXISTS\r\n%TAG OK done\r\n"}, "no lasting UIDs", ""},
		"nothing but EXISTS":  {script{at: "SEARCH", say: "* 9 EXISTS\r\n", then: "flood"}, "the server ", ""},
		"all UIDs":            {script{at: "SEARCH UID 1:*", say: "* ESEARCH (TAG \"%TAG\") UID ALL 5:4294967295\r\n%TAG OK done\r\n"}, "finds messages that it does not have", ""},
		"all UIDs for ever":   {script{at: "SEARCH", say: "* ESEARCH (TAG \"%TAG\") UID ALL 1:4294967295\r\n%TAG OK done\r\n"}, "", ""},
		"a hole in SEARCH":    {script{at: "UID SEARCH", say: "* SEARCH 0 99999999999\r\n%TAG OK\r\n"}, "search", ""},
		"sizes for ever":      {script{at: "RFC822.SIZE", say: size, then: "flood"}, "the server ", ""},
		"no sizes":            {script{at: "RFC822.SIZE", say: "%TAG OK done\r\n"}, "", ""},
		"sizes refused":       {script{at: "RFC822.SIZE", say: "%TAG NO no\r\n"}, "fetch sizes", ""},
		"a huge literal":      {script{at: "FETCH 5 ", say: "* 1 FETCH (UID 5 BODY[] {99999999999}\r\n", then: "hang"}, "and than its server said", ""},
		"a large literal":     {script{at: "FETCH 5 ", say: "* 1 FETCH (UID 5 BODY[] {2000000}\r\n" + strings.Repeat("x", 2000000) + ")\r\n%TAG OK\r\n"}, "and than its server said", ""},
		"a literal cut short": {script{at: "FETCH 5 ", say: "* 1 FETCH (UID 5 BODY[] {37}\r\nFrom: a@b.test\r\nSubject: five\r\n\r\n", then: "close"}, "closed the connection", ""},
		"a literal that ends": {script{at: "FETCH 5 ", say: "* 1 FETCH (UID 5 BODY[] {37}\r\nFrom: a@b.test\r\nSubject: five\r\n\r\n", then: "hang"}, "does not answer", ""},
		"a negative literal":  {script{at: "FETCH 5 ", say: "* 1 FETCH (UID 5 BODY[] {-1}\r\n%TAG OK\r\n"}, "fetch message", ""},
		"no body":             {script{at: "FETCH 5 ", say: "* 1 FETCH (UID 5 BODY[] NIL)\r\n%TAG OK done\r\n"}, "", "six"},
		"another's body":      {script{at: "FETCH 5 ", say: "* 2 FETCH (UID 6 BODY[] {4}\r\nHi\r\n)\r\n%TAG OK done\r\n"}, "", "six"},
		"bodies unasked":      {script{at: "FETCH 5 ", first: strings.Repeat("* 2 FETCH (UID 8 BODY[] {4}\r\nHi\r\n)\r\n", 300)}, "", "five six"},
		"a body without UID":  {script{at: "FETCH 5 ", say: "* 1 FETCH (BODY[] {4}\r\nHi\r\n)\r\n%TAG OK done\r\n"}, "", "six"},
		"deep lists":          {script{at: "FETCH 5 ", say: "* 1 FETCH (UID 5 BODYSTRUCTURE " + strings.Repeat("(", 100_000) + "\r\n", then: "hang"}, "more than we asked for", ""},
		"body and no end":     {script{at: "FETCH 5 ", say: "* 1 FETCH (UID 5 BODY[] {37}\r\nFrom: a@b.test\r\nSubject: five\r\n\r\nHi\r\n", then: "close"}, "", "five"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newPollSite(t)
			p := s.poller()
			p.Patience = 300 * time.Millisecond
			a := listdimap.Account{Name: "group", Addr: c.listen(t), Clear: true, User: "u", Password: func() (string, error) { return "p", nil },
				Folder: "INBOX", List: s.list.Address, To: "listd", Poll: time.Minute}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err := p.Fetch(ctx, a)
			if c.want == "" && err != nil && name != "body and no end" || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("Fetch: %v, want %q", err, c.want)
			}
			if got := strings.Join(s.subjects(), " "); got != c.took {
				t.Errorf("the list has %q, want %q", got, c.took)
			}
		})
	}
}

// TestFetchStartTLS: a password is said in the clear to this machine only.
func TestFetchStartTLS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script
		want string
	}{
		"no STARTTLS":  {script{at: "STARTTLS", say: "%TAG BAD what\r\n"}, "no encryption"},
		"PREAUTH":      {script{say: "* PREAUTH hello\r\n"}, "greets with"},
		"more than OK": {script{at: "STARTTLS", say: "%TAG OK go\r\n* 1 EXISTS\r\n"}, "TLS"},
		"silent":       {script{at: "STARTTLS", say: "%TAG OK go\r\n", then: "hang"}, "TLS"},
		"implicit":     {script{at: "never"}, "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newPollSite(t)
			p := s.poller()
			p.Patience = 300 * time.Millisecond
			a := listdimap.Account{Name: "group", Addr: c.listen(t), Implicit: name == "implicit", User: "u", Folder: "INBOX",
				Password: func() (string, error) { return "p", nil }}
			if err := p.Fetch(t.Context(), a); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Fetch: %v, want %q", err, c.want)
			}
		})
	}
}

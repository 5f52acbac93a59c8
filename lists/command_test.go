package lists

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"listd/mail"
)

// told is what commands say, in the words of testdata/commands/index.txt.
func told(c Commands) string {
	var out []string
	for _, c := range c.List {
		out = append(out, c.told())
	}
	for _, u := range c.Unknown {
		out = append(out, fmt.Sprintf("?%q", u))
	}
	if c.Cut {
		out = append(out, "cut")
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, "; ")
}

func (c Command) told() string {
	s := string(c.Verb)
	if c.List != "" {
		s += " list=" + c.List
	}
	if !c.Address.IsZero() {
		s += " address=" + c.Address.String()
	}
	if c.Name != "" {
		s += fmt.Sprintf(" name=%q", c.Name)
	}
	if c.Key != "" {
		s += fmt.Sprintf(" %s=%q", c.Key, c.Value)
	} else if c.Value != "" {
		s += fmt.Sprintf(" value=%q", c.Value)
	}
	for _, a := range c.Args {
		s += " " + a
	}
	return s
}

func (r Ruling) told() string {
	s := r.Action.String()
	if r.Always {
		s += " always"
	}
	if r.Ban {
		s += " ban"
	}
	if r.Reason != "" {
		s += fmt.Sprintf(" %q", r.Reason)
	}
	return s
}

// targetOf is the address a mail of the index goes to: the list is pyug; "site" is listd@.
func targetOf(t *testing.T, word string) Target {
	t.Helper()
	if word == "site" {
		return Target{}
	}
	for _, r := range Routes("pyug-" + word) {
		if r.List == "pyug" {
			return r
		}
	}
	t.Fatalf("no target %q", word)
	return Target{}
}

// understood is what the code makes of a mail.
func understood(t *testing.T, target string, m mail.Message) string {
	t.Helper()
	env := mail.Envelope{From: mail.Author(m.Head).Address}
	if v := mail.Values(m.Head, "Return-Path"); len(v) > 0 {
		env.From = mail.Address{}
		if all := mail.Mailboxes(v[0]); len(all) > 0 {
			env.From = all[0].Address
		}
	}
	if why := mail.Automatic(env, m.Head); why != "" {
		return "automatic: " + why
	}
	to := targetOf(t, target)
	if to.Kind == ToModerate {
		r, ok := ReadVerdict(m)
		if !ok {
			return "unclear"
		}
		return r.told()
	}
	return told(ReadCommands(to, m, "[pyug]"))
}

// TestCommandMails reads the mails that programs write. Each line of the index is: file | address | what is meant.
func TestCommandMails(t *testing.T) {
	t.Parallel()
	const dir = "testdata/commands"
	index, err := os.ReadFile(dir + "/index.txt")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(dir + "/*.eml")
	if err != nil {
		t.Fatal(err)
	}
	named, not := map[string]bool{}, 0
	for line := range strings.Lines(string(index)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		cells := strings.SplitN(line, " | ", 3)
		if len(cells) != 3 || named[cells[0]] {
			t.Fatalf("index: %q", line)
		}
		file, target, want := cells[0], cells[1], cells[2]
		if named[file] = true; strings.HasPrefix(file, "not-") {
			not++
		}
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join(dir, file+".eml"))
			if err != nil {
				t.Fatal(err)
			}
			if got := understood(t, target, readStrict(t, raw)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	if len(named) != len(files) {
		t.Errorf("%d files, %d in the index", len(files), len(named))
	}
	if len(named)-not < 250 || not < 50 {
		t.Errorf("%d commands and %d that are none, want 250 and 50", len(named)-not, not)
	}
}

func plainMail(subject, body string) mail.Message {
	head := "From: ana@example.org\r\nSubject: " + subject + "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
	return mail.Message{Head: []byte(head), Body: crlf(body)}
}

// lineCases are lines to pyug-request@, or with "site " before them to listd@.
var lineCases = map[string]string{
	"help": "help", "HELP": "help", "hel": "help", "help subscribe": "help join", "help set": "help set", "help me please": "help", "?": "help", "help!": "help",
	"site help me please": "help", "site info please": "info", "lists": "lists", "lis": "lists", "site list": "lists", "site lists": "lists", "info": "info", "info pyug": "info", "site info pyug": "info list=pyug", "faq": "info",
	"site info py-ug@lists.example.org": "info list=py-ug@lists.example.org", "info dev": `?"info dev"`, "info dev@lists.example.org": "info list=dev@lists.example.org", "info about this": `?"info about this"`,

	"join": "join", "Subscribe": "join", "sub": "join", "subscribe pyug": "join", "SUBSCRIBE PYUG": "join", "subscribe pyug@lists.example.org": "join list=pyug@lists.example.org",
	"subscribe pyug ana@example.com": "join address=ana@example.com", "subscribe ana@example.com": "join address=ana@example.com", "sub pyug Ana Li": `join name="Ana Li"`,
	"sub pyug ana li": `join name="ana li"`, "subscribe Ana Li": `join name="Ana Li"`, "subscribe Ana Li <ana@example.com>": `join address=ana@example.com name="Ana Li"`,
	"subscribe pyug \"Li, Ana\" <ana@example.com>": `join address=ana@example.com name="Li, Ana"`, "join digest=mime": `join mode="digest"`, "join digest=plain": `join mode="plain"`,
	"join digest=no": `join mode="each"`, "join address=ana@example.com digest=mime": `join address=ana@example.com mode="digest"`, "join mode=none": `join mode="none"`,
	"subscribe digest": `join mode="digest"`, "subscribe pyug nomail": `join mode="none"`, "site subscribe pyug digest": `join list=pyug mode="digest"`, "subscribe pyug Ana Digest": `join name="Ana Digest"`,
	"join digest=often": `?"join digest=often"`, "site subscribe pyug": "join list=pyug", "site sub pyug Ana Li": `join list=pyug name="Ana Li"`, "site subscribe pyug ana@example.com": "join list=pyug address=ana@example.com",
	"site subscribe to pyug please": "join list=pyug", "subscribe dev ana@example.com": "join list=dev address=ana@example.com", "join us for dinner tonight": `?"join us for dinner tonight"`,
	"Join Us Tonight": `?"Join Us Tonight"`, "Subscribe Now": "join", "subscribe to our newsletter and save 20%": `?"subscribe to our newsletter and save 20%"`, "please subscribe me": "join",
	"I would like to join this list": "join", "subscribe me to pyug, please.": "join", "subscribe <ana@example.com>": "join address=ana@example.com", "subscribe mailto:ana@example.com": "join address=ana@example.com",
	"subscribe ana@example.com<mailto:ana@example.com>": "join address=ana@example.com", "subscribe ana@example.com <mailto:ana@example.com>": "join address=ana@example.com",
	"subscribe [ana@example.com](mailto:ana@example.com)": "join address=ana@example.com", "subscribe address= ana@example.com": "join address=ana@example.com", "would you like to join us?": `?"would you like to join us?"`,

	"leave": "leave", "unsubscribe": "leave", "UNSUB": "leave", "uns": "leave", "signoff": "leave", "sig": "leave", "signoff pyug": "leave", "sig *": "leave list=*", "unsubscribe * ana@example.com": "leave list=* address=ana@example.com",
	"remove": "leave", "remove me": "leave", "remove me from the list": "leave", "unsubscribe pyug ana@example.com": "leave address=ana@example.com", "Unsubscribe.": "leave", "\"unsubscribe\"": "leave", "“unsubscribe”": "leave", "*unsubscribe*": "leave",
	"ｕｎｓｕｂｓｃｒｉｂｅ": "leave", "un\u200bsubscribe": "leave", "unsubscribe\u00a0pyug": "leave", "please unsubscribe me from this list": "leave", "unsubscribe me ana@example.com": "leave address=ana@example.com",
	"never unsubscribe me": `?"never unsubscribe me"`, "unsubscribe everyone": `?"unsubscribe everyone"`, "leave a message after the tone": `?"leave a message after the tone"`, "site unsubscribe me from pyug": "leave list=pyug",
	"How do I unsubscribe?": `?"How do I unsubscribe?"`, "Could you please unsubscribe me?": "leave", "to unsubscribe": `?"to unsubscribe"`,

	"confirm abcdefghijklmnopqrst": "confirm abcdefghijklmnopqrst", "CONFIRM ABCDEFGHIJKLMNOPQRST": "confirm abcdefghijklmnopqrst", "con abcdefghijklmnopqrst": "confirm abcdefghijklmnopqrst", "confirm <abcdefghijklmnopqrst>.": "confirm abcdefghijklmnopqrst",
	"auth abcdefghijklmnopqrst subscribe pyug ana@example.com": "confirm address=ana@example.com abcdefghijklmnopqrst", "auth abcdefghijklmnopqrst": "confirm abcdefghijklmnopqrst", "confirm receipt": `?"confirm receipt"`, "confirm": `?"confirm"`,

	"which": "which", "whi": "which", "query": "which", "status": "which", "which ana@example.com": "which address=ana@example.com", "which lists am I on": "which", "which of you": `?"which of you"`,
	"who": "who", "review": "who", "rev pyug": "who", "list": "who", "recipients": "who", "who mode=digest": "who mode=digest", "who is in charge": `?"who is in charge"`, "site who pyug": "who list=pyug",

	"set digest": `set mode="digest"`, "set plain": `set mode="plain"`, "set pyug digest": `set mode="digest"`, "set * nomail": `set list=* mode="none"`, "set ALL nomail": `set list=* mode="none"`, "set normal": `set mode="each"`, "set index": `set mode="index"`,
	"set announcements": `set mode="announcements"`, "set each": `set mode="each"`, "set roundup": `set mode="roundup"`, "set mode digest": `set mode="digest"`, "set mode=digest": `set mode="digest"`, "set digest off": `set mode="each"`, "set delivery off": `set mode="none"`,
	"set weekly tue 08:00 Europe/Paris": `set schedule="weekly tue 08:00 Europe/Paris"`, "set weekly on Tuesday at 8:00": `set schedule="weekly tue 08:00"`, "set daily": `set schedule="daily"`, "set monthly 15 09:30 UTC": `set schedule="monthly 15 09:30 UTC"`,
	"set digest weekly sun": `set mode="digest"; set schedule="weekly sun"`, "set digest,noselfcopy": `set mode="digest"; set own_posts="no"`, "set weekly tuna": `?"set weekly tuna"`, "set own-posts off": `set own_posts="no"`, "set own_posts=no": `set own_posts="no"`,
	"set ack on": `set ack="yes"`, "set duplicates off": `set duplicates="no"`, "set name Ana Li, Jr.": `set name="Ana Li, Jr."`, "set language de": `set language="de"`, "set named yes": `set named="yes"`, "set named off": `set named="no"`, "set named": `?"set named"`, "set address ana@example.com": `set address="ana@example.com"`, "set not_me": `set own_posts="no"`,
	"set conceal": `?"set conceal"`, "set digset": `?"set digset"`, "set": `?"set"`, "site set pyug digest": `set list=pyug mode="digest"`, "set dev digest": `set list=dev mode="digest"`, "set nomail-14d": `set vacation_until="+14d"`, "set vacation off": `set vacation_until=""`,
	"vacation until 2026-12-31": `set vacation_until="2026-12-31"`, "vacation 31.12.2026": `set vacation_until="2026-12-31"`, "vacation until 31 December 2026": `set vacation_until="2026-12-31"`, "vacation until Dec 31, 2026": `set vacation_until="2026-12-31"`,
	"vacation off": `set vacation_until=""`, "vacation 2w": `set vacation_until="+2w"`, "vacation pyug until 2026-12-31": `set vacation_until="2026-12-31"`, "vacation * off": `set list=* vacation_until=""`, "vacation until 2026-13-31": `?"vacation until 2026-13-31"`, "vacation photos": `?"vacation photos"`,

	"password": "password", "password new Thunderbird at home": `password value="Thunderbird at home"`, "password remove mutt": `password remove="mutt"`,
	"password for the wifi": `?"password for the wifi"`, "password remove": `?"password remove"`, "password new one two three four five": `?"password new one two three four five"`,
	"show": "show", "show me": "show", "me": "me", "me too": `?"me too"`, "forget me": "forget", "forget it": `?"forget it"`, "forget": `?"forget"`, "invite ben@example.com": "invite ben@example.com", "invite ben@example.com, cy@example.com": "invite ben@example.com cy@example.com",
	"invite pyug ben@example.com Ben Ott": `invite name="Ben Ott" ben@example.com`, "invite everyone you know": `?"invite everyone you know"`, "get 12": "get 12", "get 3-9": "get 3-9", "get #12": "get 12", "get pyug 12": "get 12", "get well soon": `?"get well soon"`, "get": `?"get"`,
	"index": "index", "ind": "index", "index 10-20": "index 10-20", "last": "last", "last pyug": "last", "last night we met": `?"last night we met"`, "add ben@example.com cy@example.com": "add ben@example.com cy@example.com", "add ben@example.com,cy@example.com": "add ben@example.com cy@example.com",
	"site add pyug ben@example.com Ben Ott": `add list=pyug name="Ben Ott" ben@example.com`, "add to that the cost": `?"add to that the cost"`, "remove ben@example.com": "remove ben@example.com", "del pyug ben@example.com": "remove ben@example.com", "remove ben@example.com cy@example.com": "remove ben@example.com cy@example.com",
	"stats": "stats", "held": "held", "modindex": "held", "accept 12": "accept 12", "accept 12 13": "accept 12 13", "accept that": `?"accept that"`, "reject 12: off topic": `reject value="off topic" 12`, "reject 12": "reject 12", "discard 12, 13": "discard 12 13",
	"set list subject_prefix=[pyug]": `configure subject_prefix="[pyug]"`, "set list closed = yes": `configure closed="yes"`, "site set list pyug closed=yes": `configure list=pyug closed="yes"`, "echo hello you": "echo hello you", "end": "nothing", "quit": "nothing", "stop": "nothing", "end of story": `?"end of story"`,
	"dis 12": `?"dis 12"`, "approve secret subscribe pyug ana@example.com": `?"approve secret subscribe pyug ana@example.com"`,
}

func TestCommandLines(t *testing.T) {
	t.Parallel()
	for line, want := range lineCases {
		target, text := Target{List: "pyug", Kind: ToRequest}, line
		if s, ok := strings.CutPrefix(line, "site "); ok {
			target, text = Target{}, s
		}
		if got := told(ReadCommands(target, plainMail("", text+"\n"), "")); got != want {
			t.Errorf("%q in the text: got %s, want %s", line, got, want)
		}
		if got := told(ReadCommands(target, plainMail("Re: [pyug] "+mail.EncodeText(text), ""), "[pyug]")); got != want {
			t.Errorf("%q in the Subject: got %s, want %s", line, got, want)
		}
	}
}

// A mail may say no more than is read of it, and says so when it has more.
func TestCommandLimits(t *testing.T) {
	t.Parallel()
	request := Target{List: "pyug", Kind: ToRequest}
	numbered := func(n int, line string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, line+"\n", i)
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		body              string
		commands, unknown int
		cut               bool
	}{
		"as many as are read":    {numbered(25, "get %d"), 25, 0, false},
		"a thousand":             {numbered(1000, "get %d"), 25, 0, true},
		"the same":               {strings.Repeat("help\n", 90), 1, 0, false},
		"the same, too often":    {strings.Repeat("help\n", 110), 1, 0, true},
		"forty lines of nothing": {numbered(40, "word%d"), 0, 10, false},
		"a letter":               {strings.Repeat("This is a letter, and no commands.\n", 40), 0, 1, false},
		"a long text":            {strings.Repeat("help\n\n\n\n\n", 20000), 1, 0, true},
		"blank lines":            {strings.Repeat("\n", 200<<10) + "help\n", 0, 0, true},
		"quotes":                 {strings.Repeat("> help\n", 200) + "which\n", 1, 0, false},
		"end, and more":          {"which\nend\n" + numbered(1000, "get %d"), 1, 0, false},
		"a signature, and more":  {"which\n-- \n" + strings.Repeat("x\n", 100<<10), 1, 0, false},
	} {
		got := ReadCommands(request, plainMail("", c.body), "")
		if len(got.List) != c.commands || len(got.Unknown) != c.unknown || got.Cut != c.cut {
			t.Errorf("%s: %d commands, %d unknown, cut %v; want %d, %d, %v", name, len(got.List), len(got.Unknown), got.Cut, c.commands, c.unknown, c.cut)
		}
	}
}

// The worst text takes milliseconds where no more is read than is of use, and of five megabytes no more than of one; the
// bound leaves room for a slow machine and the race detector.
func TestCommandsLinear(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"text/plain; format=flowed; delsp=yes", "text/html", "multipart/alternative; boundary=b"} {
		for _, unit := range []string{"\r\n", "a", "help\r\n", "a b c d e f g h ", "> ", ">\r\n", "<", "<!--", "<a \"", "<\">", "<b>", "<blockquote>", "<p>x", "&amp;", "&", "wrote:\r\n", "On 1 <a@b>\r\n",
			"From: x\r\n\r\n", "\u200b", "=?", "a@b ", "subscribe ", "set a,", "Re: ", "\xff", "--b\r\n\r\n", "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", "<style>", "<pre>\n"} {
			size := 300 << 10 // more than is decoded of a part
			if unit == "help\r\n" {
				size = 5 << 20
			}
			body := []byte(strings.Repeat(unit, size/len(unit)))
			m := mail.Message{Head: []byte("Subject: " + strings.NewReplacer("\r", "", "\n", "").Replace(string(body[:64<<10])) + "\r\nContent-Type: " + kind + "\r\n"), Body: body}
			start := time.Now()
			ReadCommands(Target{}, m, "[pyug]")
			ReadVerdict(m)
			ReadConfirm(m)
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("%q as %s: %v", unit, kind, d)
			}
		}
	}
}

// An address that is no address is told, and no command.
func TestCommandTargets(t *testing.T) {
	t.Parallel()
	m := plainMail("help", "help\n")
	for _, c := range []struct {
		target Target
		want   string
	}{
		{Target{List: "pyug", Kind: ToPost}, "nothing"},
		{Target{List: "pyug", Kind: ToAnnounce}, "nothing"},
		{Target{List: "pyug", Kind: ToModerate, Token: "abc"}, "nothing"},
		{Target{List: "pyug", Kind: ToJoin, Token: "a\u202eb@c"}, `?"ab@c"`},
		{Target{List: "pyug", Kind: ToJoin, Token: "a b@c"}, `?"a b@c"`},
		{Target{List: "pyug", Kind: ToJoin, Token: "Ben@example.com"}, "join address=Ben@example.com"},
		{Target{Kind: ToRequest}, "help"},
	} {
		if got := told(ReadCommands(c.target, m, "")); got != c.want {
			t.Errorf("%v: got %s, want %s", c.target, got, c.want)
		}
	}
}

func addMails(f *testing.F) {
	files, err := filepath.Glob("testdata/commands/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// printable complains about what a terminal or a head would obey.
func printable(t *testing.T, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if strings.ContainsFunc(s, forbidden) || !utf8.ValidString(s) {
			t.Errorf("%q has control characters", s)
		}
	}
}

func FuzzReadCommands(f *testing.F) {
	addMails(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := mail.Read(bytes.NewReader(b), mail.Limits{}, mail.Mend)
		if err != nil {
			return
		}
		bodyOnly := m
		bodyOnly.Head = mail.Without(m.Head, func(f mail.Field) bool { return f.Is("Subject") })
		for _, to := range []Target{{}, {List: "pyug", Kind: ToRequest}, {List: "pyug", Kind: ToJoin}, {List: "pyug", Kind: ToConfirm, Token: "abc"}} {
			for _, m := range []mail.Message{m, bodyOnly} {
				got := ReadCommands(to, m, "[pyug]")
				if len(got.List) > maxCommands || len(got.Unknown) > maxUnknown {
					t.Fatalf("%d commands, %d unknown", len(got.List), len(got.Unknown))
				}
				printable(t, got.Unknown...)
				for _, u := range got.Unknown {
					if len(u) > maxUnknownLine || u == "" {
						t.Errorf("%q is unknown", u)
					}
				}
				for _, c := range got.List {
					printable(t, append(c.Args, c.List, c.Name, c.Key, c.Value, c.Line, c.Address.String())...)
					if len(c.Line) > maxCommandLine || c.Verb == verbEnd || verbOf(string(c.Verb)) == "" && c.Verb != VerbConfigure && c.Verb != VerbCancel {
						t.Errorf("%+v", c)
					}
				}
			}
			if to.Kind == ToJoin || to.Kind == ToConfirm {
				continue
			}
			for _, c := range ReadCommands(to, bodyOnly, "").List {
				again := ReadCommands(to, plainMail("", c.Line+"\n"), "")
				if !slices.ContainsFunc(again.List, c.same) {
					t.Errorf("%q is %+v, and by itself %+v", c.Line, c, again)
				}
			}
		}
	})
}

func FuzzReadVerdict(f *testing.F) {
	addMails(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := mail.Read(bytes.NewReader(b), mail.Limits{}, mail.Mend)
		if err != nil {
			return
		}
		r, ok := ReadVerdict(m)
		if !ok && r != (Ruling{}) {
			t.Errorf("unclear, and yet %+v", r)
		}
		if ok && (r.Action != Accept && r.Action != Reject && r.Action != Discard || r.Always && r.Action != Accept || r.Ban && r.Action != Discard) {
			t.Errorf("%+v", r)
		}
		if len(r.Reason) > maxReason || r.Reason != "" && r.Action != Reject {
			t.Errorf("the reason has %d bytes: %+v", len(r.Reason), r)
		}
		printable(t, strings.Split(r.Reason, "\n")...)
		// A declining "no" is no confirmation either.
		if ok && r.Action == Reject && r.Reason == "" && ReadConfirm(m) && len(written(m, above).lines) == 1 && strings.EqualFold(written(m, above).lines[0], "no") {
			t.Error("no is yes")
		}
	})
}

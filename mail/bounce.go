package mail

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Class is why a message could not be delivered, in the few kinds that ask for different answers. NoUser and NoHost are
// about the address, Full about the mailbox; Policy, Spam, Size, Auth, Content and Relay are about the message or its
// sender and must not be charged to the recipient (RFC 6377 section 5.11); Network is about the way.
type Class uint8

// The classes. Policy is access by rule or reputation, blocklists and rates included; Spam is what the content is taken
// for; Auth is SPF, DKIM, DMARC or a login; Content is a virus, a forbidden file or a form the host cannot take;
// Network is also a host that is busy, broken or in a loop, and a queue that gave up.
const (
	Unknown Class = iota
	NoUser
	NoHost
	Full
	Policy
	Spam
	Size
	Auth
	Content
	Relay
	Network
)

func (c Class) String() string {
	names := [...]string{"unknown", "no_user", "no_host", "full", "policy", "spam", "size", "auth", "content", "relay", "network"}
	if int(c) < len(names) {
		return names[c]
	}
	return names[Unknown]
}

// ReportKind is what a message is that a machine sent about another one.
type ReportKind uint8

// The kinds of reports. Delayed is a warning that delivery is still being tried. AutoReply is a vacation, a challenge, a
// receipt (RFC 8098) or the like: somebody's machine answered, nothing failed. Complained is RFC 5965's feedback.
// Delivered, Relayed and Expanded are RFC 3464's good news.
const (
	NotReport ReportKind = iota
	Bounce
	Delayed
	AutoReply
	Complained
	Delivered
	Relayed
	Expanded
)

func (k ReportKind) String() string {
	names := [...]string{"none", "bounce", "delayed", "auto_reply", "complaint", "delivered", "relayed", "expanded"}
	if int(k) < len(names) {
		return names[k]
	}
	return names[NotReport]
}

// Failure is one address about which a report says that a message could not be delivered to it.
type Failure struct {
	// Address is the recipient that failed: Original-Recipient before Final-Recipient, since that is the address that
	// was written to.
	Address Address

	// Permanent says that the cause is: the enhanced code begins with 5, or the reply code if that is all there is. A
	// queue that gave up after days of 4yz replies has failed for a temporary cause. Where no code is given, a full
	// mailbox, a network fault, or words like "try again" are temporary and all else is permanent.
	Permanent bool

	Class  Class
	Status string // RFC 3463 enhanced code if one was said, such as "5.1.1"
	Code   int    // SMTP reply code if one was said
	Why    string // the text that said so: one line of UTF-8 without controls, at most 300 bytes
}

// Report is what ReadReport finds.
type Report struct {
	Kind       ReportKind
	Failures   []Failure // of a Bounce, one for each address, in order, no address twice
	MessageID  string    // of the message that bounced, without brackets, if its head was returned
	OriginalTo []Address // the recipients that the returned head names, at most 100
}

// The bounds of what is read of a report, in bytes and in numbers.
const (
	maxReportHead  = 64 << 10
	maxReportBody  = 256 << 10
	maxReportParts = 60
	maxReportDepth = 8
	maxFailures    = 5000
	maxWhy         = 300
)

// ReadReport reads a report of non-delivery: RFC 3464 first, then X-Failed-Recipients, then the words of servers of every
// age and language. Only the report's own words count, never the message it returns or what somebody quotes. At most
// 320 KiB are looked at, whatever the message's size.
func ReadReport(m Message) Report {
	n := newNotice(m)
	r := n.report()
	n.original(&r)
	return r
}

// notice is a message that may be a report, taken apart.
type notice struct {
	facts
	top      string   // type/subtype of the whole
	status   [][]byte // decoded delivery-status parts
	text     string   // its own words, of the text parts before the returned message
	html     string   // raw, if there was no plain text
	returned []byte   // the head of the returned message
	feedback *Part    // message/feedback-report
	receipt  bool     // a disposition notification (RFC 8098) is in it
	parts    int
}

func newNotice(m Message) *notice {
	head := m.Head[:min(len(m.Head), maxReportHead)]
	body := m.Body[:min(len(m.Body), maxReportBody)]
	if line := firstLine(body); len(head) == 0 && bytes.HasPrefix(line, []byte("From ")) { // QUIRK: an mbox line has come along
		head, body = cutHead(body[min(len(body), len(line)):])
		if len(head) == 0 {
			head, body = cutHead(bytes.TrimLeft(body, "\r\n"))
		}
	}
	n := &notice{facts: readFacts(head)}
	p := &Part{Head: head, Body: body, Type: "text", Subtype: "plain", Encoding: "7bit"}
	p.describe()
	n.top = p.Type + "/" + p.Subtype
	n.walk(p, 0)
	if strings.TrimSpace(n.text) == "" && n.html != "" {
		n.text, n.html = textOfHTML(n.html), ""
	}
	return n
}

// walk sorts the leaves. It does not enter a returned message: a bounce of a bounce tells of the outer one.
func (n *notice) walk(p *Part, depth int) {
	if n.parts++; n.parts > maxReportParts || depth > maxReportDepth {
		return
	}
	if p.Type == "multipart" {
		n.walkParts(p, depth)
		return
	}
	switch p.Subtype {
	case "delivery-status", "global-delivery-status", "delivery-report":
		n.addStatus(p)
		return
	case "rfc822", "global", "rfc822-headers", "global-headers", "partial":
		n.addReturned(p)
		return
	case "feedback-report":
		if n.feedback == nil {
			n.feedback = p
		}
		return
	case "disposition-notification", "global-disposition-notification":
		n.receipt = true
		return
	}
	switch {
	case p.Type == "text" && p.Subtype == "html":
		if n.html == "" && n.returned == nil {
			n.html, _ = p.Text()
		}
	case depth > 0 && statusLike(p.Body) && (p.Type != "text" || n.text != ""):
		n.addStatus(p) // QUIRK: a status under another type
	case p.Type == "text" && n.returned == nil:
		if c := strings.ToLower(p.Params["charset"]); (c == "" || c == "us-ascii") && bytes.Contains(p.Body, []byte("\x1b$")) {
			p.Params = map[string]string{"charset": "iso-2022-jp"} // QUIRK: Japan's old way, with nothing said
		}
		t, _ := p.Text()
		if n.text != "" {
			n.text += "\n\n"
		}
		n.text += t
	}
}

// walkParts walks over the children. QUIRK: a boundary that is lost or wrong is guessed from the first line like one.
func (n *notice) walkParts(p *Part, depth int) {
	var cuts [][2]int
	if b := p.Params["boundary"]; b != "" {
		cuts = cutReport(p.Body, b)
	}
	if len(cuts) == 0 {
		if b := guessBoundary(p.Body); b != "" {
			cuts = cutReport(p.Body, b)
		}
	}
	if len(cuts) == 0 {
		flat := &Part{Body: p.Body, Type: "text", Subtype: "plain", Encoding: "7bit"}
		n.walk(flat, depth+1)
		return
	}
	for _, at := range cuts {
		h, b := cutHead(p.Body[at[0]:at[1]:at[1]])
		child := &Part{Head: h, Body: b, Type: "text", Subtype: "plain", Encoding: "7bit"}
		if p.Subtype == "digest" {
			child.Type, child.Subtype = "message", "rfc822"
		}
		child.describe()
		n.walk(child, depth+1)
	}
}

// cutReport is where the parts lie in a multipart's body, without the line end before a delimiter. A missing close is
// forgiven, and no more parts are looked for than anybody reads.
func cutReport(body []byte, boundary string) (cuts [][2]int) {
	delim := []byte("--" + boundary)
	start, at := -1, 0
	for line := range bytes.Lines(body) {
		begin := at
		at += len(line)
		rest, ok := bytes.CutPrefix(line, delim)
		if rest = bytes.TrimRight(rest, " \t\r\n"); !ok || len(rest) > 0 && string(rest) != "--" {
			continue
		}
		if start >= 0 {
			end := start + len(bytes.TrimSuffix(bytes.TrimSuffix(body[start:begin], []byte("\n")), []byte("\r")))
			cuts = append(cuts, [2]int{start, end})
		}
		if start = at; len(rest) > 0 || len(cuts) >= maxReportParts {
			return cuts
		}
	}
	if start >= 0 && start < len(body) {
		cuts = append(cuts, [2]int{start, len(body)})
	}
	return cuts
}

func guessBoundary(body []byte) string {
	for line := range bytes.Lines(body[:min(len(body), 8<<10)]) {
		line = bytes.TrimRight(line, " \t\r\n")
		if len(line) > 4 && len(line) < 75 && bytes.HasPrefix(line, []byte("--")) && bytes.IndexByte(line, ' ') < 0 && len(bytes.Trim(line, "-")) > 0 {
			return string(line[2:])
		}
	}
	return ""
}

// statusLike reports whether a part reads like RFC 3464's fields.
func statusLike(b []byte) bool {
	b = b[:min(len(b), 16<<10)]
	for _, name := range []string{"Final-Recipient:", "Final-recipient:", "final-recipient:"} {
		if i := bytes.Index(b, []byte(name)); i == 0 || i > 0 && b[i-1] == '\n' {
			return true
		}
	}
	return false
}

func (n *notice) addStatus(p *Part) {
	b, _ := p.Decoded() // what is malformed is read as far as it makes sense
	n.status = append(n.status, b)
}

// addReturned keeps the head of the returned message.
func (n *notice) addReturned(p *Part) {
	if n.returned != nil {
		return
	}
	b, _ := p.Decoded()
	b = bytes.TrimLeft(b[:min(len(b), maxReportHead)], "\r\n")
	if bytes.HasPrefix(b, []byte("From ")) { // QUIRK: an mbox line before the head
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	h, _ := cutHead(b)
	if h == nil {
		h = []byte{}
	}
	n.returned = h
}

// original reads what the returned head says.
func (n *notice) original(r *Report) {
	if r.Kind == NotReport || r.Kind == AutoReply || len(n.returned) == 0 {
		return
	}
	for f := range Fields(n.returned) {
		switch {
		case r.MessageID == "" && f.Is("Message-ID"):
			if ids := MessageIDs(f.Value()); len(ids) > 0 {
				r.MessageID = ids[0]
			}
		case f.Is("To"), f.Is("Cc"):
			for _, m := range Mailboxes(f.Value()) {
				if len(r.OriginalTo) < 100 {
					r.OriginalTo = append(r.OriginalTo, m.Address)
				}
			}
		}
	}
}

// report decides what the notice is, by structured evidence before words.
func (n *notice) report() Report {
	if n.complained() {
		return Report{Kind: Complained}
	}
	if n.feedback != nil {
		return Report{}
	}
	if n.listed && !n.daemon && !(n.nullPath && n.top == "multipart/report") || n.reply && !n.daemon && n.top != "multipart/report" {
		return n.noReport()
	}
	own := n.ownWords()
	if len(n.status) > 0 && n.trustStatus() {
		if r, ok := n.readStatus(own); ok {
			return r
		}
	}
	if n.receipt {
		return Report{Kind: AutoReply}
	}
	if len(n.failed) > 0 && !n.reply {
		if n.delay || own.delayed() {
			return Report{Kind: Delayed}
		}
		return Report{Kind: Bounce, Failures: own.failuresOf(n.failed)}
	}
	if r, ok := n.readWords(own); ok {
		return r
	}
	return n.noReport()
}

// trustStatus holds delivery-status parts that a person forwards apart from those a server sends.
func (n *notice) trustStatus() bool {
	return n.top == "multipart/report" || n.daemon || n.nullPath || n.bounced || n.delay || n.auto || len(n.failed) > 0
}

func (n *notice) noReport() Report {
	if !n.listed && (n.absent || n.challenge || n.replied) {
		return Report{Kind: AutoReply}
	}
	return Report{}
}

// facts are what the head tells of who sent this and why.
type facts struct {
	subject   string // decoded, in lower case
	self      map[string]bool
	domain    string // of the sender
	failed    []Address
	daemon    bool // a mail system's name or address sent it
	person    bool // a postmaster did, who may be a person
	nullPath  bool // Return-Path: <>
	bounced   bool // the Subject is one that bounces have
	delay     bool // the Subject is one that warnings have
	reply     bool // the Subject begins like an answer or a forwarded message
	auto      bool // Auto-Submitted or the like
	replied   bool // an automatic answer: vacation programs' fields
	absent    bool // the Subject is one that vacations have
	challenge bool // the Subject is one that challenges have
	listed    bool // a mailing list or a bulk mailer sent it
}

// readFacts reads a head once.
func readFacts(head []byte) facts {
	h := facts{self: map[string]bool{}}
	var from []Mailbox
	for f := range Fields(head) {
		switch strings.ToLower(f.Name) {
		case "from":
			from = append(from, few(f)...)
			if v := strings.ToLower(f.Value()); strings.IndexByte(v, '@') < 0 { // QUIRK: <>, "MAILER-DAEMON (Mail Delivery System)"
				h.daemon = h.daemon || v == "<>" || containsAny(v, daemonLocals) || containsAny(v, daemonNames)
			}
		case "to", "delivered-to", "x-original-to", "sender", "reply-to", "errors-to":
			for _, m := range few(f) {
				h.self[m.Address.Key()] = true
			}
		case "subject":
			if h.subject == "" {
				h.subject = strings.ToLower(oneLine(DecodeWords(f.Value()), 1000))
			}
		case "return-path":
			h.nullPath = strings.ReplaceAll(f.Value(), " ", "") == "<>"
		case "x-failed-recipients":
			for _, m := range Mailboxes(f.Value()[:min(len(f.Value()), 32<<10)]) {
				h.failed = append(h.failed, m.Address)
			}
		case "list-id", "list-post", "list-unsubscribe", "list-archive":
			h.listed = true
		case "auto-submitted":
			v := strings.ToLower(f.Value())
			h.auto = h.auto || v != "" && !strings.HasPrefix(v, "no")
			h.replied = h.replied || strings.HasPrefix(v, "auto-replied")
		case "x-autoreply", "x-autorespond", "x-autoresponder", "x-mail-autoreply", "x-auto-reply", "x-vacation", "x-autoreply-from":
			h.replied = h.replied || !strings.EqualFold(f.Value(), "no")
		case "precedence":
			h.replied = h.replied || strings.EqualFold(f.Value(), "auto_reply")
			h.listed = h.listed || strings.EqualFold(f.Value(), "list")
		}
	}
	h.judgeSender(from)
	h.judgeSubject()
	return h
}

// few are the mailboxes of a field that names few.
func few(f Field) []Mailbox {
	v := f.Value()
	return Mailboxes(v[:min(len(v), 2000)])
}

func (h *facts) judgeSender(from []Mailbox) {
	for _, m := range from {
		h.domain = m.Address.Domain
		local := strings.ToLower(m.Address.Local)
		name := strings.ToLower(m.Name)
		if containsAny(local, daemonLocals) || name != "" && containsAny(name, daemonNames) {
			h.daemon = true
			h.person = (local == "postmaster" || strings.Contains(local, "admin")) && !containsAny(name, []string{"deliver", "mailer", "system", "exchange", "daemon"})
			h.self[m.Address.Key()] = true
		}
	}
	if len(from) == 0 { // <>
		h.daemon = h.daemon || h.nullPath
	}
}

func (h *facts) judgeSubject() {
	s := h.subject
	for _, p := range answers {
		if strings.HasPrefix(s, p) {
			h.reply = true
		}
	}
	h.absent = outOfOffice(s) != ""
	subjectPhrases.each(s, func(id, _, _ int) bool {
		switch id {
		case bounceSubject:
			h.bounced = true
		case delaySubject:
			h.delay = true
		case absentSubject:
			h.absent = true
		case challengeSubject:
			h.challenge = true
		}
		return true
	})
}

// containsAny reports whether s contains one of the words.
func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// oneLine is s with every run of blanks and controls made one blank, cut to at most max bytes between characters.
func oneLine(s string, max int) string {
	var b strings.Builder
	gap := false
	for i, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == '\uFEFF' {
			gap = b.Len() > 0
			continue
		}
		size := utf8.RuneLen(r)
		if r == utf8.RuneError {
			size = len("\uFFFD")
		}
		if b.Len()+size+1 > max || i > 4*max+4096 {
			break
		}
		if gap {
			b.WriteByte(' ')
			gap = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

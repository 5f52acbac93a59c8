package mail

import (
	"html"
	"strings"
)

// failing are the addresses that the words say could not be delivered to, found in the first of these that has any: lists
// behind an opener and sentences that open; an SMTP dialogue; with trust 2, lines and sentences that give a reason.
func (w *words) failing(trust int) []Address {
	if w.done {
		return w.cands
	}
	w.done = true
	w.n.spareSender()
	w.inZones()
	if len(w.cands) == 0 {
		w.inDialogue()
	}
	if len(w.cands) == 0 && trust == 2 && (w.n.bounced || w.n.nullPath || w.kinds[openFail] || w.kinds[openInline]) {
		w.inReasons()
	}
	if len(w.cands) == 0 && trust == 2 && w.n.bounced {
		for _, s := range addressesIn(w.n.subject) {
			w.take(s)
		}
	}
	return w.cands
}

// spareSender keeps who wrote the returned message from being taken for one it did not reach.
func (n *notice) spareSender() {
	for f := range Fields(n.returned) {
		if f.Is("From") || f.Is("Sender") || f.Is("Return-Path") || f.Is("Reply-To") {
			for _, m := range few(f) {
				n.self[m.Address.Key()] = true
			}
		}
	}
}

// take notes a candidate, unless it is the report's own sender or receiver.
func (w *words) take(s spot) {
	key := s.address.Key()
	if len(w.cands) >= maxFailures || w.n.self[key] || w.taken[key] {
		return
	}
	if w.taken == nil {
		w.taken = map[string]bool{}
	}
	w.taken[key] = true
	w.cands = append(w.cands, s.address)
}

// inZones walks behind the openers.
func (w *words) inZones() {
	kind := make([]int, len(w.lines)) // 1 and the opener's kind
	for _, o := range w.opens {
		for i := o.first; i <= o.last; i++ {
			if kind[i] == 0 || o.kind == openInline {
				kind[i] = 1 + o.kind
			}
		}
	}
	open := false
	for i, l := range w.lines {
		switch {
		case kind[i] == 1+openFail || kind[i] == 1+openInline:
			open = true
			w.inOpener(i, kind[i] == 1+openInline)
		case kind[i] == 1+openClose:
			if len(w.cands) > 0 {
				return
			}
			open = false
		case open && len(l.spots) > 0:
			w.atStart(i, i > 0 && kind[i-1] != 0)
		case open && w.n.domain == "aol.com" && l.indent > 0 && atomOnly(l.low): // QUIRK: AOL named its people without a domain
			w.take(spot{address: Address{l.low, "aol.com"}})
		}
	}
}

func atomOnly(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) && !letter(s[i]) && s[i] != '_' && s[i] != '.' {
			return false
		}
	}
	return len(s) > 2 && len(s) <= 16
}

// inOpener takes addresses of the opener's own lines: any that is no sender's, or the ones behind a colon.
func (w *words) inOpener(i int, inline bool) {
	l := w.lines[i]
	for _, s := range l.spots {
		before := strings.TrimRight(strings.ToLower(l.text[:s.start]), " \t<\"'(")
		if notRecipient(before) {
			continue
		}
		if inline || strings.HasSuffix(before, ":") || recipientBefore(before) && !roles[strings.ToLower(s.address.Local)] || before == "" || strings.HasSuffix(before, "：") {
			w.take(s)
		}
	}
}

// recipientBefore reports whether the word before an address says that it is where the message went.
func recipientBefore(before string) bool {
	switch before[strings.LastIndexByte(before, ' ')+1:] {
	case "to", "for", "address", "recipient", "user", "mailbox", "account", "an", "à", "pour", "para", "per", "aan", "для":
		return true
	}
	return false
}

// notRecipient reports whether the words before an address say that it is somebody else's.
func notRecipient(before string) bool {
	for _, p := range otherPeople {
		if at, ok := strings.CutSuffix(before, p); ok && (at == "" || !letter(at[len(at)-1])) {
			return true
		}
	}
	return false
}

// atStart takes the address that a line begins with, and those in a list behind it.
func (w *words) atStart(i int, afterOpener bool) bool {
	l := w.lines[i]
	s := l.spots[0]
	before := l.text[:s.start]
	label := strings.ToLower(strings.Trim(before, decoration))
	rest := l.text[s.end:]
	tail := strings.TrimLeft(rest, " \t>\"')]»”’」】")
	named := label != "" && strings.HasSuffix(strings.TrimRight(before, " "), "<") || strings.HasSuffix(before, "(")
	switch {
	case weakLabels[label] && w.headLike(i), generated[label] && i > 0 && len(w.lines[i-1].spots) > 0:
		return false // what a report says of the message's head; where the one above came from
	case label == "", labels[label], weakLabels[label], generated[label], namesRecipient(label, before):
	case named && tail == "" && len(label) < 60 && !containsAny(label, notNames) && !notRecipient(label) && w.clear(i, afterOpener):
	default:
		return false
	}
	if label == "" && !w.clear(i, afterOpener) && !strings.HasPrefix(tail, ":") {
		return false
	}
	if tail != "" && !plausibleRest(tail) {
		return false
	}
	if tail == "" && roles[strings.ToLower(s.address.Local)] && len(w.cands) > 0 {
		return false
	}
	w.take(s)
	for k := 1; k < len(l.spots); k++ {
		if strings.Trim(l.text[l.spots[k-1].end:l.spots[k].start], " \t,;<>\"'") != "" {
			break
		}
		w.take(l.spots[k])
	}
	return true
}

// namesRecipient knows labels that no table has by what is in them.
func namesRecipient(label, before string) bool {
	before = strings.TrimRight(before, " \t<\"'")
	return len(label) < 40 && (strings.HasSuffix(before, ":") || strings.HasSuffix(before, "：")) && containsAny(label, recipientStems) && !containsAny(label, senderStems)
}

// headLike reports whether the lines beside line i give fields of the message.
func (w *words) headLike(i int) bool {
	for _, k := range []int{i - 1, i + 1} {
		if k < 0 || k >= len(w.lines) {
			continue
		}
		for _, f := range headFields {
			if strings.HasPrefix(w.lines[k].low, f) {
				return true
			}
		}
	}
	return false
}

// clear reports whether a line begins something: it does not go on a sentence of the line above.
func (w *words) clear(i int, afterOpener bool) bool {
	if i == 0 || afterOpener {
		return true
	}
	above := w.lines[i-1]
	if above.low == "" || len(above.spots) > 0 || above.indent != w.lines[i].indent {
		return true
	}
	if below := i + 1; below == len(w.lines) || w.lines[below].low == "" {
		return !leadsOn(above.low) // it stands at its paragraph's end
	}
	return strings.IndexByte(".:!?)>-=*,;", above.low[len(above.low)-1]) >= 0 || strings.HasSuffix(above.low, "：") || strings.HasSuffix(above.low, "。") || len(above.low) < 40
}

// leadsOn reports whether a line's last word wants an address behind it that is none of a failed recipient.
func leadsOn(low string) bool {
	switch low[strings.LastIndexByte(low, ' ')+1:] {
	case "to", "at", "contact", "email", "e-mail", "mail", "by", "from", "with", "or", "and", "via", "please", "an", "à", "de", "a", "is", "was", "write":
		return true
	}
	return false
}

// plausibleRest holds "bob@example.org: no such user" and "bob@example.org on Mon, 2 Jan" apart from prose.
func plausibleRest(tail string) bool {
	if strings.IndexByte(":,;(-.=<[|*/{#", tail[0]) >= 0 || tail[0] >= 0x80 {
		return true
	}
	low := strings.ToLower(tail[:min(len(tail), 300)])
	for _, p := range restWords {
		if strings.HasPrefix(low, p) {
			return true
		}
	}
	code, enhanced := findCodes(low)
	if code != 0 || enhanced != "" {
		return true
	}
	c, _, _ := classOfText(low)
	return c != Unknown
}

// inDialogue reads transcripts: RCPT and the reply to it, or replies that name whom they refuse.
func (w *words) inDialogue() {
	asked := -1
	for i, l := range w.lines {
		if strings.Contains(l.low, "rcpt to") && len(l.spots) > 0 {
			asked = i
			if code, enhanced := findCodes(l.low); code == 0 && enhanced == "" {
				continue
			}
		}
		if code, _ := findCodes(l.low); code == 0 || len(l.low) > 600 {
			continue
		}
		switch {
		case len(l.spots) > 0 && (strings.Contains(l.low, "rcpt") || startsWithCode(l.low)):
			w.take(l.spots[0])
		case asked >= 0 && i-asked <= 2:
			w.take(w.lines[asked].spots[0])
			asked = -1
		}
	}
}

func startsWithCode(low string) bool {
	low = strings.TrimLeft(low, "<>- (*")
	return len(low) > 3 && (low[0] == '4' || low[0] == '5') && replyAt(low, false) != 0
}

// inReasons takes lines that begin with an address, or sentences with a single one, where a reason follows that is an
// address's own fault: the last resort, for servers nobody has heard of.
func (w *words) inReasons() {
	for i, l := range w.lines {
		if len(l.spots) == 0 || !w.atStart(i, false) {
			continue
		}
		if _, c := Classify(0, "", w.paragraph(i)); c == Unknown {
			w.cands, w.taken = w.cands[:0], nil
		}
	}
	if len(w.cands) > 0 {
		return
	}
	for i, l := range w.lines {
		var only []spot
		for _, s := range l.spots {
			if !w.n.self[s.address.Key()] && !notRecipient(strings.TrimRight(strings.ToLower(l.text[:s.start]), " \t<\"'(")) {
				only = append(only, s)
			}
		}
		if len(only) != 1 || roles[strings.ToLower(only[0].address.Local)] {
			continue
		}
		c, sure, _ := classOfText(w.paragraph(i))
		code, enhanced := findCodes(l.low)
		if sure && (c == NoUser || c == NoHost || c == Full) || code != 0 && enhanced != "" {
			w.take(only[0])
		}
	}
}

// paragraph is line i and those behind it up to an empty one, or one that is about somebody else.
func (w *words) paragraph(i int) string {
	var b strings.Builder
	b.WriteString(w.lines[i].text)
	for j := i + 1; j < len(w.lines) && j < i+14 && b.Len() < 1500; j++ {
		l := w.lines[j]
		if l.low == "" {
			break
		}
		if len(l.spots) > 0 && w.lines[i].spots != nil && l.spots[0].address.Key() != w.lines[i].spots[0].address.Key() &&
			(l.leads() || startsWithCode(l.low) || strings.Contains(l.low, "rcpt to")) {
			break
		}
		b.WriteByte(' ')
		b.WriteString(l.text[min(l.indent, len(l.text)):])
	}
	return b.String()
}

// reason is the text that tells why an address failed: next to it, else what is said for all.
func (w *words) reason(a Address) string {
	if w.about == nil {
		w.about = map[string][]int{}
		for i, l := range w.lines {
			for _, s := range l.spots {
				key := s.address.Key()
				if at := w.about[key]; len(at) < 6 && (len(at) == 0 || at[len(at)-1] != i) {
					w.about[key] = append(at, i)
				}
			}
		}
	}
	best, rank := "", 0
	for _, i := range w.about[a.Key()] {
		for _, t := range []string{w.paragraph(i), w.below(i, a), w.above(i)} {
			if t == "" {
				continue
			}
			s := w.lines[i].spots[0]
			if strings.HasPrefix(t, w.lines[i].text) && strings.Trim(t[:s.start], " \t<>\"'*-") == "" {
				t = strings.TrimLeft(t[s.end:], " \t<>\"':;,.")
			}
			if got := telling(t); got > rank {
				best, rank = t, got
			}
		}
	}
	if rank >= 2 {
		return best
	}
	if shared := w.shared(); best == "" {
		best = shared
	} else if shared != "" {
		best += " " + shared
	}
	return best
}

// telling ranks texts by what they tell of a failure: codes and a class, a class, codes alone, nothing.
func telling(t string) int {
	code, enhanced := findCodes(t)
	_, c := Classify(code, enhanced, t)
	said := code != 0 || enhanced != "" && enhanced[0] != '2'
	switch {
	case c != Unknown && said:
		return 3
	case c != Unknown:
		return 2
	case said:
		return 1
	}
	return 0
}

// leads reports whether nothing but decoration stands before the line's first address.
func (l line) leads() bool {
	return len(l.spots) > 0 && strings.Trim(l.text[:l.spots[0].start], decoration) == ""
}

// decoration is what stands before an address in a list.
const decoration = " \t*-•·><#\"'[(«“‘「【:：=.)0123456789;→"

// below is the paragraph after line i's, where an address stands alone and its reason apart. It is not if it goes on about
// others.
func (w *words) below(i int, a Address) string {
	for j := i + 1; j < len(w.lines) && j < i+14; j++ {
		if w.lines[j].low == "" && j+1 < len(w.lines) && w.lines[j+1].low != "" {
			next := w.lines[j+1]
			if next.leads() {
				return ""
			}
			for k := j + 1; k < len(w.lines) && k < j+15 && w.lines[k].low != ""; k++ {
				if l := w.lines[k]; len(l.spots) > 0 && l.spots[0].address != a && (startsWithCode(l.low) || strings.Contains(l.low, "rcpt to")) {
					return ""
				}
			}
			return w.paragraph(j + 1)
		}
	}
	return ""
}

// above is the line before line i, where an address stands alone at its paragraph's end: Notes says the reason first.
func (w *words) above(i int) string {
	l := w.lines[i]
	if i == 0 || len(l.spots) != 1 || !l.leads() || strings.Trim(l.text[l.spots[0].end:], " \t>") != "" || len(w.lines[i-1].spots) > 0 ||
		i+1 < len(w.lines) && w.lines[i+1].low != "" {
		return ""
	}
	return w.lines[i-1].text
}

// shared is what the report says of all its addresses: the first paragraph with a reply in it that tells something,
// one that is announced as the reason, one whose words cannot be mistaken; the Subject.
func (w *words) shared() string {
	if w.common != nil {
		return *w.common
	}
	best, rank, tries := "", 0, 0
	for i := 0; i < len(w.lines) && tries < 300; i++ {
		l := w.lines[i]
		if l.low == "" || i > 0 && w.lines[i-1].low != "" && !startsWithCode(l.low) && !containsAny(l.low, reasonWords) {
			continue
		}
		tries++
		t := w.paragraph(i)
		if strings.HasSuffix(l.low, ":") && w.next(i) != "" && containsAny(l.low, reasonWords) {
			t += " " + w.next(i)
		}
		c, sure, _ := classOfText(t)
		code, enhanced := findCodes(t)
		if code != 0 || enhanced != "" {
			_, c = Classify(code, enhanced, t)
		}
		got := 0
		switch said := code != 0 || enhanced != ""; {
		case said && c != Unknown:
			got = 4
		case c != Unknown && containsAny(l.low, reasonWords):
			got = 3
		case sure:
			got = 2
		case said:
			got = 1
		}
		if got > rank {
			best, rank = t, got
		}
	}
	if c, sure, _ := classOfText(w.n.subject); rank < 2 && c != Unknown && sure && w.n.bounced {
		best = w.n.subject
	}
	w.common = &best
	return best
}

// next is the paragraph behind the one that line i is in, if that is one line.
func (w *words) next(i int) string {
	if i+2 < len(w.lines) && w.lines[i+1].low == "" {
		return w.paragraph(i + 2)
	}
	return ""
}

// textOfHTML is what a report in HTML alone says, a line for each block.
func textOfHTML(s string) string {
	var b strings.Builder
	unclosed := false
	for s != "" {
		text, rest, ok := strings.Cut(s, "<")
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(text, "\r", ""), "\n", " "))
		if !ok {
			break
		}
		end := strings.IndexByte(rest[:min(len(rest), 2000)], '>')
		if end < 0 {
			b.WriteByte('<')
			s = rest
			continue
		}
		name := strings.ToLower(rest[:end])
		s = rest[end+1:]
		if i := strings.IndexAny(name, " \t\r\n"); i >= 0 {
			if strings.Contains(name, "@") && strings.IndexByte(name, '=') < 0 {
				b.WriteString("<" + name + ">") // an address whose brackets nobody escaped
			}
			name = name[:i]
		}
		switch strings.Trim(name, "/") {
		case "style", "script", "title":
			if name[0] != '/' && !unclosed {
				s, unclosed = skipElement(s, name)
			}
		case "br", "tr", "li", "dt", "dd", "pre", "td", "th":
			b.WriteByte('\n')
		case "p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "blockquote", "hr", "dl", "tbody":
			b.WriteString("\n\n")
		default:
			if strings.Contains(name, "@") {
				b.WriteString("<" + name + ">")
			}
		}
	}
	return html.UnescapeString(b.String())
}

// skipElement is s from the end tag on; s itself if there is none, so that nobody need look again.
func skipElement(s, name string) (rest string, unclosed bool) {
	for at := 0; ; {
		i := strings.Index(s[at:], "</")
		if i < 0 {
			return s, true
		}
		at += i
		if len(s)-at-2 >= len(name) && strings.EqualFold(s[at+2:at+2+len(name)], name) {
			return s[at:], false
		}
		at += 2
	}
}

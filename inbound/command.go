package inbound

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/mailauth"
	"listd/roster"
	"listd/store"
)

// proof is how sure we are that a command comes from whom it names: From is easily forged.
type proof uint8

const (
	unproven  proof = iota
	vouched         // SPF or DKIM of the author's domain says so
	signed          // DKIM covers all that is read of it; the mail is fresh and meant for this address
	confirmed       // a token that was mailed to them came back
)

// commandTo reports whether an address takes commands.
func commandTo(k lists.Kind) bool {
	switch k {
	case lists.ToRequest, lists.ToJoin, lists.ToLeave, lists.ToHelp, lists.ToInfo, lists.ToConfirm:
		return true
	}
	return false
}

// session is one mail's commands on their way: who gives them, and what they have led to.
type session struct {
	d     *Door
	tx    *store.Tx
	a     *arrival
	list  lists.List // the one the address names; ID 0 at the site's address
	who   mail.Address
	proof proof
	by    roster.Asker

	results []string // lines
	below   []string // texts such as help, below the results
	later   []string // commands that wait for the sender's word
	attach  []mail.Attachment
	missed  int // tokens that meant nothing
}

// obey carries out what a mail to a command address asks for, and answers all of it in one mail. A machine is neither
// obeyed nor answered (RFC 3834 section 2).
func (d *Door) obey(tx *store.Tx, a *arrival, j *job) error {
	if a.auto != "" {
		j.note = "not obeyed: " + a.auto
		return nil
	}
	target := j.target
	if j.site {
		target = lists.Target{}
	}
	cmds := lists.ReadCommands(target, a.m, j.list.Policy.SubjectPrefix)
	s := &session{d: d, tx: tx, a: a, list: j.list, who: answerTo(a, j), proof: d.proofOf(a, j)}
	s.by = roster.Asker{How: "mail", Source: a.trace, Origin: origin(a), Told: a.msgID}
	if err := s.once(); err != nil {
		return err
	}
	if err := d.alive(tx, a, s.who); err != nil {
		return err
	}
	var said []string
	for _, c := range cmds.List {
		said = append(said, string(c.Verb))
		if err := s.do(c); err != nil {
			return err
		}
	}
	j.note, j.missed = "commands: "+strings.Join(said, ", "), s.missed
	return s.answer(cmds)
}

// origin is who is behind a mail as far as can be told: floods are counted by it.
func origin(a *arrival) string {
	if ip := a.env.Peer.IP; public(ip) {
		return ip.String()
	}
	return a.env.From.Domain
}

// answerTo is whose commands a mail's are, and who gets their results: the author where the author's domain vouches for
// the mail or is the envelope sender's, else the envelope's sender. So nobody learns anything about anybody else.
func answerTo(a *arrival, j *job) mail.Address {
	if a.auth.AuthorVouched() || j.author.Address.Domain == a.env.From.Domain {
		return j.author.Address
	}
	return a.env.From
}

// proofOf is how well a mail proves its author. A signed mail could be replayed: it must be a day old at most and name
// this address; that it acts once is once's affair.
func (d *Door) proofOf(a *arrival, j *job) proof {
	if !a.auth.AuthorVouched() {
		return unproven
	}
	if j.site {
		return vouched // no intake of a list remembers there that a mail has acted
	}
	if !slices.ContainsFunc(a.auth.DKIM, func(sig mailauth.Signature) bool { return seals(sig, a.m.Head) }) {
		return vouched
	}
	date, err := mail.ParseDate(mail.Get(a.m.Head, "Date"))
	if err != nil || date.Before(a.now.Add(-signedLives)) || date.After(a.now.Add(time.Hour)) || a.msgID == "" {
		return vouched
	}
	for _, name := range []string{"To", "Cc"} {
		for _, box := range mail.Mailboxes(mail.Get(a.m.Head, name)) {
			for _, i := range j.rcpt {
				if box.Address.Key() == a.env.To[i].Address.Key() {
					return signed
				}
			}
		}
	}
	return vouched
}

// signedLives is how old a signed mail may be to act at once.
const signedLives = 24 * time.Hour

// once takes the proof from a signed mail that has acted before. Intake knows it only while nobody has added an empty line
// to it, which canonicalization lets pass; its Message-ID is covered and stays.
func (s *session) once() error {
	if s.proof != signed {
		return nil
	}
	first, err := s.tx.Notice(s.list.ID, s.who.Key(), "signed "+s.a.msgID, 2*signedLives)
	if !first {
		s.proof = vouched
	}
	return err
}

// answer sends the results of all commands in one mail, and asks for the sender's word where it is needed.
func (s *session) answer(cmds lists.Commands) error {
	l := s.list
	if l.ID == 0 {
		var err error
		if l, err = s.anyList(); err != nil || l.ID == 0 {
			return err // a site without lists has nothing to say
		}
	}
	if len(s.later) > 0 {
		if err := s.d.Books.AskCommands(s.tx, l, s.who, s.list.ID == 0, s.later, s.by); err != nil {
			return err
		}
	}
	if len(cmds.List) == 0 && len(cmds.Unknown) == 0 {
		s.below = append(s.below, "help")
	}
	if len(s.results)+len(s.below)+len(cmds.Unknown)+len(s.attach) == 0 {
		return nil
	}
	// By its hash: a row of an index has no room for a roster.
	same := sha256.Sum256([]byte(strings.Join(s.results, "\n") + "\x00" + strings.Join(s.below, " ")))
	first, err := s.tx.Notice(l.ID, s.who.Key(), fmt.Sprintf("answer %x", same), answersApart)
	if err != nil || !first {
		return err
	}
	cut := ""
	if cmds.Cut {
		cut = "yes"
	}
	n := roster.Notice{Name: "answer", To: []mail.Address{s.who}, InReplyTo: s.a.msgID, Trace: s.a.trace, Attach: s.attach,
		Words: lists.Words{"results": strings.Join(s.results, "\n"), "unknown": strings.Join(cmds.Unknown, "\n"), "cut": cut}}
	for _, b := range s.below {
		words, err := s.words(l)
		if err != nil {
			return err
		}
		n.Below = append(n.Below, roster.Notice{Name: b, Words: words})
	}
	return s.d.Books.Notify(s.tx, l, n)
}

// answersApart is how long the same answer to the same sender is not repeated (RFC 3834 section 2).
const answersApart = time.Minute

// words are what help and info fill in.
func (s *session) words(l lists.List) (lists.Words, error) {
	n, err := s.tx.CountMembers(l.ID)
	return lists.Words{"description": l.Policy.Description, "members": fmt.Sprint(n), "who": s.who.String()}, err
}

// anyList is a list to answer from at the site's address: one the sender is on, else the first that may be known.
func (s *session) anyList() (lists.List, error) {
	subs, err := s.tx.SubscriptionsOf(s.who)
	if err != nil {
		return lists.List{}, err
	}
	if len(subs) > 0 {
		return s.tx.List(subs[0].List)
	}
	all, err := s.tx.Lists()
	for _, l := range all {
		if l.Policy.Advertised {
			return l, err
		}
	}
	return lists.List{}, err
}

// say adds a result.
func (s *session) say(c lists.Command, format string, args ...any) {
	line := c.Line
	if line == "" {
		line = string(c.Verb)
	}
	s.results = append(s.results, line+": "+fmt.Sprintf(format, args...))
}

// on finds the list a command is about. Not ok: it has been said that there is none.
func (s *session) on(c lists.Command) (l lists.List, ok bool, err error) {
	if c.List == "" {
		if s.list.ID == 0 {
			s.say(c, "say which list, as in \"%s LIST\"; \"lists\" names them", c.Verb)
			return l, false, nil
		}
		return s.list, true, nil
	}
	all, err := s.tx.Lists()
	if err != nil {
		return l, false, err
	}
	at := slices.IndexFunc(all, func(l lists.List) bool {
		return strings.EqualFold(l.Address.String(), c.List) || strings.EqualFold(l.Name(), c.List)
	})
	if at < 0 {
		s.say(c, "there is no list %s here; \"lists\" names them", c.List)
		return l, false, nil
	}
	return all[at], true, nil
}

// needs reports whether the proof suffices. If not, the command waits for the sender's word.
func (s *session) needs(c lists.Command, p proof) bool {
	if s.proof >= p {
		return true
	}
	if line := c.Line; line != "" && !slices.Contains(s.later, line) {
		s.later = append(s.later, line)
		s.say(c, "waits for your word; a question is on its way to %s", s.who)
	}
	return false
}

// governs reports whether the sender runs a list; if not it has been said.
func (s *session) governs(c lists.Command, l lists.List, roles lists.Roles) (bool, error) {
	r, err := s.tx.Roles(l.ID, s.who)
	if err != nil {
		return false, err
	}
	if r&roles == 0 {
		s.say(c, "only those who run %s may do that; they read %s", l.Name(), l.Owner())
		return false, nil
	}
	return true, nil
}

// do carries out one command.
func (s *session) do(c lists.Command) error {
	switch c.Verb {
	case lists.VerbHelp, lists.VerbInfo:
		if !slices.Contains(s.below, string(c.Verb)) {
			s.below = append(s.below, string(c.Verb))
		}
		return nil
	case lists.VerbConfirm, lists.VerbCancel:
		return s.confirm(c)
	case lists.VerbLists, lists.VerbWhich, lists.VerbMe, lists.VerbForget, lists.VerbEcho, lists.VerbPassword:
		return s.doSite(c)
	}
	if c.List == "*" {
		return s.doAll(c)
	}
	if a, err := mail.ParseAddress(c.List); err == nil && s.list.ID != 0 && c.Address.IsZero() &&
		(c.Verb == lists.VerbJoin || c.Verb == lists.VerbLeave) {
		if _, err := s.tx.ListAt(a); isNotFound(err) {
			c.Address, c.List = a, "" // it is a person's address, not a list's
		}
	}
	l, ok, err := s.on(c)
	if err != nil || !ok {
		return err
	}
	switch c.Verb {
	case lists.VerbJoin:
		return s.join(c, l)
	case lists.VerbLeave:
		return s.leave(c, l)
	case lists.VerbSet, lists.VerbShow:
		return s.options(c, l)
	case lists.VerbWho:
		return s.roster(c, l)
	case lists.VerbGet, lists.VerbIndex, lists.VerbLast:
		return s.archive(c, l)
	}
	return s.govern(c, l)
}

// doAll carries out a command for every list the sender is on.
func (s *session) doAll(c lists.Command) error {
	subs, err := s.tx.SubscriptionsOf(s.who)
	if err != nil {
		return err
	}
	if len(subs) == 0 {
		s.say(c, "%s is on no list here", s.who)
	}
	for _, sub := range subs {
		l, err := s.tx.List(sub.List)
		if err != nil {
			return err
		}
		one := c
		one.List = l.Address.String()
		if err := s.do(one); err != nil {
			return err
		}
	}
	return nil
}

// join takes a wish to join. What comes of it is told to the address that would join, and to nobody else.
func (s *session) join(c lists.Command, l lists.List) error {
	who, name := c.Address, c.Name
	if who.IsZero() {
		if who = s.who; name == "" && s.a.env.From.Domain != "" {
			if box := mail.Author(s.a.m.Head); box.Address == who {
				name = box.Name
			}
		}
	}
	mode := lists.Mode("")
	if c.Key == "mode" {
		m, err := lists.ParseMode(c.Value)
		if err != nil {
			s.say(c, "%v", err)
			return nil
		}
		mode = m
	}
	var named lists.Subscription
	if named.Set("name", name) != nil {
		name = "" // more than a name
	}
	if _, err := s.d.Books.Join(s.tx, l, roster.NewJoiner(who, name, mode), s.by); err != nil {
		return err
	}
	if who != s.who {
		s.say(c, "%s is asked", who)
	}
	return nil
}

func (s *session) leave(c lists.Command, l lists.List) error {
	who := c.Address
	if who.IsZero() {
		who = s.who
	}
	if _, err := s.d.Books.Part(s.tx, l, who, s.proof == confirmed && who == s.who, s.by); err != nil {
		return err
	}
	if who != s.who {
		s.say(c, "%s is asked", who)
	}
	return nil
}

// options sets or shows a member's own options.
func (s *session) options(c lists.Command, l lists.List) error {
	sub, err := s.tx.Subscription(l.ID, s.who)
	if isNotFound(err) {
		s.say(c, "%s is not a member of %s; write from the address you joined with", s.who, l.Name())
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case c.Verb == lists.VerbShow:
		s.results = append(s.results, c.Line+": "+s.who.String()+" on "+l.Address.String())
		for _, key := range lists.MemberKeys() {
			if v, _ := sub.Get(key); v != "" {
				s.results = append(s.results, "  "+key+" = "+v)
			}
		}
		return nil
	case c.Key == "address":
		to, err := mail.ParseAddress(c.Value)
		if err != nil {
			s.say(c, "%q is no address", c.Value)
			return nil
		}
		s.say(c, "both %s and %s are asked", s.who, to)
		return s.d.Books.AskAddress(s.tx, l, s.who, to, s.by)
	}
	c.Value = until(c.Key, c.Value, s.tx.Now)
	if err := sub.Set(c.Key, c.Value); err != nil { // on a copy: is it possible at all?
		s.say(c, "%v", err)
		return nil
	}
	if !s.needs(c, vouched) {
		return nil
	}
	now, err := s.d.Books.SetOptions(s.tx, l, s.who, map[string]string{c.Key: c.Value})
	if err != nil {
		return err
	}
	v, _ := now.Get(c.Key) // it was set just now
	s.say(c, "done: %s = %s", c.Key, v)
	return nil
}

// until is a value as settings want it: a vacation of "+14d" ends two weeks from now.
func until(key, value string, now time.Time) string {
	days, ok := strings.CutPrefix(strings.TrimSuffix(value, "d"), "+")
	if key != "vacation_until" || !ok {
		return value
	}
	n, err := strconv.Atoi(days)
	if err != nil || n < 1 || n > 3650 {
		return value
	}
	return now.AddDate(0, 0, n).Format(time.DateOnly)
}

// maxRoster bounds how many members one mail names.
const maxRoster = 1000

// roster tells who is on a list, to those who may know.
func (s *session) roster(c lists.Command, l lists.List) error {
	m, err := s.tx.Member(l.ID, s.who)
	if err != nil && !isNotFound(err) {
		return err
	}
	may := l.Policy.Roster == lists.RosterPublic || m.Roles&(lists.Owner|lists.Moderator) != 0 ||
		l.Policy.Roster == lists.RosterMembers && m.Sub != nil
	if !may {
		s.say(c, "who is on %s is not for everybody to know", l.Name())
		return nil
	}
	if l.Policy.Roster != lists.RosterPublic && !s.needs(c, vouched) {
		return nil
	}
	members, err := s.tx.Members(l.ID, "", maxRoster)
	if err != nil {
		return err
	}
	s.say(c, "%d members", len(members))
	for _, m := range members {
		line := "  " + m.Address.String()
		if m.Sub.Name != "" {
			line += " (" + m.Sub.Name + ")"
		}
		s.results = append(s.results, line)
	}
	return nil
}

// doSite carries out commands about the sender or the site.
func (s *session) doSite(c lists.Command) error {
	switch c.Verb {
	case lists.VerbEcho:
		s.say(c, "%s", strings.Join(c.Args, " "))
	case lists.VerbLists:
		all, err := s.tx.Lists()
		if err != nil {
			return err
		}
		s.say(c, "these are the lists here that tell of themselves")
		for _, l := range all {
			if l.Policy.Advertised {
				s.results = append(s.results, strings.TrimRight("  "+l.Address.String()+"  "+l.Policy.Title, " "))
			}
		}
	case lists.VerbWhich:
		subs, err := s.tx.SubscriptionsOf(s.who)
		if err != nil {
			return err
		}
		s.say(c, "%s is on %d lists here", s.who, len(subs))
		for _, sub := range subs {
			l, err := s.tx.List(sub.List)
			if err != nil {
				return err
			}
			s.results = append(s.results, "  "+l.Address.String()+"  "+string(sub.Mode))
		}
	case lists.VerbMe:
		text, err := roster.Known(s.tx, s.who)
		if err != nil {
			return err
		}
		s.below = append(s.below, "me")
		s.attach = append(s.attach, mail.Attachment{Type: "text/plain; charset=utf-8", Name: "about-you.txt", Body: []byte(text)})
	case lists.VerbPassword:
		return s.password(c)
	case lists.VerbForget:
		l, err := s.home()
		if err != nil {
			return err
		}
		if l.ID == 0 {
			s.say(c, "nothing is known about %s", s.who)
			return nil
		}
		s.say(c, "a question is on its way to %s", s.who)
		return s.d.Books.AskForget(s.tx, l, s.who, s.by)
	}
	return nil
}

// home is the list the address names, or one to speak from.
func (s *session) home() (lists.List, error) {
	if s.list.ID != 0 {
		return s.list, nil
	}
	return s.anyList()
}

// confirm uses a token up. Whoever has it may do what it is for: it was mailed to one address.
func (s *session) confirm(c lists.Command) error {
	if len(c.Args) == 0 {
		s.say(c, "the token is missing; reply to the question itself")
		return nil
	}
	if c.Verb == lists.VerbCancel {
		s.say(c, "nothing was done")
		return nil
	}
	if s.d.guesses.Blocked(source(s.a.env), maxGuesses, s.a.now) {
		s.say(c, "too many tokens that mean nothing came from where you are; try again in ten minutes")
		return nil
	}
	done, err := s.d.Books.Confirm(s.tx, c.Args[0], s.by)
	if isToken(err) {
		s.missed++
		s.say(c, "nothing waits for this token: it was used already, or it has expired")
		return nil
	}
	if err != nil {
		return err
	}
	if done.Kind == "command" {
		return s.carryOut(done)
	}
	if done.Half {
		s.say(c, "thank you; the other address has been asked, too")
	}
	return nil
}

// carryOut carries out commands that waited for their sender's word.
func (s *session) carryOut(done roster.Confirmed) error {
	text := strings.ReplaceAll(done.Detail, "\n", "\r\n") + "\r\n"
	m := mail.Message{Head: []byte("Subject: \r\n"), Body: []byte(text)}
	inner := &session{d: s.d, tx: s.tx, a: s.a, who: done.Address, proof: confirmed, by: s.by}
	var target lists.Target
	if !done.Site {
		inner.list, target = done.List, lists.Target{List: done.List.Name(), Kind: lists.ToRequest}
	}
	cmds := lists.ReadCommands(target, m, "")
	for _, c := range cmds.List {
		if c.Verb == lists.VerbConfirm {
			continue
		}
		if err := inner.do(c); err != nil {
			return err
		}
	}
	return inner.answer(cmds)
}

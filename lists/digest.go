package lists

import "listd/mail"

// Fields are the fields that say which list a mail of its own comes from (RFC 2919, RFC 2369). As in Prepare, the copy of
// one subscription has its own List-Unsubscribe. Precedence is not among them: Auto-Submitted says what there is to say.
func (l List) Fields() []byte {
	l.Policy.Anonymous = false // there is no author to hide
	w := headWriter{l: l}
	return mail.Without(w.front(0), func(f mail.Field) bool { return f.Is("Precedence") })
}

// Enclosed is a post as it stands in a digest: byte for byte as it was posted, but for the fields that Prepare keeps from
// the members too. In an anonymous list it does not say who wrote it.
func Enclosed(l List, m mail.Message) mail.Message {
	w := headWriter{l: l}
	m.Head = mail.Without(m.Head, func(f mail.Field) bool {
		var low [64]byte
		name := string(appendLower(low[:0], f.Name))
		return private[name] || l.Policy.Anonymous && w.drops(name, f)
	})
	if l.Policy.Anonymous {
		m.Head = append(treatSender(l, m.Head, Treatment{}).from, m.Head...)
	}
	return m
}

// FooterText is the list's footer below a mail of its own, its lines ended by \n; empty if it has none. Where it names a
// post's number, that is the last one's.
func (l List) FooterText(last Seq) string {
	if l.Policy.Footer == "" {
		return ""
	}
	return newFooting(l, last).text + "\n"
}

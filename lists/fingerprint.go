package lists

import (
	"crypto/sha256"
	"slices"
	"strings"

	"listd/mail"
)

// Fingerprint is the same for the same post, however often and over whichever servers it comes: SHA-256 over its
// Message-ID and body. Without a Message-ID the fields stand in for it that servers on the way do not write.
func Fingerprint(m mail.Message) (sum [sha256.Size]byte) {
	h := sha256.New()
	if ids := mail.MessageIDs(mail.Get(m.Head, "Message-ID")); len(ids) > 0 {
		h.Write([]byte("id\x00" + ids[0]))
	} else {
		h.Write([]byte("head\x00"))
		for f := range mail.Fields(m.Head) {
			if !trace(f.Name) {
				// Servers also unfold and fold again; what a field says stays.
				h.Write([]byte(strings.ToLower(f.Name) + "\x00" + strings.Join(strings.Fields(f.Value()), " ") + "\x00"))
			}
		}
	}
	h.Write([]byte{0})
	h.Write(m.Body)
	h.Sum(sum[:0])
	return sum
}

// traces are fields that servers on the way write (RFC 5321 section 4.4, RFC 8601, RFC 7208 section 9.1).
var traces = []string{"received", "return-path", "delivered-to", "authentication-results", "received-spf", "dkim-signature",
	"domainkey-signature", "envelope-to", "delivery-date", "dkim-filter"}

func trace(name string) bool {
	name = strings.ToLower(name)
	return name == "" || strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "arc-") || slices.Contains(traces, name)
}

// maxExcluded bounds what Excluded returns: a post to more people is not one that spares a member a second copy.
const maxExcluded = 200

// Excluded are the keys (Address.Key) of those who have the post already, because its author put them in To or Cc:
// members with duplicates=no get none from the list. Addresses of ours in the envelope are lists, not people; what
// the author gets is own_posts' affair. head is the author's, before Prepare.
func Excluded(l List, head []byte, env mail.Envelope, author mail.Address) []string {
	to, cc := "To", "Cc"
	if mail.Get(head, "Resent-From") != "" {
		// RFC 5322 section 3.6.6: sent again, to other people than the first time.
		to, cc = "Resent-To", "Resent-Cc"
	}
	ours := []string{l.Post().Key(), author.Key()}
	for _, r := range env.To[:min(len(env.To), maxExcluded)] {
		ours = append(ours, r.Key())
	}
	var out []string
	for f := range mail.Fields(head) {
		if !f.Is(to) && !f.Is(cc) {
			continue
		}
		for _, box := range mail.Mailboxes(f.Value()) {
			key := box.Address.Key()
			if slices.Contains(ours, key) || slices.Contains(out, key) {
				continue
			}
			if out = append(out, key); len(out) == maxExcluded {
				return out
			}
		}
	}
	return out
}

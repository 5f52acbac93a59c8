package lists

// LastIssueKind is the kind of the task that sends a LastIssue.
const LastIssueKind = "last_issue"

// LastIssue is what a member is still owed who leaves a digest: the posts behind After, up to UpTo, in the way they had
// them until now.
type LastIssue struct {
	List         ID
	Subscription int64
	Mode         Mode
	Schedule     Schedule // as the member chose it
	Language     string   // as the member chose it; empty: the list's
	After, UpTo  Seq
}

// Collected reports whether posts reach a mode in issues.
func (m Mode) Collected() bool { return m == Roundup || m.owes() }

// owes reports whether issues of a mode hold every post. A round-up is a summary and owes none.
func (m Mode) owes() bool { return m == Digest || m == Plain || m == Index }

// Collects reports whether issues go to the subscription.
func (s Subscription) Collects() bool { return s.Mode.Collected() && s.State == Active }

// Turn sets the cursors of a subscription that has just been changed: it was before, and last is the number of its list's
// last post. Who comes to a way of receiving gets the posts behind that; who goes from one digest to another goes on where
// they were. The last issue is what a member must be sent who leaves a digest for another way of receiving, nil if
// nothing. Who wants no mail any more, or pauses, is sent none.
func (s *Subscription) Turn(before Subscription, last Seq) *LastIssue {
	if s.Receives() && (!before.Receives() || s.Mode == Each && before.Mode != Each) {
		s.EachFrom = last
	}
	owed := before.Collects() && before.Mode.owes() && before.DigestSeq < last
	if s.Collects() && before.Collects() && (s.Mode.owes() || !owed) {
		return nil
	}
	if s.Mode.Collected() || before.Mode.Collected() {
		s.DigestSeq = last
	}
	if !owed || !s.Receives() && !s.Collects() {
		return nil
	}
	return &LastIssue{List: before.List, Subscription: before.ID, Mode: before.Mode, Schedule: before.Schedule, Language: before.Language,
		After: before.DigestSeq, UpTo: last}
}

package lists

// Request is a wish to join or to leave, with what has been done for it.
type Request struct {
	Banned    bool // the list has banned the address
	Confirmed bool // the address has given its own word: a token came back, or its owner added it
	Approved  bool // a moderator has said yes
}

// Step is what a wish needs next.
type Step uint8

// The steps. Already says that the wish is fulfilled; asking twice is no error.
const (
	Do       Step = iota // add the address, or take it off
	Confirm              // ask the address
	Approve              // ask the moderators
	Already              // it is a member, or none
	NotTaken             // it may not join
)

// Join says what a wish to join needs next. cur is the address's subscription, nil if it has none.
func (p Policy) Join(r Request, cur *Subscription) Step {
	switch {
	case cur != nil:
		return Already
	case r.Banned:
		return NotTaken
	case !r.Confirmed && (p.Joining == JoinConfirm || p.Joining == JoinConfirmFirst):
		return Confirm
	case !r.Approved && (p.Joining == JoinModerate || p.Joining == JoinConfirmFirst):
		return Approve
	}
	return Do
}

// Leave says what a wish to leave needs next.
func (p Policy) Leave(r Request, cur *Subscription) Step {
	switch {
	case cur == nil:
		return Already
	case !r.Confirmed && p.Leaving == LeaveConfirm:
		return Confirm
	case !r.Approved && p.Leaving == LeaveModerate:
		return Approve
	}
	return Do
}

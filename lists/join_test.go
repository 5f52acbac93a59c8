package lists

import "testing"

func TestJoin(t *testing.T) {
	t.Parallel()
	sub := &Subscription{}
	for _, c := range []struct {
		policy Joining
		r      Request
		cur    *Subscription
		want   Step
	}{
		{JoinOpen, Request{}, nil, Do},
		{JoinOpen, Request{Banned: true}, nil, NotTaken},
		{JoinOpen, Request{}, sub, Already},
		{JoinConfirm, Request{}, nil, Confirm},
		{JoinConfirm, Request{Confirmed: true}, nil, Do},
		{JoinConfirm, Request{}, sub, Already},
		{JoinConfirm, Request{Confirmed: true, Banned: true}, nil, NotTaken},
		{JoinModerate, Request{}, nil, Approve},
		{JoinModerate, Request{Approved: true}, nil, Do},
		{JoinConfirmFirst, Request{}, nil, Confirm},
		{JoinConfirmFirst, Request{Confirmed: true}, nil, Approve},
		{JoinConfirmFirst, Request{Approved: true}, nil, Confirm},
		{JoinConfirmFirst, Request{Confirmed: true, Approved: true}, nil, Do},
	} {
		p := DefaultPolicy()
		p.Joining = c.policy
		if got := p.Join(c.r, c.cur); got != c.want {
			t.Errorf("%s: Join(%+v, member %v) = %v, want %v", c.policy, c.r, c.cur != nil, got, c.want)
		}
	}
}

func TestLeave(t *testing.T) {
	t.Parallel()
	sub := &Subscription{}
	for _, c := range []struct {
		policy Leaving
		r      Request
		cur    *Subscription
		want   Step
	}{
		{LeaveOpen, Request{}, sub, Do},
		{LeaveOpen, Request{}, nil, Already},
		{LeaveOpen, Request{Banned: true}, sub, Do},
		{LeaveConfirm, Request{}, sub, Confirm},
		{LeaveConfirm, Request{Confirmed: true}, sub, Do},
		{LeaveModerate, Request{}, sub, Approve},
		{LeaveModerate, Request{Confirmed: true}, sub, Approve},
		{LeaveModerate, Request{Approved: true}, sub, Do},
	} {
		p := DefaultPolicy()
		p.Leaving = c.policy
		if got := p.Leave(c.r, c.cur); got != c.want {
			t.Errorf("%s: Leave(%+v, member %v) = %v, want %v", c.policy, c.r, c.cur != nil, got, c.want)
		}
	}
}

package lists

import "fmt"

// This file holds the rules about who posts.

// member does to a known sender's post what the moderators have set for this member or, failing that, for all
// members. What is set for all does not mean those who would have to release it.
func member(c *Case) Verdict {
	if !c.known() {
		return Verdict{}
	}
	act := c.own()
	if act == Defer {
		if c.governs() {
			return Verdict{}
		}
		act = c.List.Policy.MemberAction
	}
	return do(act, "The moderators look at this member's posts.",
		fmt.Sprintf("The moderators of %s do not take posts from this address. Questions go to %s.",
			c.List.Address, c.List.Owner()))
}

func firstPosts(c *Case) Verdict {
	n := c.List.Policy.FirstPosts
	if c.governs() || c.own() != Defer || c.Sender == nil || c.Sender.Sub == nil || c.Sender.Sub.Posts >= n {
		return Verdict{}
	}
	if n == 1 {
		return hold("A moderator looks at the first post of each new member.")
	}
	return hold("A moderator looks at the first %d posts of each new member.", n)
}

// nonmember leaves a list where only owners post to the rule announcement: a post that will be rejected needs no
// moderator.
func nonmember(c *Case) Verdict {
	p := &c.List.Policy
	if c.known() || p.Posting == PostingAnyone || p.OwnersOnly() || p.Passes(c.From.Address) {
		return Verdict{}
	}
	return do(p.NonmemberAction, "The sender is not a member of the list.",
		fmt.Sprintf("%s takes posts from its members only. Join by writing to %s, or send from the address you joined with. "+
			"Questions go to %s.", c.List.Address, c.List.Join(), c.List.Owner()))
}

// announcement lets only owners and moderators post, and members whose own action is accept: somebody gave them
// leave.
func announcement(c *Case) Verdict {
	if !c.List.Policy.OwnersOnly() || c.governs() || c.own() == Accept {
		return Verdict{}
	}
	return refuse(550, "5.7.2", "Only the owners and moderators of %s post to it. Write to them at %s.",
		c.List.Address, c.List.Owner())
}

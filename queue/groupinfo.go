package queue

import "slices"

// GroupInfo is a job group as seen at one time. Its numbers are of the jobs in it and in the groups below it.
type GroupInfo struct {
	Name    string      `json:"name"` // its path
	Owner   string      `json:"owner"`
	Limit   *int        `json:"limit,omitempty"` // its own or else the nearest one above it; nil = none
	Started int         `json:"started"`         // jobs and elements that hold slots: what Limit counts
	Jobs    GroupCounts `json:"jobs"`            // jobs and elements
	Slots   GroupCounts `json:"slots"`           // of them; ended ones have none
}

// GroupCounts is how many of something are in which state.
type GroupCounts struct {
	Pend   int `json:"pend"` // held ones included
	Run    int `json:"run"`
	SSusp  int `json:"ssusp"`
	USusp  int `json:"ususp"`
	Finish int `json:"finish"` // ended, and still remembered
}

// Total is all of them.
func (c *GroupCounts) Total() int { return c.Pend + c.Run + c.SSusp + c.USusp + c.Finish }

// Groups are the job groups, each before those below it, by name.
func (q *Queue) Groups() []GroupInfo {
	out := make([]GroupInfo, 0, len(q.groups.named))
	for _, g := range q.groups.named {
		info := GroupInfo{Name: g.path, Owner: g.owner, Started: g.started, Jobs: countsOf(&g.count), Slots: countsOf(&g.slots)}
		if l := g.limited(); l != nil {
			limit := l.limit
			info.Limit = &limit
		}
		out = append(out, info)
	}
	slices.SortFunc(out, func(a, b GroupInfo) int { return comparePaths(a.Name, b.Name) })
	return out
}

func countsOf(n *[Unknown + 1]int) GroupCounts {
	return GroupCounts{
		Pend: n[Pending] + n[HeldPending], Run: n[Running] + n[Unknown] + n[Zombie],
		SSusp: n[SysSuspended], USusp: n[UserSuspended], Finish: n[Done] + n[Exited],
	}
}

package queue

import (
	"slices"
	"strings"
)

// UserInfo is what a user has in the batch system at one time; the numbers are slots.
type UserInfo struct {
	Name  string `json:"name"`
	Pend  int    `json:"pend"`
	Run   int    `json:"run"`
	SSusp int    `json:"ssusp"`
	USusp int    `json:"ususp"`
}

// Users are those who have jobs, ended ones included while they are remembered, by name.
func (q *Queue) Users() []UserInfo {
	out := make([]UserInfo, 0, len(q.users))
	for _, u := range q.users {
		out = append(out, UserInfo{
			Name: u.name, Pend: u.slots[Pending] + u.slots[HeldPending],
			Run:   u.slots[Running] + u.slots[Unknown] + u.slots[Zombie],
			SSusp: u.slots[SysSuspended], USusp: u.slots[UserSuspended],
		})
	}
	slices.SortFunc(out, func(a, b UserInfo) int { return strings.Compare(a.Name, b.Name) })
	return out
}

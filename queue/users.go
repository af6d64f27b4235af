package queue

import (
	"fmt"
	"slices"
	"strings"
)

// DefaultUser is the name of the limits of users who have none of their own.
const DefaultUser = "default"

// UserSpec is what a user, or a group of users, may have in the batch system at once.
type UserSpec struct {
	Name    string   // of a user or a group, or DefaultUser
	Members []string // of a group; empty = a user
	// Each says that the limits of a group are those of each of its members who has none of his own. Otherwise its MaxSlots is what all
	// of them hold together, beside what each may.
	Each       bool
	MaxSlots   int // held by their jobs; 0 = no limit
	MaxPending int // pending elements; 0 = no limit. Not of a group, but with Each
}

// UserInfo is what a user or a group has in the batch system at one time; the numbers are slots.
type UserInfo struct {
	Name       string `json:"name"`
	Pend       int    `json:"pend"`
	Run        int    `json:"run"`
	SSusp      int    `json:"ssusp"`
	USusp      int    `json:"ususp"`
	Group      bool   `json:"group,omitempty"`
	Default    bool   `json:"default,omitempty"`    // the limits of others: nobody in particular
	MaxSlots   int    `json:"maxSlots,omitempty"`   // 0 = no limit
	MaxPending int    `json:"maxPending,omitempty"` // elements; 0 = no limit
}

// allotments is what the configuration grants users.
type allotments struct {
	specs  []UserSpec
	own    map[string]*UserSpec // of users by name, DefaultUser among them
	shared map[string][]*quota  // of the groups that a user is in
	each   map[string]*UserSpec // the tightest that a user has as a member
}

func newAllotments(specs []UserSpec, anyPending int) allotments {
	a := allotments{specs: specs, own: map[string]*UserSpec{}, shared: map[string][]*quota{}, each: map[string]*UserSpec{}}
	for i := range specs {
		s := &specs[i]
		switch {
		case len(s.Members) == 0:
			a.own[s.Name] = s
		case s.Each:
			for _, name := range s.Members {
				a.each[name] = tighter(a.each[name], s)
			}
		case s.MaxSlots > 0:
			l := &quota{kind: ofGroup, most: s.MaxSlots}
			for _, name := range s.Members {
				a.shared[name] = append(a.shared[name], l)
			}
		}
	}
	if a.own[DefaultUser] == nil {
		a.own[DefaultUser] = &UserSpec{Name: DefaultUser, MaxPending: anyPending}
	}
	return a
}

// tighter is the smaller of each of two sets of limits.
func tighter(a, b *UserSpec) *UserSpec {
	if a == nil {
		return b
	}
	least := func(x, y int) int {
		if x == 0 || y == 0 {
			return max(x, y)
		}
		return min(x, y)
	}
	return &UserSpec{Name: b.Name, Each: true, MaxSlots: least(a.MaxSlots, b.MaxSlots), MaxPending: least(a.MaxPending, b.MaxPending)}
}

// of is what a user has by himself.
func (a *allotments) of(name string) *UserSpec {
	if s := a.own[name]; s != nil {
		return s
	}
	if s := a.each[name]; s != nil {
		return s
	}
	return a.own[DefaultUser]
}

// grant gives a user, who holds nothing yet, what the configuration says.
func (a *allotments) grant(u *userState) {
	s := a.of(u.name)
	u.in, u.quotas, u.mayPend = nil, nil, s.MaxPending
	if s.MaxSlots > 0 {
		u.quotas = append(u.quotas, &quota{kind: ofUser, most: s.MaxSlots})
	}
	u.quotas = append(u.quotas, a.shared[u.name]...)
}

// onceEach are users whose members are named once each.
func onceEach(specs []UserSpec) []UserSpec {
	specs = slices.Clone(specs)
	for i := range specs {
		if members := specs[i].Members; members != nil {
			members = slices.Clone(members)
			slices.Sort(members)
			specs[i].Members = slices.Compact(members)
		}
	}
	return specs
}

func validateUsers(specs []UserSpec) error {
	seen := map[string]bool{}
	for i := range specs {
		s := &specs[i]
		switch {
		case s.Name == "" || len(s.Name) > maxNameBytes || seen[s.Name]:
			return fmt.Errorf("configure user %q: every user and group needs a name of its own", s.Name)
		case s.MaxSlots < 0 || s.MaxPending < 0:
			return fmt.Errorf("configure user %q: a limit is negative", s.Name)
		case len(s.Members) > 0 && !s.Each && s.MaxPending > 0:
			return fmt.Errorf("configure group %q: pending jobs are limited for each member only", s.Name)
		}
		seen[s.Name] = true
	}
	return nil
}

// Users are those who have jobs, ended ones included while they are remembered, and those who are configured, by name.
func (q *Queue) Users() []UserInfo {
	out := make([]UserInfo, 0, len(q.users)+len(q.cfg.Users))
	for _, u := range q.users {
		s := q.granted.of(u.name)
		info := UserInfo{Name: u.name, MaxSlots: s.MaxSlots, MaxPending: s.MaxPending}
		info.add(u)
		out = append(out, info)
	}
	for i := range q.cfg.Users {
		s := &q.cfg.Users[i]
		info := UserInfo{Name: s.Name, Group: len(s.Members) > 0, Default: s.Name == DefaultUser, MaxSlots: s.MaxSlots, MaxPending: s.MaxPending}
		if !info.Group && !info.Default && q.users[s.Name] != nil {
			continue
		}
		for _, name := range s.Members {
			if u := q.users[name]; u != nil {
				info.add(u)
			}
		}
		out = append(out, info)
	}
	slices.SortStableFunc(out, func(a, b UserInfo) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (i *UserInfo) add(u *userState) {
	i.Pend += u.slots[Pending] + u.slots[HeldPending]
	i.Run += u.slots[Running] + u.slots[Unknown] + u.slots[Zombie]
	i.SSusp += u.slots[SysSuspended]
	i.USusp += u.slots[UserSuspended]
}

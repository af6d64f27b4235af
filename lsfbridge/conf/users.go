package conf

import (
	"maps"
	"slices"
	"strings"

	"sluice/queue"
)

// group is a user group of lsb.users.
type group struct {
	at       place
	members  []string // users and groups
	all      bool     // everyone
	expanded bool
	users    []string // members, with groups expanded
}

const (
	maxMembers   = 100_000 // of a list, groups expanded
	maxUserBytes = 256
)

var groupKeywords = map[string]keyword[groupRow]{
	"GROUP_NAME": func(_ *parser, v value, g *groupRow) { g.name = v.text },
	"GROUP_MEMBER": func(_ *parser, v value, g *groupRow) {
		g.members = strings.Fields(v.text)
	},
}

var otherGroupKeywords = words("USER_SHARES GROUP_ADMIN PRIORITY MANAGERS FS_POLICY")

// groupRow is a row of a UserGroup section.
type groupRow struct {
	name    string
	members []string
}

// userRow is a row of a User section.
type userRow struct {
	name           value
	slots, pending int
}

var userKeywords = map[string]keyword[userRow]{
	"USER_NAME":     func(_ *parser, v value, u *userRow) { u.name = v },
	"MAX_JOBS":      number(1, maxNumber, func(u *userRow) *int { return &u.slots }),
	"MAX_PEND_JOBS": number(1, maxNumber, func(u *userRow) *int { return &u.pending }),
}

var otherUserKeywords = words("JL/P MAX_PEND_SLOTS JOB_PRIORITY PRIORITY")

// everyoneElse is who has no row of his own.
const everyoneElse = queue.DefaultUser

func (p *parser) users() {
	sections, _ := p.sections(fileUsers)
	var rows []userRow
	for _, s := range sections {
		switch strings.ToLower(s.name) {
		case "usergroup":
			for _, e := range s.entries {
				var row groupRow
				take(p, e, groupKeywords, otherGroupKeywords, &row)
				p.group(e, row)
			}
		case "user":
			for _, e := range s.entries {
				row := userRow{name: value{at: e.at}}
				take(p, e, userKeywords, otherUserKeywords, &row)
				rows = append(rows, row)
			}
		case "usermap":
			p.warn(s.at, "section %s: not supported by Sluice, it has no effect", s.name)
		default:
			p.warn(s.at, "section %s: unknown, it has no effect", s.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.groups)) {
		p.expand(name, p.groups[name].at, nil)
	}
	for _, row := range rows {
		p.user(row)
	}
	p.groupsWithoutLimits()
}

// user takes the limits of a user or a group over.
func (p *parser) user(row userRow) {
	base, each := strings.CutSuffix(row.name.text, "@")
	unix, isUnix := strings.CutSuffix(base, "/")
	u := queue.UserSpec{Name: row.name.text, Each: each, MaxSlots: row.slots, MaxPending: row.pending}
	g := p.groups[unix]
	switch {
	case !isUserName(unix):
		p.refuse(row.name.at, "USER_NAME %s: want a user, a group, a group with @ at its end, or %s", show(row.name.text), everyoneElse)
		return
	case slices.ContainsFunc(p.config.Users, func(o queue.UserSpec) bool { return o.Name == u.Name }):
		p.refuse(row.name.at, "USER_NAME %s: there is such a row already", show(u.Name))
		return
	case g == nil && !isUnix && each:
		p.refuse(row.name.at, "USER_NAME %s: there is no such group", show(u.Name))
		return
	case g != nil || isUnix:
		users, all := p.expand(base, row.name.at, nil)
		if u.Members = users; all {
			p.refuse(row.name.at, "USER_NAME %s: a group of all has no limits, %s is for everyone without a row", show(u.Name), everyoneElse)
			return
		}
		if !each && u.MaxPending > 0 {
			p.refuse(row.name.at, "MAX_PEND_JOBS of %s: pending jobs are limited for each member, by a row %s@", show(u.Name), base)
			return
		}
		if len(users) == 0 {
			return // which was refused
		}
	}
	p.config.Users = append(p.config.Users, u)
}

// groupsWithoutLimits lists the other groups, for who looks at users.
func (p *parser) groupsWithoutLimits() {
	for _, name := range slices.Sorted(maps.Keys(p.groups)) {
		g := p.groups[name]
		if !g.all && len(g.users) > 0 && !slices.ContainsFunc(p.config.Users, func(u queue.UserSpec) bool { return u.Name == name }) {
			p.config.Users = append(p.config.Users, queue.UserSpec{Name: name, Members: g.users})
		}
	}
}

// group takes a user group over.
func (p *parser) group(e entry, row groupRow) {
	switch {
	case row.name == "" || row.name == "all" || !isUserName(row.name):
		p.refuse(e.at, "GROUP_NAME %s: want the name of a group", show(row.name))
		return
	case p.groups[row.name] != nil:
		p.refuse(e.at, "GROUP_NAME %s: there is such a group in line %d already", show(row.name), p.groups[row.name].at.line)
		return
	case len(row.members) == 0:
		p.refuse(e.at, "GROUP_MEMBER of %s: want (NAME …) or (all)", show(row.name))
		return
	}
	g := &group{at: e.at}
	for _, name := range row.members {
		switch {
		case name == "all":
			g.all = true
		case name == "!":
			p.refuse(e.at, "GROUP_MEMBER of %s: members from a program (!) are not supported, name them", show(row.name))
		case !isUserName(strings.TrimSuffix(name, "/")):
			p.refuse(e.at, "GROUP_MEMBER of %s: %s is no name", show(row.name), show(name))
		default:
			g.members = append(g.members, name)
		}
	}
	p.groups[row.name] = g
}

// isUserName says whether a word can be a user or a group.
func isUserName(name string) bool {
	return name != "" && len(name) <= maxUserBytes && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune("~!()\"'/", r)
	})
}

// expand is the users that a name stands for: those of a group of lsb.users or, with a slash at its end, of a Unix group, or
// a user. all says that it stands for everyone. What cannot be is refused at the place that names it, but for a group that is
// not there: as in LSF, that is said and means nobody.
func (p *parser) expand(name string, at place, within []string) (users []string, all bool) {
	unix, isUnix := strings.CutSuffix(name, "/")
	g := p.groups[unix]
	switch {
	case g == nil && !isUnix:
		return []string{name}, false
	case g == nil:
		if p.source.Members != nil {
			if members, ok := p.source.Members(unix); ok {
				return members, false
			}
		}
		p.warn(at, "%s: no such group, neither in %s nor of Unix: it stands for nobody", show(name), fileUsers)
		return []string{name}, false // no user is called so, and a list that it is in does not become empty, which may mean all
	case g.all || g.expanded:
		return g.users, g.all
	case slices.Contains(within, unix):
		p.refuse(g.at, "group %s contains itself", show(unix))
		return nil, false
	}
	within = append(within, unix)
	for _, member := range g.members {
		more, everyone := p.expand(member, g.at, within)
		g.all = g.all || everyone
		if g.users = append(g.users, more...); len(g.users) > maxMembers {
			p.refuse(g.at, "group %s: more than %d users", show(unix), maxMembers)
			g.users = nil
			break
		}
	}
	g.expanded = true
	return g.users, g.all
}

// userList reads a list as in USERS: all, or names, with ~ before those who are not meant. nil = all.
func (p *parser) userList(v value) []string {
	some, without := map[string]bool{}, map[string]bool{}
	all, named := false, false
	for word := range strings.FieldsSeq(v.text) {
		bare, barred := strings.CutPrefix(word, "~")
		if !isUserName(strings.TrimSuffix(bare, "/")) {
			p.refuse(v.at, "%s: %s is no name; want all, users, or groups, with ~ before those who are not meant", v.key, show(word))
			return nil
		}
		users, everyone := []string(nil), bare == "all"
		if before := len(p.problems); !everyone {
			if users, everyone = p.expand(bare, v.at, nil); len(p.problems) > before {
				return nil
			}
		}
		switch {
		case barred && everyone:
			p.refuse(v.at, "%s = %s: nobody is left", v.key, show(v.text))
			return nil
		case everyone:
			all = true
		case !barred:
			named = true
		}
		set := some
		if barred {
			set = without
		}
		for _, user := range users {
			set[user] = true
		}
	}
	if all || !named {
		return prefixed("~", without)
	}
	maps.DeleteFunc(some, func(user string, _ bool) bool { return without[user] })
	if len(some) == 0 {
		p.refuse(v.at, "%s = %s: nobody is left", v.key, show(v.text))
	}
	return prefixed("", some)
}

// prefixed are names, sorted, with something before each.
func prefixed(prefix string, names map[string]bool) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		list = append(list, prefix+name)
	}
	return list
}

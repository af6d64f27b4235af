package queue

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// group is a job group (LSF's bgadd): a node of the tree that their paths make. Its numbers are of the jobs in it and below it.
type group struct {
	path     string // "/a/b"
	owner    string
	parent   *group // nil = none above it
	children int
	limit    int // jobs and elements that hold slots at once; noLimit = as those above it
	jobs     int // in memory, array or not
	count    [Unknown + 1]int
	slots    [Unknown + 1]int
	started  int // elements that hold slots

	claims    int // of blocked jobs on what is left of its limit,
	claimedIn uint64
}

// groupTree is all job groups.
type groupTree struct {
	named map[string]*group
	owned map[string]int // groups of each owner
}

const (
	noLimit       = -1
	maxGroupBytes = 512 // of a path, as in LSF
	maxGroupDepth = 32
	maxGroups     = 50_000 // all of them are one answer of the daemon
	maxUserGroups = 10_000
)

// The codes of refused commands on job groups.
const (
	NoSuchGroup   Code = "no_such_group"
	GroupExists   Code = "group_exists"
	GroupBusy     Code = "group_busy"
	GroupDenied   Code = "group_denied"
	BadGroup      Code = "bad_group"
	BadGroupLimit Code = "bad_group_limit"
	TooManyGroups Code = "too_many_groups"
)

// checkGroupPath refuses what cannot be the path of a job group: names of letters, digits and some marks after a slash each.
func checkGroupPath(path string) error {
	bad := &Error{KindInvalid, BadGroup, path, fmt.Sprintf(
		"job group %q: want a path like /a/b, of at most %d bytes and %d names", path, maxGroupBytes, maxGroupDepth)}
	rest, rooted := strings.CutPrefix(path, "/")
	if !rooted || len(path) > maxGroupBytes || strings.Count(path, "/") > maxGroupDepth {
		return bad
	}
	for name := range strings.SplitSeq(rest, "/") {
		if name == "" || name == "." || name == ".." || strings.Trim(name, groupLetters) != "" {
			return bad
		}
	}
	return nil
}

const groupLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+:@=%~,"

// above is the path of the group above; "" = none.
func above(path string) string { return path[:strings.LastIndexByte(path, '/')] }

// AddGroup makes a job group of a path and those above it that are missing. Limit is how many jobs and elements of it and of the
// groups below may hold slots at once; nil = as many as the groups above let.
func (q *Queue) AddGroup(now time.Time, by Actor, path string, limit *int) error {
	if err := checkGroupPath(path); err != nil {
		return err
	}
	if q.groups.named[path] != nil {
		return &Error{KindConflict, GroupExists, path, fmt.Sprintf("job group %s is there already", path)}
	}
	if err := q.checkLimit(q.nearest(path), path, limit); err != nil {
		return err
	}
	missing, err := q.missing(by.User, path)
	if err != nil {
		return err
	}
	q.addGroups(now, by.User, missing[:len(missing)-1], nil)
	q.addGroups(now, by.User, missing[len(missing)-1:], limit)
	return nil
}

// nearest is the group of a path or the nearest one above it.
func (q *Queue) nearest(path string) *group {
	for ; path != ""; path = above(path) {
		if g := q.groups.named[path]; g != nil {
			return g
		}
	}
	return nil
}

// checkLimit refuses a limit above that of a group over it.
func (q *Queue) checkLimit(over *group, path string, limit *int) error {
	if limit == nil {
		return nil
	}
	if *limit < 0 || *limit > math.MaxInt32 {
		return &Error{KindInvalid, BadGroupLimit, path, fmt.Sprintf("job limit %d: want 0 to %d", *limit, math.MaxInt32)}
	}
	for g := over; g != nil; g = g.parent {
		if g.limit != noLimit && *limit > g.limit {
			return &Error{KindInvalid, BadGroupLimit, path, fmt.Sprintf("job limit %d is above the %d of job group %s", *limit, g.limit, g.path)}
		}
	}
	return nil
}

// missing are the paths of the groups that must be made for one of a path to be there, the topmost first. An error says that
// its owner may have no more.
func (q *Queue) missing(owner, path string) ([]string, error) {
	var paths []string
	for ; path != "" && q.groups.named[path] == nil; path = above(path) {
		paths = append(paths, path)
	}
	if n := len(paths); n > 0 && (len(q.groups.named)+n > maxGroups || q.groups.owned[owner]+n > maxUserGroups) {
		return nil, &Error{
			KindUnavailable, TooManyGroups, owner,
			fmt.Sprintf("there may be %d job groups, %d of one user: remove empty ones", maxGroups, maxUserGroups),
		}
	}
	slices.Reverse(paths)
	return paths, nil
}

func (q *Queue) addGroups(now time.Time, owner string, paths []string, limit *int) {
	for _, path := range paths {
		ev := q.record(GroupAdded, now)
		ev.GroupName, ev.Owner, ev.Limit = path, owner, limit
		q.commit(ev)
	}
}

// makeGroup sees to it that the group that a spec names is there.
func (q *Queue) makeGroup(now time.Time, spec *Spec) error {
	if spec.Group == "" {
		return nil
	}
	if err := checkGroupPath(spec.Group); err != nil {
		return err
	}
	missing, err := q.missing(spec.User, spec.Group)
	if err != nil {
		return err
	}
	q.addGroups(now, spec.User, missing, nil)
	return nil
}

// groupFor is the group that a spec names, which must be there; nil if it names none.
func (q *Queue) groupFor(spec *Spec) (*group, error) {
	g := q.groups.named[spec.Group]
	if g == nil && spec.Group != "" {
		return nil, errors.New("no such job group")
	}
	return g, nil
}

// SetGroupLimit changes the limit of a job group; nil takes it away. Its owner may, and those of the groups above it.
func (q *Queue) SetGroupLimit(now time.Time, by Actor, path string, limit *int) error {
	g, err := q.groupOf(path)
	if err != nil {
		return err
	}
	allowed := by.Admin
	for over := g; over != nil; over = over.parent {
		allowed = allowed || over.owner == by.User
	}
	if !allowed {
		return deniedGroup(g)
	}
	if err := q.checkLimit(g.parent, path, limit); err != nil {
		return err
	}
	if limit != nil {
		for _, below := range q.below(g) {
			if below.limit > *limit {
				return &Error{KindInvalid, BadGroupLimit, path, fmt.Sprintf("job limit %d is below the %d of job group %s", *limit, below.limit, below.path)}
			}
		}
	}
	ev := q.record(GroupLimited, now)
	ev.GroupName, ev.Limit = path, limit
	q.commit(ev)
	return nil
}

func (q *Queue) groupOf(path string) (*group, error) {
	if g := q.groups.named[path]; g != nil {
		return g, nil
	}
	return nil, &Error{KindNotFound, NoSuchGroup, path, fmt.Sprintf("job group %q: no such job group", path)}
}

func deniedGroup(g *group) error {
	return &Error{KindDenied, GroupDenied, g.path, fmt.Sprintf("job group %s belongs to %q: permission denied", g.path, g.owner)}
}

// below are the groups below g, lower ones first.
func (q *Queue) below(g *group) []*group {
	var found []*group
	if g.children == 0 {
		return nil
	}
	for path, other := range q.groups.named {
		if strings.HasPrefix(path, g.path+"/") {
			found = append(found, other)
		}
	}
	slices.SortFunc(found, func(a, b *group) int { return comparePaths(b.path, a.path) })
	return found
}

// comparePaths orders groups as the tree has them: each before those below it.
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch x, y := a[i], b[i]; {
		case x == y:
		case x == '/':
			return -1
		case y == '/':
			return 1
		default:
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}

// RemoveGroup removes a job group and those below it. There must be no job in them, ended ones that are remembered included.
func (q *Queue) RemoveGroup(now time.Time, by Actor, path string) error {
	g, err := q.groupOf(path)
	if err != nil {
		return err
	}
	all := append(q.below(g), g)
	for _, g := range all {
		if !by.Admin && g.owner != by.User {
			return deniedGroup(g)
		}
	}
	if g.jobs > 0 {
		return &Error{KindConflict, GroupBusy, path, fmt.Sprintf("job group %s holds %d jobs, or remembers them", path, g.jobs)}
	}
	for _, g := range all {
		q.removeGroup(now, g)
	}
	return nil
}

func (q *Queue) removeGroup(now time.Time, g *group) {
	ev := q.record(GroupRemoved, now)
	ev.GroupName = g.path
	q.commit(ev)
}

// RemoveEmptyGroups removes the job groups of an owner ("" = of everyone) that have neither jobs nor groups below, until there
// are none, and gives their paths: of all groups or, where it names one, of that within and those below it. Only an administrator may
// remove those of others.
func (q *Queue) RemoveEmptyGroups(now time.Time, by Actor, owner, within string) ([]string, error) {
	if !by.Admin && owner != by.User {
		return nil, &Error{KindDenied, GroupDenied, owner, "only an administrator may remove job groups of others: permission denied"}
	}
	if within != "" {
		if _, err := q.groupOf(within); err != nil {
			return nil, err
		}
	}
	var empty []*group
	for _, g := range q.groups.named {
		if g.jobs == 0 && (owner == "" || g.owner == owner) && strings.HasPrefix(g.path+"/", within+"/") {
			empty = append(empty, g)
		}
	}
	slices.SortFunc(empty, func(a, b *group) int { return comparePaths(b.path, a.path) })
	var removed []string
	for _, g := range empty {
		if g.children == 0 {
			q.removeGroup(now, g)
			removed = append(removed, g.path)
		}
	}
	return removed, nil
}

// foldGroup is what can happen to a job group.
func (q *Queue) foldGroup(ev *Event) error {
	t := &q.groups
	g := t.named[ev.GroupName]
	if ev.Kind == GroupAdded {
		return q.foldGroupAdded(ev)
	}
	if g == nil {
		return errors.New("no such job group")
	}
	if ev.Kind == GroupLimited {
		former := g.limit
		g.setLimit(ev.Limit)
		if (former == noLimit) != (g.limit == noLimit) && g.jobs > 0 {
			q.reclass(g)
		}
		q.dirty = true
		return nil
	}
	if g.jobs > 0 || g.children > 0 {
		return errImpossible
	}
	if g.parent != nil {
		g.parent.children--
	}
	delete(t.named, g.path)
	if t.owned[g.owner]--; t.owned[g.owner] == 0 {
		delete(t.owned, g.owner)
	}
	return nil
}

func (q *Queue) foldGroupAdded(ev *Event) error {
	t, path := &q.groups, ev.GroupName
	if err := checkGroupPath(path); err != nil {
		return err
	}
	over := t.named[above(path)]
	if t.named[path] != nil || over == nil && above(path) != "" {
		return errImpossible
	}
	g := &group{path: path, owner: ev.Owner, parent: over}
	g.setLimit(ev.Limit)
	if over != nil {
		over.children++
	}
	if t.named == nil {
		t.named, t.owned = map[string]*group{}, map[string]int{}
	}
	t.named[path] = g
	t.owned[g.owner]++
	return nil
}

func (g *group) setLimit(limit *int) {
	g.limit = noLimit
	if limit != nil {
		g.limit = *limit
	}
}

// reclass puts the jobs of a group and of those below into the classes that the limits make of them.
func (q *Queue) reclass(g *group) {
	q.jobs.from(0, func(j *job) bool {
		for over := j.group; over != nil; over = over.parent {
			if over == g && j.class != nil {
				q.withdraw(j)
				q.settle(j)
				break
			}
		}
		return true
	})
}

// limited is the nearest group with a limit, from g upwards.
func (g *group) limited() *group {
	for g != nil && g.limit == noLimit {
		g = g.parent
	}
	return g
}

// enter and leave account for a job in memory.
func (g *group) enter(jobs int) {
	for ; g != nil; g = g.parent {
		g.jobs += jobs
	}
}

// add accounts for n more elements in a state, which hold or want some slots, or fewer with n < 0.
func (g *group) add(s State, n, slots int) {
	for ; g != nil; g = g.parent {
		g.count[s] += n
		g.slots[s] += slots
		if s.Placed() {
			g.started += n
		}
	}
}

// regroup moves a job of which nothing holds slots to another group.
func (q *Queue) regroup(j *job, to *group) {
	from := j.group
	move := func(s State, n, slots int) {
		from.add(s, -n, -slots)
		to.add(s, n, slots)
	}
	j.eachState(func(s State, n int) {
		slots := 0
		if pends(s) {
			slots = n * j.spec.MinSlots
		}
		move(s, n, slots)
	})
	from.enter(-1)
	to.enter(1)
	j.group = to
}

// eachState calls f with the number of elements in each state.
func (j *job) eachState(f func(State, int)) {
	if j.array == nil {
		f(j.one.state, 1)
		return
	}
	for s, n := range j.array.count {
		if s > 0 && n > 0 {
			f(State(s), int(n))
		}
	}
}

// groupFull reports whether the limits of a class's job groups let none of its jobs start. Jobs that are blocked otherwise may
// have claimed what is left of them.
func (q *Queue) groupFull(c *class) bool {
	for g := c.group; g != nil; g = g.parent {
		taken := g.started
		if g.claimedIn == q.pass.id {
			taken += g.claims
		}
		if g.limit != noLimit && taken >= g.limit {
			return true
		}
	}
	return false
}

// claimGroup keeps a place within the limits of its job groups for a blocked job, in this pass.
func (q *Queue) claimGroup(c *class) {
	for g := c.group; g != nil; g = g.parent {
		if g.claimedIn != q.pass.id {
			g.claims, g.claimedIn = 0, q.pass.id
		}
		g.claims++
	}
}

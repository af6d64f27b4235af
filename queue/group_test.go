package queue

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// groupCommand is something done to a job group.
func (w *world) groupCommand(by Actor) error {
	path := []string{"/a", "/a/b", "/c", "/c/d", "/a/b/x"}[w.intn(5, "path")]
	var limit *int
	if n := w.intn(4, "group limit"); n < 3 {
		limit = &n
	}
	switch w.intn(4, "group command") {
	case 0:
		return w.q.AddGroup(w.now, by, path, limit)
	case 1:
		return w.q.RemoveGroup(w.now, by, path)
	case 2:
		_, err := w.q.RemoveEmptyGroups(w.now, by, []string{"", "ann", "bob"}[w.intn(3, "owner")], "")
		return err
	}
	return w.q.SetGroupLimit(w.now, by, path, limit)
}

// inGroups counts elements in the groups of their job.
func (a *auditor) inGroups(j *job, s State, n, slots int) {
	if s.Final() {
		slots = 0
	}
	for g := j.group; g != nil; g = g.parent {
		own := get(a.groups, g)
		own.count[s] += n
		own.slots[s] += slots
		if s.Placed() {
			own.started += n
		}
	}
}

// tree checks the job groups.
func (a *auditor) tree() {
	a.q.jobs.from(0, func(j *job) bool {
		for g := j.group; g != nil; g = g.parent {
			get(a.groups, g).jobs++
			a.same("group of a job", a.q.groups.named[g.path] == g, true)
		}
		return true
	})
	owned := map[string]int{}
	for path, g := range a.q.groups.named {
		if g.parent != nil {
			get(a.groups, g.parent).children++
			a.same("parent of "+path, a.q.groups.named[above(path)] == g.parent, true)
		}
		owned[g.owner]++
	}
	for path, g := range a.q.groups.named {
		w := get(a.groups, g)
		a.same("group "+path, []any{g.jobs, g.children, g.started, g.count, g.slots}, []any{w.jobs, w.children, w.started, w.count, w.slots})
	}
	a.same("owners of groups", len(a.q.groups.owned), len(owned))
}

func TestGroupPaths(t *testing.T) {
	long := "/" + strings.Repeat("x", maxGroupBytes-1)
	for path, ok := range map[string]bool{
		"/a": true, "/a/b": true, "/risk_group/portfolio1/current": true, "/a.b-c+d": true, long: true,
		strings.Repeat("/x", maxGroupDepth): true,
		"":                                  false, "/": false, "a": false, "a/b": false, "/a/": false, "//a": false, "/a//b": false, "/a b": false,
		"/a\n": false, "/a<b>": false, "/ä": false, "/../a": false, "/a/.": false, long + "x": false,
		strings.Repeat("/x", maxGroupDepth+1): false,
	} {
		if err := checkGroupPath(path); (err == nil) != ok {
			t.Errorf("path %q: %v", path, err)
		}
	}
}

func TestGroupsOfOneUserAreBounded(t *testing.T) {
	q, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	now, ann := time.Unix(0, 0), Actor{User: "ann"}
	for i := range maxUserGroups {
		if err := q.AddGroup(now, ann, fmt.Sprintf("/g%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	full := &Error{Code: TooManyGroups}
	if err := q.AddGroup(now, ann, "/more", nil); !errors.Is(err, full) {
		t.Errorf("one more: %v", err)
	}
	if _, err := q.Submit(now, Spec{User: "ann", Command: "c", Group: "/more/still"}); !errors.Is(err, full) {
		t.Errorf("one more by a job: %v", err)
	}
	if _, err := q.Submit(now, Spec{User: "bob", Command: "c", Group: "/more/still"}); err != nil {
		t.Errorf("of another user: %v", err)
	}
	if removed, err := q.RemoveEmptyGroups(now, ann, "ann", ""); err != nil || len(removed) != maxUserGroups {
		t.Errorf("removed %d: %v", len(removed), err)
	}
	if got := len(q.Groups()); got != 2 {
		t.Errorf("%d groups are left", got)
	}
}

// force forces a job to run, but no element over the limit of its array, which the audit looks after.
func (w *world) force(by Actor, id ID) error {
	if j := w.q.jobs.get(id.Job); j != nil && j.array != nil && j.array.limit > 0 && j.placed >= j.array.limit {
		return nil
	}
	var on []Placement
	for _, name := range w.names {
		if w.intn(2, "on") == 0 {
			on = append(on, Placement{Host: name, Slots: w.intn(3, "on slots")})
		}
	}
	return w.q.Force(w.now, by, id, on)
}

func startedInGroups(q *Queue) map[*group]int {
	started := map[*group]int{}
	for _, g := range q.groups.named {
		started[g] = g.started
	}
	return started
}

package queue

import (
	"slices"
	"strings"
)

// Job is a job or element. Of an array's number it is the array as a whole: running if an element runs, else pending if one
// pends, and so on.
func (q *Queue) Job(id ID) (Job, bool) {
	j := q.jobs.get(id.Job)
	if j == nil {
		return Job{}, false
	}
	if j.array != nil && id.Index == 0 {
		v := Job{ID: id, Spec: j.shown(), SubmittedAt: j.submitted.time()}
		for _, s := range []State{Running, UserSuspended, SysSuspended, Unknown, Zombie, Pending, HeldPending, Exited, Done} {
			if j.array.count[s] > 0 {
				v.State = s
				break
			}
		}
		if j.open == 0 {
			v.EndedAt = j.endedLast.time()
		}
		return v, true
	}
	e, ok := q.peek(j, id.Index)
	if !ok {
		return Job{}, false
	}
	if e == nil {
		return j.viewPristine(id.Index), true
	}
	return e.view(), true
}

// shown is a job's spec as others see it: with the queue that it is in, where its own is configured no more.
func (j *job) shown() *Spec {
	if j.queue.spec.Name == j.spec.Queue {
		return j.spec
	}
	spec := *j.spec
	spec.Queue = j.queue.spec.Name
	return &spec
}

func (j *job) viewPristine(index int) Job {
	a := j.array
	v := Job{
		ID: ID{j.number, index}, Spec: j.shown(), State: a.state, SubmittedAt: j.submitted.time(),
		EndedAt: a.ended.time(), Reason: a.reason,
	}
	if a.state == Pending {
		v.Reason = j.ineligible.String()
	}
	return v
}

func (e *element) view() Job {
	j := e.job
	v := Job{ID: e.id(), Spec: j.shown(), State: e.state, SubmittedAt: j.submitted.time(), Attempt: int(e.attempt), Reason: e.reason}
	if pends(e.state) {
		if e.state == Pending && v.Reason == "" {
			v.Reason = j.ineligible.String()
		}
		return v
	}
	v.StartedAt, v.EndedAt, v.Placement, v.PID = e.started.time(), e.ended.time(), e.place, int(e.pid)
	v.ExitCode, v.Usage = int(e.exit), e.usage
	return v
}

// Jobs is a page of the jobs that a filter selects, in the order of their numbers and indices, after a given one; the elements of an
// array are jobs of their own. more says that there may be others. Placements and specs are shared: change neither.
func (q *Queue) Jobs(f Filter, after ID, most int) (jobs []Job, more bool) {
	p := pager{filter: f, after: after, most: most, states: stateSet(f.States)}
	q.selected(&p, p.job)
	return p.out, p.more
}

// Arrays is a page of the job arrays that a filter selects, with their elements by state.
func (q *Queue) Arrays(f Filter, after int64, most int) (arrays []ArrayCounts, more bool) {
	p := pager{filter: f, after: ID{Job: after + 1}, states: stateSet(f.States)}
	last := after
	q.selected(&p, func(j *job, _ int) bool {
		if j.array == nil || j.number <= last {
			return true
		}
		last = j.number
		if len(arrays) == most {
			more = true
			return false
		}
		c := ArrayCounts{ID: ID{Job: j.number}, Spec: j.shown(), Count: map[State]int{}}
		for s := Pending; s <= Unknown; s++ {
			if n := j.array.count[s]; n > 0 {
				c.Count[s] = int(n)
			}
		}
		arrays = append(arrays, c)
		return true
	})
	return arrays, more
}

// selected calls f for the jobs that have elements which a filter may select, by number, with those of their elements that its
// ids name; index 0 is all.
func (q *Queue) selected(p *pager, f func(j *job, index int) bool) {
	if p.filter.User != "" {
		if p.user = q.users[p.filter.User]; p.user == nil {
			return
		}
	}
	if p.filter.Group != "" {
		if p.group = q.groups.named[p.filter.Group]; p.group == nil {
			return
		}
	}
	if len(p.filter.IDs) == 0 {
		q.jobs.from(p.after.Job, func(j *job) bool { return !p.wants(j) || f(j, 0) })
		return
	}
	ids := slices.Clone(p.filter.IDs)
	slices.SortFunc(ids, compareID)
	whole := int64(0)
	for _, id := range slices.Compact(ids) {
		if id.Job == whole || id.Job < p.after.Job {
			continue
		}
		j := q.jobs.get(id.Job)
		if id.Index == 0 {
			whole = id.Job
		}
		if j != nil && (id.Index == 0 || j.array != nil) && p.wants(j) && !f(j, id.Index) {
			return
		}
	}
}

// pager collects a page.
type pager struct {
	filter Filter
	user   *userState // of filter.User
	group  *group     // of filter.Group
	states [Unknown + 1]bool
	after  ID
	most   int
	out    []Job
	more   bool
}

func stateSet(states []State) (set [Unknown + 1]bool) {
	for s := range set {
		set[s] = len(states) == 0
	}
	for _, s := range states {
		if int(s) < len(set) {
			set[s] = true
		}
	}
	return set
}

// wants reports whether elements of a job may be selected.
func (p *pager) wants(j *job) bool {
	f := &p.filter
	switch {
	case j.array == nil && !p.states[j.one.state], p.user != nil && p.user != j.user, f.Queue != "" && f.Queue != j.queue.spec.Name,
		f.Project != "" && f.Project != j.spec.Project, f.App != "" && f.App != j.spec.App, p.group != j.group && f.Group != "", f.Name != "" && !matches(j.spec.Name, f.Name):
		return false
	case j.array == nil:
		return true
	}
	for s := Pending; s <= Unknown; s++ {
		if p.states[s] && j.array.count[s] > 0 {
			return true
		}
	}
	return false
}

func matches(name, pattern string) bool {
	if prefix, wild := strings.CutSuffix(pattern, "*"); wild {
		return strings.HasPrefix(name, prefix)
	}
	return name == pattern
}

// job adds a job's elements, or one of them; it reports whether there is room for more.
func (p *pager) job(j *job, index int) bool {
	if j.array == nil {
		return p.element(j, &j.one, 0)
	}
	a := j.array
	if index != 0 {
		ordinal, ok := a.ordinal(index)
		return !ok || p.element(j, a.at(ordinal), index)
	}
	first := int32(0)
	if p.after.Job == j.number {
		first = a.following(p.after.Index)
	}
	for first < a.size {
		end := min((first/pageSize+1)*pageSize, a.size)
		if page := a.pages[first/pageSize]; page != nil || p.states[a.state] && p.filter.Host == "" {
			for ordinal := first; ordinal < end; ordinal++ {
				if !p.element(j, a.at(ordinal), int(a.index(ordinal))) {
					return false
				}
			}
		}
		first = end
	}
	return true
}

func (p *pager) element(j *job, e *element, index int) bool {
	id := ID{j.number, index}
	if compareID(id, p.after) <= 0 || !p.states[stateOf(j, e)] || !p.hasHost(e) {
		return true
	}
	if len(p.out) == p.most {
		p.more = true
		return false
	}
	if e == nil {
		p.out = append(p.out, j.viewPristine(index))
	} else {
		p.out = append(p.out, e.view())
	}
	return true
}

func (p *pager) hasHost(e *element) bool {
	return p.filter.Host == "" || e != nil && !pends(e.state) &&
		slices.ContainsFunc(e.place, func(at Placement) bool { return at.Host == p.filter.Host })
}

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
		v := Job{ID: id, Spec: j.spec, SubmittedAt: j.submitted.time()}
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

func (j *job) viewPristine(index int) Job {
	a := j.array
	v := Job{ID: ID{j.number, index}, Spec: j.spec, State: a.state, SubmittedAt: j.submitted.time(),
		EndedAt: a.ended.time(), Reason: a.reason}
	if a.state == Pending {
		v.Reason = j.ineligible.String()
	}
	return v
}

func (e *element) view() Job {
	j := e.job
	v := Job{ID: e.id(), Spec: j.spec, State: e.state, SubmittedAt: j.submitted.time(), Attempt: int(e.attempt), Reason: e.reason}
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
func (q *Queue) Jobs(f Filter, after ID, max int) (jobs []Job, more bool) {
	p := pager{filter: f, after: after, max: max, states: stateSet(f.States)}
	q.selected(&p, p.job)
	if p.more {
		return p.out, true
	}
	return p.out, false
}

// Arrays is a page of the job arrays that a filter selects, with their elements by state.
func (q *Queue) Arrays(f Filter, after int64, max int) (arrays []ArrayCounts, more bool) {
	p := pager{filter: f, after: ID{Job: after + 1}, states: stateSet(f.States)}
	q.selected(&p, func(j *job) bool {
		if j.array == nil || j.number <= after {
			return true
		}
		if len(arrays) == max {
			more = true
			return false
		}
		c := ArrayCounts{ID: ID{Job: j.number}, Spec: j.spec, Count: map[State]int{}}
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

// selected calls f for the jobs that have elements which a filter may select, by number.
func (q *Queue) selected(p *pager, f func(*job) bool) {
	check := func(j *job) bool { return !p.wants(j) || f(j) }
	if len(p.filter.IDs) == 0 {
		q.jobs.from(p.after.Job, check)
		return
	}
	numbers := make([]int64, 0, len(p.filter.IDs))
	for _, id := range p.filter.IDs {
		numbers = append(numbers, id.Job)
	}
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		if j := q.jobs.get(n); j != nil && n >= p.after.Job && !check(j) {
			return
		}
	}
}

// pager collects a page.
type pager struct {
	filter Filter
	states [Unknown + 1]bool
	after  ID
	max    int
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
	if f.User != "" && f.User != j.spec.User || f.Queue != "" && f.Queue != j.queue.spec.Name ||
		f.Project != "" && f.Project != j.spec.Project || f.Name != "" && !matches(j.spec.Name, f.Name) {
		return false
	}
	if j.array == nil {
		return p.states[j.one.state]
	}
	for s := Pending; s <= Unknown; s++ {
		if p.states[s] && j.array.count[s] > 0 {
			return true
		}
	}
	return false
}

func matches(name, pattern string) bool {
	if prefix, any := strings.CutSuffix(pattern, "*"); any {
		return strings.HasPrefix(name, prefix)
	}
	return name == pattern
}

// job adds a job's elements; it reports whether there is room for more.
func (p *pager) job(j *job) bool {
	if j.array == nil {
		return p.element(j, &j.one, 0)
	}
	a := j.array
	for first := int32(0); first < a.size; first += pageSize {
		page := a.pages[first/pageSize]
		if page == nil && (!p.states[a.state] || p.filter.Host != "") {
			continue
		}
		for ordinal := first; ordinal < min(first+pageSize, a.size); ordinal++ {
			if !p.element(j, a.at(ordinal), int(a.index(ordinal))) {
				return false
			}
		}
	}
	return true
}

func (p *pager) element(j *job, e *element, index int) bool {
	id := ID{j.number, index}
	if compareID(id, p.after) <= 0 || !p.states[stateOf(j, e)] || !p.hasHost(e) || !p.hasID(id) {
		return true
	}
	if len(p.out) == p.max {
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

func (p *pager) hasID(id ID) bool {
	return len(p.filter.IDs) == 0 || slices.ContainsFunc(p.filter.IDs, func(want ID) bool {
		return want.Job == id.Job && (want.Index == 0 || want.Index == id.Index)
	})
}

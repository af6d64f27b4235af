package queue

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Limits of a dependency condition.
const (
	maxConditionDepth = 64
	maxConditionNodes = 1000
	maxConditionJobs  = 100_000 // that its names stand for
)

// bind resolves the condition of a job that is about to be submitted to the jobs that it is about; nil without one. Names are
// those of the submitter's jobs that are in memory now.
func (q *Queue) bind(s *Spec) (*dependency, error) {
	if s.After == nil {
		return nil, nil
	}
	b := binder{q: q, user: s.User, array: s.Array, dep: &dependency{}}
	root, err := b.node(s.After, 1)
	if err != nil {
		return nil, err
	}
	b.dep.root = root
	return b.dep, nil
}

type binder struct {
	q     *Queue
	user  string
	array *Array // of the job; nil = it is none
	dep   *dependency
	nodes int
	jobs  int
}

func badDependency(subject, format string, args ...any) error {
	return &Error{Kind: KindInvalid, Code: BadDependency, Subject: subject, Text: "dependency condition: " + fmt.Sprintf(format, args...)}
}

func (b *binder) node(c *Condition, depth int) (*node, error) {
	b.nodes++
	if depth > maxConditionDepth || b.nodes > maxConditionNodes {
		return nil, badDependency("", "too large, at most %d tests and operators nested %d deep", maxConditionNodes, maxConditionDepth)
	}
	if c == nil {
		return nil, badDependency("", "an argument is missing")
	}
	wantArgs := 0
	switch c.Op {
	case OpAnd, OpOr:
		wantArgs = max(len(c.Args), 2)
	case OpNot:
		wantArgs = 1
	}
	if len(c.Args) != wantArgs {
		return nil, badDependency(string(c.Op), "%s with %d arguments", c.Op, len(c.Args))
	}
	if wantArgs == 0 {
		l, err := b.leaf(c)
		return &node{op: c.Op, leaf: l}, err
	}
	n := &node{op: c.Op}
	for _, arg := range c.Args {
		a, err := b.node(arg, depth+1)
		if err != nil {
			return nil, err
		}
		n.args = append(n.args, a)
	}
	return n, nil
}

func (b *binder) leaf(c *Condition) (*leaf, error) {
	l := &leaf{owner: b.dep, op: c.Op, compare: c.Compare, each: c.Each}
	l.value = int32(max(min(c.Value, math.MaxInt32), math.MinInt32))
	comparisons := []string{"==", "!=", "<", "<=", ">", ">="}
	switch c.Op {
	case OpDone, OpEnded, OpStarted:
		comparisons = []string{""}
	case OpExit:
		comparisons = append(comparisons, "")
	case OpNumDone, OpNumEnded, OpNumExit, OpNumRun, OpNumPend, OpNumStart:
		comparisons = append(comparisons, "*")
		if c.Each {
			return nil, badDependency(string(c.Op), "%s counts elements, it cannot be of each", c.Op)
		}
	default:
		return nil, badDependency(string(c.Op), "no test is called %q", c.Op)
	}
	if !slices.Contains(comparisons, c.Compare) {
		return nil, badDependency(c.Compare, "%s does not take %q", c.Op, c.Compare)
	}
	if err := b.watch(l, c); err != nil {
		return nil, err
	}
	if c.Each {
		if err := b.pair(l); err != nil {
			return nil, err
		}
	}
	b.dep.leaves = append(b.dep.leaves, l)
	return l, nil
}

// watch finds the jobs that a test is about.
func (b *binder) watch(l *leaf, c *Condition) error {
	missing := func(subject string) error {
		return &Error{Kind: KindNotFound, Code: BadDependency, Subject: subject, Text: subject + ": no matching job found"}
	}
	if c.Job != (ID{}) {
		j := b.q.jobs.get(c.Job.Job)
		if j == nil {
			return missing(c.Job.String())
		}
		if c.Job.Index != 0 {
			if j.array == nil {
				return missing(c.Job.String())
			}
			if _, ok := j.array.ordinal(c.Job.Index); !ok {
				return missing(c.Job.String())
			}
		}
		l.jobs, l.index = []*job{j}, int32(c.Job.Index)
		return nil
	}
	if c.Name == "" {
		return badDependency(string(c.Op), "%s names no job", c.Op)
	}
	u := b.q.users[b.user]
	if u == nil {
		return missing(c.Name)
	}
	l.jobs = u.called(c.Name, maxConditionJobs-b.jobs+1)
	if b.jobs += len(l.jobs); b.jobs > maxConditionJobs {
		return badDependency(c.Name, "names stand for more than %d jobs", maxConditionJobs)
	}
	if len(l.jobs) == 0 {
		return missing(c.Name)
	}
	return nil
}

// pair checks that an array whose elements wait for those of another one finds all of them there.
func (b *binder) pair(l *leaf) error {
	other := l.jobs[len(l.jobs)-1] // the newest of that name
	l.jobs = []*job{other}
	if b.array == nil || other.array == nil || l.index != 0 {
		return badDependency("", "[*] needs two job arrays")
	}
	mine := newArray(b.array)
	for ordinal := range mine.size {
		if _, ok := other.array.ordinal(int(mine.index(ordinal))); !ok {
			return badDependency("", "job %d has no element %d to wait for", other.number, mine.index(ordinal))
		}
	}
	return nil
}

// called are a user's jobs of a name, which may end in *, by number; at most max of them.
func (u *userState) called(name string, most int) (jobs []*job) {
	add := func(j *job) {
		for ; j != nil && len(jobs) < most; j = j.nameNext {
			jobs = append(jobs, j)
		}
	}
	if prefix, wild := strings.CutSuffix(name, "*"); wild {
		for n, newest := range u.named {
			if strings.HasPrefix(n, prefix) {
				add(newest)
			}
		}
	} else {
		add(u.named[name])
	}
	slices.SortFunc(jobs, func(a, b *job) int { return int(min(max(a.number-b.number, -1), 1)) })
	return jobs
}

// addName makes a job findable by its name.
func (u *userState) addName(j *job) {
	name := j.spec.Name
	if name == "" {
		return
	}
	if u.named == nil {
		u.named = map[string]*job{}
	}
	if next := u.named[name]; next != nil {
		j.nameNext, next.namePrev = next, j
	}
	u.named[name] = j
}

func (u *userState) dropName(j *job) {
	if j.nameNext != nil {
		j.nameNext.namePrev = j.namePrev
	}
	switch {
	case j.namePrev != nil:
		j.namePrev.nameNext = j.nameNext
	case j.spec.Name == "":
	case j.nameNext != nil:
		u.named[j.spec.Name] = j.nameNext
	default:
		delete(u.named, j.spec.Name)
	}
	j.nameNext, j.namePrev = nil, nil
}

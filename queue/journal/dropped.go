package journal

import (
	"context"
	"strings"

	"sluice/queue"
)

// markDropped marks the jobs that nothing remembers any more: forgotten as a whole or each element of them, and not named by
// the dependency condition of a job that stays, which is resolved anew when its submission is replayed.
// Events after read have not been read by all.
func (j *Journal) markDropped(ctx context.Context, read int64) error {
	f := forgotten{remembered: make(map[int64]int), gone: make(map[int64]bool), waits: make(map[int64]wait)}
	err := j.scan(ctx, func(r storedRow) error {
		o, err := j.outline(r)
		if err != nil {
			return err
		}
		if o.Kind != queue.JobForgotten || r.seq <= read {
			f.visit(o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	delete(f.gone, f.newest)
	if err := f.spare(ctx, j); err != nil {
		return err
	}
	jobs := make([]int64, 0, len(f.gone))
	for job := range f.gone {
		jobs = append(jobs, job)
	}
	return j.eachRow(ctx, "INSERT OR IGNORE INTO dropped(job) VALUES(?)", jobs)
}

// forgotten finds the jobs that are gone.
type forgotten struct {
	remembered map[int64]int // elements of each job that are not forgotten
	gone       map[int64]bool
	waits      map[int64]wait // jobs with a dependency condition
	newest     int64
}

// wait is a dependency condition and whose jobs it is about.
type wait struct {
	user  string
	after *queue.Condition
}

func (f *forgotten) visit(o outline) {
	job := o.Job.Job
	f.newest = max(f.newest, job)
	switch o.Kind {
	case queue.JobSubmitted:
		f.remembered[job] = 1
		if o.Spec == nil {
			return
		}
		if o.Spec.Array != nil {
			f.remembered[job] = o.Spec.Array.Len()
		}
		if o.Spec.After != nil {
			f.waits[job] = wait{o.Spec.User, o.Spec.After}
		}
	case queue.JobModified:
		if o.Spec == nil || o.Spec.After == nil {
			return
		}
		// Replay resolves the former condition, too.
		both := &queue.Condition{Op: queue.OpAnd, Args: []*queue.Condition{o.Spec.After}}
		if former, ok := f.waits[job]; ok {
			both.Args = append(both.Args, former.after)
		}
		f.waits[job] = wait{o.Spec.User, both}
	case queue.JobForgotten:
		f.remembered[job]--
		if o.Job.Index == 0 || f.remembered[job] <= 0 {
			f.gone[job] = true
		}
	}
}

// spare takes out of gone what jobs that stay wait for, and what that in turn waited for.
func (f *forgotten) spare(ctx context.Context, j *Journal) error {
	for {
		var names []wait
		staying := false // a job that was not known to stay
		for job, w := range f.waits {
			if f.gone[job] {
				continue
			}
			delete(f.waits, job)
			staying = true
			eachTest(w.after, func(test *queue.Condition) {
				if test.Job.Job != 0 {
					delete(f.gone, test.Job.Job)
				} else {
					names = append(names, wait{w.user, test})
				}
			})
		}
		if !staying {
			return nil
		}
		if err := f.spareNamed(ctx, j, names); err != nil {
			return err
		}
	}
}

func (f *forgotten) spareNamed(ctx context.Context, j *Journal, names []wait) error {
	if len(names) == 0 || len(f.gone) == 0 {
		return nil
	}
	exact, prefixes := make(map[[2]string]bool), make(map[[2]string]bool)
	for _, w := range names {
		if prefix, ok := strings.CutSuffix(w.after.Name, "*"); ok {
			prefixes[[2]string{w.user, prefix}] = true
		}
		exact[[2]string{w.user, w.after.Name}] = true
	}
	return j.scan(ctx, func(r storedRow) error {
		o, err := j.outline(r)
		if err != nil || o.Kind != queue.JobSubmitted && o.Kind != queue.JobModified || !f.gone[o.Job.Job] || o.Spec == nil {
			return err
		}
		named := exact[[2]string{o.Spec.User, o.Spec.Name}]
		for prefix := range prefixes {
			named = named || o.Spec.User == prefix[0] && strings.HasPrefix(o.Spec.Name, prefix[1])
		}
		if named {
			delete(f.gone, o.Job.Job)
		}
		return nil
	})
}

// eachTest calls f for the tests of a condition.
func eachTest(c *queue.Condition, f func(*queue.Condition)) {
	if c == nil {
		return
	}
	if len(c.Args) == 0 {
		f(c)
	}
	for _, arg := range c.Args {
		eachTest(arg, f)
	}
}

package queue

import (
	"cmp"
	"fmt"
	"time"
)

// AppSpec is an application as configured: what holds for the jobs of one program, whatever queue they are in.
type AppSpec struct {
	Name string `json:"name"`
	Terms
	// NotRerunnable says that its jobs do not run again when their host is lost, also in queues whose jobs do.
	NotRerunnable bool `json:"notRerunnable,omitempty"`
}

// AppInfo is an application as seen at one time; the numbers are slots.
type AppInfo struct {
	AppSpec
	Default bool `json:"default,omitempty"` // for jobs that name none
	Pend    int  `json:"pend"`
	Run     int  `json:"run"`
	SSusp   int  `json:"ssusp"`
	USusp   int  `json:"ususp"`
}

// maxApps bounds the applications.
const maxApps = 10_000

// NoSuchApp is the code of a job that names an application which is not configured.
const NoSuchApp Code = "no_such_app"

// appState is an application and what is in it, in slots. That of no application is nil, with terms that say nothing.
type appState struct {
	spec  AppSpec
	slots [Unknown + 1]int // by state of their jobs
}

func validateApps(apps []AppSpec, preset string) error {
	if len(apps) > maxApps {
		return fmt.Errorf("configure applications: %d, at most %d", len(apps), maxApps)
	}
	seen := map[string]bool{"": true}
	for i := range apps {
		a := &apps[i]
		if len(a.Name) > maxNameBytes || seen[a.Name] {
			return fmt.Errorf("configure application %q: every application needs a name of its own", a.Name)
		}
		seen[a.Name] = true
		if err := a.Terms.validate(fmt.Sprintf("application %q", a.Name)); err != nil {
			return err
		}
		if a.Rerunnable && a.NotRerunnable {
			return fmt.Errorf("configure application %q: its jobs are rerunnable, and are not", a.Name)
		}
	}
	if !seen[preset] {
		return fmt.Errorf("configure applications: default application %q: there is none such", preset)
	}
	return nil
}

// appFor is the application of a spec that is to be taken. Who names none gets the default one.
func (q *Queue) appFor(spec *Spec) (*appState, error) {
	spec.App = cmp.Or(spec.App, q.cfg.DefaultApp)
	a := q.apps[spec.App]
	if a == nil && spec.App != "" {
		return nil, &Error{KindNotFound, NoSuchApp, spec.App, fmt.Sprintf("application %q: no such application", spec.App)}
	}
	return a, nil
}

var noTerms Terms // nobody changes it

// terms are those of the application; of none they say nothing. They are not to be changed.
func (a *appState) terms() *Terms {
	if a == nil {
		return &noTerms
	}
	return &a.spec.Terms
}

// add accounts n slots of jobs in a state, or fewer with n < 0.
func (a *appState) add(state State, n int) {
	if a != nil {
		a.slots[state] += n
	}
}

// moveTo gives a job another application.
func (a *appState) moveTo(to *appState, j *job) {
	j.tally(func(s State, slots int) {
		a.add(s, -slots)
		to.add(s, slots)
	})
	j.app = to
}

// rerunnable reports whether a job runs again when its host is lost.
func (j *job) rerunnable() bool {
	switch {
	case j.spec.NotRerunnable:
		return false
	case j.spec.Rerunnable || j.app.terms().Rerunnable:
		return true
	}
	return j.queue.spec.Rerunnable && (j.app == nil || !j.app.spec.NotRerunnable)
}

// requeueExit are the exit codes with which a job runs again.
func (j *job) requeueExit() ExitSet {
	return cmp.Or(j.spec.RequeueExit, j.app.terms().RequeueExit, j.queue.spec.RequeueExit)
}

// limits are those in force for a job.
func (j *job) limits() Limits {
	return j.spec.Limits.within(j.app.terms()).within(&j.queue.spec.Terms)
}

// runLimit is how long a job may run; 0 = for ever.
func runLimit(j *job) time.Duration { return runLimitIn(j.queue, j.app, j.spec) }

func runLimitIn(s *queueState, a *appState, spec *Spec) time.Duration {
	t := a.terms()
	return within(within(spec.RunLimit, t.RunDefault, t.RunLimit), s.spec.RunDefault, s.spec.RunLimit)
}

// Around is what runs around a job as things are: its queue's command before its own one, and after it.
func (q *Queue) Around(id ID) Around {
	j := q.jobs.get(id.Job)
	if j == nil {
		return Around{}
	}
	t, s := j.app.terms(), &j.queue.spec.Terms
	return Around{
		Pre:  given(s.PreExec, cmp.Or(j.spec.PreExec, t.PreExec)),
		Post: given(cmp.Or(j.spec.PostExec, t.PostExec), s.PostExec),
		// The nice value of 0 is nobody's wish: it is none.
		Starter: cmp.Or(t.JobStarter, s.JobStarter), Nice: cmp.Or(t.Nice, s.Nice),
	}
}

// Apps are all applications, as configured.
func (q *Queue) Apps() []AppInfo {
	out := make([]AppInfo, len(q.cfg.Apps))
	for i := range q.cfg.Apps {
		a := q.apps[q.cfg.Apps[i].Name]
		n := &a.slots
		out[i] = AppInfo{
			AppSpec: a.spec, Default: a.spec.Name == q.cfg.DefaultApp,
			Pend: n[Pending] + n[HeldPending], Run: n[Running] + n[Unknown] + n[Zombie], SSusp: n[SysSuspended], USusp: n[UserSuspended],
		}
	}
	return out
}

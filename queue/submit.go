package queue

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Submit takes a job and returns its number. It fills in what the spec leaves open: the queue, and what that queue has for jobs which do not
// say.
func (q *Queue) Submit(now time.Time, spec Spec) (ID, error) {
	a, err := q.appFor(&spec)
	if err != nil {
		return ID{}, err
	}
	s, err := q.queueFor(&spec, a)
	if err != nil {
		return ID{}, err
	}
	if err := q.admit(&spec, s, a); err != nil {
		return ID{}, err
	}
	if _, err := q.bind(&spec); err != nil {
		return ID{}, err
	}
	if err := q.makeGroup(now, &spec); err != nil {
		return ID{}, err
	}
	own := q.alike.find(&spec)
	if own == nil {
		copied := spec
		own = &copied
	}
	ev := q.record(JobSubmitted, now)
	ev.Job, ev.Spec, ev.Order = ID{Job: q.last + 1}, own, q.order
	q.commit(ev)
	return ev.Job, nil
}

// queueFor finds the queue that takes a job, and fills in what that says about jobs which do not: the one that it names or, if it names
// none, the first default queue that does. What it fills in where none takes the job is of no meaning.
func (q *Queue) queueFor(spec *Spec, a *appState) (*queueState, error) {
	choice := q.presets
	if spec.Queue != "" {
		choice = []*queueState{q.named[spec.Queue]}
	}
	if len(choice) == 0 || choice[0] == nil {
		return nil, &Error{KindNotFound, NoSuchQueue, spec.Queue, fmt.Sprintf("queue %q: no such queue", spec.Queue)}
	}
	var refused error
	for i, s := range choice {
		var given Spec
		last := i == len(choice)-1
		if !last {
			given = *spec
		}
		s.fill(spec, a)
		err := s.accepts(spec, a)
		if err == nil {
			spec.Queue = s.spec.Name
			return s, nil
		}
		if !last {
			*spec = given
		}
		if refused == nil {
			refused = err
		}
	}
	return nil, refused
}

// accepts checks a queue's rules for a job that is to enter it.
func (s *queueState) accepts(spec *Spec, a *appState) error {
	if !s.open {
		return &Error{KindUnavailable, QueueClosed, s.spec.Name, fmt.Sprintf("queue %q has been closed", s.spec.Name)}
	}
	return s.suits(spec, a)
}

// suits checks the rules that hold for jobs in the queue, and for those of the application, too.
func (s *queueState) suits(spec *Spec, a *appState) error {
	name := s.spec.Name
	switch {
	case !s.allows.has(spec.User):
		return &Error{KindDenied, QueueDenied, name, fmt.Sprintf("user %q cannot use queue %q", spec.User, name)}
	case s.spec.NoExclusive && spec.Need.Exclusive:
		return &Error{KindDenied, ExclusiveDenied, name, fmt.Sprintf("queue %q takes no exclusive jobs", name)}
	}
	if err := a.terms().suits(spec, "application", spec.App); err != nil {
		return err
	}
	return s.spec.suits(spec, "queue", name)
}

// admit checks a spec and the limits that it meets.
func (q *Queue) admit(spec *Spec, s *queueState, a *appState) error {
	if err := q.fits(spec, s, a); err != nil {
		return err
	}
	n := 1
	if a := spec.Array; a != nil {
		if n = a.Len(); n > q.cfg.MaxArray || a.Ranges[len(a.Ranges)-1].Last > q.cfg.MaxArray {
			return &Error{KindInvalid, ArrayTooLarge, spec.Name, fmt.Sprintf("job array: indices up to %d and as many elements are allowed", q.cfg.MaxArray)}
		}
	}
	if q.tasks >= q.cfg.MaxJobs || !q.jobs.fits(q.last+1) {
		return &Error{KindUnavailable, TooManyJobs, "", fmt.Sprintf("%d jobs are in the system: submit again when some have ended", q.tasks)}
	}
	if most := q.cfg.MaxPending; most > 0 && q.pend+n > most {
		return &Error{KindUnavailable, TooManyJobs, "", fmt.Sprintf("%d jobs may pend: submit again when some have started", most)}
	}
	pending, most := q.pendingOf(spec.User)
	if most > 0 && pending+n > most {
		return &Error{
			KindUnavailable, TooManyJobs, spec.User,
			fmt.Sprintf("user %q may have %d pending jobs: submit again when some have started", spec.User, most),
		}
	}
	return nil
}

// pendingOf is how many elements of a user pend, and how many may; 0 = no limit.
func (q *Queue) pendingOf(user string) (pending, most int) {
	if u := q.users[user]; u != nil {
		return u.pending, u.mayPend
	}
	return 0, q.granted.of(user).MaxPending
}

// fits checks a spec, and brings its slots within what jobs may have.
func (q *Queue) fits(spec *Spec, s *queueState, a *appState) error {
	if err := checkSpec(spec); err != nil {
		return err
	}
	if err := q.usesHosts(spec, &s.spec); err != nil {
		return err
	}
	for _, t := range [...]*Terms{a.terms(), &s.spec.Terms} {
		spec.MinSlots = max(spec.MinSlots, t.LeastJob)
		if t.JobSlots > 0 {
			spec.MaxSlots = min(spec.MaxSlots, t.JobSlots)
		}
	}
	if spec.MinSlots > spec.MaxSlots {
		return &Error{
			KindInvalid, TooManySlots, spec.Name,
			fmt.Sprintf("queue %q and application %q allow no number of slots that suits both", s.spec.Name, spec.App),
		}
	}
	if most := q.cfg.MaxJobSlots; most > 0 {
		if spec.MinSlots > most {
			return &Error{KindInvalid, TooManySlots, spec.Name, fmt.Sprintf("%d slots requested, a job gets at most %d", spec.MinSlots, most)}
		}
		spec.MaxSlots = min(spec.MaxSlots, most)
	}
	return nil
}

const (
	maxCommandBytes = 4 << 20
	maxJobSlots     = 1 << 20
	maxRanges       = 100_000
)

// checkSpec refuses what no configuration allows.
func checkSpec(s *Spec) error {
	bad := func(format string, args ...any) error {
		return &Error{KindInvalid, BadSpec, s.Name, fmt.Sprintf("job: "+format, args...)}
	}
	if strings.TrimSpace(s.Command) == "" {
		return &Error{KindInvalid, EmptyCommand, s.Name, "no command is specified"}
	}
	n := &s.Need
	switch {
	case len(s.Command) > maxCommandBytes || len(n.Hosts) > maxCommandBytes:
		return bad("the command or the list of hosts is longer than %d bytes", maxCommandBytes)
	case s.User == "":
		return bad("no user")
	case s.MinSlots < 1 || s.MaxSlots < s.MinSlots || s.MaxSlots > maxJobSlots:
		return bad("%d to %d slots, want 1 to %d", s.MinSlots, s.MaxSlots, maxJobSlots)
	case n.PerHost < 0 || n.PerHost > maxJobSlots || n.PerHost > 0 && n.OneHost:
		return bad("%d slots on each host", n.PerHost)
	case n.MemMiB < 0 || n.GPUs < 0 || n.MemMiB > math.MaxInt32 || n.GPUs > maxJobSlots:
		return bad("%d MiB of memory and %d GPUs for each slot", n.MemMiB, n.GPUs)
	case n.HostGPUs < 0 || n.HostGPUs > maxJobSlots || n.HostGPUs > 0 && n.GPUs > 0:
		return bad("%d GPUs for each slot and %d on each host: want one of the two", n.GPUs, n.HostGPUs)
	case s.RunLimit < 0:
		return bad("run limit %v", s.RunLimit)
	case strings.HasPrefix(s.MailUser, "-") || strings.ContainsFunc(s.MailUser, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return bad("mail to %q", s.MailUser)
	case s.Input != "" && (s.Stdin == "" || !isInputName(s.Input)):
		return bad("input %q of file %q", s.Input, s.Stdin)
	case !s.Limits.valid():
		return bad("limits %+v", s.Limits)
	}
	switch s.Interactive {
	case "":
	case InteractivePipes, InteractiveTerminal, InteractiveShell:
		if s.Array != nil {
			return bad("an array cannot be interactive")
		}
	default:
		return bad("no way to be interactive is called %q", s.Interactive)
	}
	if s.LoginShell != "" && s.LoginShell[0] != '/' {
		return bad("login shell %q is no absolute path", s.LoginShell)
	}
	if longest := max(
		len(s.Name), len(s.User), len(s.Queue), len(s.Project), len(s.SubmitHost), len(s.Cwd), len(s.Stdin), len(s.Stdout), len(s.Stderr),
		len(s.ResReq), len(s.MailUser), len(s.PreExec), len(s.PostExec), len(s.LoginShell),
	); longest > maxNameBytes {
		return bad("a name or path is longer than %d bytes", maxNameBytes)
	}
	if s.Array != nil {
		return checkArray(s.Array, bad)
	}
	return nil
}

func checkArray(a *Array, bad func(string, ...any) error) error {
	if len(a.Ranges) == 0 || len(a.Ranges) > maxRanges || a.Limit < 0 {
		return bad("array of %d ranges, limit %d", len(a.Ranges), a.Limit)
	}
	last := 0
	for _, r := range a.Ranges {
		if r.First <= last || r.Last < r.First || r.Step < 1 || r.Last > math.MaxInt32-1 {
			return bad("array range %s", r)
		}
		last = r.Last
	}
	return nil
}

// String is LSF's form: "5-9:2", or "5" for a single index.
func (r Range) String() string {
	s := strconv.Itoa(r.First)
	if r.Last != r.First {
		s += "-" + strconv.Itoa(r.Last)
	}
	if r.Step != 1 && r.Last != r.First {
		s += ":" + strconv.Itoa(r.Step)
	}
	return s
}

func (q *Queue) user(name string) *userState {
	u := q.users[name]
	if u == nil {
		u = &userState{name: name}
		q.granted.grant(u)
		q.users[name] = u
	}
	return u
}

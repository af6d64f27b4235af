package queue

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Rejoin is what a host that joined again must be told, so that it and the Queue agree.
type Rejoin struct {
	Start  []Attempt // placed on it, but never reached it: send them again
	Kill   []Attempt // known to it, but no longer its own: it must end them
	Signal []Signal  // its jobs that were asked to end while it could not hear
	Stop   []Attempt // its jobs that are suspended
	Change []Attempt // its jobs that were modified since they started
}

// Signal asks a host to end one attempt and report ExitCode.
type Signal struct {
	Attempt
	ExitCode int
	Reason   string
}

func compareID(a, b ID) int {
	return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Index, b.Index))
}

func (q *Queue) hostNamed(name string) (*host, error) {
	h := q.hosts[name]
	if h == nil {
		return nil, &Error{KindNotFound, NoSuchHost, name, fmt.Sprintf("host %q: no such host", name)}
	}
	return h, nil
}

// hostBreaks cannot be in the name of a host: lists of them have these between.
const hostBreaks = ", \t\r\n\x00"

// AddHost makes a host known. It takes jobs once it joined.
func (q *Queue) AddHost(now time.Time, spec HostSpec) error {
	switch {
	case spec.Name == "" || len(spec.Name) > maxNameBytes || strings.ContainsAny(spec.Name, hostBreaks):
		return &Error{KindInvalid, BadSpec, spec.Name, fmt.Sprintf("host %q: want a name without blanks and commas", spec.Name)}
	case spec.Slots < 1 || spec.Slots > maxHostSlots:
		return &Error{KindInvalid, BadSpec, spec.Name, fmt.Sprintf("host %q: %d slots, want 1 to %d", spec.Name, spec.Slots, maxHostSlots)}
	case spec.MemMiB < 0 || spec.GPUs < 0:
		return &Error{KindInvalid, BadSpec, spec.Name, fmt.Sprintf("host %q: %d MiB of memory, %d GPUs", spec.Name, spec.MemMiB, spec.GPUs)}
	case q.hosts[spec.Name] != nil:
		return &Error{KindConflict, HostExists, spec.Name, fmt.Sprintf("host %q exists already", spec.Name)}
	}
	ev := q.record(HostCreated, now)
	ev.Host = &spec
	q.commit(ev)
	return nil
}

// JoinHost takes a host's hello, with all attempts that it runs or whose end it has not been able to report, and says what
// the host must do so that both agree; the host is promised the configured lease. sessionHash is that of the session with which it may join again. Whoever calls has
// checked that it is the host.
func (q *Queue) JoinHost(now time.Time, name, sessionHash string, known []Attempt) (Rejoin, error) {
	h, err := q.hostNamed(name)
	if err != nil {
		return Rejoin{}, err
	}
	if h.status != HostOK || h.session != sessionHash {
		ev := q.record(HostJoined, now)
		ev.HostName, ev.SessionHash, ev.Lease = name, sessionHash, q.cfg.Lease
		q.commit(ev)
	}
	var answer Rejoin
	knows := make(map[Attempt]bool, len(known))
	for _, a := range known {
		knows[a] = true
		if e, err := q.reported(a.ID, a.Attempt); err != nil || e.run == nil || e.run.host != h {
			answer.Kill = append(answer.Kill, a)
		}
	}
	runs, guests := h.jobs()
	for _, r := range runs {
		q.reconcile(now, r, knows, &answer)
	}
	for _, r := range guests {
		q.find(now, r.e)
	}
	return answer, nil
}

// reconcile brings one job of a host that joined again in line with what the host knows.
func (q *Queue) reconcile(now time.Time, r *run, knows map[Attempt]bool, answer *Rejoin) {
	e := r.e
	a := Attempt{e.id(), int(e.attempt)}
	switch {
	case !knows[a] && (r.executing || r.ending):
		q.lose(now, e, fmt.Sprintf("host %s no longer knows the job", r.host.spec.Name))
		return
	case !knows[a]:
		answer.Start = append(answer.Start, a)
	}
	q.find(now, e)
	if r.modified && knows[a] {
		answer.Change = append(answer.Change, a)
	}
	if r.ending {
		answer.Signal = append(answer.Signal, Signal{a, int(r.exit), r.reason})
	} else if r.stopped != 0 {
		answer.Stop = append(answer.Stop, a)
	}
}

// find takes a job out of UNKWN if all its hosts are there.
func (q *Queue) find(now time.Time, e *element) {
	if e.state != Unknown && e.state != Zombie || e.run.host.status != HostOK {
		return
	}
	for _, h := range e.run.others {
		if h.status != HostOK {
			return
		}
	}
	q.simple(now, JobFound, e.id(), int(e.attempt))
}

// lose ends an attempt whose processes are surely gone: the job runs again if it may, else it is EXIT.
func (q *Queue) lose(now time.Time, e *element, reason string) {
	r := e.run
	switch {
	case r.requeue:
		q.requeueEnded(now, e, reason)
	case r.ending:
		q.finish(now, e.id(), int(e.attempt), int(r.exit), cmp.Or(r.reason, reason))
	case e.job.rerunnable():
		q.requeue(now, e, reason)
	default:
		q.finish(now, e.id(), int(e.attempt), 0, reason)
	}
}

// LoseHost says that the connection to a host broke. Its jobs go on, and are lost only when its lease is over. Call it for every
// joined host when the daemon starts.
func (q *Queue) LoseHost(now time.Time, name string) error {
	h, err := q.hostNamed(name)
	if err != nil || h.status != HostOK {
		return err
	}
	ev := q.record(HostLost, now)
	ev.HostName = name
	q.commit(ev)
	return nil
}

// CloseHost adds reasons why a host takes no more jobs.
func (q *Queue) CloseHost(now time.Time, name string, reasons Closed) error {
	h, err := q.hostNamed(name)
	if err != nil || h.closed&reasons == reasons {
		return err
	}
	ev := q.record(HostClosed, now)
	ev.HostName, ev.Closed = name, reasons
	q.commit(ev)
	return nil
}

// OpenHost takes such reasons away. The host takes jobs again when none is left.
func (q *Queue) OpenHost(now time.Time, name string, reasons Closed) error {
	h, err := q.hostNamed(name)
	if err != nil || h.closed&reasons == 0 {
		return err
	}
	ev := q.record(HostOpened, now)
	ev.HostName, ev.Closed = name, reasons
	q.commit(ev)
	return nil
}

// HostDied says that a host and all processes on it are surely gone. Its jobs run again or are EXIT at once, and it is removed. Jobs
// that only held slots of it, with their process elsewhere, are ended there first.
func (q *Queue) HostDied(now time.Time, name, reason string) error {
	h, err := q.hostNamed(name)
	if err != nil {
		return err
	}
	q.loseJobs(now, h, fmt.Sprintf("host %s was lost: %s", name, cmp.Or(reason, "it died")))
	q.drop(now, name, reason)
	return nil
}

// loseJobs gives up the jobs of a host whose processes are gone.
func (q *Queue) loseJobs(now time.Time, h *host, reason string) {
	runs, guests := h.jobs()
	for _, r := range runs {
		q.lose(now, r.e, reason)
	}
	for _, r := range guests {
		if r.e == nil || r.ending {
			continue
		}
		why := reason
		if r.e.job.rerunnable() {
			why = reasonRequeue
		}
		q.askKill(now, r.e, 0, exitKilled, why)
	}
}

func (q *Queue) drop(now time.Time, name, reason string) {
	ev := q.record(HostRemoved, now)
	ev.HostName, ev.Reason = name, reason
	q.commit(ev)
}

// RemoveHost forgets a host that holds no job.
func (q *Queue) RemoveHost(now time.Time, name string) error {
	h, err := q.hostNamed(name)
	if err != nil {
		return err
	}
	if n := len(h.runs) + len(h.guests); n > 0 {
		return &Error{KindConflict, HostBusy, name, fmt.Sprintf("host %q holds %d jobs: close it and wait until they end", name, n)}
	}
	q.drop(now, name, "")
	return nil
}

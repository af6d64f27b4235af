package queue

import (
	"fmt"
	"slices"
)

// String is the reason in LSF's words; "" for a job that only waits for hosts.
func (g gate) String() string {
	switch g {
	case gateDependency:
		return "Job dependency condition not satisfied"
	case gateNever:
		return "Dependency condition invalid or never satisfied"
	case gateBegin:
		return "The job has a specified start time"
	case gatePreExec:
		return reasonPreExec
	case gateArrayLimit:
		return "The job array has reached its running element limit"
	case gateHostLimit:
		return reasonHostLimit
	case gateTooLarge:
		return "The user has not enough job slots for the parallel job"
	}
	return ""
}

// PendReasons says in LSF's words why a job does not start; nil for one that does not pend. Reasons of hosts end in how many
// hosts they hold for, as in "Job slot limit reached: 3 hosts".
func (q *Queue) PendReasons(id ID) []string {
	j := q.jobs.get(id.Job)
	if j == nil {
		return nil
	}
	state := Pending
	var e *element
	if j.array == nil || id.Index != 0 {
		var ok bool
		if e, ok = q.peek(j, id.Index); !ok {
			return nil
		}
		state = stateOf(j, e)
	} else if !q.pending(j) {
		return nil
	}
	switch {
	case state == HeldPending && e != nil && int(e.refused) >= q.cfg.PreExecRetries:
		return []string{fmt.Sprintf("%s %d times; the job is held until it is resumed", reasonPreExec, e.refused)}
	case state == HeldPending:
		return []string{"The job was suspended by the user while pending"}
	case state != Pending:
		return nil
	case e != nil && e.barred, j.array != nil && j.array.each && e == nil:
		return []string{q.barredBy(j, id)}
	case j.ineligible.String() != "":
		return []string{j.ineligible.String()}
	case !j.queue.active:
		return []string{"The queue is inactivated by the administrator"}
	}
	if why := q.limitReason(j); why != "" {
		return []string{why}
	}
	return q.hostReasons(j)
}

func (q *Queue) barredBy(j *job, id ID) string {
	if j.need != nil && id.Index != 0 && j.need.at(id.Index) == isNever {
		return gateNever.String()
	}
	return gateDependency.String()
}

func (q *Queue) limitReason(j *job) string {
	for g := j.group; g != nil; g = g.parent {
		if g.limit != noLimit && g.started >= g.limit {
			return reasonGroup
		}
	}
	return q.quotaReason(j)
}

// hostReasons is the reasons of a job that only waits for hosts. All jobs of a class share them.
func (q *Queue) hostReasons(j *job) []string {
	c := j.class
	if c == nil || len(q.hosts) == 0 {
		return []string{"New job is waiting for scheduling"}
	}
	if c.reasons == nil || c.whyAsOf != q.folds {
		c.reasons, c.whyAsOf = q.countReasons(c), q.folds
	}
	return slices.Clone(c.reasons)
}

// countReasons counts the hosts by what is wrong with them.
func (q *Queue) countReasons(c *class) (reasons []string) {
	texts := [...]string{
		reasonNotOfQueue, reasonHostLimit, "Load information unavailable", "Closed by LSF administrator", "Not specified in job submission",
		"Job's resource requirements not satisfied", "Job slot limit reached", "Job's requirement for exclusive execution not satisfied",
		"Not enough processors to meet the job's spanning requirement",
	}
	var count [len(texts)]int
	usable := 0
	for _, h := range q.hosts {
		least := c.least()
		switch {
		case !c.queue.spec.UsesHost(h.spec.Name, h.spec.Location):
			count[0]++
		case !c.hosted.admits(&h.names):
			count[4]++
		case h.status != HostOK:
			count[2]++
		case h.closed != 0:
			count[3]++
		case q.capacity(h, c) < least:
			count[5]++
		case h.sole > 0 || c.need.Exclusive && h.used > 0:
			count[7]++
		case h.leaves(c) < least:
			count[1]++
		case h.used >= h.spec.Slots:
			count[6]++
		case q.freeFor(h, c) < least:
			count[5]++
		default:
			usable++
		}
	}
	if c.min > 1 && usable > 0 {
		count[8] = usable
	}
	for i, n := range count {
		if n == 1 {
			reasons = append(reasons, texts[i]+": 1 host")
		} else if n > 1 {
			reasons = append(reasons, fmt.Sprintf("%s: %d hosts", texts[i], n))
		}
	}
	if reasons == nil {
		reasons = []string{"New job is waiting for scheduling"}
	}
	return reasons
}

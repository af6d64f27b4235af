package queue

import "math"

// quota is a number of slots that some jobs may hold at once: those of a queue, of a user in a queue, of a user, or of a group of
// users.
type quota struct {
	kind   quotaKind
	most   int
	held   int
	denied uint64 // the pass in which a blocked job claimed what is left
}

type quotaKind uint8

const (
	ofQueue quotaKind = iota
	ofUserInQueue
	ofUser
	ofGroup
)

// why says in LSF's words that a quota keeps a job from starting, wholly or because it needs more than what is left.
func (k quotaKind) why(used bool) string {
	texts := [...][2]string{
		ofQueue:       {"The queue has not enough job slots for the parallel job", "The queue has reached its job slot limit"},
		ofUserInQueue: {"Not enough per-user job slots of the queue for the parallel job", "User has reached the per-user job slot limit of the queue"},
		ofUser:        {"The user has not enough job slots for the parallel job", "The user has reached his/her job slot limit"},
		ofGroup:       {"One of the user's groups has not enough job slots for the parallel job", "One of the user's groups has reached its job slot limit"},
	}
	if used {
		return texts[k][1]
	}
	return texts[k][0]
}

// quotas are those that hold for a user's jobs in a queue, the queue's own first.
func (s *queueState) quotas(u *userState) (all []*quota) {
	if s.all.most > 0 {
		all = append(all, &s.all)
	}
	if s.spec.UserSlots > 0 {
		all = append(all, s.of(u))
	}
	return append(all, u.quotas...)
}

// of is what a queue grants each user; the queue must limit that.
func (s *queueState) of(u *userState) *quota {
	l := u.in[s]
	if l == nil {
		if u.in == nil {
			u.in = make(map[*queueState]*quota)
		}
		l = &quota{kind: ofUserInQueue, most: s.spec.UserSlots}
		u.in[s] = l
	}
	return l
}

// headroom is the number of slots that the quotas of a class leave to it, and the tightest of them; nil = there are none.
func (q *Queue) headroom(c *class) (left int, tightest *quota) {
	left = math.MaxInt
	for _, l := range c.quotas {
		n := l.most - l.held
		if l.denied == q.pass.id {
			n = 0
		}
		if n < left {
			left, tightest = n, l
		}
	}
	return left, tightest
}

// blockQuota claims what is left of a quota for a job that needs more of it.
func (q *Queue) blockQuota(c *class, j *job, at stamp, tightest *quota) {
	for _, l := range c.quotas {
		if l.most < c.min {
			return // it can never start, so it may not hold up others
		}
	}
	if q.keeping(c, j, at) {
		tightest.denied = q.pass.id
		q.claimGroup(c)
	}
}

// quotaReason says which quota keeps a job from starting; "" = none does.
func (q *Queue) quotaReason(j *job) string {
	for _, l := range j.queue.quotas(j.user) {
		if left := l.most - l.held; left < j.spec.MinSlots {
			return l.kind.why(left <= 0)
		}
	}
	return ""
}

package queue

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// maxMoved is how many jobs may change their place for one Move.
const maxMoved = 10_000

// Move puts a pending job at a position, from 1, counted from the top (btop) or from the bottom (bbot): among all pending jobs of
// its queue if an administrator asks, else among those of its owner, who thereby passes nobody else. It gives the position
// that the job then has, which is the last one where there are fewer jobs. Jobs of another priority (Spec.Priority) keep
// starting before or after it all the same.
func (q *Queue) Move(now time.Time, by Actor, id ID, top bool, position int) (int, error) {
	j, _, err := q.command(by, id)
	switch {
	case err != nil:
		return 0, err
	case id.Index != 0:
		return 0, &Error{KindInvalid, BadSpec, id.String(), fmt.Sprintf("job %v: elements move only together, move job %d", id, id.Job)}
	case position < 1:
		return 0, &Error{KindInvalid, BadSpec, id.String(), fmt.Sprintf("position %d: want 1 or more", position)}
	case j.open == 0:
		return 0, finished(id)
	case !q.pending(j):
		return 0, wrongState(id, Running, "only pending jobs can be moved")
	}
	peers := q.peers(j, by)
	position = min(position, len(peers))
	to := position - 1
	if !top {
		to = len(peers) - position
	}
	moves := permute(peers, j, to)
	if by.Admin {
		moves = shorter(moves, jump(peers, j, to))
	}
	if len(moves) > maxMoved {
		return 0, &Error{KindInvalid, BadSpec, id.String(), fmt.Sprintf("job %v would change places with %d jobs, at most %d are moved at once", id, len(moves), maxMoved)}
	}
	for _, m := range moves {
		ev := q.record(JobReprioritised, now)
		ev.Job, ev.Order = ID{Job: m.job}, m.order
		q.commit(ev)
	}
	return position, nil
}

// peers are the pending jobs that j may change places with, j among them, in the order in which they start where their
// priorities are equal.
func (q *Queue) peers(j *job, by Actor) []*job {
	var peers []*job
	q.jobs.from(0, func(o *job) bool {
		if o.queue == j.queue && q.pending(o) && (by.Admin || o.user == j.user) {
			peers = append(peers, o)
		}
		return true
	})
	slices.SortFunc(peers, func(a, b *job) int { return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.number, b.number)) })
	return peers
}

// move is a new place in the order for a job.
type move struct{ job, order int64 }

// permute brings j to a place among its peers by giving those between the old place and the new one each other's orders.
func permute(peers []*job, j *job, to int) []move {
	from := slices.Index(peers, j)
	step := 1
	if to < from {
		step = -1
	}
	var moves []move
	for i := from; i != to; i += step {
		moves = append(moves, move{peers[i+step].number, peers[i].order})
	}
	if from != to {
		moves = append(moves, move{j.number, peers[to].order})
	}
	return moves
}

// jump brings j to a place near an end by giving it, and the peers between it and that end, orders beyond all others.
func jump(peers []*job, j *job, to int) []move {
	others := slices.DeleteFunc(slices.Clone(peers), func(o *job) bool { return o == j })
	var moves []move
	if to <= len(others)/2 {
		first := peers[0].order - int64(to) - 1
		for i, o := range others[:to] {
			moves = append(moves, move{o.number, first + int64(i)})
		}
		return append(moves, move{j.number, first + int64(to)})
	}
	last := peers[len(peers)-1].order + 1
	moves = append(moves, move{j.number, last})
	for i, o := range others[to:] {
		moves = append(moves, move{o.number, last + 1 + int64(i)})
	}
	return moves
}

func shorter(a, b []move) []move {
	if len(b) < len(a) {
		return b
	}
	return a
}

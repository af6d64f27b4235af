package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"sluice/queue"
)

// Compact deletes the events of jobs and hosts that are forgotten and gives how many it deleted. It works in small
// transactions between which others write. A crash at any point leaves a journal whose replay is right: what is to go is
// first marked as dropped, which Replay heeds. The newest job stays, so that its number is not given out again; and so do jobs
// of which a History that follows has not durably read all.
func (j *Journal) Compact(ctx context.Context) (deleted int, err error) {
	j.mu.Lock()
	garbage, last, read := j.garbage, j.next-1, int64(math.MaxInt64)
	if j.follower {
		read = j.followed
	}
	j.garbage = last > read
	j.mu.Unlock()
	if !garbage {
		return 0, nil
	}
	defer func() {
		if err != nil {
			j.mu.Lock()
			j.garbage = true
			j.mu.Unlock()
		}
	}()
	if err := j.Put(ctx, ownBucket, map[string][]byte{lastKey: []byte(strconv.FormatInt(last, 10))}); err != nil {
		return 0, err
	}
	if err := j.markDropped(ctx, read); err != nil {
		return 0, err
	}
	dropped, err := j.numbers(ctx, "SELECT job FROM dropped")
	if err != nil {
		return 0, j.explain("compact", err)
	}
	s := sweep{journal: j, dropped: dropped, hosts: make(map[string]*incarnation), groups: make(map[string]*tenure), envs: make(map[int64]bool)}
	if err := j.scan(ctx, func(r storedRow) error { return s.visit(ctx, r) }); err != nil {
		return s.deleted, err
	}
	return s.deleted, s.finish(ctx)
}

// outline is what compaction needs of an event.
type outline struct {
	Kind      queue.EventKind   `json:"kind"`
	Job       queue.ID          `json:"job"`
	Placement []queue.Placement `json:"placement"`
	Host      *struct {
		Name string `json:"name"`
	} `json:"host"`
	HostName  string `json:"hostName"`
	GroupName string `json:"groupName"`
	Spec      *struct {
		Name  string           `json:"name"`
		Group string           `json:"group"`
		User  string           `json:"user"`
		Array *queue.Array     `json:"array"`
		After *queue.Condition `json:"after"`
	} `json:"spec"`
}

func (j *Journal) outline(r storedRow) (outline, error) {
	var o outline
	if err := json.Unmarshal(r.data, &o); err != nil {
		return o, j.explain("compact", fmt.Errorf("%w: event %d: %w", errDamaged, r.seq, err))
	}
	return o, nil
}

// incarnation is a host from its creation to its removal.
type incarnation struct {
	events []int64
	used   bool // a job that is remembered was placed there
}

// sweep goes through the events and deletes those of dropped jobs and of hosts that nothing remembers.
type sweep struct {
	journal *Journal
	dropped map[int64]bool
	hosts   map[string]*incarnation
	groups  map[string]*tenure
	envs    map[int64]bool // in use
	victims []int64
	last    int64
	deleted int
}

func (s *sweep) visit(ctx context.Context, r storedRow) error {
	o, err := s.journal.outline(r)
	if err != nil {
		return err
	}
	s.last = r.seq
	switch {
	case o.GroupName != "":
		s.group(o, r.seq)
	case o.Job.Job == 0:
		s.host(o, r.seq)
	case s.dropped[o.Job.Job]:
		s.victims = append(s.victims, r.seq)
	default:
		s.keep(o, r.env)
	}
	if len(s.victims) >= pageRows {
		return s.flush(ctx)
	}
	return nil
}

func (s *sweep) keep(o outline, env sql.NullInt64) {
	if env.Valid {
		s.envs[env.Int64] = true
	}
	if o.Spec != nil {
		s.inGroup(o.Spec.Group)
	}
	for _, p := range o.Placement {
		if host := s.hosts[p.Host]; host != nil {
			host.used = true
		}
	}
}

// host collects the events of a host. They become victims together, and so are deleted in one transaction.
func (s *sweep) host(o outline, seq int64) {
	name := o.HostName
	if o.Kind == queue.HostCreated && o.Host != nil {
		name = o.Host.Name
		s.hosts[name] = &incarnation{}
	}
	host := s.hosts[name]
	if host == nil {
		return
	}
	host.events = append(host.events, seq)
	if o.Kind == queue.HostRemoved {
		if !host.used {
			s.victims = append(s.victims, host.events...)
		}
		delete(s.hosts, name)
	}
}

// flush deletes the victims in one transaction.
func (s *sweep) flush(ctx context.Context) error {
	if err := s.journal.eachRow(ctx, "DELETE FROM events WHERE seq = ?", s.victims); err != nil {
		return err
	}
	s.deleted += len(s.victims)
	s.victims = s.victims[:0]
	return nil
}

// finish deletes what is left, then environments that no event names, then the marks.
func (s *sweep) finish(ctx context.Context) error {
	j := s.journal
	if err := s.flush(ctx); err != nil {
		return err
	}
	unused, err := s.unusedEnvs(ctx)
	if err != nil {
		return err
	}
	if err := j.eachRow(ctx, "DELETE FROM envs WHERE id = ?", unused); err != nil {
		return err
	}
	marks := make([]int64, 0, len(s.dropped))
	for job := range s.dropped {
		marks = append(marks, job)
	}
	return j.eachRow(ctx, "DELETE FROM dropped WHERE job = ?", marks)
}

// unusedEnvs are the environments that no event names, now and later: an Append can only name those it knows or makes.
func (s *sweep) unusedEnvs(ctx context.Context) ([]int64, error) {
	j := s.journal
	stored, err := j.numbers(ctx, "SELECT id FROM envs")
	if err != nil {
		return nil, j.explain("compact", err)
	}
	j.mu.Lock()
	for _, n := range j.envs.known {
		delete(stored, n)
	}
	j.mu.Unlock()
	named, err := j.numbers(ctx, "SELECT DISTINCT env FROM events WHERE seq > ? AND env IS NOT NULL", s.last)
	if err != nil {
		return nil, j.explain("compact", err)
	}
	var unused []int64
	for n := range stored {
		if !s.envs[n] && !named[n] {
			unused = append(unused, n)
		}
	}
	return unused, nil
}

// eachRow executes a statement for each number, a page of them in each transaction.
func (j *Journal) eachRow(ctx context.Context, statement string, numbers []int64) error {
	for len(numbers) > 0 {
		n := min(len(numbers), 2*pageRows)
		err := j.transact(ctx, func(ctx context.Context) error {
			for _, number := range numbers[:n] {
				if _, err := j.conn.ExecContext(ctx, statement, number); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return j.explain("compact", err)
		}
		numbers = numbers[n:]
	}
	return nil
}

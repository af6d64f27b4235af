package zk

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/sirupsen/logrus"
)

// ElectionTimeout is the session's time of candidates: a leader that is killed is replaced so much later.
const ElectionTimeout = 10 * time.Second

const (
	candidatePrefix = "candidate-"
	maxNames        = 64 // of candidates that are read
)

// State is a candidate's. See the diagram of the package.
type State int

// The states of a candidate.
const (
	Waiting  State = iota // another leads, or none does yet
	Leading               // may act
	Doubtful              // led, and may not act until ZooKeeper says who leads
)

// String is the state in one word.
func (s State) String() string {
	switch s {
	case Waiting:
		return "waiting"
	case Leading:
		return "leading"
	case Doubtful:
		return "doubtful"
	default:
		return "state " + strconv.Itoa(int(s))
	}
}

// Standing is where a candidate stands.
type Standing struct {
	State   State
	Leader  string   // name of the first in the line, as it was last seen; "" = not known
	Behind  []string // names of those that wait behind it, in order
	Trouble error    // why ZooKeeper does not answer; nil = it does
}

// Election is a candidate's place in a line; the first leads. It is kept, and taken anew at the end when it was lost, until
// Close. Its methods may be called from any goroutine.
type Election struct {
	address Address
	name    string
	own     string // begins the name of our node
	timeout time.Duration
	log     logrus.FieldLogger

	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	changed chan struct{}
	session *session

	// of run's goroutine
	node  string // name of ours; "" = none
	epoch int    // of the session that made it

	mu       sync.Mutex
	standing Standing
	since    int // epoch of the session that the standing was found in
}

// Stand takes a place in the line at an address; it does not wait. name tells others who we are.
func Stand(address Address, name string, timeout time.Duration, log logrus.FieldLogger) (*Election, error) {
	s, err := open(address, timeout, log)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	e := &Election{
		address: address, name: name, own: candidatePrefix + rand.Text() + "-", timeout: timeout, log: log,
		ctx: ctx, stop: stop, changed: make(chan struct{}, 1), session: s,
	}
	e.running.Go(e.run)
	return e, nil
}

// Close gives the place up. What was done as the leader must have ended before. Calling it again does nothing.
func (e *Election) Close() {
	e.stop()
	e.running.Wait()
}

// Leads says whether we may act now, by the clock: also a process that was stopped and goes on is told no.
func (e *Election) Leads() bool {
	e.mu.Lock()
	state, since := e.standing.State, e.since
	e.mu.Unlock()
	return state == Leading && time.Now().Before(e.session.surely(since))
}

// Standing is how it was last seen.
func (e *Election) Standing() Standing {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.standing
	s.Behind = slices.Clone(s.Behind)
	return s
}

// Changed has an element when the standing may have changed since the last one was taken. It is for one reader.
func (e *Election) Changed() <-chan struct{} { return e.changed }

func (e *Election) set(change func(*Standing)) {
	e.mu.Lock()
	change(&e.standing)
	e.mu.Unlock()
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

func (e *Election) run() {
	defer e.session.close()
	for e.ctx.Err() == nil {
		watch, err := e.look()
		if err == nil {
			e.wait(watch, 0)
			continue
		}
		trouble := e.session.explain(err)
		e.set(func(s *Standing) { s.Trouble = trouble })
		e.wait(nil, retryAfter(err))
	}
}

// wait returns when there may be something new to look at: at a watch, a change of the connection or after a pause, if that is
// not 0. Meanwhile it sees to it that a leader without word from ZooKeeper doubts in time.
func (e *Election) wait(watch <-chan zk.Event, pause time.Duration) {
	var again <-chan time.Time
	if pause > 0 {
		again = time.After(pause)
	}
	for {
		var doubt <-chan time.Time
		if e.Standing().State == Leading {
			doubt = time.After(time.Until(e.session.surely(e.epoch)))
		}
		select {
		case <-watch:
			return
		case <-again:
			return
		case <-e.session.signal:
			if connected, _ := e.session.state(); connected {
				return
			}
		case <-doubt:
			e.doubt()
		case <-e.ctx.Done():
			return
		}
	}
}

// doubt ends the right to act if the servers have said nothing for too long.
func (e *Election) doubt() {
	if time.Now().Before(e.session.surely(e.epoch)) {
		return
	}
	trouble := e.session.explain(zk.ErrConnectionClosed)
	e.set(func(s *Standing) {
		if s.State == Leading {
			s.State, s.Trouble = Doubtful, trouble
		}
	})
}

// look finds our place in the line. The channel tells when the one before us leaves, or, for the first, when the line changes.
func (e *Election) look() (<-chan zk.Event, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	children, _, watch, err := e.session.conn.ChildrenW(e.address.Path)
	if err != nil {
		return nil, err
	}
	line := candidates(children)
	place := slices.IndexFunc(line, func(node string) bool { return node == e.node })
	if place < 0 {
		e.node = "" // an operator has removed it
		e.set(func(s *Standing) { s.State = Waiting })
		return nil, errors.New("our place in the line was removed")
	}
	if place > 0 {
		exists, _, before, err := e.session.conn.ExistsW(e.address.Path + "/" + line[place-1])
		if err != nil {
			return nil, err
		}
		watch = before
		if !exists { // it left since
			gone := make(chan zk.Event)
			close(gone)
			watch = gone
		}
	}
	names, err := e.names(line[:min(len(line), maxNames)])
	if err != nil {
		return nil, err
	}
	return watch, e.settle(place, names)
}

// settle makes known what look has found, if the session that it was found in still lives.
func (e *Election) settle(place int, names []string) error {
	if _, epoch := e.session.state(); epoch != e.epoch {
		return zk.ErrSessionExpired
	}
	e.set(func(s *Standing) {
		s.State = Waiting
		if place == 0 {
			s.State = Leading
		}
		s.Leader, s.Behind, s.Trouble = names[0], names[1:], nil
		e.since = e.epoch
	})
	return nil
}

// enter makes our node, unless this session has it.
func (e *Election) enter() error {
	_, epoch := e.session.state()
	if epoch != e.epoch {
		e.epoch, e.node = epoch, ""
		e.set(func(s *Standing) {
			if s.State == Leading {
				s.State = Doubtful
			}
		})
	}
	if err := e.session.authenticate(); err != nil {
		return err
	}
	if e.node != "" {
		return nil
	}
	if err := e.makePath(); err != nil {
		return err
	}
	// A node whose making was not answered is ours all the same.
	children, _, err := e.session.conn.Children(e.address.Path)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(children, func(c string) bool { return strings.HasPrefix(c, e.own) }); i >= 0 {
		e.node = children[i]
		return nil
	}
	data, err := json.Marshal(candidate{Name: e.name, Since: time.Now()})
	if err != nil {
		return err
	}
	path, err := e.session.conn.Create(e.address.Path+"/"+e.own, data, zk.FlagEphemeral|zk.FlagSequence, e.acl())
	if err != nil {
		return err
	}
	e.node = path[strings.LastIndex(path, "/")+1:]
	return nil
}

// candidate is what a node says of who made it.
type candidate struct {
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
}

// acl lets everybody read and, with credentials, only us change.
func (e *Election) acl() []zk.ACL {
	if e.address.User == "" {
		return zk.WorldACL(zk.PermAll)
	}
	return append(zk.AuthACL(zk.PermAll), zk.WorldACL(zk.PermRead)...)
}

func (e *Election) makePath() error {
	for i := 1; i <= len(e.address.Path); i++ {
		if i < len(e.address.Path) && e.address.Path[i] != '/' {
			continue
		}
		_, err := e.session.conn.Create(e.address.Path[:i], nil, 0, e.acl())
		if errors.Is(err, zk.ErrNoAuth) { // above us, where it may be there all the same
			if exists, _, existsErr := e.session.conn.Exists(e.address.Path[:i]); existsErr == nil && exists {
				err = nil
			}
		}
		if err != nil && !errors.Is(err, zk.ErrNodeExists) {
			return err
		}
	}
	return nil
}

// candidates are the nodes of the line, first to last.
func candidates(children []string) []string {
	numbers := make(map[string]int)
	var line []string
	for _, child := range children {
		number, ok := sequence(child, child[:strings.LastIndex(child, "-")+1])
		if ok && strings.HasPrefix(child, candidatePrefix) {
			numbers[child] = number
			line = append(line, child)
		}
	}
	slices.SortFunc(line, func(a, b string) int { return numbers[a] - numbers[b] })
	return line
}

// names reads who stands in the line.
func (e *Election) names(line []string) ([]string, error) {
	names := make([]string, len(line))
	for i, node := range line {
		data, _, err := e.session.conn.Get(e.address.Path + "/" + node)
		if err != nil && !errors.Is(err, zk.ErrNoNode) {
			return nil, err
		}
		var c candidate
		if err == nil && json.Unmarshal(data, &c) != nil || c.Name == "" {
			c.Name = "unknown"
		}
		names[i] = fmt.Sprintf("%.200s", c.Name)
	}
	return names, nil
}

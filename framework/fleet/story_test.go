package fleet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"sluice/queue"
)

// story is a fleet told what happens by a script, beside a batch system that does what it is told. Hosts are H1, H2, … in
// the order of their launches.
type story struct {
	fleet  *Fleet
	cfg    Config
	now    time.Time
	names  map[string]string // alias → name
	hosts  map[string]*queue.Host
	order  []string // of hosts, aliases
	silent bool     // the batch system gives no answers
	kept   []Effect // whose answers are kept back
	out    strings.Builder
}

// TestStories runs testdata/*.txt. Each command is an input (or lets the batch system change) and prints what the fleet
// decides.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := &story{now: time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC), names: map[string]string{}, hosts: map[string]*queue.Host{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.out.Reset()
			s.run(t, d)
			if s.out.Len() == 0 {
				return "-\n"
			}
			return s.out.String()
		})
	})
}

func (s *story) run(t *testing.T, d *datadriven.TestData) {
	number := func(key string, fallback int) int {
		if d.HasArg(key) {
			d.ScanArgs(t, key, &fallback)
		}
		return fallback
	}
	text := func(key string) (value string) {
		if d.HasArg(key) {
			d.ScanArgs(t, key, &value)
		}
		return value
	}
	s.now = s.now.Add(time.Millisecond)
	switch d.Cmd {
	case "inverse":
		s.step(s.inverse(d.Input))
	case "rescind-inverse":
		s.step(RescindInverse{ID: text("id")})
	case "new":
		s.names, s.hosts, s.order, s.kept = map[string]string{}, map[string]*queue.Host{}, nil, nil
		s.cfg = Config{HostsPerAgent: number("hosts-per-agent", 1), MaxHostSlots: number("max-host-slots", 0)}
		for key, d := range map[string]*time.Duration{"host-ttl": &s.cfg.HostTTL, "demand-delay": &s.cfg.DemandDelay} {
			*d, _ = time.ParseDuration(text(key))
		}
		if d.HasArg("constraint") {
			k, err := ParseConstraint(text("constraint"))
			if err != nil {
				t.Fatal(err)
			}
			s.cfg.Constraints = []Constraint{k}
		}
		s.fleet = New(s.cfg, rand.New(rand.NewPCG(1, 1)), nil)
		s.step(Connection{Up: true, Suppressed: true})
	case "restart":
		hosts := s.fleet.Hosts()
		s.fleet = New(s.cfg, rand.New(rand.NewPCG(2, 2)), hosts)
		s.kept = nil
		s.step(Connection{Up: true, Suppressed: s.fleet.Suppressed()})
	case "reconnect":
		s.step(Connection{})
		s.step(Connection{Up: true, Suppressed: s.fleet.Suppressed()})
	case "goal":
		s.step(Goal{Slots: number("slots", 0), Floor: number("floor", 0), Snapshot: s.snapshot(d.Input, text("without"))})
	case "offers":
		s.step(s.offers(d.Input))
	case "update":
		s.step(Update{
			Task: s.name(text("task")), Agent: text("agent"), State: parseTaskState(t, text("state")),
			InvalidOffers: text("invalid-offers") != "",
		})
	case "agent-lost":
		s.step(AgentLost{Agent: text("agent")})
	case "drain":
		s.step(Drain{Host: s.name(text("host"))})
	case "pass":
		d, err := time.ParseDuration(text("for"))
		if err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(d)
		s.step(Tick{})
	case "batch":
		s.batch(number, text)
	case "status":
		stats := s.fleet.Stats()
		fmt.Fprintf(&s.out, "goal %d, supply %d, in flight %d, wanted %d", stats.Goal, stats.Supply, stats.InFlight, stats.Wanted)
		if stats.Withheld > 0 {
			fmt.Fprintf(&s.out, ", withheld %d", stats.Withheld)
		}
		if stats.Need > 0 {
			fmt.Fprintf(&s.out, ", need %d", stats.Need)
		}
		s.out.WriteByte('\n')
		for _, h := range s.fleet.Hosts() {
			fmt.Fprintf(&s.out, "%s %v on %s, %d slots: %s\n", s.alias(h.Name()), h.State, h.Agent, h.Spec.Slots, h.Reason)
		}
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
}

func parseTaskState(t *testing.T, name string) TaskState {
	i := slices.Index(taskStateNames[:], "TASK_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
	if i < 1 {
		t.Fatalf("no task state %q", name)
	}
	return TaskState(i)
}

// batch changes the batch system: a host joins, is lost, gets jobs, or is closed by an operator; or no answers come.
func (s *story) batch(number func(string, int) int, text func(string) string) {
	if h := s.hosts[s.name(text("join"))]; h != nil {
		h.Status, h.IdleSince, h.LostAt = queue.HostOK, s.now, time.Time{}
	}
	if h := s.hosts[s.name(text("lose"))]; h != nil {
		h.Status, h.LostAt = queue.HostUnavailable, s.now
	}
	if h := s.hosts[s.name(text("host"))]; h != nil {
		if h.Used == 0 {
			h.Eldest = s.now
		}
		h.Used, h.IdleSince = number("used", h.Used), time.Time{}
		if h.Used == 0 {
			h.IdleSince, h.Eldest = s.now, time.Time{}
		}
		if text("closed") == "admin" {
			h.Closed |= queue.ClosedAdmin
		}
	}
	switch text("answers") {
	case "no":
		s.silent = true
	case "yes":
		s.silent = false
		kept := s.kept
		s.kept = nil
		for _, e := range kept {
			s.obey(e)
		}
	}
}

func (s *story) name(alias string) string {
	if name, ok := s.names[alias]; ok {
		return name
	}
	return alias
}

func (s *story) alias(name string) string {
	for alias, n := range s.names {
		if n == name {
			return alias
		}
	}
	return name
}

// snapshot reads lines "slots=1 count=8 mem=2048 gpus=1 one-host exclusive hosts=a,b strict" of demand.
func (s *story) snapshot(lines, without string) queue.Snapshot {
	snap := queue.Snapshot{At: s.now}
	for line := range strings.Lines(lines) {
		d := queue.Demand{Slots: 1, Count: 1}
		for _, word := range strings.Fields(line) {
			key, value, _ := strings.Cut(word, "=")
			switch key {
			case "slots":
				d.Slots = atoi(value)
			case "count":
				d.Count = atoi(value)
			case "mem":
				d.Need.MemMiB = atoi(value)
			case "gpus":
				d.Need.GPUs = atoi(value)
			case "host-gpus":
				d.Need.HostGPUs = atoi(value)
			case "hosts":
				d.Need.Hosts = value
			case "per-host":
				d.Need.PerHost = atoi(value)
			case "host-limit":
				d.Need.HostLimit = atoi(value)
			case "one-host":
				d.Need.OneHost = true
			case "exclusive":
				d.Need.Exclusive = true
			case "strict":
				d.Strict = true
			case "behind":
				d.Behind = true
			case "profile":
				d.Need.Profile = value
			default:
				panic("unknown word in demand: " + word)
			}
		}
		snap.Demand = append(snap.Demand, d)
	}
	for _, alias := range s.order {
		if h := s.hosts[s.names[alias]]; h != nil && without != "hosts" && without != alias {
			snap.Hosts = append(snap.Hosts, *h)
		}
	}
	return snap
}

func atoi(text string) (n int) {
	if _, err := fmt.Sscan(text, &n); err != nil {
		panic(err)
	}
	return n
}

// offers reads lines "O1 agent=S1 role=r cpus=4 mem=2048 gpus=1 reserved host=node1 maintenance=30m".
func (s *story) offers(lines string) (offers Offers) {
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		o := Offer{ID: words[0], Role: "*"}
		for _, word := range words[1:] {
			key, value, _ := strings.Cut(word, "=")
			switch key {
			case "agent":
				o.Agent, o.Hostname = value, value+".example"
			case "role":
				o.Role = value
			case "cpus":
				o.Free.CPUs = float64(atoi(value))
			case "mem":
				o.Free.MemMiB = float64(atoi(value))
			case "gpus":
				o.Free.GPUs = atoi(value)
			case "rack":
				o.Attributes = map[string]string{"rack": value}
			case "reserved":
				o.ReservedCPUs = o.Free.CPUs
			case "maintenance":
				d, err := time.ParseDuration(value)
				if err != nil {
					panic(err)
				}
				o.UnavailableFrom = s.now.Add(d)
			default:
				panic("unknown word in offer: " + word)
			}
		}
		offers = append(offers, o)
	}
	return offers
}

// inverse reads lines "I1 agent=S1 in=30m for=1h" of inverse offers.
func (s *story) inverse(lines string) (offers InverseOffers) {
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		o := InverseOffer{ID: words[0]}
		for _, word := range words[1:] {
			key, value, _ := strings.Cut(word, "=")
			d, err := time.ParseDuration(value)
			switch {
			case key == "agent":
				o.Agent = value
			case err != nil:
				panic(err)
			case key == "in":
				o.From = s.now.Add(d)
			case key == "for":
				o.Until = o.From.Add(d)
			}
		}
		offers = append(offers, o)
	}
	return offers
}

func (s *story) step(in Input) {
	s.now = s.now.Add(time.Millisecond)
	out := s.fleet.Step(s.now, in)
	for _, e := range out.Effects {
		s.print(e)
	}
	for _, h := range out.Changed {
		fmt.Fprintf(&s.out, "  %s is %v: %s\n", s.alias(h.Name()), h.State, h.Reason)
	}
	for _, name := range out.Removed {
		fmt.Fprintf(&s.out, "  %s is forgotten\n", s.alias(name))
	}
	for _, e := range out.Effects {
		s.obey(e)
	}
}

func (s *story) print(e Effect) {
	switch e := e.(type) {
	case Launch:
		alias := fmt.Sprintf("H%d", len(s.order)+1)
		s.names[alias] = e.Host.Name()
		s.order = append(s.order, alias)
		r := e.Host.Resources
		fmt.Fprintf(&s.out, "launch %s on %s role %s: %d slots, cpus %v mem %v gpus %d; offers %v, rest away %s\n", alias, e.Host.Agent,
			e.Host.Role, e.Host.Spec.Slots, r.CPUs, r.MemMiB, r.GPUs, e.Offers, roughly(e.Refuse))
	case Decline:
		fmt.Fprintf(&s.out, "decline %v, away %s\n", e.Offers, roughly(e.Refuse))
	case AnswerInverse:
		fmt.Fprintf(&s.out, "answer inverse offers %v: %t, again after %s\n", e.IDs, e.Accept, roughly(e.Refuse))
	case Kill:
		fmt.Fprintf(&s.out, "kill %s on %s\n", s.alias(e.Task), e.Agent)
	case Reconcile:
		fmt.Fprint(&s.out, "reconcile")
		if len(e.Tasks) == 0 {
			fmt.Fprint(&s.out, " all")
		}
		for _, task := range e.Tasks {
			fmt.Fprintf(&s.out, " %s@%s", s.alias(task.Task), task.Agent)
		}
		fmt.Fprintln(&s.out)
	case CloseHost:
		fmt.Fprintf(&s.out, "close %s: %s\n", s.alias(e.Name), e.Reason)
	case OpenHost:
		fmt.Fprintf(&s.out, "open %s\n", s.alias(e.Name))
	case RemoveHost:
		fmt.Fprintf(&s.out, "remove %s, processes gone %t: %s\n", s.alias(e.Name), e.ProcessesGone, e.Reason)
	default:
		fmt.Fprintln(&s.out, strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e), "fleet.")))
	}
}

// roughly hides the jitter.
func roughly(d time.Duration) string {
	if d > 7*time.Minute {
		return "long"
	}
	return d.Round(time.Second).String()
}

func (s *story) obey(e Effect) {
	if s.silent {
		s.kept = append(s.kept, e)
		return
	}
	switch e := e.(type) {
	case Launch:
		s.hosts[e.Host.Name()] = &queue.Host{HostSpec: e.Host.Spec, Status: queue.HostAdded, AddedAt: s.now}
	case CloseHost:
		if h := s.hosts[e.Name]; h != nil {
			h.Closed |= queue.ClosedDrain
		}
	case OpenHost:
		if h := s.hosts[e.Name]; h != nil {
			h.Closed &^= queue.ClosedDrain
		}
	case RemoveHost:
		delete(s.hosts, e.Name)
	default:
		return
	}
	s.step(Result{Of: e})
}

var errRefused = errors.New("refused")

// The result of a launch decides what becomes of its host.
func TestLaunchResults(t *testing.T) {
	for _, tt := range []struct {
		name   string
		result Result
		state  State
	}{
		{"done", Result{}, Launching},
		{"refused", Result{Err: errRefused}, Gone},
		{"perhaps", Result{Err: errRefused, Maybe: true}, Launching},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(1e9, 0)
			f := New(Config{}, rand.New(rand.NewPCG(1, 1)), nil)
			f.Step(now, Connection{Up: true})
			f.Step(now, Goal{Slots: 1, Snapshot: queue.Snapshot{At: now, Demand: []queue.Demand{{Slots: 1, Count: 1}}}})
			out := f.Step(now, Offers{{ID: "O", Agent: "S", Free: Resources{CPUs: 1, MemMiB: 512}}})
			tt.result.Of = out.Effects[0]
			f.Step(now, tt.result)
			if got := f.Hosts()[0].State; got != tt.state {
				t.Errorf("host is %v, want %v", got, tt.state)
			}
			asked := slices.ContainsFunc(f.Step(now.Add(5*time.Second), Tick{}).Effects, func(e Effect) bool {
				r, ok := e.(Reconcile)
				return ok && len(r.Tasks) == 1
			})
			if asked != tt.result.Maybe {
				t.Errorf("asked about the task: %t", asked)
			}
		})
	}
}

package queue_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/queue"
)

func TestNewRefuses(t *testing.T) {
	for name, cfg := range map[string]queue.Config{
		"negative":          {MaxArray: -1},
		"huge":              {MaxJobs: 1 << 40},
		"negative lease":    {Lease: -time.Second},
		"nameless queue":    {Queues: []queue.QueueSpec{{}}},
		"twice":             {Queues: []queue.QueueSpec{{Name: "a"}, {Name: "a"}}},
		"no such default":   {Queues: []queue.QueueSpec{{Name: "a"}}, DefaultQueues: []string{"a", "b"}},
		"least above most":  {Queues: []queue.QueueSpec{{Name: "a", Terms: queue.Terms{LeastJob: 3, JobSlots: 2}}}},
		"default run limit": {Queues: []queue.QueueSpec{{Name: "a", Terms: queue.Terms{RunDefault: 2, RunLimit: 1}}}},
		"default limit":     {Queues: []queue.QueueSpec{{Name: "a", Terms: queue.Terms{DefaultLimits: queue.Limits{MemKiB: 2}, Limits: queue.Limits{MemKiB: 1}}}}},
		"default twice":     {Queues: []queue.QueueSpec{{Name: "a"}}, DefaultQueues: []string{"a", "a"}},
		"system's name":     {Queues: []queue.QueueSpec{{Name: "lost_and_found"}}},
		"default slots":     {Queues: []queue.QueueSpec{{Name: "a", Terms: queue.Terms{LeastJob: 2, SlotsDefault: 1}}}},
		"bad limit":         {Queues: []queue.QueueSpec{{Name: "a", Terms: queue.Terms{Limits: queue.Limits{MemKiB: -1}}}}},
		"user twice":        {Users: []queue.UserSpec{{Name: "a"}, {Name: "a"}}},
		"negative of user":  {Users: []queue.UserSpec{{Name: "a", MaxSlots: -1}}},
		"pending of group":  {Users: []queue.UserSpec{{Name: "a", Members: []string{"b"}, MaxPending: 1}}},
		"negative limit":    {Queues: []queue.QueueSpec{{Name: "a", MaxSlots: -1}}},
		"negative per user": {Queues: []queue.QueueSpec{{Name: "a", UserSlots: -1}}},
	} {
		if _, err := queue.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSubmitRefuses(t *testing.T) {
	deep := &queue.Condition{Op: queue.OpDone, Name: "x"}
	for range 100 {
		deep = &queue.Condition{Op: queue.OpNot, Args: []*queue.Condition{deep}}
	}
	wide := &queue.Condition{Op: queue.OpOr}
	for range 1001 {
		wide.Args = append(wide.Args, &queue.Condition{Op: queue.OpDone, Name: "x"})
	}
	array := func(limit int, ranges ...queue.Range) func(*queue.Spec) {
		return func(s *queue.Spec) { s.Array = &queue.Array{Ranges: ranges, Limit: limit} }
	}
	after := func(c *queue.Condition) func(*queue.Spec) { return func(s *queue.Spec) { s.After = c } }
	for name, test := range map[string]struct {
		change func(*queue.Spec)
		code   queue.Code
		kind   queue.Kind
	}{
		"no command":       {func(s *queue.Spec) { s.Command = " \n" }, queue.EmptyCommand, queue.KindInvalid},
		"no queue":         {func(s *queue.Spec) { s.Queue = "nosuch" }, queue.NoSuchQueue, queue.KindNotFound},
		"closed queue":     {func(s *queue.Spec) { s.Queue = "closed" }, queue.QueueClosed, queue.KindUnavailable},
		"others' queue":    {func(s *queue.Spec) { s.Queue = "bobs" }, queue.QueueDenied, queue.KindDenied},
		"slots":            {func(s *queue.Spec) { s.MinSlots = 9 }, queue.TooManySlots, queue.KindInvalid},
		"slots of queue":   {func(s *queue.Spec) { s.Queue, s.MinSlots = "small", 3 }, queue.TooManySlots, queue.KindInvalid},
		"run limit":        {func(s *queue.Spec) { s.Queue, s.RunLimit = "small", time.Hour }, queue.RunLimitTooLarge, queue.KindInvalid},
		"negative slots":   {func(s *queue.Spec) { s.MinSlots = -1 }, queue.BadSpec, queue.KindInvalid},
		"max below min":    {func(s *queue.Spec) { s.MinSlots, s.MaxSlots = 3, 2 }, queue.BadSpec, queue.KindInvalid},
		"no user":          {func(s *queue.Spec) { s.User = "" }, queue.BadSpec, queue.KindInvalid},
		"long name":        {func(s *queue.Spec) { s.Name = strings.Repeat("x", 5000) }, queue.BadSpec, queue.KindInvalid},
		"long command":     {func(s *queue.Spec) { s.Command = strings.Repeat("x", 5<<20) }, queue.BadSpec, queue.KindInvalid},
		"negative memory":  {func(s *queue.Spec) { s.Need.MemMiB = -1 }, queue.BadSpec, queue.KindInvalid},
		"empty array":      {array(0), queue.BadSpec, queue.KindInvalid},
		"index 0":          {array(0, queue.Range{First: 0, Last: 3, Step: 1}), queue.BadSpec, queue.KindInvalid},
		"reverse":          {array(0, queue.Range{First: 3, Last: 1, Step: 1}), queue.BadSpec, queue.KindInvalid},
		"step 0":           {array(0, queue.Range{First: 1, Last: 3}), queue.BadSpec, queue.KindInvalid},
		"overlap":          {array(0, queue.Range{First: 1, Last: 3, Step: 1}, queue.Range{First: 3, Last: 4, Step: 1}), queue.BadSpec, queue.KindInvalid},
		"negative limit":   {array(-1, queue.Range{First: 1, Last: 3, Step: 1}), queue.BadSpec, queue.KindInvalid},
		"large array":      {array(0, queue.Range{First: 1, Last: 101, Step: 1}), queue.ArrayTooLarge, queue.KindInvalid},
		"large index":      {array(0, queue.Range{First: 101, Last: 101, Step: 1}), queue.ArrayTooLarge, queue.KindInvalid},
		"huge range":       {array(0, queue.Range{First: 1, Last: 1 << 60, Step: 1}), queue.BadSpec, queue.KindInvalid},
		"too many pending": {array(0, queue.Range{First: 1, Last: 60, Step: 1}), queue.TooManyJobs, queue.KindUnavailable},
		"no such job":      {after(&queue.Condition{Op: queue.OpDone, Job: queue.ID{Job: 77}}), queue.BadDependency, queue.KindNotFound},
		"no such element":  {after(&queue.Condition{Op: queue.OpDone, Job: queue.ID{Job: 1, Index: 4}}), queue.BadDependency, queue.KindNotFound},
		"no such name":     {after(&queue.Condition{Op: queue.OpDone, Name: "y*"}), queue.BadDependency, queue.KindNotFound},
		"no name":          {after(&queue.Condition{Op: queue.OpDone}), queue.BadDependency, queue.KindInvalid},
		"nil argument":     {after(&queue.Condition{Op: queue.OpNot, Args: []*queue.Condition{nil}}), queue.BadDependency, queue.KindInvalid},
		"one argument":     {after(&queue.Condition{Op: queue.OpAnd, Args: []*queue.Condition{{Op: queue.OpDone, Name: "x"}}}), queue.BadDependency, queue.KindInvalid},
		"arguments":        {after(&queue.Condition{Op: queue.OpDone, Name: "x", Args: []*queue.Condition{{Op: queue.OpDone, Name: "x"}}}), queue.BadDependency, queue.KindInvalid},
		"no such test":     {after(&queue.Condition{Op: "frob", Name: "x"}), queue.BadDependency, queue.KindInvalid},
		"done == 3":        {after(&queue.Condition{Op: queue.OpDone, Name: "x", Compare: "=="}), queue.BadDependency, queue.KindInvalid},
		"numdone":          {after(&queue.Condition{Op: queue.OpNumDone, Name: "x"}), queue.BadDependency, queue.KindInvalid},
		"each number":      {after(&queue.Condition{Op: queue.OpNumDone, Name: "x", Compare: "*", Each: true}), queue.BadDependency, queue.KindInvalid},
		"each of a job":    {after(&queue.Condition{Op: queue.OpDone, Name: "x", Each: true}), queue.BadDependency, queue.KindInvalid},
		"deep":             {after(deep), queue.BadDependency, queue.KindInvalid},
		"wide":             {after(wide), queue.BadDependency, queue.KindInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t, queue.Config{MaxArray: 100, MaxJobSlots: 8, MaxUserPending: 50, Queues: []queue.QueueSpec{
				{Name: "normal", Default: true},
				{Name: "closed"},
				{Name: "bobs", Users: []string{"bob"}},
				{Name: "small", Terms: queue.Terms{JobSlots: 2, RunLimit: time.Minute}},
			}}, 0, 0)
			must(t, q.SetQueue(epoch, queue.Actor{Admin: true}, "closed", false, true))
			first := simple(1)
			first.Name = "x"
			submit(t, q, first)
			q.Take(nil)
			s := simple(1)
			test.change(&s)
			id, err := q.Submit(epoch, s)
			if !errors.Is(err, &queue.Error{Code: test.code}) || queue.KindOf(err) != test.kind {
				t.Fatalf("got %v, %v", id, err)
			}
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 5000 {
				t.Errorf("error is not one short line: %v", err)
			}
			if events := q.Take(nil); len(events) > 0 {
				t.Fatalf("a refused job made %v", events)
			}
		})
	}
}

func TestMaxJobs(t *testing.T) {
	q := newQueue(t, queue.Config{MaxJobs: 3}, 1, 4)
	s := simple(1)
	s.Array = &queue.Array{Ranges: []queue.Range{{First: 1, Last: 9, Step: 1}}, Limit: 2}
	submit(t, q, s) // one record
	q.Schedule(epoch)
	if _, err := q.Submit(epoch, simple(1)); !errors.Is(err, &queue.Error{Code: queue.TooManyJobs}) {
		t.Fatalf("a fourth record was accepted: %v", err)
	}
}

// Jobs go on where their queue is configured no more, and jobs of a limit that shrank pend.
func TestReplayUnderOtherConfig(t *testing.T) {
	q := newQueue(t, queue.Config{Queues: []queue.QueueSpec{{Name: "old", Default: true}}}, 1, 4)
	submit(t, q, simple(4))
	q.Schedule(epoch)
	submit(t, q, simple(3))
	must(t, q.SetQueue(epoch, queue.Actor{Admin: true}, "old", true, false))
	fresh, err := queue.New(queue.Config{MaxJobSlots: 2})
	must(t, err)
	for _, ev := range q.Take(nil) {
		must(t, fresh.Apply(ev))
	}
	queues := fresh.Queues()
	if last := queues[len(queues)-1]; last.Name != "lost_and_found" || last.Run != 4 || last.Pend != 3 || last.Open || last.Active {
		t.Errorf("lost_and_found is %+v", last)
	}
	must(t, fresh.Finished(epoch, queue.ID{Job: 1}, 1, queue.Result{}))
	must(t, fresh.Switch(epoch, queue.Actor{Admin: true}, queue.ID{Job: 2}, "normal"))
	if n := fresh.Schedule(epoch); n != 0 {
		t.Errorf("%d jobs started above the limit of slots", n)
	}
	if l := fresh.Load(); l.Pending != 0 || l.Waiting != 3 {
		t.Errorf("load is %+v", l)
	}
	if got := fresh.PendReasons(queue.ID{Job: 2}); len(got) != 1 {
		t.Errorf("reasons are %q", got)
	}
}

func TestTake(t *testing.T) {
	q := newQueue(t, queue.Config{}, 0, 0)
	submit(t, q, simple(1))
	own := q.Take(nil)
	submit(t, q, simple(1))
	buf := q.Take(own[:1])
	if len(buf) != 2 || buf[0].Job.Job != 1 || buf[1].Job.Job != 2 || len(q.Take(nil)) != 0 {
		t.Fatalf("took %+v", buf)
	}
}

// Pages, put together, are what a filter selects.
func TestPages(t *testing.T) {
	q := newQueue(t, queue.Config{}, 3, 4)
	for i := range 40 {
		s := simple(1)
		s.User, s.Name, s.Project = []string{"ann", "bob"}[i%2], []string{"", "x", "xy"}[i%3], []string{"", "p"}[i%2]
		s.Queue = []string{"", "short"}[i%5/4]
		if i%4 == 0 {
			s.Array = &queue.Array{Ranges: []queue.Range{{First: 2, Last: 150, Step: 74}, {First: 300, Last: 300, Step: 1}}, Limit: 2}
		}
		submit(t, q, s)
	}
	now := epoch
	for range 6 {
		now = now.Add(time.Second)
		q.Schedule(now)
		for i, ev := range q.Take(nil) {
			if ev.Kind == queue.JobStarted && i%3 > 0 {
				must(t, q.Finished(now, ev.Job, ev.Attempt, queue.Result{ExitCode: i % 2}))
			}
		}
	}
	must(t, q.Kill(now, queue.Actor{Admin: true}, queue.ID{Job: 33, Index: 76}, 0))
	must(t, q.Kill(now, queue.Actor{Admin: true}, queue.ID{Job: 37}, 0))
	all, more := q.Jobs(queue.Filter{}, queue.ID{}, 1000)
	if more || len(all) != 30+10*4 {
		t.Fatalf("%d jobs, more %v", len(all), more)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := queue.Filter{
			User:  rapid.SampledFrom([]string{"", "ann", "bob", "cid"}).Draw(t, "user"),
			Queue: rapid.SampledFrom([]string{"", "normal", "short"}).Draw(t, "queue"),
			Name:  rapid.SampledFrom([]string{"", "x", "x*", "y*"}).Draw(t, "name"), Host: rapid.SampledFrom([]string{"", "h00000", "h00002"}).Draw(t, "host"),
			Project: rapid.SampledFrom([]string{"", "p"}).Draw(t, "project"),
		}
		for range rapid.IntRange(0, 2).Draw(t, "states") {
			f.States = append(f.States, rapid.SampledFrom([]queue.State{queue.Pending, queue.Running, queue.Done, queue.Exited, queue.Zombie}).Draw(t, "state"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "ids") {
			f.IDs = append(f.IDs, queue.ID{Job: rapid.Int64Range(1, 42).Draw(t, "job"), Index: rapid.SampledFrom([]int{0, 0, 2, 76}).Draw(t, "index")})
		}
		var want []queue.ID
		for _, j := range all {
			if selects(f, j) {
				want = append(want, j.ID)
			}
		}
		var got []queue.ID
		after, size := queue.ID{}, rapid.IntRange(1, 20).Draw(t, "size")
		for more := true; more; {
			var page []queue.Job
			page, more = q.Jobs(f, after, size)
			if len(page) > size || more && len(page) == 0 {
				t.Fatalf("a page of %d jobs of %d, more %v", len(page), size, more)
			}
			for _, j := range page {
				got = append(got, j.ID)
				after = j.ID
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v: got %v, want %v", f, got, want)
		}
	})
	arrays, more := q.Arrays(queue.Filter{States: []queue.State{queue.Pending}}, 0, 3)
	rest, _ := q.Arrays(queue.Filter{States: []queue.State{queue.Pending}}, arrays[2].ID.Job, 100)
	if !more || len(rest) == 0 || rest[0].ID.Job <= arrays[2].ID.Job {
		t.Errorf("arrays %v, then %v", arrays, rest)
	}
}

func selects(f queue.Filter, j queue.Job) bool {
	name := f.Name == "" || f.Name == j.Spec.Name
	if prefix, ok := strings.CutSuffix(f.Name, "*"); ok {
		name = strings.HasPrefix(j.Spec.Name, prefix)
	}
	id := len(f.IDs) == 0
	for _, want := range f.IDs {
		id = id || want == j.ID || want == queue.ID{Job: j.ID.Job}
	}
	host := f.Host == ""
	for _, p := range j.Placement {
		host = host || p.Host == f.Host
	}
	return name && id && host && (f.User == "" || f.User == j.Spec.User) && (f.Queue == "" || f.Queue == j.Spec.Queue) &&
		(f.Project == "" || f.Project == j.Spec.Project) && (len(f.States) == 0 || slices.Contains(f.States, j.State))
}

// A job that needs all hosts starts although smaller ones never cease to come.
func TestBigJobStarts(t *testing.T) {
	for backfill, bound := range map[bool]time.Duration{false: time.Minute, true: 3 * time.Minute} {
		t.Run(fmt.Sprintf("backfill=%v", backfill), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				hosts, slots := rapid.IntRange(1, 6).Draw(t, "hosts"), rapid.IntRange(1, 8).Draw(t, "slots")
				q, err := queue.New(queue.Config{Backfill: backfill, ReserveFor: 200 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				for i := range hosts {
					name := fmt.Sprint("h", i)
					if err := q.AddHost(epoch, queue.HostSpec{Name: name, Slots: slots}); err != nil {
						t.Fatal(err)
					}
					if _, err := q.JoinHost(epoch, name, "", nil); err != nil {
						t.Fatal(err)
					}
				}
				ends := map[queue.ID]time.Time{}
				big, headSince := queue.ID{}, time.Time{}
				for second := range 600 {
					now := epoch.Add(time.Duration(second) * time.Second)
					for id, at := range ends {
						if !at.After(now) {
							delete(ends, id)
							if err := q.Finished(now, id, 1, queue.Result{}); err != nil {
								t.Fatal(err)
							}
						}
					}
					s := simple(1)
					s.RunLimit = time.Duration(rapid.IntRange(0, 3).Draw(t, "limit")) * time.Minute
					for range rapid.IntRange(0, 4).Draw(t, "arrivals") {
						if _, err := q.Submit(now, s); err != nil {
							t.Fatal(err)
						}
					}
					if second == 20 {
						if big, err = q.Submit(now, simple(hosts*slots)); err != nil {
							t.Fatal(err)
						}
					}
					q.Schedule(now)
					for _, ev := range q.Take(nil) {
						if ev.Kind == queue.JobStarted {
							ends[ev.Job] = now.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "run")) * time.Second)
							if ev.Job == big {
								return
							}
						}
					}
					// Nothing pends before it, and jobs run for a minute at most. Jobs of unknown length may not pass it; with
					// backfill those with a limit may, if they end before those that run reach theirs, of 3 minutes at most.
					switch first, _ := q.Jobs(queue.Filter{States: []queue.State{queue.Pending}}, queue.ID{}, 1); {
					case big == queue.ID{} || first[0].ID != big:
					case headSince.IsZero():
						headSince = now
					case now.Sub(headSince) > bound:
						t.Fatalf("job %v has been the first one for %v", big, now.Sub(headSince))
					}
				}
			})
		})
	}
}

// Damaged journals give errors, not panics.
func TestApplyGarbage(t *testing.T) {
	q := newQueue(t, queue.Config{Queues: []queue.QueueSpec{{Name: "n", Default: true, Terms: queue.Terms{Rerunnable: true}}}}, 2, 4)
	first := submit(t, q, simple(1))
	s := simple(3)
	s.Array = &queue.Array{Ranges: []queue.Range{{First: 1, Last: 4, Step: 1}}, Limit: 3}
	submit(t, q, s)
	s.After, s.Array = &queue.Condition{Op: queue.OpNumEnded, Job: queue.ID{Job: 2}, Compare: ">", Value: 1}, nil
	submit(t, q, s)
	q.Schedule(epoch)
	must(t, q.Executing(epoch, first, 1, 1))
	must(t, q.Stop(epoch, ann, first))
	must(t, q.Resume(epoch, ann, first))
	must(t, q.Finished(epoch, first, 1, queue.Result{}))
	must(t, q.LoseHost(epoch, "h00000"))
	q.Tick(epoch.Add(unknown))
	must(t, q.HostDied(epoch, "h00001", ""))
	must(t, q.Kill(epoch, ann, queue.ID{Job: 2}, 0))
	must(t, q.Switch(epoch, ann, queue.ID{Job: 3}, "n"))
	if _, err := q.Move(epoch, ann, queue.ID{Job: 3}, true, 1); err != nil {
		t.Fatal(err)
	}
	q.Tick(epoch.Add(3 * time.Hour))
	events := q.Take(nil)
	rapid.Check(t, func(t *rapid.T) {
		fresh, err := queue.New(queue.Config{})
		if err != nil {
			t.Fatal(err)
		}
		list := slices.Clone(events)
		for range rapid.IntRange(1, 4).Draw(t, "damages") {
			at := rapid.IntRange(0, len(list)-1).Draw(t, "at")
			switch rapid.IntRange(0, 4).Draw(t, "damage") {
			case 0:
				list = slices.Delete(list, at, at+1)
			case 1:
				list = slices.Insert(list, at, list[rapid.IntRange(0, len(list)-1).Draw(t, "copy")])
			case 2:
				list[at].Job.Index = rapid.IntRange(-1, 5).Draw(t, "index")
			case 3:
				list[at].Kind = list[rapid.IntRange(0, len(list)-1).Draw(t, "kind")].Kind
			case 4:
				list[at].Attempt, list[at].Spec, list[at].Host = rapid.IntRange(-1, 3).Draw(t, "attempt"), nil, nil
			}
		}
		for _, ev := range list {
			if err := fresh.Apply(ev); err != nil && rapid.Bool().Draw(t, "stop") {
				break
			}
		}
		fresh.Load()
		fresh.Jobs(queue.Filter{}, queue.ID{}, 100)
	})
}

func TestIdleScheduleAllocatesNothing(t *testing.T) {
	q := newQueue(t, queue.Config{}, 10, 4)
	for range 100 {
		submit(t, q, simple(1))
	}
	q.Schedule(epoch)
	if n := testing.AllocsPerRun(100, func() { q.Schedule(epoch); q.Load() }); n > 0 {
		t.Errorf("a pass with nothing to do allocates %v times", n)
	}
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"1", "12[3]", "0", "1[0]", "+1", "1[+1]", "9223372036854775808", "1[3", "[3]", "", "1[1]]", "-1", "01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := queue.ParseID(s)
		if err != nil {
			if id != (queue.ID{}) {
				t.Fatalf("%q gave %v and %v", s, id, err)
			}
			return
		}
		if id.Job < 1 || id.Index < 0 {
			t.Fatalf("%q gave %v", s, id)
		}
		if again, err := queue.ParseID(id.String()); err != nil || again != id {
			t.Fatalf("%v printed and read again is %v, %v", id, again, err)
		}
	})
}

// Whatever a client sends as a job is refused or taken, and what was taken can be written and read again.
func FuzzSpecJSON(f *testing.F) {
	whole := simple(2)
	whole.Array = &queue.Array{Ranges: []queue.Range{{First: 1, Last: 9, Step: 2}}, Limit: 3}
	whole.After = &queue.Condition{Op: queue.OpAnd, Args: []*queue.Condition{
		{Op: queue.OpDone, Job: queue.ID{Job: 1}},
		{Op: queue.OpNot, Args: []*queue.Condition{{Op: queue.OpNumDone, Name: "x*", Compare: ">=", Value: 3}}},
	}}
	whole.Env = queue.NewEnv([]string{"A=1", "B=2"})
	text, err := json.Marshal(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"user":"u","command":"c","array":{"ranges":[{"First":1,"Last":2147483646,"Step":1}]}}`))
	f.Add([]byte(`{"user":"u","command":"c","after":{"op":"done","name":"x","each":true},"need":{"hosts":",,a"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s queue.Spec
		if json.Unmarshal(data, &s) != nil {
			return
		}
		q := newQueue(t, queue.Config{}, 2, 4)
		first := simple(1)
		first.Name, first.User = "x", "u"
		submit(t, q, first)
		if _, err := q.Submit(epoch, s); err != nil {
			return
		}
		q.Schedule(epoch)
		q.Tick(epoch)
		events := q.Take(nil)
		fresh := newQueue(t, queue.Config{}, 0, 0)
		for _, ev := range events {
			text, err := json.Marshal(ev)
			if err != nil {
				return // a time that JSON cannot express
			}
			var again queue.Event
			must(t, json.Unmarshal(text, &again))
			must(t, fresh.Apply(again))
		}
		same := cmp.Comparer(func(a, b queue.Env) bool { return a == b })
		if d := cmp.Diff(q.Load(), fresh.Load(), same); d != "" {
			t.Fatal(d)
		}
	})
}

// A job that waits for hosts which are only on their way to be asked for holds up those after it, as one that waits for hosts
// that are there does. Without such hosts it could never start, and holds up nobody.
func TestAwait(t *testing.T) {
	q := newQueue(t, queue.Config{}, 1, 4)
	running := submit(t, q, simple(2))
	q.Schedule(epoch)
	big := submit(t, q, simple(8))
	q.Await(4)
	small := submit(t, q, simple(1))
	if n := q.Schedule(epoch); n != 0 {
		t.Fatalf("%d jobs passed the one that waits for 4 slots more", n)
	}
	demand := q.Demand(0)
	if len(demand) != 2 || !demand[0].Strict || demand[0].Slots != 8 {
		t.Errorf("demand %+v, want the large job first, strictly", demand)
	}
	if h, _ := q.Host("h00000"); !h.Eldest.Equal(epoch) {
		t.Errorf("eldest job since %v, want %v", h.Eldest, epoch)
	}
	q.Await(3)
	if n := q.Schedule(epoch); n != 1 {
		t.Errorf("%d jobs started beside one that can never start, want %v", n, small)
	}
	for _, id := range []queue.ID{running, small} {
		must(t, q.Finished(epoch, id, 1, queue.Result{}))
	}
	if h, _ := q.Host("h00000"); !h.Eldest.IsZero() {
		t.Errorf("eldest job since %v on an idle host", h.Eldest)
	}
	must(t, q.AddHost(epoch, queue.HostSpec{Name: "more", Slots: 4}))
	_, err := q.JoinHost(epoch, "more", "s", nil)
	must(t, err)
	if n := q.Schedule(epoch); n != 1 {
		t.Errorf("%d jobs started when the hosts had come, want %v", n, big)
	}
}

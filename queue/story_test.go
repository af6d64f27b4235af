package queue_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"sluice/queue"
)

// story runs a script: each line is a command, its output what happened. `go test -run Stories -rewrite` writes the outputs anew.
type story struct {
	t   *testing.T
	q   *queue.Queue
	now time.Time
}

func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := &story{t: t, now: epoch}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			if s.q == nil && d.Cmd != "config" {
				s.configure(&datadriven.TestData{})
			}
			var out strings.Builder
			if d.Cmd == "config" {
				s.configure(d)
				return "ok\n"
			}
			for line := range strings.SplitSeq(d.Cmd+" "+argsOf(d)+"\n"+d.Input, "\n") {
				if strings.TrimSpace(line) != "" {
					s.line(&out, strings.Fields(line))
				}
			}
			return out.String()
		})
	})
}

func argsOf(d *datadriven.TestData) string {
	var all []string
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			all = append(all, a.Key)
		} else {
			all = append(all, a.Key+"="+strings.Join(a.Vals, ","))
		}
	}
	return strings.Join(all, " ")
}

func (s *story) configure(d *datadriven.TestData) {
	cfg := queue.Config{Queues: []queue.QueueSpec{
		{Name: "normal", Priority: 30, Default: true},
		{Name: "urgent", Priority: 40},
		{Name: "small", Priority: 30, MaxSlots: 4, UserSlots: 2},
		{Name: "rerun", Priority: 20, Terms: queue.Terms{Rerunnable: true, RunLimit: time.Hour, RequeueExit: queue.ExitSet{1: 1 << (77 - 64)}}},
	}}
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "backfill":
			cfg.Backfill = true
		case "reserve":
			cfg.ReserveFor = s.duration(a.Vals[0])
		case "slot-mem":
			cfg.SlotMemMiB = s.number(a.Vals[0])
		case "max-job-slots":
			cfg.MaxJobSlots = s.number(a.Vals[0])
		}
	}
	q, err := queue.New(cfg)
	must(s.t, err)
	s.q = q
}

func (s *story) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	must(s.t, err)
	return d
}

func (s *story) number(text string) int {
	n, err := strconv.Atoi(text)
	must(s.t, err)
	return n
}

func (s *story) id(text string) queue.ID {
	id, err := queue.ParseID(text)
	must(s.t, err)
	return id
}

// line runs one command and prints what it gave and which events it made.
func (s *story) line(out *strings.Builder, words []string) {
	opts := map[string]string{}
	var args []string
	for _, w := range words[1:] {
		if key, value, ok := strings.Cut(w, "="); ok {
			opts[key] = value
		} else {
			args = append(args, w)
		}
	}
	args = append(args, "", "", "")
	err := s.run(out, words[0], args, opts)
	if err != nil {
		fmt.Fprintf(out, "error: %v\n", err)
	}
	for _, ev := range s.q.Take(nil) {
		fmt.Fprintln(out, describe(ev))
	}
}

func (s *story) run(out *strings.Builder, cmd string, args []string, opts map[string]string) error {
	by := queue.Actor{User: cmp.Or(opts["by"], "root"), Admin: opts["by"] == ""}
	switch cmd {
	case "at":
		s.now = epoch.Add(s.duration(args[0]))
	case "submit":
		_, err := s.q.Submit(s.now, s.spec(opts))
		return err
	case "add":
		return s.q.AddHost(s.now, queue.HostSpec{
			Name: args[0], Slots: s.number(cmp.Or(opts["slots"], "4")),
			MemMiB: s.number(cmp.Or(opts["mem"], "0")), GPUs: s.number(cmp.Or(opts["gpus"], "0")),
			Revocable: opts["revocable"] != "",
		})
	case "join":
		return s.join(out, args, opts)
	case "hosts-ready": // add and join
		for _, name := range strings.Split(args[0], ",") {
			must(s.t, s.run(out, "add", []string{name}, opts))
			must(s.t, s.run(out, "join", []string{name, ""}, opts))
		}
		s.q.Take(nil)
	case "lose":
		return s.q.LoseHost(s.now, args[0])
	case "die":
		return s.q.HostDied(s.now, args[0], "task lost")
	case "close":
		return s.q.CloseHost(s.now, args[0], queue.ClosedAdmin)
	case "asked-to-end":
		return s.q.CloseHost(s.now, args[0], queue.ClosedExit)
	case "open":
		return s.q.OpenHost(s.now, args[0], queue.ClosedAdmin)
	case "remove":
		return s.q.RemoveHost(s.now, args[0])
	case "schedule":
		fmt.Fprintf(out, "%d started\n", s.q.Schedule(s.now))
	case "tick":
		s.q.Tick(s.now)
	case "kill":
		return s.q.Kill(s.now, by, s.id(args[0]), s.number(cmp.Or(opts["signal"], "0")))
	case "force-kill":
		return s.q.ForceKill(s.now, by, s.id(args[0]))
	case "stop":
		return s.q.Stop(s.now, by, s.id(args[0]))
	case "resume":
		return s.q.Resume(s.now, by, s.id(args[0]))
	case "requeue":
		how := queue.Rerun{Hold: opts["hold"] != ""}
		for name := range strings.FieldsFuncSeq(opts["from"], func(r rune) bool { return r == ',' }) {
			state, err := queue.ParseState(name)
			if err != nil {
				return err
			}
			how.From = append(how.From, state)
		}
		return s.q.Requeue(s.now, by, s.id(args[0]), how)
	case "switch":
		return s.q.Switch(s.now, by, s.id(args[0]), args[1])
	case "top", "bottom":
		_, err := s.q.Move(s.now, by, s.id(args[0]), cmd == "top", s.number(cmp.Or(args[1], "1")))
		return err
	case "set-queue":
		return s.q.SetQueue(s.now, by, args[0], opts["open"] != "no", opts["active"] != "no")
	case "executing":
		return s.q.Executing(s.now, s.id(args[0]), s.number(cmp.Or(args[1], "1")), 4711)
	case "pre-failed":
		return s.q.Finished(s.now, s.id(args[0]), s.number(cmp.Or(args[1], opts["attempt"], "1")), queue.Result{ExitCode: 1, PreExecFailed: true})
	case "done":
		return s.q.Finished(s.now, s.id(args[0]), s.number(cmp.Or(args[1], "1")), queue.Result{ExitCode: s.number(cmp.Or(opts["code"], "0")), Reason: opts["reason"]})
	case "force":
		return s.q.Force(s.now, by, s.id(args[0]), s.places(opts["on"]))
	case "group-add", "group-limit", "group-remove", "groups-clean", "groups":
		return s.group(out, by, cmd, args[0], opts["limit"])
	default:
		return s.show(out, cmd, args)
	}
	return nil
}

func (s *story) join(out *strings.Builder, args []string, opts map[string]string) error {
	var known []queue.Attempt
	for _, k := range strings.FieldsFunc(opts["known"], func(r rune) bool { return r == ',' }) {
		id, attempt, _ := strings.Cut(k, "#")
		known = append(known, queue.Attempt{ID: s.id(id), Attempt: s.number(attempt)})
	}
	answer, err := s.q.JoinHost(s.now, args[0], "session", known)
	for i, list := range [][]queue.Attempt{answer.Start, answer.Kill, answer.Stop} {
		if len(list) > 0 {
			fmt.Fprintln(out, []string{"start", "kill", "stop"}[i], list)
		}
	}
	if len(answer.Signal) > 0 {
		fmt.Fprintln(out, "signal", answer.Signal)
	}
	return err
}

func (s *story) spec(opts map[string]string) queue.Spec {
	n := s.number(cmp.Or(opts["n"], "1"))
	spec := queue.Spec{
		User: cmp.Or(opts["user"], "ann"), Command: "true", Name: opts["name"], Queue: opts["queue"], Group: opts["group"], MinSlots: n,
		MaxSlots: s.number(cmp.Or(opts["max"], strconv.Itoa(n))), Priority: s.number(cmp.Or(opts["prio"], "0")),
		Rerunnable: opts["rerunnable"] != "", Hold: opts["hold"] != "", EndOrphan: opts["orphan"] != "",
		Need: queue.Need{
			MemMiB: s.number(cmp.Or(opts["mem"], "0")), GPUs: s.number(cmp.Or(opts["gpus"], "0")), HostGPUs: s.number(cmp.Or(opts["host-gpus"], "0")), Hosts: opts["hosts"],
			OneHost: opts["one-host"] != "", PerHost: s.number(cmp.Or(opts["per-host"], "0")), Exclusive: opts["exclusive"] != "",
		},
	}
	if codes := opts["requeue"]; codes != "" {
		if err := spec.RequeueExit.UnmarshalText([]byte(strings.ReplaceAll(codes, "_", " "))); err != nil {
			s.t.Fatal(err)
		}
	}
	if d := opts["limit"]; d != "" {
		spec.RunLimit = s.duration(d)
	}
	if d := opts["begin"]; d != "" {
		spec.BeginAt = epoch.Add(s.duration(d))
	}
	if d := opts["end"]; d != "" {
		spec.EndBy = epoch.Add(s.duration(d))
	}
	if a := opts["array"]; a != "" {
		spec.Array = s.array(a)
	}
	if c := opts["after"]; c != "" {
		spec.After = s.condition(c)
	}
	return spec
}

func (s *story) array(text string) *queue.Array {
	text, limit, _ := strings.Cut(text, "%")
	a := &queue.Array{Limit: s.number(cmp.Or(limit, "0"))}
	for _, r := range strings.Split(text, "+") {
		r, step, _ := strings.Cut(r, ":")
		first, last, _ := strings.Cut(r, "-")
		a.Ranges = append(a.Ranges, queue.Range{First: s.number(first), Last: s.number(cmp.Or(last, first)), Step: s.number(cmp.Or(step, "1"))})
	}
	return a
}

// condition reads tests like done:1, exit:name, done:1[*] or numdone:1:>=:3, joined by & or |.
func (s *story) condition(text string) *queue.Condition {
	for sep, op := range map[string]queue.ConditionOp{"&": queue.OpAnd, "|": queue.OpOr} {
		if strings.Contains(text, sep) {
			c := &queue.Condition{Op: op}
			for _, part := range strings.Split(text, sep) {
				c.Args = append(c.Args, s.condition(part))
			}
			return c
		}
	}
	if rest, ok := strings.CutPrefix(text, "!"); ok {
		return &queue.Condition{Op: queue.OpNot, Args: []*queue.Condition{s.condition(rest)}}
	}
	parts := append(strings.Split(text, ":"), "", "", "")
	c := &queue.Condition{Op: queue.ConditionOp(parts[0]), Compare: parts[2]}
	if parts[3] != "" {
		c.Value = s.number(parts[3])
	}
	job, each := strings.CutSuffix(parts[1], "[*]")
	c.Each = each
	if id, err := queue.ParseID(job); err == nil {
		c.Job = id
	} else {
		c.Name = job
	}
	return c
}

func (s *story) show(out *strings.Builder, cmd string, args []string) error {
	switch cmd {
	case "jobs":
		jobs, _ := s.q.Jobs(queue.Filter{}, queue.ID{}, 100)
		for _, j := range jobs {
			fmt.Fprintf(out, "%v %v", j.ID, j.State)
			for _, p := range j.Placement {
				fmt.Fprintf(out, " %s*%d", p.Host, p.Slots)
			}
			if j.ExitCode != 0 || j.Reason != "" {
				fmt.Fprintf(out, " %d %s", j.ExitCode, j.Reason)
			}
			fmt.Fprintln(out)
		}
	case "hosts":
		for _, h := range s.q.Hosts() {
			fmt.Fprintf(out, "%s status=%d closed=%d used=%d/%d run=%d ususp=%d\n", h.Name, h.Status, h.Closed, h.Used, h.Slots, h.Run, h.USusp)
		}
	case "queues":
		for _, v := range s.q.Queues() {
			fmt.Fprintf(out, "%s open=%v active=%v pend=%d run=%d ususp=%d\n", v.Name, v.Open, v.Active, v.Pend, v.Run, v.USusp)
		}
	case "load":
		l := s.q.Load()
		fmt.Fprintf(out, "running=%d pending=%d waiting=%d first=%d completed=%v\n", l.Running, l.Pending, l.Waiting, l.FirstNeed, l.CompletedSlotSeconds)
	case "demand":
		for _, d := range s.q.Demand(10) {
			fmt.Fprintf(out, "%d x %d slots %+v\n", d.Count, d.Slots, d.Need)
		}
	case "arrays":
		arrays, _ := s.q.Arrays(queue.Filter{}, 0, 100)
		for _, a := range arrays {
			fmt.Fprintf(out, "%v", a.ID)
			for state := queue.Pending; state <= queue.Unknown; state++ {
				if n := a.Count[state]; n > 0 {
					fmt.Fprintf(out, " %v=%d", state, n)
				}
			}
			fmt.Fprintln(out)
		}
	case "reasons":
		fmt.Fprintln(out, cmp.Or(strings.Join(s.q.PendReasons(s.id(args[0])), "; "), "none"))
	case "wake":
		if w := s.q.NextWake(); w.IsZero() {
			fmt.Fprintln(out, "never")
		} else {
			fmt.Fprintln(out, w.Sub(epoch))
		}
	default:
		return fmt.Errorf("no command %q", cmd)
	}
	return nil
}

// describe prints an event without its time.
func describe(ev queue.Event) string {
	var b strings.Builder
	fmt.Fprint(&b, "  ", ev.Kind)
	if ev.Job != (queue.ID{}) {
		fmt.Fprintf(&b, " %v", ev.Job)
	}
	if ev.Attempt != 0 {
		fmt.Fprintf(&b, " attempt=%d", ev.Attempt)
	}
	for _, p := range ev.Placement {
		fmt.Fprintf(&b, " %s*%d", p.Host, p.Slots)
	}
	if ev.Host != nil {
		fmt.Fprint(&b, " ", ev.Host.Name)
	}
	if slices.Contains([]queue.EventKind{queue.JobFinished, queue.JobKillAsked}, ev.Kind) {
		fmt.Fprintf(&b, " exit=%d", ev.ExitCode)
	}
	if ev.Signal != 0 {
		fmt.Fprintf(&b, " signal=%d", ev.Signal)
	}
	if ev.HostName != "" {
		fmt.Fprint(&b, " ", ev.HostName)
	}
	if ev.QueueName != "" {
		fmt.Fprint(&b, " ", ev.QueueName)
	}
	if ev.GroupName != "" {
		fmt.Fprint(&b, " ", ev.GroupName)
	}
	if ev.Reason != "" {
		fmt.Fprintf(&b, " (%s)", ev.Reason)
	}
	return b.String()
}

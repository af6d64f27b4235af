package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"sluice/controller"
	"sluice/internal/sim"
	"sluice/queue"
)

// intentFlags are the flags of simulate about intents and weights.
func (s *simulation) intentFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&s.intents, "intent", nil, "an intent to judge: slowdown<=2, wait<=10m (mean) or wait.p95<=30m; repeatable")
	outerFlags(f, &s.outer)
	f.StringSliceVar(&s.spread, "queues", nil, "queues that take the jobs in turn, and are shown apart (default: all to the default queue)")
	f.Var(&weightFlag{&s.queues}, "queue-weight", "QUEUE=WEIGHT: how much its pending slots count, 0.01 to 100; repeatable")
}

// share gives the jobs to the queues.
func (s *simulation) share(jobs []sim.Job) error {
	if len(s.spread) == 0 && len(s.queues.Queues) == 0 {
		return nil
	}
	if s.cluster.Queues = s.queues.Queues; len(s.cluster.Queues) == 0 {
		s.cluster.Queues = queue.DefaultQueues()
	}
	var names []string
	for _, q := range s.cluster.Queues {
		names = append(names, q.Name)
	}
	for _, name := range s.spread {
		if !slices.Contains(names, name) {
			return fmt.Errorf("queues: no queue %q, want some of %s", name, strings.Join(names, ", "))
		}
	}
	if len(s.spread) == 0 {
		return nil
	}
	for i := range jobs {
		jobs[i].Queue = s.spread[i%len(s.spread)]
	}
	return nil
}

// intending is the policy of an intent.
func (s *simulation) intending(text string) (contender, error) {
	intent, err := controller.ParseIntent(text)
	if err != nil {
		return contender{}, err
	}
	limits := s.outer
	limits.Intent = intent
	policy, err := sim.NewIntent(s.controller, limits)
	return contender{policy: policy, target: s.controller.Target}, err
}

// printPromises says how near intents were kept, and what the jobs of each queue waited.
func printPromises(out io.Writer, results []sim.Result) {
	for i := range results {
		r := &results[i]
		if v := r.Intent; v != nil {
			fmt.Fprintf(out, "%s: %.4g of %.4g (%.4g once settled), target %.4g: %s\n", r.Policy, v.Measured, v.Limit, v.Settled, v.Target, v.Reason)
		}
		for _, name := range slices.Sorted(maps.Keys(r.Queues)) {
			if name != "" {
				fmt.Fprintf(out, "%s: jobs of queue %s waited %.4g s\n", r.Policy, name, r.Queues[name])
			}
		}
	}
}

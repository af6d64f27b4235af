package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sluice/internal/sim"
)

// contender is a policy with what it is measured against and how its hosts are held.
type contender struct {
	policy sim.Policy
	target float64
	hoards bool
	keeps  bool // idle hosts too
}

func (s *simulation) choose() ([]contender, error) {
	names := s.policies
	switch {
	case s.compare && len(names) > 0:
		return nil, errors.New("--compare runs all policies: leave out --policy")
	case s.compare:
		names = []string{"greedy", "static:" + strconv.Itoa(s.span.Slots), "hpa", "seed", "pure-pid", "pid", "pid:1", "pid:10"}
	case s.pareto != "" && len(names) == 0:
		names = []string{"greedy", "hpa", "seed", "pid"}
	case len(names) == 0 && len(s.intents) == 0:
		names = []string{"pid"}
	}
	if s.pareto != "" {
		var err error
		if names, err = s.sweep(names); err != nil {
			return nil, err
		}
	}
	var chosen []contender
	for _, name := range names {
		c, err := s.contender(name)
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", name, err)
		}
		chosen = append(chosen, c)
	}
	for _, text := range s.intents {
		c, err := s.intending(text)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, c)
	}
	return chosen, nil
}

func (s *simulation) contender(name string) (contender, error) {
	cfg := s.controller
	kind, argument, given := strings.Cut(name, ":")
	switch kind {
	case "greedy":
		return contender{policy: sim.NewGreedy(s.span.Slots), target: cfg.Target, hoards: true}, nil
	case "static":
		slots, err := strconv.Atoi(argument)
		if !given {
			slots, err = s.span.Slots, nil
		}
		if err != nil || slots < 1 {
			return contender{}, errors.New("want static:N with a number of slots")
		}
		return contender{policy: sim.NewStatic(slots), target: cfg.Target, hoards: true, keeps: true}, nil
	case "pid", "pure-pid", "seed", "hpa":
	default:
		return contender{}, errors.New("want greedy, static:N, hpa, seed, pid or pure-pid; the last four also with :TARGET")
	}
	if given {
		target, err := strconv.ParseFloat(argument, 64)
		if err != nil {
			return contender{}, errors.New("want a number as the target")
		}
		cfg.Target = target
	}
	if err := cfg.Validate(); err != nil {
		return contender{}, err
	}
	switch kind {
	case "seed":
		return contender{policy: named{sim.NewSeed(cfg.Target, s.hostSlots), name}, target: cfg.Target, hoards: true}, nil
	case "hpa":
		return contender{policy: named{sim.NewHPA(cfg.Target, s.hostSlots), name}, target: cfg.Target, hoards: true}, nil
	case "pure-pid":
		cfg.FeedForward = 0
	}
	policy, err := sim.NewPID(name, cfg)
	return contender{policy: policy, target: cfg.Target}, err
}

// named is a policy by another name.
type named struct {
	sim.Policy
	name string
}

// Name is as in sim.Policy.
func (n named) Name() string { return n.name }

// sweep is the policies of a Pareto picture: each that has a target, with each of the targets.
func (s *simulation) sweep(names []string) (all []string, err error) {
	for _, name := range names {
		switch name {
		case "hpa", "seed", "pid", "pure-pid":
			for _, target := range s.targets {
				all = append(all, name+":"+strconv.FormatFloat(target, 'g', -1, 64))
			}
		default:
			all = append(all, name)
		}
	}
	if len(all) > maxSweep {
		return nil, fmt.Errorf("%d policies and targets: want at most %d", len(all), maxSweep)
	}
	return all, nil
}

// maxSweep bounds the simulations of one command.
const maxSweep = 1000

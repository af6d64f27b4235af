package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"sluice/controller"
	"sluice/queue"
)

// store keeps small records durably, as the journal does.
type store interface {
	// Put changes keys of a bucket at once; a nil value deletes the key.
	Put(ctx context.Context, bucket string, changes map[string][]byte) error
	// All is a bucket's keys and values.
	All(ctx context.Context, bucket string) (map[string][]byte, error)
}

const (
	bucketSettings = "settings" // saved, by setting
	bucketLearnt   = "learnt"   // what the intent has learnt
	keyLesson      = "lesson"
)

// settings remembers what was set live. The newest word wins: with each setting is kept what the command line said when it was
// set, and while a start says the same, the live value is in force; when the command line says something new, that is.
//
// It is used by one goroutine at a time: App.Apply has a lock.
type settings struct {
	store store
	flags map[string]Control // what the command line says, by setting
	live  map[string]saved   // what was set live and is in force
}

// saved is one setting as it is kept.
type saved struct {
	Live  Control `json:"live"`
	Flags Control `json:"flags"`
	// Goal is the one that a pause holds.
	Goal int `json:"goal,omitempty"`
}

// flagsOf is what a configuration says about all that may be set live.
func flagsOf(c *Config) Control {
	paused, weights := false, map[string]float64{}
	for _, q := range c.queues() {
		weights[q.Name] = max(q.Weight, 0)
		if q.Weight == 0 {
			weights[q.Name] = 1
		}
	}
	law := c.Controller
	return Control{
		Target: &law.Target, Intent: c.Outer.Intent.String(), Kp: &law.Kp, Ki: &law.Ki, Kd: &law.Kd,
		Paused: &paused, Flex: &law.MinSlots, Weights: weights,
	}
}

// queues are those of the batch system.
func (c *Config) queues() []queue.QueueSpec {
	if len(c.Queue.Queues) > 0 {
		return c.Queue.Queues
	}
	return queue.DefaultQueues()
}

// split takes a change apart into settings. The target and the intent are one, because one means nothing without the other.
func (c *Control) split() map[string]Control {
	parts := make(map[string]Control)
	if c.Target != nil || c.Intent != "" {
		parts["target"] = Control{Target: c.Target, Intent: c.Intent}
	}
	if c.Kp != nil {
		parts["kp"] = Control{Kp: c.Kp}
	}
	if c.Ki != nil {
		parts["ki"] = Control{Ki: c.Ki}
	}
	if c.Kd != nil {
		parts["kd"] = Control{Kd: c.Kd}
	}
	if c.Paused != nil {
		parts["pause"] = Control{Paused: c.Paused}
	}
	if c.Flex != nil {
		parts["flex"] = Control{Flex: c.Flex}
	}
	for name, weight := range c.Weights {
		parts["weight of "+name] = Control{Weights: map[string]float64{name: weight}}
	}
	return parts
}

// openSettings reads what was set live before. Those settings that the command line has a newer word about are forgotten.
func openSettings(ctx context.Context, s store, flags Control) (*settings, error) {
	stored, err := s.All(ctx, bucketSettings)
	if err != nil {
		return nil, fmt.Errorf("read what was set live: %w", err)
	}
	v := &settings{store: s, flags: flags.split(), live: make(map[string]saved)}
	stale := make(map[string][]byte)
	for name, data := range stored {
		var one saved
		said, known := v.flags[name]
		if json.Unmarshal(data, &one) != nil || !known || !same(one.Flags, said) {
			stale[name] = nil
			continue
		}
		v.live[name] = one
	}
	if len(stale) > 0 {
		if err := s.Put(ctx, bucketSettings, stale); err != nil {
			return nil, fmt.Errorf("forget what was set live: %w", err)
		}
	}
	return v, nil
}

func same(a, b Control) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// names of what is in force in place of the command line's, sorted.
func (v *settings) names() []string { return slices.Sorted(maps.Keys(v.live)) }

// order is a change with what a reset means filled in.
func (v *settings) order(c Control) Control {
	if !c.Reset {
		return c
	}
	full := Control{Drain: c.Drain, Weights: map[string]float64{}}
	merge := func(from Control) {
		if from.Intent != "" {
			full.Intent = from.Intent
		}
		for _, f := range []struct{ to, from **float64 }{{&full.Target, &from.Target}, {&full.Kp, &from.Kp}, {&full.Ki, &from.Ki}, {&full.Kd, &from.Kd}} {
			if *f.from != nil {
				*f.to = *f.from
			}
		}
		if from.Paused != nil {
			full.Paused = from.Paused
		}
		if from.Flex != nil {
			full.Flex = from.Flex
		}
		maps.Copy(full.Weights, from.Weights)
	}
	for _, part := range v.flags {
		merge(part)
	}
	merge(c)
	return full
}

// keep makes durable what a change sets. aim is the target and the intent that are then in force, goal what a pause holds.
func (v *settings) keep(ctx context.Context, c, aim Control, goal int) error {
	live := maps.Clone(v.live)
	if c.Reset {
		clear(live)
	}
	for name, part := range c.split() {
		one := saved{Live: part, Flags: v.flags[name]}
		switch name {
		case "target":
			one.Live = aim
		case "pause":
			one.Goal = goal
		}
		if live[name] = one; same(one.Live, one.Flags) {
			delete(live, name)
		}
	}
	changes := make(map[string][]byte)
	for name := range v.live {
		changes[name] = nil
	}
	for name, one := range live {
		data, err := json.Marshal(one)
		if err != nil {
			return fmt.Errorf("keep what was set live: %w", err)
		}
		changes[name] = data
	}
	if err := v.store.Put(ctx, bucketSettings, changes); err != nil {
		return fmt.Errorf("keep what was set live: %w", err)
	}
	v.live = live
	return nil
}

// reflag takes what is said of all that may be set live anew, where queues have come and gone. What was set live of queues that are
// no more is forgotten.
func (v *settings) reflag(ctx context.Context, flags Control) error {
	v.flags = flags.split()
	var failed []error
	for _, name := range v.names() {
		if _, known := v.flags[name]; !known {
			failed = append(failed, v.forget(ctx, name))
			delete(v.live, name)
		}
	}
	return errors.Join(failed...)
}

// forget drops a live setting that cannot be in force any more.
func (v *settings) forget(ctx context.Context, name string) error {
	if err := v.store.Put(ctx, bucketSettings, map[string][]byte{name: nil}); err != nil {
		return fmt.Errorf("forget what was set live: %w", err)
	}
	delete(v.live, name)
	return nil
}

// lesson is what an intent has learnt, as it is kept.
type lesson struct {
	Intent string `json:"intent"`
	controller.Learnt
}

// recall is what was learnt last, zero where that is nothing.
func recall(ctx context.Context, s store) (l lesson, err error) {
	stored, err := s.All(ctx, bucketLearnt)
	if err != nil {
		return l, fmt.Errorf("read what the intent has learnt: %w", err)
	}
	if data, ok := stored[keyLesson]; !ok || json.Unmarshal(data, &l) != nil {
		return lesson{}, nil
	}
	return l, nil
}

// remember makes a lesson durable.
func (l lesson) remember(ctx context.Context, s store) error {
	data, err := json.Marshal(l)
	if err == nil {
		err = s.Put(ctx, bucketLearnt, map[string][]byte{keyLesson: data})
	}
	if err != nil {
		return fmt.Errorf("keep what the intent has learnt: %w", err)
	}
	return nil
}

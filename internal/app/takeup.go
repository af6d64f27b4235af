package app

import (
	"context"
	"fmt"
	"maps"
	"strings"
)

// takeUpSettings puts in force what was set live before, says so in one line of the log, and goes on with what the intent had
// learnt.
func (a *App) takeUpSettings(ctx context.Context) (err error) {
	if a.settings, err = openSettings(ctx, a.store, flagsOf(&a.cfg)); err != nil {
		return err
	}
	for _, name := range a.settings.names() {
		one := a.settings.live[name]
		if err := a.takeUp(ctx, one); err != nil {
			a.log.WithError(err).WithField("setting", name).Warn("what was set live before cannot be any more; the command line's is in force")
			if err := a.settings.forget(ctx, name); err != nil {
				return err
			}
		}
	}
	if names := a.settings.names(); len(names) > 0 {
		a.log.Warnf("set live before and in force in place of the command line's: %s (sluice ctl set --reset returns to the command line)", strings.Join(names, ", "))
	} else {
		a.log.Info("settings in force: the command line's")
	}
	lesson, err := recall(ctx, a.store)
	if err != nil {
		return err
	}
	if err := a.loop.resume(lesson); err != nil {
		return fmt.Errorf("resume the intent: %w", err)
	}
	a.loop.remember = a.remember
	return nil
}

func (a *App) takeUp(ctx context.Context, one saved) error {
	if err := checkWeights(a.cfg.queues(), one.Live.Weights); err != nil {
		return err
	}
	if one.Live.Paused != nil && *one.Live.Paused {
		a.loop.hold(one.Goal)
	}
	return a.putInForce(ctx, one.Live, nil)
}

// remember keeps what the intent has learnt. It is called in the loop's goroutine when the target has moved.
func (a *App) remember(ctx context.Context) {
	what, ok := a.loop.lesson()
	if !ok {
		return
	}
	if err := what.remember(ctx, a.store); err != nil && ctx.Err() == nil {
		a.log.WithError(err).Warn("a restart would learn anew")
	}
}

// liveSettings names what was set live, and the weights of queues that are not 1.
func (a *App) liveSettings() (names []string, weights map[string]float64) {
	a.applying.Lock()
	defer a.applying.Unlock()
	in := map[string]float64{}
	for _, part := range a.settings.flags {
		maps.Copy(in, part.Weights)
	}
	for _, one := range a.settings.live {
		maps.Copy(in, one.Live.Weights)
	}
	maps.DeleteFunc(in, func(_ string, weight float64) bool { return weight == 1 })
	return a.settings.names(), in
}

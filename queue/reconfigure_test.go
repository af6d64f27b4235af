package queue

import (
	"slices"
	"time"

	"pgregory.net/rapid"
)

// changed is a configuration as an administrator may leave it: queues are gone, limits are others.
func changed(t *rapid.T, cfg Config) Config {
	draw := func(n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }
	cfg.Queues = slices.Clone(cfg.Queues)
	cfg.DefaultQueues = nil
	for i := range cfg.Queues {
		s := &cfg.Queues[i]
		s.Priority += draw(20, "priority")
		s.MaxSlots, s.UserSlots, s.JobSlots = draw(8, "max"), draw(5, "per user"), draw(5, "per job")
		s.HostSlots = draw(4, "per host")
		s.Rerunnable = draw(2, "rerunnable") == 0
	}
	if draw(2, "remove") == 0 {
		gone := draw(len(cfg.Queues), "gone")
		cfg.Queues = slices.Delete(cfg.Queues, gone, gone+1)
	}
	cfg.DefaultApp = ""
	cfg.Apps = []AppSpec{{Name: "again", Terms: Terms{Rerunnable: draw(2, "app's rerunnable") == 0, RunLimit: 100 * time.Second}}}
	cfg.Users = []UserSpec{
		{Name: DefaultUser, MaxSlots: draw(9, "default")},
		{Name: "both", Members: []string{"ann", "bob"}, Each: draw(2, "each") == 0, MaxSlots: draw(9, "group")},
	}
	cfg.KeepFinished *= 2
	return cfg
}

// reconfigure also checks that the state is what a new Queue of the configuration makes of all events.
func (w *world) reconfigure(cfg Config) {
	w.q.Tick(w.now)
	w.deliver()
	if err := w.q.Reconfigure(cfg); err != nil {
		w.t.Fatal(err)
	}
	if out := w.q.Take(nil); len(out) > 0 {
		w.t.Fatalf("a reconfiguration decided on %v", out)
	}
	w.cfg, w.loose, w.points = w.q.cfg, true, nil
	if err := audit(w.q); err != nil {
		w.t.Fatalf("after a reconfiguration: %v", err)
	}
	w.points = append(w.points, point{len(w.events), w.now, w.dump(w.q)})
}

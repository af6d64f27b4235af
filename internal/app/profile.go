package app

import (
	"maps"
	"slices"
	"strings"

	"sluice/queue"
)

// profile has the queues that hosts of their own are configured for ask for these.
func (c *Config) profile(q *queue.Config) error {
	profiles := c.Framework.Profiles
	if len(profiles) == 0 {
		return nil
	}
	if len(q.Queues) == 0 {
		q.Queues = queue.DefaultQueues()
	}
	q.Queues = slices.Clone(q.Queues)
	var names []string
	unknown := maps.Clone(profiles)
	for i := range q.Queues {
		name := q.Queues[i].Name
		names = append(names, name)
		if _, ok := profiles[name]; ok {
			q.Queues[i].Profile = name
			delete(unknown, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		return invalid("queue-profile %s: no queue %q, want one of %s", name, name, strings.Join(names, ", "))
	}
	return nil
}

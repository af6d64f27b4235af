package journal

import (
	"strings"

	"sluice/queue"
)

// tenure is a job group from its making to its removal.
type tenure struct {
	events []int64
	limit  int64 // the newest event that changed its limit; 0 = none
	used   bool  // a job that is remembered was in it or below it
}

// inGroup notes that a job that is remembered was in a group: its submission is replayed, so the group must be there then.
func (s *sweep) inGroup(path string) {
	for ; path != ""; path = path[:max(strings.LastIndexByte(path, '/'), 0)] {
		if g := s.groups[path]; g != nil {
			g.used = true
		}
	}
}

// group collects the events of a job group, which become victims together when it is removed. Of the events that changed its limit
// only the newest one stays.
func (s *sweep) group(o outline, seq int64) {
	if o.Kind == queue.GroupAdded {
		s.groups[o.GroupName] = &tenure{}
	}
	g := s.groups[o.GroupName]
	if g == nil {
		return
	}
	if o.Kind == queue.GroupLimited {
		if g.limit != 0 {
			s.victims = append(s.victims, g.limit)
		}
		g.limit = seq
		return
	}
	g.events = append(g.events, seq)
	if o.Kind != queue.GroupRemoved {
		return
	}
	if !g.used {
		s.victims = append(s.victims, g.events...)
		if g.limit != 0 {
			s.victims = append(s.victims, g.limit)
		}
	}
	delete(s.groups, o.GroupName)
}

// leavesGarbage reports whether an event of a kind makes former ones needless.
func leavesGarbage(kind queue.EventKind) bool {
	switch kind {
	case queue.JobForgotten, queue.HostRemoved, queue.GroupRemoved, queue.GroupLimited:
		return true
	}
	return false
}

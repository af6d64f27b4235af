package queue_test

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"sluice/queue"
)

// group runs a command of a story about job groups.
func (s *story) group(out *strings.Builder, by queue.Actor, cmd, path, text string) error {
	var limit *int
	if text != "" {
		n := s.number(text)
		limit = &n
	}
	switch cmd {
	case "group-add":
		return s.q.AddGroup(s.now, by, path, limit)
	case "group-limit":
		return s.q.SetGroupLimit(s.now, by, path, limit)
	case "group-remove":
		return s.q.RemoveGroup(s.now, by, path)
	case "groups-clean":
		_, err := s.q.RemoveEmptyGroups(s.now, by, path, "")
		return err
	}
	for _, g := range s.q.Groups() {
		limit := "-"
		if g.Limit != nil {
			limit = strconv.Itoa(*g.Limit)
		}
		c := g.Jobs
		fmt.Fprintf(out, "%s jobs=%d pend=%d run=%d ususp=%d finish=%d limit=%d/%s owner=%s slots=%d\n",
			g.Name, c.Total(), c.Pend, c.Run, c.USusp, c.Finish, g.Started, limit, cmp.Or(g.Owner, "?"), g.Slots.Total())
	}
	return nil
}

// places reads a,b*2.
func (s *story) places(text string) (on []queue.Placement) {
	for name := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' }) {
		name, slots, _ := strings.Cut(name, "*")
		on = append(on, queue.Placement{Host: name, Slots: s.number(cmp.Or(slots, "0"))})
	}
	return on
}

package conf

import (
	"maps"
	"slices"
	"strings"

	"sluice/lsfbridge"
	"sluice/queue"
)

const (
	maxDescription = 512
	maxJobSlots    = 1 << 20
	maxCommand     = 4094 // LSF's
)

// termKeywords are those of queues and applications alike.
var termKeywords = map[string]keyword[queue.Terms]{
	"DESCRIPTION":         termDescription,
	"PROCLIMIT":           termTasks,
	"TASKLIMIT":           termTasks,
	"RERUNNABLE":          func(p *parser, v value, t *queue.Terms) { t.Rerunnable = p.yes(v) },
	"REQUEUE_EXIT_VALUES": termRequeueExit,
	"NICE":                termNice,
	"RES_REQ":             termResReq,
	"PRE_EXEC":            shellCommand(func(t *queue.Terms) *string { return &t.PreExec }),
	"POST_EXEC":           shellCommand(func(t *queue.Terms) *string { return &t.PostExec }),
	"JOB_STARTER":         shellCommand(func(t *queue.Terms) *string { return &t.JobStarter }),
}

// within makes keywords of a part of a T keywords of a T.
func within[T, P any](keywords map[string]keyword[P], part func(*T) *P) map[string]keyword[T] {
	all := make(map[string]keyword[T], len(keywords))
	for key, set := range keywords {
		all[key] = func(p *parser, v value, to *T) { set(p, v, part(to)) }
	}
	return all
}

// join adds keywords to others, which go first.
func join[T any](keywords, more map[string]keyword[T]) map[string]keyword[T] {
	all := maps.Clone(more)
	maps.Copy(all, keywords)
	return all
}

// shellCommand makes a keyword of a command.
func shellCommand(field func(*queue.Terms) *string) keyword[queue.Terms] {
	return func(p *parser, v value, t *queue.Terms) {
		if len(v.text) > maxCommand {
			p.refuse(v.at, "%s: %d bytes, at most %d are allowed", v.key, len(v.text), maxCommand)
			return
		}
		*field(t) = v.text
	}
}

func termDescription(p *parser, v value, t *queue.Terms) {
	if len(v.text) > maxDescription {
		p.refuse(v.at, "DESCRIPTION: %d bytes, at most %d are allowed", len(v.text), maxDescription)
		return
	}
	t.Description = v.text
}

func termNice(p *parser, v value, t *queue.Terms) {
	if n, ok := p.integer(v, -20, 20); ok {
		t.Nice = n
	}
}

// termTasks reads TASKLIMIT = [minimum [default]] maximum.
func termTasks(p *parser, v value, t *queue.Terms) {
	var counts []int
	for word := range strings.FieldsSeq(v.text) {
		n, ok := p.integer(value{key: v.key, text: word, at: v.at}, 1, maxJobSlots)
		if !ok {
			return
		}
		counts = append(counts, n)
	}
	switch {
	case len(counts) > 3 || !slices.IsSorted(counts):
		p.refuse(v.at, "%s = %s: want [MINIMUM [DEFAULT]] MAXIMUM, each no less than the one before", v.key, show(v.text))
		return
	case len(counts) > 1:
		t.LeastJob = counts[0]
	}
	if len(counts) == 3 {
		t.SlotsDefault = counts[1]
	}
	t.JobSlots = counts[len(counts)-1]
}

// termResReq reads what jobs need that do not say. Memory is of the whole job, unless it is for each task.
func termResReq(p *parser, v value, t *queue.Terms) {
	many, err := lsfbridge.ParseResReq(v.text, maxJobSlots, maxJobSlots, queue.Need{})
	one, err1 := lsfbridge.ParseResReq(v.text, 1, 1, queue.Need{})
	if err != nil || err1 != nil {
		p.refuse(v.at, "RES_REQ = %s: want select[mem>n], rusage[mem=n:ngpus=n], span[hosts=1], span[ptile=n] or order[…]", show(v.text))
		return
	}
	if t.NeedDefault = many; many.MemMiB != one.MemMiB { // it depends on the number of slots: it is of the whole job
		t.NeedDefault.MemMiB, t.MemDefault = 0, one.MemMiB
	}
}

func termRequeueExit(p *parser, v value, t *queue.Terms) {
	set, err := queue.ParseExitSet(v.text)
	if err != nil {
		p.refuse(v.at, "REQUEUE_EXIT_VALUES = %s: %v", show(v.text), err)
		return
	}
	t.RequeueExit = set
}

// limitForm says how a limit is written.
func limitForm(key string) string {
	switch key {
	case "CPULIMIT":
		return "each [HOURS:]MINUTES of at least one minute"
	case "PROCESSLIMIT", "THREADLIMIT":
		return "each a whole number from 1 on"
	case "CORELIMIT":
		return "each in KB or with a unit (2G), 0 for none"
	}
	return "each in KB, at least 1, or with a unit (2G)"
}

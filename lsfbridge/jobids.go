package lsfbridge

import (
	"strings"

	"sluice/queue"
)

// maxSelectors is the most job ids of one command line.
const maxSelectors = 10_000

// JobSelector is one job id argument: a job, a whole array or some elements of one.
type JobSelector struct {
	Text   string // as it was written
	Job    int64
	Ranges []queue.Range // nil = the job, or the whole array
}

// ParseJobSelector reads "12", "12[3]" or "12[1-5,9]".
func ParseJobSelector(text string) (JobSelector, error) {
	number, list, isElement := strings.Cut(text, "[")
	id, err := queue.ParseID(number)
	if err != nil {
		return JobSelector{}, Refusal(printable(text) + ": Illegal job ID.")
	}
	s := JobSelector{Text: text, Job: id.Job}
	if !isElement {
		return s, nil
	}
	list, closed := strings.CutSuffix(list, "]")
	if len(list) <= maxArrayBytes && closed {
		if s.Ranges, err = parseIndexList(list); err == nil {
			return s, nil
		}
	}
	return JobSelector{}, Refusal(printable(text) + ": Bad job array index list.")
}

// ID is what to ask the batch system for: the element if there is just one, else the job.
func (s JobSelector) ID() queue.ID {
	if len(s.Ranges) == 1 && s.Ranges[0].First == s.Ranges[0].Last {
		return queue.ID{Job: s.Job, Index: s.Ranges[0].First}
	}
	return queue.ID{Job: s.Job}
}

// Matches reports whether the argument names a job.
func (s JobSelector) Matches(id queue.ID) bool {
	return id.Job == s.Job && (s.Ranges == nil || hasIndex(s.Ranges, id.Index))
}

// Elements calls each with the ids that the argument names, once for a job or a whole array, until each returns false.
func (s JobSelector) Elements(each func(queue.ID) bool) {
	if s.Ranges == nil {
		each(queue.ID{Job: s.Job})
		return
	}
	for _, r := range s.Ranges {
		for i := r.First; i <= r.Last; i += r.Step {
			if !each(queue.ID{Job: s.Job, Index: i}) {
				return
			}
		}
	}
}

func hasIndex(ranges []queue.Range, index int) bool {
	for _, r := range ranges {
		if index >= r.First && index <= r.Last && (index-r.First)%r.Step == 0 {
			return true
		}
	}
	return false
}

// parseSelectors reads job id arguments; zero reports that one of them is 0, which stands for all jobs.
func parseSelectors(words []string) (selectors []JobSelector, zero bool, err error) {
	if len(words) > maxSelectors {
		return nil, false, Refusal("Too many job IDs.")
	}
	for _, word := range words {
		if word == "0" {
			zero = true
			continue
		}
		s, err := ParseJobSelector(word)
		if err != nil {
			return nil, false, err
		}
		selectors = append(selectors, s)
	}
	return selectors, zero, nil
}

// parseNameFilter reads the name of -J: a name, "prefix*", or name[index list] for some elements.
func parseNameFilter(text string) (name string, ranges []queue.Range, err error) {
	at := strings.LastIndexByte(text, '[')
	if at < 0 || !strings.HasSuffix(text, "]") {
		if len(text) > maxNameBytes {
			return "", nil, badJobName
		}
		return text, nil, nil
	}
	name, array, err := ParseJobName(text)
	if err != nil {
		return "", nil, err
	}
	return name, array.Ranges, nil
}

package lsfbridge

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"sluice/queue"
)

// Limits of job names and index lists.
const (
	maxNameBytes  = 255
	maxArrayBytes = 4096
	maxIndex      = 1<<31 - 1
	// maxUntangled is how many elements a list of interleaved ranges may have, because those are sorted one by one.
	maxUntangled = 1_000_000
)

// The refusals of a job name; bsub adds that the job was not submitted.
const (
	badJobName    = Refusal("Bad job name")
	indexTooLarge = Refusal("Job array index too large")
)

// ParseJobName reads bsub's -J: a name, or name[index list] with an optional %limit. The array is nil for a plain name;
// its ranges are sorted and do not overlap.
func ParseJobName(spec string) (name string, array *queue.Array, err error) {
	name, list, isArray := strings.Cut(spec, "[")
	if len(name) > maxNameBytes || len(spec) > maxArrayBytes || !utf8.ValidString(spec) || strings.ContainsFunc(name, isBreak) {
		return "", nil, badJobName
	}
	if !isArray {
		return name, nil, nil
	}
	list, limit, closed := strings.Cut(list, "]")
	if !closed {
		return "", nil, badJobName
	}
	ranges, err := parseIndexList(list)
	if err != nil {
		return "", nil, err
	}
	array = &queue.Array{Ranges: ranges}
	if limit == "" {
		return name, array, nil
	}
	digits, ok := strings.CutPrefix(limit, "%")
	if array.Limit, err = parseCount(digits); !ok || err != nil {
		return "", nil, badJobName
	}
	return name, array, nil
}

// isBreak is what no job name may hold: it would end a line of a table.
func isBreak(r rune) bool { return isControl(r) || r == '\t' || r == '\u2028' || r == '\u2029' }

// FormatJobName is the shortest spec that ParseJobName reads as name and array.
func FormatJobName(name string, array *queue.Array) string {
	if array == nil {
		return name
	}
	spec := append([]byte(name), '[')
	for i, r := range array.Ranges {
		if i > 0 {
			spec = append(spec, ',')
		}
		spec = strconv.AppendInt(spec, int64(r.First), 10)
		if r.Last == r.First {
			continue
		}
		spec = strconv.AppendInt(append(spec, '-'), int64(r.Last), 10)
		if r.Step != 1 {
			spec = strconv.AppendInt(append(spec, ':'), int64(r.Step), 10)
		}
	}
	spec = append(spec, ']')
	if array.Limit > 0 {
		spec = strconv.AppendInt(append(spec, '%'), int64(array.Limit), 10)
	}
	return string(spec)
}

// parseIndexList reads "1,3,5-9:2".
func parseIndexList(list string) ([]queue.Range, error) {
	var ranges []queue.Range
	for item := range strings.SplitSeq(list, ",") {
		r, err := parseRange(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, r)
	}
	return untangle(ranges)
}

func parseRange(item string) (r queue.Range, err error) {
	span, step, hasStep := strings.Cut(item, ":")
	first, last, hasLast := strings.Cut(span, "-")
	if r.First, err = parseCount(first); err != nil {
		return r, err
	}
	r.Last, r.Step = r.First, 1
	if hasLast {
		if r.Last, err = parseCount(last); err != nil {
			return r, err
		}
	}
	if hasStep {
		if r.Step, err = parseCount(step); err != nil {
			return r, err
		}
	}
	if r.Last < r.First || hasStep && !hasLast {
		return r, badJobName
	}
	return canonical(r), nil
}

// canonical ends a range at its last element, so that equal index sets compare equal.
func canonical(r queue.Range) queue.Range {
	r.Last -= (r.Last - r.First) % r.Step
	if r.Last == r.First {
		r.Step = 1
	}
	return r
}

// parseCount reads a number from 1 to maxIndex, digits only.
func parseCount(digits string) (int, error) {
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, badJobName
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil || n > maxIndex:
		return 0, indexTooLarge
	case n < 1:
		return 0, badJobName
	}
	return int(n), nil
}

// untangle sorts ranges and, where some interleave, lists their elements anew.
func untangle(ranges []queue.Range) ([]queue.Range, error) {
	slices.SortFunc(ranges, func(a, b queue.Range) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last))
	})
	apart := true
	elements := 0
	for i, r := range ranges {
		apart = apart && (i == 0 || ranges[i-1].Last < r.First)
		elements += (r.Last-r.First)/r.Step + 1
	}
	if apart {
		return ranges, nil
	}
	if elements > maxUntangled {
		return nil, indexTooLarge
	}
	indices := make([]int, 0, elements)
	for _, r := range ranges {
		for i := r.First; i <= r.Last; i += r.Step {
			indices = append(indices, i)
		}
	}
	slices.Sort(indices)
	return runs(slices.Compact(indices)), nil
}

// runs packs sorted indices into ranges of at least three, or of two neighbours.
func runs(indices []int) []queue.Range {
	var ranges []queue.Range
	for i := 0; i < len(indices); {
		end := i + 1
		step := 1
		if end < len(indices) {
			step = indices[end] - indices[i]
			for end < len(indices) && indices[end]-indices[end-1] == step {
				end++
			}
		}
		if end-i == 2 && step > 1 {
			end = i + 1
		}
		ranges = append(ranges, canonical(queue.Range{First: indices[i], Last: indices[end-1], Step: step}))
		i = end
	}
	return ranges
}

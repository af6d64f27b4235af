package lsfbridge

import (
	"fmt"
	"strings"
)

// ParamQuery is a parsed bparams command line.
type ParamQuery struct{ Long bool }

var paramsGrammar = newGrammar("bparams", "a l", false)

// ParseParamQuery reads a bparams command line.
func ParseParamQuery(args []string) (*ParamQuery, error) {
	options, words, err := paramsGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	if len(words) > 0 {
		return nil, &UsageError{Command: "bparams"}
	}
	return &ParamQuery{Long: len(options) > 0}, nil // -a is all of -l
}

// Summary holds the facts of plain bparams; the intervals are in seconds.
type Summary struct {
	DefaultQueues string

	Dispatch, Checking, Accepting int
}

// PrintSummary is what plain bparams prints.
func PrintSummary(s Summary) string {
	return fmt.Sprintf("Default Queues:  %s\nJob Dispatch Interval:  %d seconds\nJob Checking Interval:  %d seconds\nJob Accepting Interval:  %d seconds\n",
		printable(s.DefaultQueues), s.Dispatch, s.Checking, s.Accepting)
}

// ParseSummary reads what plain bparams prints.
func ParseSummary(text string) (s Summary, err error) {
	name, rest, ok := strings.Cut(strings.TrimPrefix(text, "Default Queues:  "), "\n")
	s.DefaultQueues = name
	if ok {
		_, err = fmt.Sscanf(rest, "Job Dispatch Interval:  %d seconds\nJob Checking Interval:  %d seconds\nJob Accepting Interval:  %d seconds\n",
			&s.Dispatch, &s.Checking, &s.Accepting)
	}
	if err != nil || !ok {
		return Summary{}, fmt.Errorf("parse bparams %q: want four lines, %w", text, err)
	}
	return s, nil
}

// Param is a paragraph of bparams -l: what a parameter is about, and the parameter with its value as printed. Paragraphs
// without a parameter just say something.
type Param struct {
	About, Name, Value string
}

// PrintParams is what bparams -l prints.
func PrintParams(params []Param) string {
	var b strings.Builder
	b.WriteByte('\n')
	for _, p := range params {
		b.WriteString(p.About + "\n")
		if p.Name != "" {
			fmt.Fprintf(&b, "    %s = %s\n", p.Name, printable(p.Value))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// ParseParams reads what bparams -l prints.
func ParseParams(text string) ([]Param, error) {
	var params []Param
	for paragraph := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		about, assignment, found := strings.Cut(paragraph, "\n")
		p := Param{About: about}
		if found {
			if p.Name, p.Value, found = strings.Cut(strings.TrimPrefix(assignment, "    "), " = "); !found {
				return nil, fmt.Errorf("parse bparams paragraph %q: want name = value", paragraph)
			}
		}
		params = append(params, p)
	}
	return params, nil
}

package conf

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Limits of a file.
const (
	MaxFileBytes = 4 << 20
	maxLineBytes = 64 << 10 // with its continuations
	maxSections  = 10_000
	maxEntries   = 100_000 // rows of a table, keywords of a section
	maxColumns   = 256
)

// section is one Begin … End. It holds one entry of keywords and values, or as many as its table has rows.
type section struct {
	name    string
	at      place
	entries []entry
}

type entry struct {
	at     place
	values []value
	within place // its section
}

// value is what a keyword, or a column, says; text is "" where it says nothing: "-", "()" or an empty value.
type value struct {
	key  string // in capitals
	text string
	at   place
	word string // key as written
}

// logical is a line with its continuations, without its comment.
type logical struct {
	text string
	at   place
}

// branches are lines by which LSF leaves out parts of a file, or takes another one in. They look like comments.
var branches = regexp.MustCompile(`(?i)^#\s*(if\s+time\s*\(|(ifdef|ifndef|include)\s+\S+\s*$|endif\s*$)`)

// scan finds the sections of a file. What is wrong is reported, and left out.
func scan(file string, data []byte, r *report) []section {
	whole := place{file: file}
	switch {
	case len(data) > MaxFileBytes:
		r.refuse(whole, "%d bytes, at most %d are read", len(data), MaxFileBytes)
		return nil
	case !utf8.Valid(data):
		r.refuse(whole, "not text in UTF-8")
		return nil
	}
	var sections []section
	var open *section
	var rest []logical
	for _, l := range joinLines(file, data, r) {
		words := strings.Fields(l.text)
		begins, ends := strings.EqualFold(words[0], "begin"), strings.EqualFold(words[0], "end")
		switch {
		case (begins || ends) && len(words) != 2:
			r.refuse(l.at, "%s: want the name of a section after it, and nothing else", show(l.text))
		case begins && open != nil:
			r.refuse(l.at, "section %s begins, but %s of line %d has not ended: want End %s", show(words[1]), open.name, open.at.line, open.name)
			return sections
		case begins && len(sections) == maxSections:
			r.refuse(l.at, "more than %d sections", maxSections)
			return sections
		case begins:
			open, rest = &section{name: show(words[1]), at: l.at}, nil
		case ends && (open == nil || !strings.EqualFold(words[1], open.name)):
			r.refuse(l.at, "End %s without its Begin", show(words[1]))
		case ends:
			open.fill(rest, r)
			sections = append(sections, *open)
			open = nil
		case open == nil:
			r.refuse(l.at, "%s: outside of a section, want Begin NAME before it", show(l.text))
		default:
			rest = append(rest, l)
		}
	}
	if open != nil {
		r.refuse(open.at, "section %s does not end: want End %s", open.name, open.name)
	}
	return sections
}

// joinLines joins continued lines and drops comments and empty lines.
func joinLines(file string, data []byte, r *report) (lines []logical) {
	number := 0
	var joined logical
	continued := false
	for raw := range bytes.Lines(data) {
		number++
		text := string(raw)
		if branches.MatchString(strings.TrimSpace(text)) {
			r.refuse(place{file, number}, "%s: conditions and included files are not supported, write out what is to hold", show(strings.TrimSpace(text)))
			continue
		}
		text, more := strings.CutSuffix(strings.TrimSpace(withoutComment(text)), `\`)
		text = strings.TrimSpace(text)
		switch {
		case !continued:
			joined = logical{text, place{file, number}}
		case len(joined.text)+len(text) < maxLineBytes:
			joined.text += " " + text
		}
		if len(joined.text)+len(text) >= maxLineBytes || strings.IndexByte(text, 0) >= 0 {
			r.refuse(place{file, number}, "a line of more than %d bytes, or with a NUL byte", maxLineBytes)
			return lines
		}
		if continued = more; !continued && strings.TrimSpace(joined.text) != "" {
			lines = append(lines, joined)
		}
	}
	if continued && strings.TrimSpace(joined.text) != "" {
		lines = append(lines, joined)
	}
	return lines
}

// withoutComment cuts a line at the first # outside of double quotes.
func withoutComment(line string) string {
	quoted := false
	for i, c := range []byte(line) {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '#' && !quoted:
			return line[:i]
		}
	}
	return line
}

// fill takes a section's lines: KEYWORD = value each or, where the first is no such line, a table.
func (s *section) fill(lines []logical, r *report) {
	switch {
	case len(lines) == 0:
	case len(lines) > maxEntries:
		r.refuse(s.at, "section %s has more than %d lines", s.name, maxEntries)
	case strings.Contains(lines[0].text, "="):
		s.fillKeywords(lines, r)
	default:
		s.fillTable(lines, r)
	}
}

func (s *section) fillKeywords(lines []logical, r *report) {
	e := entry{at: s.at, within: s.at}
	seen := map[string]int{}
	for _, l := range lines {
		key, text, found := strings.Cut(l.text, "=")
		key = strings.TrimSpace(key)
		if !found || key == "" || len(strings.Fields(key)) != 1 {
			r.refuse(l.at, "%s: want KEYWORD = value", show(l.text))
			continue
		}
		name := strings.ToUpper(key)
		if first := seen[name]; first != 0 {
			r.refuse(l.at, "%s is set in line %d already", show(key), first)
			continue
		}
		seen[name] = l.at.line
		e.values = append(e.values, value{name, unwrap(strings.TrimSpace(text)), l.at, key})
	}
	s.entries = []entry{e}
}

func (s *section) fillTable(lines []logical, r *report) {
	head, ok := cells(lines[0].text)
	if !ok || len(head) > maxColumns {
		r.refuse(lines[0].at, "%s: want the names of columns, or KEYWORD = value", show(lines[0].text))
		return
	}
	for _, l := range lines[1:] {
		row, ok := cells(l.text)
		if !ok || len(row) != len(head) {
			r.refuse(l.at, "%s: want %d columns, one for each of %s; lists in (), - for none", show(l.text), len(head), show(strings.Join(head, " ")))
			continue
		}
		e := entry{at: l.at, within: s.at}
		for i, text := range row {
			e.values = append(e.values, value{strings.ToUpper(head[i]), unwrap(text), l.at, head[i]})
		}
		s.entries = append(s.entries, e)
	}
}

// cells splits a row at blanks outside of quotes and parentheses.
func cells(line string) (words []string, ok bool) {
	depth, quoted, start := 0, false, -1
	for i, c := range []byte(line + " ") {
		blank := c == ' ' || c == '\t' || c == '\r' || c == '\n'
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
		switch inside := quoted || depth > 0; {
		case depth < 0:
			return nil, false
		case blank && !inside && start >= 0:
			words = append(words, line[start:i])
			start = -1
		case !blank && start < 0:
			start = i
		}
	}
	return words, depth == 0 && !quoted && len(words) > 0
}

// unwrap takes the quotes, or the parentheses of a list, off a value; "-" and "()" are nothing.
func unwrap(text string) string {
	if len(text) >= 2 && (text[0] == '"' && text[len(text)-1] == '"' && strings.Count(text, `"`) == 2 ||
		text[0] == '(' && text[len(text)-1] == ')' && strings.Count(text, "(") == 1) {
		text = strings.TrimSpace(text[1 : len(text)-1])
	}
	if text == "-" {
		return ""
	}
	return text
}

package conf

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/queue"
)

// The files, beside lsf.cluster.NAME.
const (
	fileQueues  = "lsb.queues"
	fileParams  = "lsb.params"
	fileApps    = "lsb.applications"
	fileUsers   = "lsb.users"
	fileHosts   = "lsb.hosts"
	fileShared  = "lsf.shared"
	fileCluster = "lsf.cluster." // and the cluster's name
)

// Source is what to parse.
type Source struct {
	// Files are by name, without a directory. Those that are LSF's but not read here get a warning, others none.
	Files map[string][]byte
	// Members are the users of a Unix group; false = there is no such group. A nil Members knows none.
	Members func(group string) ([]string, bool)
}

// Config is what the files say. Zero fields: they say nothing.
type Config struct {
	Queues        []queue.QueueSpec // nil = there is no lsb.queues
	DefaultQueues []string          // in the order in which they are tried
	Apps          []queue.AppSpec
	DefaultApp    string
	Users         []queue.UserSpec // those with limits, and groups
	Cluster       string
	Admins        []string

	Project        string // of jobs that ask for none
	CleanPeriod    time.Duration
	MaxArray       int
	KillGrace      time.Duration
	PreExecRetries int
	MaxPending     int // jobs and elements in all
	MaxHostSlots   int // of one host

	Warnings []Problem // by file and line
}

// Reads reports whether a file of this name is read.
func Reads(name string) bool {
	switch name {
	case fileQueues, fileParams, fileApps, fileUsers, fileHosts, fileShared:
		return true
	}
	return strings.HasPrefix(name, fileCluster)
}

// Parse reads the files. The error is Problems.
func Parse(source Source) (*Config, error) {
	p := &parser{source: source, groups: map[string]*group{}, hostGroups: map[string]*hostGroup{}, warned: map[column]bool{}}
	for _, name := range slices.Sorted(maps.Keys(source.Files)) {
		if !Reads(name) && (strings.HasPrefix(name, "lsb.") || strings.HasPrefix(name, "lsf.")) {
			p.warn(place{file: name}, "Sluice does not read this file")
		}
	}
	p.users() // before those who name groups
	p.shared()
	p.hosts()
	p.queues()
	p.apps()
	p.params() // after the queues and applications, which it names
	if len(p.problems) > 0 {
		return nil, sorted(p.problems)
	}
	p.config.Warnings = sorted(p.warnings)
	return &p.config, nil
}

// sorted orders problems by file and line.
func sorted(problems []Problem) Problems {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if order := strings.Compare(a.File, b.File); order != 0 {
			return order
		}
		return a.Line - b.Line
	})
	return problems
}

// parser holds what is known while files are read.
type parser struct {
	report
	source     Source
	groups     map[string]*group
	hostGroups map[string]*hostGroup
	warned     map[column]bool
	config     Config
}

// sections are those of a file; ok is false where there is none.
func (p *parser) sections(file string) (sections []section, ok bool) {
	data, ok := p.source.Files[file]
	if !ok {
		return nil, false
	}
	return scan(file, data, &p.report), true
}

// keyword takes what a keyword says into a T.
type keyword[T any] func(p *parser, v value, to *T)

// take goes through the values of an entry. Those that say nothing leave the default.
func take[T any](p *parser, e entry, known map[string]keyword[T], unsupported map[string]bool, to *T) {
	for _, v := range e.values {
		set := known[v.key]
		switch {
		case v.text == "":
		case set != nil:
			set(p, v, to)
		default:
			p.without(e, v, unsupported[v.key])
		}
	}
}

// without warns of a keyword that has no effect; of a column once.
func (p *parser) without(e entry, v value, known bool) {
	once := column{e.within, v.key}
	if p.warned[once] {
		return
	}
	p.warned[once] = true
	if known {
		p.warn(v.at, "%s: not supported by Sluice, it has no effect", show(v.word))
	} else {
		p.warn(v.at, "%s: unknown keyword, it has no effect", show(v.word))
	}
}

// column is a keyword of a section.
type column struct {
	section place
	key     string
}

// noEffect is a keyword that asks for what is so anyway, or only then for something that is not supported.
func noEffect[T any](as string) keyword[T] {
	return func(p *parser, v value, _ *T) {
		if !strings.EqualFold(v.text, as) {
			p.warn(v.at, "%s = %s: not supported by Sluice, which does as with %s", v.word, show(v.text), as)
		}
	}
}

// integer is a whole number within limits; ok is false where it is not, which is reported.
func (p *parser) integer(v value, least, most int) (n int, ok bool) {
	n, err := strconv.Atoi(v.text)
	if err != nil || n < least || n > most {
		p.refuse(v.at, "%s = %s: want a whole number from %d to %d", v.key, show(v.text), least, most)
		return 0, false
	}
	return n, true
}

// number makes a keyword of a whole number within limits.
func number[T any](least, most int, field func(*T) *int) keyword[T] {
	return func(p *parser, v value, to *T) {
		if n, ok := p.integer(v, least, most); ok {
			*field(to) = n
		}
	}
}

// seconds makes a keyword of a time in seconds.
func seconds[T any](least int, field func(*T) *time.Duration) keyword[T] {
	return func(p *parser, v value, to *T) {
		if n, ok := p.integer(v, least, maxNumber); ok {
			*field(to) = time.Duration(n) * time.Second
		}
	}
}

// yes reads Y or N.
func (p *parser) yes(v value) bool {
	switch strings.ToLower(v.text) {
	case "y", "yes":
		return true
	case "n", "no":
	default:
		p.refuse(v.at, "%s = %s: want Y or N", v.key, show(v.text))
	}
	return false
}

// maxNumber is the largest number of a keyword.
const maxNumber = 1<<31 - 2

// words makes a set of names that are separated by blanks.
func words(text string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		set[word] = true
	}
	return set
}

package lsfbridge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrVersion reports -V: the version is asked for, nothing else is to be done.
var ErrVersion = errors.New("version asked for")

// UsageError is a command line that LSF answers with a command's usage, exit code 255. Text is the line above it, or empty
// (as for -h).
type UsageError struct {
	Command string
	Text    string
	Stdout  bool // Text goes to standard output
}

func (e *UsageError) Error() string {
	if e.Text == "" {
		return e.Command + ": usage asked for"
	}
	return e.Text
}

// Refusal is a command line that LSF refuses in one line. Its text is that line.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// grammar is the option table of one command: names without the dash, those ending in ":" take an argument.
type grammar struct {
	command string
	options []string
	// stopAtWord ends the options at the first word that is none, as bsub must; the others take options anywhere.
	stopAtWord bool
}

func newGrammar(command, options string, stopAtWord bool) grammar {
	return grammar{command: command, options: strings.Fields("h V " + options), stopAtWord: stopAtWord}
}

// given is one option of a command line.
type given struct{ name, value string }

// find says whether the table has an option, and whether it takes an argument.
func (g grammar) find(name string) (takes, found bool) {
	if slices.Contains(g.options, name) {
		return false, true
	}
	return true, slices.Contains(g.options, name+":")
}

// parse splits a command line as LSF's own getopt does: an option may be a single dash with several letters; a word that
// is no option name is a cluster of one-letter options, the last of which may have its argument attached (-lp, -n4).
func (g grammar) parse(args []string) (options []given, words []string, err error) {
	for i := 0; i < len(args); i++ {
		word := args[i]
		switch {
		case word == "--":
			words = append(words, args[i+1:]...)
			return g.finish(options, words)
		case len(word) < 2 || word[0] != '-':
			if g.stopAtWord {
				words = append(words, args[i:]...)
				return g.finish(options, words)
			}
			words = append(words, word)
		default:
			found, used, err := g.cluster(word[1:], args[i+1:])
			if err != nil {
				return nil, nil, err
			}
			options = append(options, found...)
			i += used
		}
	}
	return g.finish(options, words)
}

// finish answers -h and -V, which win over everything else that is well formed.
func (g grammar) finish(options []given, words []string) ([]given, []string, error) {
	for _, o := range options {
		switch o.name {
		case "h":
			return nil, nil, &UsageError{Command: g.command}
		case "V":
			return nil, nil, ErrVersion
		}
	}
	return options, words, nil
}

// cluster reads one word without its dash; used is the number of following words that it took as arguments.
func (g grammar) cluster(word string, following []string) (options []given, used int, err error) {
	for rest := word; rest != ""; {
		name := rest
		takes, found := g.find(name)
		if !found || len(options) > 0 {
			name = rest[:1]
			takes, found = g.find(name)
		}
		if !found {
			return nil, 0, g.illegal(word, name)
		}
		rest = rest[len(name):]
		switch {
		case !takes:
			options = append(options, given{name: name})
			continue
		case rest != "":
			return append(options, given{name, rest}), 0, nil
		case len(following) == 0:
			return nil, 0, g.missing(name)
		default:
			return append(options, given{name, following[0]}), 1, nil
		}
	}
	return options, 0, nil
}

// illegal and missing speak like bsub's own parser there and like the C library elsewhere, as the recorded commands do.
func (g grammar) illegal(word, letter string) error {
	if g.stopAtWord {
		return &UsageError{Command: g.command, Text: fmt.Sprintf("%s: illegal option -- %s", g.command, printable(word))}
	}
	return &UsageError{Command: g.command, Text: fmt.Sprintf("%s: invalid option -- '%s'", g.command, printable(letter))}
}

func (g grammar) missing(name string) error {
	if g.stopAtWord {
		return &UsageError{Command: g.command, Text: fmt.Sprintf("%s: option requires an argument -- %s", g.command, name)}
	}
	return &UsageError{Command: g.command, Text: fmt.Sprintf("%s: option requires an argument -- '%s'", g.command, name)}
}

// printable replaces the control characters of text that came from a user and goes to a terminal.
func printable(s string) string {
	if strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return '?'
		}
		return r
	}, s)
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 }

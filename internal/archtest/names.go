package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// emptyNames are names of packages that say nothing about what is in them.
var emptyNames = []string{
	"util", "utils", "common", "helper", "helpers", "type", "types", "model", "models", "misc", "shared", "base", "lib",
}

func checkNames(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		if slices.Contains(emptyNames, p.Name) {
			found = append(found, Finding{Path: p.Path, Text: fmt.Sprintf("package name %s says nothing", p.Name)})
		}
		if strings.ToLower(p.Name) != p.Name || strings.Contains(p.Name, "_") {
			found = append(found, Finding{Path: p.Path, Text: fmt.Sprintf("package name %s is not one lower case word", p.Name)})
		}
	}
	return found
}

// foreignWords are words that do not belong in a subtree, in lower case.
var foreignWords = []struct {
	folder string
	words  []string
}{
	{"framework", []string{
		"lsf", "lsb", "openlava", "lsid", "lsload", "lshosts", "bsub", "bjobs", "bkill", "bqueues", "bhosts", "bstop", "bresume",
		"bpeek", "bhist", "bacct", "bmod", "brequeue", "bswitch", "bparams", "busers", "badmin", "sbatchd", "mbatchd",
	}},
	{"lsfbridge", []string{
		"mesos", "minimesos", "mesosphere", "offer", "offers", "rescind", "zookeeper", "agent", "agents", "slaveid",
	}},
}

// checkWords looks at identifiers and strings. Comments may name the other side to explain.
func checkWords(t *Tree) []Finding {
	var found []Finding
	for _, side := range foreignWords {
		for _, p := range t.Packages {
			if !p.under(side.folder) {
				continue
			}
			for _, file := range p.sources() {
				found = append(found, wordsIn(t, file, side.words)...)
			}
		}
	}
	return found
}

func wordsIn(t *Tree, file *File, words []string) []Finding {
	var found []Finding
	look := func(pos token.Pos, text string) {
		for _, word := range splitWords(text) {
			if slices.Contains(words, word) {
				found = append(found, t.at(pos, "the word %q does not belong here", word))
				return
			}
		}
	}
	ast.Inspect(file.Syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false // the rule of imports has its own say
		case *ast.Ident:
			look(n.Pos(), n.Name)
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				look(n.Pos(), text)
			}
		}
		return true
	})
	return found
}

// splitWords splits at everything that is no letter and where a lower case letter meets an upper case one, or an
// acronym ends ("LSBJob" gives lsb and job), and gives the words in lower case.
func splitWords(text string) []string {
	var words []string
	runes := []rune(text)
	start := 0
	flush := func(end int) {
		if end > start {
			words = append(words, strings.ToLower(string(runes[start:end])))
		}
		start = end
	}
	for i, r := range runes {
		if !unicode.IsLetter(r) {
			flush(i)
			start = i + 1
			continue
		}
		if i == start || !unicode.IsUpper(r) {
			continue
		}
		nextLower := i+1 < len(runes) && unicode.IsLower(runes[i+1])
		if unicode.IsLower(runes[i-1]) || nextLower {
			flush(i)
		}
	}
	flush(len(runes))
	return words
}

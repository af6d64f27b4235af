package lsfbridge

import (
	"strings"
	"unicode/utf8"
)

// maxCommandBytes is the most bytes of a command or script.
const maxCommandBytes = 1 << 20

// ScriptOptions are the words of all #BSUB lines of a script, in order. A line counts where, after blanks, "#", blanks and
// "BSUB" follow, and an option comes next; words are quoted as in a shell, without expansions; a word that begins with "#"
// ends the line. The rest of a line after its last option is ignored.
func ScriptOptions(script string) []string {
	var words []string
	for line := range strings.Lines(script) {
		rest, ok := strings.CutPrefix(strings.TrimLeft(line, " \t"), "#")
		if !ok {
			continue
		}
		rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " \t"), "BSUB")
		rest = strings.TrimSpace(rest)
		if !ok || !strings.HasPrefix(rest, "-") {
			continue
		}
		words = append(words, optionsOnly(splitWords(rest))...)
	}
	return words
}

// IsScript says whether the text of a file that bsub was given as its command is to be read as a script: any text, or one with #BSUB
// options.
func IsScript(text string, anyText bool) bool {
	return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 && (anyText || len(ScriptOptions(text)) > 0)
}

// optionsOnly ends a #BSUB line at its first word that is neither an option nor the argument of one: there LSF's getopt
// stops too.
func optionsOnly(words []string) []string {
	for i := 0; i < len(words); i++ {
		word := words[i]
		if len(word) < 2 || word[0] != '-' || word == "--" {
			return words[:i]
		}
		_, used, err := submitGrammar.cluster(word[1:], words[i+1:])
		if err != nil {
			return words // the parse of the whole says what is wrong
		}
		i += used
	}
	return words
}

// splitWords splits one line as a shell does, without expansions, up to a comment.
func splitWords(line string) []string {
	var words []string
	var word strings.Builder
	inWord := false
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == '\'', quote == '"' && c != '\\':
			word.WriteByte(c)
		case c == '\\' && i+1 < len(line) && (quote == 0 || strings.IndexByte("\"\\$`", line[i+1]) >= 0):
			i++
			inWord = true
			word.WriteByte(line[i])
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		case c == '#' && !inWord:
			return words
		default:
			inWord = true
			word.WriteByte(c)
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}

// hasCommand reports a line that is neither empty nor a comment.
func hasCommand(script string) bool {
	for line := range strings.Lines(script) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return true
		}
	}
	return false
}

// JoinCommand makes the words of a command one shell command as bsub does: the first word stays as it is (it may be a whole
// shell command), the others are quoted so that blanks, quotes and parentheses survive; $, ;, | and other shell
// characters of a word without blanks keep their meaning.
func JoinCommand(words []string) string {
	var b strings.Builder
	for i, word := range words {
		switch {
		case i == 0:
			b.WriteString(word)
			continue
		case word == "":
			b.WriteString(` ""`)
		case !strings.ContainsAny(word, " \t\n"):
			b.WriteByte(' ')
			b.WriteString(escapeWord(word))
		case strings.ContainsAny(word, "\"$`\\"):
			b.WriteString(" '" + strings.ReplaceAll(word, "'", `'\''`) + "'")
		default:
			b.WriteString(` "` + word + `"`)
		}
	}
	return b.String()
}

// escapeWord escapes what a shell would take as quoting or grouping; a word that begins with $ is quoted whole.
func escapeWord(word string) string {
	if word[0] == '$' {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return wordEscaper.Replace(word)
}

var wordEscaper = strings.NewReplacer(`"`, `\"`, `'`, `\'`, `\`, `\\`, `(`, `\(`, `)`, `\)`)

package archtest

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

var (
	inlineLink    = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)`)
	referenceLink = regexp.MustCompile(`^\s{0,3}\[[^\]^]+\]:\s*<?([^\s>]+)>?`)
	htmlLink      = regexp.MustCompile(`(?:src|href|srcset)="([^"]+)"`)
	codeSpan      = regexp.MustCompile("`[^`]*`")
)

// checkLinks follows the relative links of the Markdown files. Links with a scheme and links within a file are not
// its concern.
func checkLinks(t *Tree) []Finding {
	var found []Finding
	for _, doc := range t.Docs {
		fenced := false
		for i, line := range strings.Split(doc.Text, "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				fenced = !fenced
				continue
			}
			if fenced {
				continue
			}
			for _, target := range linksIn(line) {
				if text := t.broken(doc.Path, target); text != "" {
					found = append(found, Finding{Path: doc.Path, Line: i + 1, Text: text})
				}
			}
		}
	}
	return found
}

func linksIn(line string) []string {
	line = codeSpan.ReplaceAllString(line, "")
	var targets []string
	for _, form := range []*regexp.Regexp{inlineLink, referenceLink, htmlLink} {
		for _, match := range form.FindAllStringSubmatch(line, -1) {
			targets = append(targets, match[1])
		}
	}
	return targets
}

// broken says what is wrong with a link, or "".
func (t *Tree) broken(from, target string) string {
	link, err := url.Parse(target)
	if err != nil {
		return fmt.Sprintf("link %s: %v", target, err)
	}
	if link.Scheme != "" || link.Host != "" || link.Path == "" {
		return ""
	}
	file := path.Join(path.Dir(from), link.Path)
	if strings.HasPrefix(link.Path, "/") {
		file = path.Clean(strings.TrimPrefix(link.Path, "/"))
	}
	if !t.files[file] {
		return fmt.Sprintf("link %s leads to no file", target)
	}
	return ""
}

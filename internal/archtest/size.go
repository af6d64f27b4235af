package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
)

// Limits of size, in lines.
const (
	maxFileLines = 600
	maxTestLines = 1000
	maxFuncLines = 70
)

func checkFileSize(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		for _, file := range p.Files {
			limit := maxFileLines
			if file.Test {
				limit = maxTestLines
			}
			if file.Lines > limit && !file.Generated {
				found = append(found, Finding{Path: file.Path, Line: file.Lines, Text: sizeText(file.Lines, limit)})
			}
		}
	}
	return found
}

func checkFuncSize(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		for _, file := range p.sources() {
			ast.Inspect(file.Syntax, func(n ast.Node) bool {
				name, ok := funcName(n)
				if !ok {
					return true
				}
				if lines := t.linesWithin(n); lines > maxFuncLines {
					found = append(found, t.at(n.Pos(), "%s: %s", name, sizeText(lines, maxFuncLines)))
					return false // what is nested in it is too long for the same reason
				}
				return true
			})
		}
	}
	return found
}

func funcName(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.FuncDecl:
		return n.Name.Name, true
	case *ast.FuncLit:
		return "function literal", true
	}
	return "", false
}

// linesWithin counts the lines between the one with `func` and the one with the closing brace.
func (t *Tree) linesWithin(n ast.Node) int {
	line := func(p token.Pos) int { return t.fset.Position(p).Line }
	return line(n.End()) - line(n.Pos()) - 1
}

func sizeText(lines, limit int) string {
	return fmt.Sprintf("%d lines, at most %d are allowed", lines, limit)
}

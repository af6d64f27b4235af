package archtest

import (
	"go/ast"
	"slices"
	"strings"
)

// skipper is the one package that may skip a test.
const skipper = "internal/testneed"

// checkSkips finds Skip, Skipf and SkipNow of the testing package, and skip commands in test scripts. The Skip of
// rapid, which only draws another case, is left alone.
func checkSkips(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		if p.Path == skipper {
			continue
		}
		for _, file := range p.Files {
			for _, decl := range file.Syntax.Decls {
				v := skipVisitor{tree: t, file: file, found: &found}
				ast.Walk(v, decl)
			}
		}
	}
	for _, note := range t.Notes {
		found = append(found, scriptSkips(note)...)
	}
	return found
}

// skipVisitor walks down a declaration and knows which names in scope are testing's.
type skipVisitor struct {
	tree    *Tree
	file    *File
	testing []string // names of parameters with a type of the testing package
	found   *[]Finding
}

// Visit looks at one node; below a function it goes on with the function's parameters in scope.
func (v skipVisitor) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.FuncDecl:
		return v.within(n.Type)
	case *ast.FuncLit:
		return v.within(n.Type)
	case *ast.CallExpr:
		v.call(n)
	}
	return v
}

func (v skipVisitor) within(fn *ast.FuncType) skipVisitor {
	names := slices.Clone(v.testing)
	for _, field := range fn.Params.List {
		of := v.ofTesting(field.Type)
		for _, name := range field.Names {
			names = slices.DeleteFunc(names, func(known string) bool { return known == name.Name })
			if of {
				names = append(names, name.Name)
			}
		}
	}
	v.testing = names
	return v
}

func (v skipVisitor) ofTesting(typ ast.Expr) bool {
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	sel, ok := typ.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, _ := v.file.selected(sel)
	return pkg == "testing"
}

func (v skipVisitor) call(n *ast.CallExpr) {
	sel, ok := n.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
		return
	}
	if id, ok := sel.X.(*ast.Ident); ok && slices.Contains(v.testing, id.Name) {
		*v.found = append(*v.found, v.tree.at(n.Pos(), "%s.%s: use %s", id.Name, sel.Sel.Name, skipper))
	}
}

// scriptSkips finds lines of a test script whose command is skip, behind conditions too.
func scriptSkips(note Doc) []Finding {
	var found []Finding
	for i, line := range strings.Split(note.Text, "\n") {
		if strings.HasPrefix(line, "-- ") && strings.HasSuffix(line, " --") {
			break // the script ends where its first file begins
		}
		words := strings.Fields(line)
		for len(words) > 0 && strings.HasPrefix(words[0], "[") {
			words = words[1:]
		}
		if len(words) > 0 && words[0] == "skip" {
			found = append(found, Finding{Path: note.Path, Line: i + 1, Text: "a test script may not skip"})
		}
	}
	return found
}

func checkSleeps(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		for _, file := range p.Files {
			if !file.Test {
				continue
			}
			ast.Inspect(file.Syntax, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if pkg, name := file.selected(sel); pkg == "time" && name == "Sleep" {
						found = append(found, t.at(n.Pos(), "a test may not sleep"))
					}
				}
				return true
			})
		}
	}
	return found
}

package archtest

import (
	"go/ast"
	"slices"
	"strings"
)

// purePackages decide and do nothing else.
var purePackages = []string{"controller/...", "queue", "queue/history", "framework/fleet", "internal/sim/..."}

// impureImports are packages with which a file reaches out of the process, or gets randomness that no seed repeats.
var impureImports = []string{
	"os/...", "net/...", "log/...", "syscall/...", "io/ioutil", "crypto/rand", "database/sql/...", "runtime/...", "unsafe",
}

// netValues are packages below net that only hold and parse values.
var netValues = []string{"net/netip", "net/url"}

// impureCalls are functions, by package, that read a clock, wait, or write to standard output.
var impureCalls = map[string][]string{
	"time": {"Now", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Since", "Until"},
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

// seededRand is what a pure package may use of math/rand and math/rand/v2: sources with a seed, and types. All the
// rest draws from the global source.
var seededRand = []string{
	"New", "NewPCG", "NewChaCha8", "NewZipf", "NewSource", "Rand", "Source", "Source64", "PCG", "ChaCha8", "Zipf",
}

func checkPurity(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		if !anyMatches(purePackages, p.Path) {
			continue
		}
		for _, file := range p.Files {
			if file.Test {
				continue
			}
			found = append(found, impureSpecs(t, file)...)
			found = append(found, impureCode(t, file)...)
		}
	}
	return found
}

func impureSpecs(t *Tree, file *File) []Finding {
	var found []Finding
	for _, spec := range file.Syntax.Imports {
		target := importPath(spec)
		if anyMatches(impureImports, target) && !slices.Contains(netValues, target) {
			found = append(found, t.at(spec.Pos(), "a pure package may not import %s", target))
		}
		if spec.Name != nil && spec.Name.Name == "." {
			found = append(found, t.at(spec.Pos(), "a pure package may not import %s without its name", target))
		}
	}
	return found
}

func impureCode(t *Tree, file *File) []Finding {
	var found []Finding
	ast.Inspect(file.Syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, t.at(n.Pos(), "a pure package may not start a goroutine"))
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") {
				found = append(found, t.at(n.Pos(), "a pure package may not print"))
			}
		case *ast.SelectorExpr:
			pkg, name := file.selected(n)
			global := strings.HasPrefix(pkg, "math/rand") && !slices.Contains(seededRand, name)
			if global || slices.Contains(impureCalls[pkg], name) {
				found = append(found, t.at(n.Pos(), "a pure package may not use %s.%s", pkg, name))
			}
		}
		return true
	})
	return found
}

// selected gives the import path and the name of a selector like time.Now, and "" where it does not select from an
// imported package. A variable that hides an import is taken for the import.
func (f *File) selected(sel *ast.SelectorExpr) (pkg, name string) {
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	return f.imports[id.Name], sel.Sel.Name
}

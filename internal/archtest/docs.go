package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
)

// checkPackageDoc wants the package comment in doc.go. A command in one file may carry it there, and a package that
// is generated as a whole needs none.
func checkPackageDoc(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		sources := p.sources()
		if len(sources) == 0 && !p.ships() {
			continue
		}
		documented := false
		for _, file := range sources {
			inDoc := path.Base(file.Path) == "doc.go"
			has := file.Syntax.Doc != nil
			documented = documented || has && (inDoc || p.Name == "main" && len(sources) == 1)
			if has && !inDoc && len(sources) > 1 {
				found = append(found, t.at(file.Syntax.Doc.Pos(), "package comment outside doc.go"))
			}
		}
		if !documented {
			found = append(found, Finding{Path: p.Path, Text: "no doc.go with a package comment"})
		}
	}
	return found
}

// selfEvident are methods whose meaning an interface of the standard library gives.
var selfEvident = []string{"Error", "Len", "Less", "Read", "ServeHTTP", "String", "Swap", "Unwrap", "Write"}

func checkExportedDoc(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		if p.Name == "main" {
			continue
		}
		for _, file := range p.sources() {
			for _, decl := range file.Syntax.Decls {
				for _, name := range undocumented(decl) {
					found = append(found, t.at(name.Pos(), "exported %s has no comment", name.Name))
				}
			}
		}
	}
	return found
}

// undocumented gives the exported names of a declaration that no comment covers. A comment above a group covers the
// constants and variables in it, but not its types.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Doc == nil && decl.Name.IsExported() && reachable(decl) {
			return []*ast.Ident{decl.Name}
		}
	case *ast.GenDecl:
		return undocumentedSpecs(decl)
	}
	return nil
}

func undocumentedSpecs(decl *ast.GenDecl) []*ast.Ident {
	var names []*ast.Ident
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			alone := decl.Lparen == token.NoPos && decl.Doc != nil
			if spec.Doc == nil && !alone && spec.Name.IsExported() {
				names = append(names, spec.Name)
			}
		case *ast.ValueSpec:
			if decl.Doc != nil || spec.Doc != nil || spec.Comment != nil {
				continue
			}
			for _, name := range spec.Names {
				if name.IsExported() {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// reachable says whether users of the package can call a function and need its comment to know what it does.
func reachable(decl *ast.FuncDecl) bool {
	if decl.Recv == nil {
		return true
	}
	return receiver(decl).IsExported() && !slices.Contains(selfEvident, decl.Name.Name)
}

// receiver gives the name of a method's type, without pointer and type parameters.
func receiver(decl *ast.FuncDecl) *ast.Ident {
	expr := decl.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e
		default:
			return ast.NewIdent("_")
		}
	}
}

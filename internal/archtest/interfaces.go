package archtest

import (
	"go/ast"
)

// maxMethods is the most that one consumer needs of another; more is two interfaces.
const maxMethods = 5

// checkInterfaces counts the methods of declared interfaces, those of embedded interfaces of the same package
// included; an embedded interface of another package counts as one. Constraints (unions of types) are left out.
func checkInterfaces(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		declared := map[string]*ast.InterfaceType{}
		var order []*ast.TypeSpec
		for _, file := range p.sources() {
			ast.Inspect(file.Syntax, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				if typ, ok := spec.Type.(*ast.InterfaceType); ok {
					declared[spec.Name.Name] = typ
					order = append(order, spec)
				}
				return true
			})
		}
		for _, spec := range order {
			n, constraint := methods(declared[spec.Name.Name], declared, 0)
			if !constraint && (n < 1 || n > maxMethods) {
				found = append(found, t.at(spec.Pos(), "interface %s has %d methods", spec.Name.Name, n))
			}
		}
	}
	return found
}

// methods counts; depth ends the recursion of source that does not compile.
func methods(typ *ast.InterfaceType, declared map[string]*ast.InterfaceType, depth int) (n int, constraint bool) {
	for _, field := range typ.Methods.List {
		switch elem := field.Type.(type) {
		case *ast.FuncType:
			n += len(field.Names)
		case *ast.BinaryExpr, *ast.UnaryExpr:
			return 0, true
		case *ast.Ident:
			inner, ok := declared[elem.Name]
			if !ok || depth > maxMethods {
				n++
				continue
			}
			more, isConstraint := methods(inner, declared, depth+1)
			n, constraint = n+more, constraint || isConstraint
		default:
			n++
		}
	}
	return n, constraint
}

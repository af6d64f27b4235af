package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// module is the module's path, the prefix of own imports.
const module = "sluice"

// Tree is the source of the module as parsed, without judgement. It is read-only after [Load].
type Tree struct {
	Packages []*Package // in order of their paths
	Docs     []Doc      // the Markdown files, in order of their paths
	Notes    []Doc      // other text files that rules read (test scripts), in order of their paths

	files map[string]bool // every regular file and folder, by path
	fset  *token.FileSet
}

// Package is one folder with Go files.
type Package struct {
	Path  string // relative to the module's root; "." for the root itself
	Name  string // the package's name, without _test
	Files []*File
}

// File is one Go file, of any build tag.
type File struct {
	Path      string // relative to the module's root
	Lines     int
	Test      bool // its name ends in _test.go
	Generated bool // it carries the "Code generated" mark or is named *.pb.go
	Syntax    *ast.File

	imports map[string]string // local name -> import path
}

// Doc is one text file.
type Doc struct {
	Path string
	Text string
}

// Finding is one place that breaks a rule.
type Finding struct {
	Path string // file, relative to the module's root, or a package's path
	Line int    // 0 where the finding is about the whole
	Text string
}

// String gives "path:line: text".
func (f Finding) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.Path, f.Text)
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Text)
}

// Load parses all Go files and reads all Markdown files below the root of fsys. It leaves out folders that the go
// command leaves out (testdata, vendor, names that begin with "." or "_", nested modules) and what make builds; test
// scripts in testdata are read as notes.
func Load(fsys fs.FS) (*Tree, error) {
	tree := &Tree{files: map[string]bool{}, fset: token.NewFileSet()}
	byPath := map[string]*Package{}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		tree.files[name] = true
		if entry.IsDir() {
			return tree.enter(fsys, name)
		}
		return tree.read(fsys, name, byPath)
	})
	if err != nil {
		return nil, fmt.Errorf("load source: %w", err)
	}
	for _, p := range byPath {
		tree.Packages = append(tree.Packages, p)
	}
	slices.SortFunc(tree.Packages, func(a, b *Package) int { return strings.Compare(a.Path, b.Path) })
	return tree, nil
}

// enter says whether the walk goes into a folder.
func (t *Tree) enter(fsys fs.FS, name string) error {
	base := path.Base(name)
	switch {
	case name == ".":
		return nil
	case name == "bin", name == "dist", base == "vendor", base == ".git":
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil && !inTestdata(name) {
		t.files[path.Join(name, "go.mod")] = true
		return fs.SkipDir
	}
	return nil
}

func (t *Tree) read(fsys fs.FS, name string, byPath map[string]*Package) error {
	hidden := inTestdata(name) || strings.Contains("/"+name, "/_") || strings.Contains("/"+name, "/.")
	switch ext := path.Ext(name); {
	case ext == ".go" && !hidden:
		return t.readGo(fsys, name, byPath)
	case ext == ".md" && !inTestdata(name):
		return readText(fsys, name, &t.Docs)
	case (ext == ".txtar" || ext == ".txt") && inTestdata(name):
		return readText(fsys, name, &t.Notes)
	}
	return nil
}

func readText(fsys fs.FS, name string, into *[]Doc) error {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	*into = append(*into, Doc{Path: name, Text: string(text)})
	return nil
}

func (t *Tree) readGo(fsys fs.FS, name string, byPath map[string]*Package) error {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	file := &File{
		Path:      name,
		Lines:     bytes.Count(text, []byte("\n")),
		Test:      strings.HasSuffix(name, "_test.go"),
		Generated: ast.IsGenerated(syntax) || strings.HasSuffix(name, ".pb.go"),
		Syntax:    syntax,
		imports:   localNames(syntax),
	}
	dir := path.Dir(name)
	if byPath[dir] == nil {
		byPath[dir] = &Package{Path: dir, Name: strings.TrimSuffix(syntax.Name.Name, "_test")}
	}
	byPath[dir].Files = append(byPath[dir].Files, file)
	return nil
}

// localNames maps the name by which a file calls an import to the import's path. An import without a name of its own
// is called by the last element of its path, a version suffix aside; a wrong guess for a foreign package harms
// nothing, for the rules ask for standard packages only.
func localNames(file *ast.File) map[string]string {
	names := map[string]string{}
	for _, spec := range file.Imports {
		target := importPath(spec)
		name := path.Base(target)
		if strings.HasPrefix(name, "v") && strings.Trim(name[1:], "0123456789") == "" {
			name = path.Base(path.Dir(target))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = target
	}
	return names
}

// importPath gives the path that a spec names. The parser has checked the quotes.
func importPath(spec *ast.ImportSpec) string {
	target, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic(fmt.Sprintf("archtest: parsed import %s is not quoted", spec.Path.Value))
	}
	return target
}

func inTestdata(name string) bool { return strings.Contains("/"+name+"/", "/testdata/") }

// at makes a finding of a position.
func (t *Tree) at(pos token.Pos, format string, args ...any) Finding {
	place := t.fset.Position(pos)
	return Finding{Path: place.Filename, Line: place.Line, Text: fmt.Sprintf(format, args...)}
}

// sources gives the files that people wrote and that ship: no tests, nothing generated.
func (p *Package) sources() []*File {
	return slices.DeleteFunc(slices.Clone(p.Files), func(f *File) bool { return f.Test || f.Generated })
}

// ships says whether the package has files that are no tests.
func (p *Package) ships() bool {
	return slices.ContainsFunc(p.Files, func(f *File) bool { return !f.Test })
}

// under says whether a package is the folder or one below it.
func (p *Package) under(folder string) bool {
	return p.Path == folder || strings.HasPrefix(p.Path, folder+"/")
}

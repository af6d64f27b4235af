// Package archtest holds the shape of the source tree as checks that run with the tests: who may import whom, what
// a pure package may not touch, how large files and functions may grow, what must be documented, which words belong
// to which side, and that the documentation links to files that exist.
//
// It reads the source itself (every build tag, no build) from an [io/fs.FS], so that the same checks run on the tree
// and on small bad trees in testdata, which show that each of them can fail.
//
// It is not a linter of style: that is golangci-lint's part, configured in .golangci.yml.
//
// Words:
//   - rule: one check with a name and the reason for it; [Rules] lists them all
//   - finding: one place that breaks a rule
//   - own import: a package of this module, named relative to the module's root ("queue/wire")
//   - foreign import: a package of another module
//
// To let a package import something new, change its line in the table of imports.go, with the reason in the commit.
package archtest

package archtest

// Rule is one check of the tree.
type Rule struct {
	Name  string // short, for the name of the subtest
	Why   string // one line, printed with the findings
	Check func(*Tree) []Finding
}

// Rules gives all rules, in the order in which they are reported.
func Rules() []Rule {
	return []Rule{
		{"imports", "each package imports what its line in the table of internal/archtest/imports.go allows", checkImports},
		{"purity", "pure packages get time, randomness and input as arguments and return effects as data", checkPurity},
		{"filesize", "a file holds one idea: at most 600 lines, tests 1000", checkFileSize},
		{"funcsize", "a function fits the eye: at most 70 lines", checkFuncSize},
		{"names", "packages are nouns of the domain", checkNames},
		{"doc", "each package has a doc.go with the package comment, in it alone", checkPackageDoc},
		{"exported", "each exported name is documented", checkExportedDoc},
		{"interfaces", "an interface has 1 to 5 methods", checkInterfaces},
		{"words", "LSF's words stay out of framework, Mesos's words out of lsfbridge", checkWords},
		{"skips", "a test skips only through internal/testneed, which fails it in CI instead", checkSkips},
		{"sleeps", "a test waits for a signal or polls a condition, it does not sleep", checkSleeps},
		{"links", "relative links in the documentation lead to files of this repository", checkLinks},
	}
}

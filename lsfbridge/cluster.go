package lsfbridge

import "fmt"

var clusterGrammar = newGrammar("lsid", "", false)

// ParseClusterQuery checks an lsid command line.
func ParseClusterQuery(args []string) error {
	_, words, err := clusterGrammar.parse(args)
	if err == nil && len(words) > 0 {
		return &UsageError{Command: "lsid"}
	}
	return err
}

// VersionLine is what -V prints on standard error, and lsid first.
func VersionLine(version string) string {
	return "sluice " + printable(version) + ", LSF command set 10.1"
}

// PrintCluster is what lsid prints.
func PrintCluster(version, name, master string) string {
	return fmt.Sprintf("%s\n\nMy cluster name is %s\nMy master name is %s\n", VersionLine(version), printable(name), printable(master))
}

package lsfbridge

import "strings"

// OfConfiguration reports that the order is about the configuration files.
func (o *AdminOrder) OfConfiguration() bool {
	return o.Command == "reconfig" || o.Command == "ckconfig"
}

// CheckingDenied is what both print on standard error for who is no administrator.
const CheckingDenied = "\nChecking configuration files ...\n\nFailed: User permission denied"

// Checked is what badmin ckconfig and badmin reconfig print of the configuration files: on which there may be fatal problems, with
// which nothing is reconfigured, and warnings. LSF asks whether to show them; here each is a line on standard error.
func (o *AdminOrder) Checked(problems, warnings []string) (stdout, stderr string) {
	verdict := "No errors found.\n\n"
	switch {
	case len(problems) > 0:
		verdict = "There are fatal errors.\n\n"
	case len(warnings) > 0:
		verdict = "There are warning errors.\n\n"
	}
	var b strings.Builder
	b.WriteString("\nChecking configuration files ...\n")
	if o.Command == "ckconfig" {
		b.WriteByte('\n')
	}
	for _, list := range [][]string{problems, warnings} {
		for _, line := range list {
			b.WriteString(printable(line) + "\n")
		}
	}
	if o.Command == "ckconfig" {
		return verdict, b.String()
	}
	b.WriteString(verdict)
	if len(problems) > 0 {
		b.WriteString("Reconfiguration aborted.\n")
		return "", b.String()
	}
	return "Reconfiguration initiated\n", b.String()
}

package lsfbridge

import (
	"fmt"
	"slices"

	"sluice/queue"
)

const (
	appHeader     = "APP_NAME            NJOBS     PEND      RUN     SUSP \n"
	appLongHeader = "   NJOBS     PEND      RUN    SSUSP    USUSP      RSV \n"
)

// AppQuery is a parsed bapp command line.
type AppQuery struct {
	Wide, Long bool
	Names      []string // nil = all
}

var appsGrammar = newGrammar("bapp", "w l alloc", false)

// ParseAppQuery reads a bapp command line.
func ParseAppQuery(args []string) (*AppQuery, error) {
	options, words, err := appsGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	q := &AppQuery{Names: words}
	for _, o := range options {
		switch o.name {
		case "w":
			q.Wide = true
		case "l":
			q.Long = true
		} // and -alloc: jobs are counted in slots anyway
	}
	if q.Wide && q.Long {
		return nil, &UsageError{Command: "bapp"}
	}
	return q, nil
}

// Select picks the applications that the query shows, in the order in which they were given. An unknown name, or that there is none,
// is a Refusal.
func (q *AppQuery) Select(apps []queue.AppInfo) ([]queue.AppInfo, error) {
	for _, name := range q.Names {
		if !slices.ContainsFunc(apps, func(a queue.AppInfo) bool { return a.Name == name }) {
			return nil, Refusal(ExplainName(name, queue.NoSuchApp))
		}
	}
	if len(apps) == 0 {
		return nil, Refusal("No application profiles found.")
	}
	return slices.DeleteFunc(slices.Clone(apps), func(a queue.AppInfo) bool {
		return len(q.Names) > 0 && !slices.Contains(q.Names, a.Name)
	}), nil
}

// PrintApps is what bapp prints, and with wide bapp -w.
func PrintApps(apps []queue.AppInfo, wide bool) []byte {
	b := []byte(appHeader)
	name := "%-15.15s"
	if wide {
		name = "%-15s"
	}
	for i := range apps {
		a := &apps[i]
		susp := a.SSusp + a.USusp
		b = fmt.Appendf(b, name+" %9d%9d%9d%9d\n", orDash(a.Name), a.Pend+a.Run+susp, a.Pend, a.Run, susp)
	}
	return b
}

// PrintLongApps is what bapp -l prints.
func PrintLongApps(apps []queue.AppInfo) []byte {
	var b []byte
	for i := range apps {
		if i > 0 {
			b = append(b, queueRule...)
		}
		b = appendLongApp(b, &apps[i])
	}
	return b
}

func appendLongApp(b []byte, a *queue.AppInfo) []byte {
	description := printable(a.Description)
	if description == "" {
		description = "No description provided."
	}
	b = fmt.Appendf(b, "\nAPPLICATION NAME: %s\n -- %s\n", orDash(a.Name), description)
	if a.Default {
		b = append(b, "This is the default application profile.\n"...)
	}
	b = append(b, "\nSTATISTICS:\n"+appLongHeader...)
	b = fmt.Appendf(b, "%8d%9d%9d%9d%9d%9d\n", a.Pend+a.Run+a.SSusp+a.USusp, a.Pend, a.Run, a.SSusp, a.USusp, 0)
	b = append(b, "\nPARAMETERS:\n"...)
	limits := a.Terms // an application's limits are what its jobs get that do not say
	limits.RunLimit, limits.Limits = a.RunDefault, a.DefaultLimits
	limits.RunDefault, limits.DefaultLimits = 0, queue.Limits{}
	b = appendTermLimits(b, &limits)
	if a.Nice != 0 {
		b = fmt.Appendf(b, "NICE:  %d\n", a.Nice)
	}
	rerunnable := ""
	switch {
	case a.Rerunnable:
		rerunnable = "RERUNNABLE: Y\n"
	case a.NotRerunnable:
		rerunnable = "RERUNNABLE: N\n"
	}
	return append(appendTerms(b, &a.Terms, rerunnable), '\n')
}

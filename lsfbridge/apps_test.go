package lsfbridge

import (
	"strings"
	"testing"
	"time"

	"sluice/queue"
)

func TestPrintApps(t *testing.T) {
	apps := []queue.AppInfo{
		{AppSpec: queue.AppSpec{Name: "fluent", NotRerunnable: true, Terms: queue.Terms{
			Description: "Flows\x1b", RunDefault: time.Hour, DefaultLimits: queue.Limits{MemKiB: 100}, JobSlots: 4, Nice: 5, PreExec: "license",
			JobStarter: "env A=1", NeedDefault: queue.Need{OneHost: true},
		}}, Pend: 3, Run: 2, SSusp: 1, USusp: 1},
		{AppSpec: queue.AppSpec{Name: "a_very_long_name", Terms: queue.Terms{Rerunnable: true}}, Default: true},
	}
	const header = "APP_NAME            NJOBS     PEND      RUN     SUSP \n"
	same(t, string(PrintApps(apps, false)), header+
		"fluent                  7        3        2        2\n"+
		"a_very_long_nam         0        0        0        0\n")
	if wide := string(PrintApps(apps, true)); !strings.Contains(wide, "\na_very_long_name ") {
		t.Error(wide)
	}
	same(t, string(PrintLongApps(apps)), `
APPLICATION NAME: fluent
 -- Flows?

STATISTICS:
   NJOBS     PEND      RUN    SSUSP    USUSP      RSV 
       7        3        2        1        1        0

PARAMETERS:

 RUNLIMIT                 PROCLIMIT              
 60.0 min                 4

 MEMLIMIT
      100 K
NICE:  5
PRE_EXEC:  license
RES_REQ:  span[hosts=1]
RERUNNABLE: N
JOB_STARTER:  env A=1

`+queueRule+`
APPLICATION NAME: a_very_long_name
 -- No description provided.
This is the default application profile.

STATISTICS:
   NJOBS     PEND      RUN    SSUSP    USUSP      RSV 
       0        0        0        0        0        0

PARAMETERS:
RERUNNABLE: Y

`)
}

func TestAppQuery(t *testing.T) {
	apps := []queue.AppInfo{{AppSpec: queue.AppSpec{Name: "a"}}, {AppSpec: queue.AppSpec{Name: "b"}}}
	for _, c := range []struct {
		args, want string
		apps       []queue.AppInfo
	}{
		{"", "a b", apps},
		{"-w b", "b", apps},
		{"-alloc b a", "a b", apps},
		{"b c", "c: No such application profile", apps},
		{"", "No application profiles found.", nil},
	} {
		q, err := ParseAppQuery(strings.Fields(c.args))
		if err != nil {
			t.Fatal(err)
		}
		shown, err := q.Select(c.apps)
		var names []string
		for _, a := range shown {
			names = append(names, a.Name)
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("bapp %s: %q, want %q", c.args, got, c.want)
		}
	}
	for _, args := range []string{"-l -w", "-h", "-x"} {
		if _, err := ParseAppQuery(strings.Fields(args)); err == nil {
			t.Errorf("bapp %s: no error", args)
		}
	}
}

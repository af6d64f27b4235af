package conf

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/queue"
)

// FuzzParse: whatever the files hold, the answer is a configuration that a queue can be made with, or problems of one line
// each that name the file.
func FuzzParse(f *testing.F) {
	read := func(parts ...string) string {
		data, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, parts...)...))
		if err != nil {
			f.Fatal(err)
		}
		return string(data)
	}
	for _, site := range []string{"openlava", "lsf10"} {
		f.Add(read(site, fileQueues), read(site, fileParams), read(site, fileUsers), "")
	}
	f.Add("Begin Queue\nQUEUE_NAME = a\nUSERS = all ~b\\\nc\nEnd Queue", "Begin Parameters\nDEFAULT_QUEUE = a\nEnd Parameters", "Begin UserGroup\nGROUP_NAME GROUP_MEMBER\na (a)\nEnd UserGroup", "Begin Application\nNAME = a\nRERUNNABLE = N\nRUNLIMIT = 1:0\nEnd Application")
	f.Add("Begin Queue\nQUEUE_NAME MEMLIMIT CORELIMIT\na (1 2) 0\nEnd Queue", "Begin X\nEnd X", "Begin User\nUSER_NAME\n\"a b\"\nEnd User", "Begin Application\nNAME TASKLIMIT MEMLIMIT\na (1 2) 5\na 3 0\nEnd Application")
	f.Add("Begin Queue\nQUEUE_NAME RES_REQ\na rusage[mem=5/task]\nEnd Queue", "Begin Parameters\nMAX_PEND_JOBS = 5\nEnd Parameters",
		"Begin UserGroup\nGROUP_NAME GROUP_MEMBER\ng (x web/)\nEnd UserGroup\nBegin User\nUSER_NAME MAX_JOBS\ng@ 3\ng 4\ndefault -\n() 5\nEnd User", "Begin Application\nPRE_EXEC = x\nEnd Application")
	f.Add("Begin Queue\nQUEUE_NAME HOSTS HJOB_LIMIT\na (all ~b c+2) 3\nEnd Queue", "Begin Parameters\nDEFAULT_APPLICATION = a\nEnd Parameters", "", "Begin Application\nNAME = a\nJOB_STARTER = x %USRCMD\nEnd Application")
	f.Fuzz(func(t *testing.T, queues, params, users, apps string) {
		config, err := Parse(Source{
			Files:   map[string][]byte{fileQueues: []byte(queues), fileParams: []byte(params), fileUsers: []byte(users), fileApps: []byte(apps)},
			Members: unixGroups,
		})
		if err != nil {
			problems, ok := errors.AsType[Problems](err)
			if !ok || len(problems) == 0 {
				t.Fatalf("%#v, want Problems", err)
			}
			for _, p := range problems {
				if line := p.String(); strings.ContainsAny(line, "\n\r") || !strings.HasPrefix(line, "lsb.") || len(line) > 1000 {
					t.Fatalf("problem %q", line)
				}
			}
			return
		}
		if _, err := queue.New(queue.Config{
			Queues: config.Queues, DefaultQueues: config.DefaultQueues, MaxArray: config.MaxArray, PreExecRetries: config.PreExecRetries,
			Apps: config.Apps, DefaultApp: config.DefaultApp, Users: config.Users, MaxPending: config.MaxPending, KeepFinished: config.CleanPeriod,
		}); err != nil {
			t.Fatal(err)
		}
	})
}

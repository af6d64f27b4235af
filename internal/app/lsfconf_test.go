package app

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/lsfbridge/conf"
	"sluice/queue"
)

// confDir is a directory with files of LSF.
func confDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What the flags say goes before the files; administrators are those of both.
func TestFlagsGoBeforeFiles(t *testing.T) {
	c := DefaultConfig()
	c.ConfDir = confDir(t, map[string]string{
		"lsb.queues":    "Begin Queue\nQUEUE_NAME = normal\nEnd Queue\n",
		"lsb.queues~":   "not read",
		"lsb.params":    "Begin Parameters\nCLEAN_PERIOD = 60\nMAX_JOB_ARRAY_SIZE = 7\nEnd Parameters\n",
		"lsf.cluster.x": "Begin ClusterAdmins\nAdministrators = carol\nEnd ClusterAdmins\n",
		"lsb.resources": "not read",
		"lsb.users":     "Begin User\nUSER_NAME MAX_JOBS\nann 5\nEnd User\n",
		"lsb.hosts":     "Begin Host\nHOST_NAME MXJ\ndefault 4\nEnd Host\n",
		"notes":         "not LSF's",
	})
	c.Admins, c.Weights = []string{"ann"}, map[string]float64{"normal": 3}
	s, files, err := c.batch()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Queue.Users) != 1 || s.Queue.Users[0].MaxSlots != 5 || c.hostSlots(files) != 4 {
		t.Errorf("users %+v, %d slots of a host", s.Queue.Users, c.hostSlots(files))
	}
	if s.Cluster != "x" || s.Queue.KeepFinished != time.Minute || s.Queue.MaxArray != 7 || !slices.Equal(s.Admins, []string{"ann", "carol"}) {
		t.Errorf("settings %+v", s)
	}
	if len(s.Queue.Queues) != 1 || s.Queue.Queues[0].Weight != 3 || !slices.Equal(s.Queue.DefaultQueues, []string{"normal"}) {
		t.Errorf("queues %+v, default %v", s.Queue.Queues, s.Queue.DefaultQueues)
	}
	if len(files.Warnings) != 1 || files.Warnings[0].File != "lsb.resources" {
		t.Errorf("warnings %v", files.Warnings)
	}
	c.Cluster, c.Queue.KeepFinished, c.Framework.Fleet.MaxHostSlots = "mine", time.Hour, 2
	if s, _, err = c.batch(); err != nil || s.Cluster != "mine" || s.Queue.KeepFinished != time.Hour || c.hostSlots(files) != 2 {
		t.Errorf("with flags: cluster %s, clean period %v, %v", s.Cluster, s.Queue.KeepFinished, err)
	}
}

func TestBadConfDir(t *testing.T) {
	c := DefaultConfig()
	c.StateDir = t.TempDir()
	c.ConfDir = confDir(t, map[string]string{"lsb.queues": "Begin Queue\nQUEUE_NAME = a\nPRIORITY = x\nNICE = 1\nUSERS = ~\nEnd Queue\n"})
	_, _, err := c.batch()
	if problems, ok := errors.AsType[conf.Problems](err); !ok || len(problems) != 2 {
		t.Errorf("problems %v, want two", err)
	}
	err = c.Validate()
	if queue.KindOf(err) != queue.KindInvalid || !strings.HasPrefix(err.Error(), "conf-dir "+c.ConfDir+": lsb.queues:3: PRIORITY = x: ") {
		t.Errorf("validate: %v", err)
	}
	c.ConfDir = filepath.Join(c.ConfDir, "none")
	if err := c.Validate(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such directory: %v", err)
	}
}

func TestUnixGroup(t *testing.T) {
	if _, ok := unixGroup("root"); !ok {
		t.Error("this machine has no group root")
	}
	if members, ok := unixGroup("no such group"); ok {
		t.Errorf("members %v of no group", members)
	}
}

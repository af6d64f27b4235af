package app

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sluice/lsfbridge/conf"
	"sluice/queue"
	"sluice/queue/daemon"
	"sluice/queue/wire"
)

const (
	maxConfFiles  = 1000
	maxGroupBytes = 16 << 20
	groupFile     = "/etc/group"
)

// batch is what of a configuration the batch daemon can take while it runs, with what LSF's files say; what the flags say goes
// first. The files are empty where there are none. The error is conf.Problems where one is wrong.
func (c *Config) batch() (daemon.Settings, *conf.Config, error) {
	s := daemon.Settings{Queue: c.Queue, Cluster: c.Cluster, Admins: slices.Clone(c.Admins)}
	files := &conf.Config{}
	if c.ConfDir != "" {
		source, err := readConf(c.ConfDir)
		if err != nil {
			return s, files, err
		}
		if files, err = conf.Parse(source); err != nil {
			return s, &conf.Config{}, err
		}
		merge(&s, files)
	}
	if err := c.weigh(&s.Queue); err != nil {
		return s, files, err
	}
	if err := c.profile(&s.Queue); err != nil {
		return s, files, err
	}
	if _, err := queue.New(s.Queue); err != nil {
		return s, files, invalid("%s", err.Error())
	}
	return s, files, nil
}

// hostSlots is the most slots of one host.
func (c *Config) hostSlots(files *conf.Config) int {
	return cmp.Or(c.Framework.Fleet.MaxHostSlots, files.MaxHostSlots)
}

// badConf says of a problem of LSF's files where these are.
func (c *Config) badConf(err error) error {
	if _, ok := errors.AsType[conf.Problems](err); ok {
		return invalid("conf-dir %s: %s", c.ConfDir, err.Error())
	}
	return err
}

// merge adds what files say to what flags say.
func merge(s *daemon.Settings, files *conf.Config) {
	q := &s.Queue
	if files.Queues != nil {
		q.Queues = files.Queues
	}
	q.DefaultQueues = files.DefaultQueues
	q.Apps, q.DefaultApp = files.Apps, files.DefaultApp
	q.KeepFinished = cmp.Or(q.KeepFinished, files.CleanPeriod)
	q.MaxArray = cmp.Or(q.MaxArray, files.MaxArray)
	q.PreExecRetries = cmp.Or(q.PreExecRetries, files.PreExecRetries)
	q.Users = files.Users
	q.MaxPending = cmp.Or(q.MaxPending, files.MaxPending)
	s.Cluster = cmp.Or(s.Cluster, files.Cluster)
	s.Admins = append(s.Admins, files.Admins...)
	s.Project = files.Project
	s.KillGrace = files.KillGrace
}

// weigh gives queues the weights of the flags.
func (c *Config) weigh(q *queue.Config) error {
	if len(c.Weights) == 0 {
		return nil
	}
	if len(q.Queues) == 0 {
		q.Queues = queue.DefaultQueues()
	}
	if err := checkWeights(q.Queues, c.Weights); err != nil {
		return err
	}
	q.Queues = slices.Clone(q.Queues)
	for i := range q.Queues {
		if weight, ok := c.Weights[q.Queues[i].Name]; ok {
			q.Queues[i].Weight = weight
		}
	}
	return nil
}

// readConf reads LSF's files in a directory. Of those that are not read just the names are taken along.
func readConf(dir string) (conf.Source, error) {
	source := conf.Source{Files: map[string][]byte{}, Members: unixGroup}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return source, fmt.Errorf("read conf-dir: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		isLSF := strings.HasPrefix(name, "lsb.") || strings.HasPrefix(name, "lsf.")
		switch {
		case !isLSF || entry.IsDir() || strings.HasSuffix(name, "~"):
			continue
		case len(source.Files) == maxConfFiles:
			return source, invalid("conf-dir %s: more than %d files of LSF", dir, maxConfFiles)
		}
		source.Files[name] = nil
		if conf.Reads(name) {
			if source.Files[name], err = readLimited(filepath.Join(dir, name), conf.MaxFileBytes+1); err != nil {
				return source, fmt.Errorf("read conf-dir: %w", err)
			}
		}
	}
	return source, nil
}

// readLimited reads at most so many bytes of a file.
func readLimited(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most))
	return data, errors.Join(err, f.Close())
}

// unixGroup is the members of a group of this machine.
func unixGroup(name string) ([]string, bool) {
	data, err := readLimited(groupFile, maxGroupBytes)
	if err != nil {
		return nil, false // as if there were none: the file that names it is refused
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxGroupBytes)
	for lines.Scan() {
		if fields := strings.Split(lines.Text(), ":"); len(fields) == 4 && fields[0] == name {
			return slices.DeleteFunc(strings.Split(fields[3], ","), func(user string) bool { return user == "" }), true
		}
	}
	return nil, false
}

// Reconfigure reads LSF's files anew and puts what they say in force, all of it or nothing; with checkOnly it only reads them.
// Problems of the files are part of the answer, not an error.
func (a *App) Reconfigure(ctx context.Context, checkOnly bool) (wire.Reconfigured, error) {
	var done wire.Reconfigured
	if a.given.ConfDir == "" {
		return done, invalid("no --conf-dir was given: there are no configuration files to read")
	}
	a.applying.Lock()
	defer a.applying.Unlock()
	settings, files, err := a.given.batch()
	done.Warnings = texts(files.Warnings)
	if slots := a.given.hostSlots(files); err == nil && slots != a.cfg.Framework.Fleet.MaxHostSlots {
		done.Warnings = append(done.Warnings, fmt.Sprintf("lsb.hosts: MXJ of hosts is %d after a restart", slots))
	}
	if problems, ok := errors.AsType[conf.Problems](err); ok {
		done.Problems = texts(problems)
		return done, nil
	}
	if err != nil || checkOnly {
		return done, err
	}
	if err := a.daemon.Reconfigure(ctx, settings); err != nil {
		return done, err
	}
	a.cfg.Queue = settings.Queue
	done.Applied = true
	if err := a.settings.reflag(context.WithoutCancel(ctx), flagsOf(&a.cfg)); err != nil {
		a.log.WithError(err).Warn("reconfigured; weights of queues that are no more are forgotten at the next start only")
	}
	a.log.WithField("queues", len(a.cfg.queues())).Info("reconfigured")
	return done, nil
}

// reload is Reconfigure for SIGHUP: the answer goes to the log.
func (a *App) reload(ctx context.Context) {
	done, err := a.Reconfigure(ctx, false)
	for _, text := range done.Warnings {
		a.log.Warn(text)
	}
	for _, text := range done.Problems {
		a.log.Error(text)
	}
	if err != nil || !done.Applied {
		a.log.WithError(err).Error("nothing was reconfigured")
	}
}

func texts(problems []conf.Problem) []string {
	out := make([]string, len(problems))
	for i, p := range problems {
		out[i] = p.String()
	}
	return out
}

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// scripts are the directories that jobs' scripts are in: one in the work dir, and, only when a job needs it, one in the
// system's directory of temporary files. A sandbox is often closed to all but the user of its task, and scripts are for the
// users of jobs. It is safe for concurrent use.
type scripts struct {
	own    string
	shared func() (string, error) // for other users

	mu   sync.Mutex
	lock *os.File // on the one in the system's directory, while the keeper lives
}

const scriptsPattern = "sluice-host-"

func newScripts(workDir string) (*scripts, error) {
	s := &scripts{}
	var err error
	if s.own, err = newScriptDir(workDir); err != nil {
		return nil, err
	}
	s.shared = sync.OnceValues(func() (string, error) {
		if reachable(workDir) {
			return s.own, nil
		}
		removeStale(os.TempDir())
		dir, err := newScriptDir(os.TempDir())
		if err != nil {
			return "", err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.lock, err = lockDir(dir); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
		return dir, nil
	})
	return s, nil
}

// of is where a script for an account is to be.
func (s *scripts) of(a *account) (string, error) {
	if a.own {
		return s.own, nil
	}
	return s.shared()
}

// remove removes them all. No script is made after it.
func (s *scripts) remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := []error{os.RemoveAll(s.own)}
	if s.lock != nil {
		errs = append(errs, os.RemoveAll(s.lock.Name()), s.lock.Close())
	}
	return errors.Join(errs...)
}

func newScriptDir(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, scriptsPattern)
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		return "", fmt.Errorf("make directory of job scripts: %w", err)
	}
	return dir, nil
}

func lockDir(dir string) (*os.File, error) {
	file, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("lock directory of job scripts: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock directory of job scripts: %w", err), file.Close())
	}
	return file, nil
}

// removeStale removes what keepers left that were killed: directories of ours that nobody holds the lock of. One that another
// keeper has just made and not yet locked is lost with them, and that keeper finds out when it locks it.
func removeStale(parent string) {
	found, err := filepath.Glob(filepath.Join(parent, scriptsPattern+"*"))
	if err != nil {
		return // tidying is not what we are here for
	}
	for _, dir := range found {
		var stat unix.Stat_t
		if unix.Lstat(dir, &stat) != nil || int(stat.Uid) != os.Getuid() {
			continue
		}
		if lock, err := lockDir(dir); err == nil {
			_ = os.RemoveAll(dir) // the next keeper tries again
			_ = lock.Close()      // only read from
		}
	}
}

// reachable says whether other users can enter a directory. A host that is not root has no other users.
func reachable(dir string) bool {
	if os.Getuid() != 0 {
		return true
	}
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode()&fs.FileMode(0o001) == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

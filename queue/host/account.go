package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// account is a user as jobs run.
type account struct {
	name   string
	uid    uint32
	gid    uint32
	groups []uint32
	home   string
	own    bool // this process's own user: nothing to switch
}

const (
	accountTTL    = time.Minute // how long a looked-up account is believed
	maxAccounts   = 10_000
	lookupTimeout = 10 * time.Second
)

// runHelper runs a program for its output; see keeper.help.
type runHelper func(ctx context.Context, argv ...string) ([]byte, error)

// accounts looks users up, and remembers them for a while. It is safe for concurrent use.
type accounts struct {
	ownUID int
	help   runHelper

	mu    sync.Mutex
	cache map[string]cachedAccount
}

type cachedAccount struct {
	account *account
	until   time.Time
}

func newAccounts(help runHelper) *accounts {
	return &accounts{ownUID: os.Getuid(), help: help, cache: map[string]cachedAccount{}}
}

// find gives the account that a job of the named user runs as, or why it may not run here.
func (a *accounts) find(name string) (*account, error) {
	if name == "" || strings.HasPrefix(name, "-") || strings.ContainsAny(name, ":/\x00\n") {
		return nil, fmt.Errorf("run job as %q: not the name of a user", name)
	}
	now := time.Now()
	a.mu.Lock()
	cached, ok := a.cache[name]
	a.mu.Unlock()
	if ok && now.Before(cached.until) {
		return cached.account, nil
	}
	found, err := a.lookup(name)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.cache) >= maxAccounts {
		clear(a.cache)
	}
	a.cache[name] = cachedAccount{found, now.Add(accountTTL)}
	return found, nil
}

func (a *accounts) lookup(name string) (*account, error) {
	found, err := a.local(name)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
		found, err = a.directory(name)
	}
	if err != nil {
		return nil, fmt.Errorf("run job as %s: %w", name, err)
	}
	found.own = int(found.uid) == a.ownUID
	if !found.own && a.ownUID != 0 {
		return nil, fmt.Errorf("run job as %s: this host runs as uid %d and not as root, so it runs that user's jobs only", name, a.ownUID)
	}
	return found, nil
}

// local looks in the files of this machine. A user who has no entry there but is our own (usual in containers) is found.
func (a *accounts) local(name string) (*account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		if number, convErr := strconv.Atoi(name); convErr == nil && number == a.ownUID {
			return &account{name: name, uid: uint32(a.ownUID), gid: uint32(os.Getgid()), home: os.TempDir()}, nil
		}
		return nil, err
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("look up groups: %w", err)
	}
	return newAccount(name, u.Uid, u.Gid, groups, u.HomeDir)
}

// directory asks the system's programs, which know the users of LDAP and the like; this program, being static, does not.
func (a *accounts) directory(name string) (*account, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	line, err := a.help(ctx, "getent", "passwd", name)
	fields := strings.Split(strings.TrimSpace(string(line)), ":")
	if err != nil || len(fields) < 7 || fields[0] != name {
		return nil, errors.New("no such user on this host")
	}
	groups, err := a.help(ctx, "id", "-G", name)
	if err != nil {
		return nil, fmt.Errorf("look up groups: %w", err)
	}
	return newAccount(name, fields[2], fields[3], strings.Fields(string(groups)), fields[5])
}

func newAccount(name, uid, gid string, groups []string, home string) (*account, error) {
	a := &account{name: name, home: home}
	if a.home == "" {
		a.home = "/"
	}
	ids := []*uint32{&a.uid, &a.gid}
	for i, text := range append([]string{uid, gid}, groups...) {
		id, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("look up user: id %q: %w", text, err)
		}
		if i < len(ids) {
			*ids[i] = uint32(id)
		} else {
			a.groups = append(a.groups, uint32(id))
		}
	}
	return a, nil
}

// as runs f with the account's rights on files. Only the thread that runs f changes, and only its file system identity, so
// the user can neither signal it nor look into it; with that identity the kernel takes root's powers over files away.
func (a *account) as(f func() error) error {
	if a.own {
		return f()
	}
	runtime.LockOSThread()
	if err := switchThread(a.uid, a.gid, a.groups); err != nil {
		// The thread stays locked: it ends with this goroutine and serves no other.
		return fmt.Errorf("take the rights of %s: %w", a.name, err)
	}
	err := f()
	if restoreErr := switchThread(uint32(os.Geteuid()), uint32(os.Getegid()), ownGroups()); restoreErr != nil {
		return errors.Join(err, fmt.Errorf("give back the rights of %s: %w", a.name, restoreErr))
	}
	runtime.UnlockOSThread()
	return err
}

// ownGroups are this process's supplementary groups, which nothing changes.
var ownGroups = sync.OnceValue(func() []uint32 {
	groups, err := os.Getgroups()
	if err != nil {
		return nil // fewer rights, never more
	}
	ids := make([]uint32, len(groups))
	for i, g := range groups {
		ids[i] = uint32(g)
	}
	return ids
})

// switchThread uses the raw system calls, which change one thread; those of package syscall change the whole process.
func switchThread(uid, gid uint32, groups []uint32) error {
	var list unsafe.Pointer
	if len(groups) > 0 {
		list = unsafe.Pointer(&groups[0]) //nolint:gosec // the kernel reads an array of ids
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(list), 0); errno != 0 {
		return errno
	}
	set := func(call uintptr, id uint32) bool {
		// These calls have no error: a second one, with an id that cannot be, tells the one in force.
		unix.RawSyscall(call, uintptr(id), 0, 0) //nolint:errcheck // see above
		now, _, _ := unix.RawSyscall(call, uintptr(^uint32(0)), 0, 0)
		return uint32(now) == id
	}
	if !set(unix.SYS_SETFSGID, gid) || !set(unix.SYS_SETFSUID, uid) {
		return unix.EPERM
	}
	return nil
}

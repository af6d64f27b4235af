package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/queue"
	"sluice/queue/wire"
)

func TestParseStat(t *testing.T) {
	p, err := parseStat(7, []byte("7 (a ) R 1 2 3) S 1 5 6 0 -1 4194560 4 0 0 0 3 4 5 6 20 0 2 0 4711 10240000 300 18446744073709551615 1 1\n"))
	want := process{
		pid: 7, ppid: 1, pgid: 5, sid: 6, start: 4711, swapKiB: 10000, rssKiB: int64(300 * os.Getpagesize() / 1024),
		cpu: 180 * time.Millisecond, threads: 2,
	}
	if err != nil || p != want {
		t.Errorf("%+v, %v", p, err)
	}
	own, err := readProcess(os.Getpid())
	if err != nil || own.ppid != os.Getppid() || own.rssKiB == 0 {
		t.Errorf("%+v, %v", own, err)
	}
	if _, err := readProcess(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such process: %v", err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (sh) S 1 5 6 0 -1 4194560 4 0 0 0 0 0 0 0 20 0 1 0 4711 10240000 300 1 1 1\n"))
	f.Add([]byte("7 (sh"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, stat []byte) {
		if _, err := parseStat(7, stat); err != nil && !errors.Is(err, errNoStat) {
			t.Error(err)
		}
	})
}

func FuzzFrame(f *testing.F) {
	for _, seed := range []*frame{
		{kind: frameConfig, text: "{}"},
		{kind: frameRenew, number: -5},
		{kind: frameStart, body: &wire.Start{Attempt: attemptOf(1).wire(), Command: "true", Env: []string{"A=b"}}},
		{kind: frameEnded, body: &wire.Ended{Attempt: attemptOf(1).wire(), ExitCode: 3}},
	} {
		data := make([]byte, seed.Size())
		if _, err := seed.MarshalToSizedBuffer(data); err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second frame
		if first.Unmarshal(data) != nil {
			return
		}
		again := make([]byte, first.Size())
		if _, err := first.MarshalToSizedBuffer(again); err != nil {
			t.Fatalf("encode %+v: %v", first, err)
		}
		if err := second.Unmarshal(again); err != nil {
			t.Fatalf("decode again: %v", err)
		}
		third := make([]byte, second.Size())
		if _, err := second.MarshalToSizedBuffer(third); err != nil || !slices.Equal(again, third) {
			t.Errorf("%q became %q (%v)", again, third, err)
		}
	})
}

func TestInterpreterOf(t *testing.T) {
	for command, want := range map[string][]string{
		"echo":                                  nil,
		"#!/bin/bash\necho":                     {"/bin/bash"},
		"#! /usr/bin/env  python3 -u \n":        {"/usr/bin/env", "python3 -u"},
		"#!/bin/sh\t-e\r\nx":                    {"/bin/sh", "-e"},
		"#!\n":                                  nil,
		"# !/bin/sh":                            nil,
		"#!/" + strings.Repeat("x", 300) + "\n": nil,
	} {
		if diff := cmp.Diff(want, interpreterOf(command)); diff != "" {
			t.Errorf("%q: %s", command, diff)
		}
	}
}

// Users that no file knows are asked for as the system does.
func TestAccountsFromDirectory(t *testing.T) {
	asked := 0
	accounts := newAccounts(func(_ context.Context, argv ...string) ([]byte, error) {
		asked++
		switch strings.Join(argv, " ") {
		case "getent passwd ldapuser":
			return []byte("ldapuser:*:70001:70000:L. User:/home/l:/bin/bash\n"), nil
		case "id -G ldapuser":
			return []byte("70000 70002\n"), nil
		}
		return nil, errors.New("exit code 2")
	})
	accounts.ownUID = 0
	want := account{name: "ldapuser", uid: 70001, gid: 70000, groups: []uint32{70000, 70002}, home: "/home/l"}
	for range 2 { // the second time from memory
		got, err := accounts.find("ldapuser")
		if err != nil || fmt.Sprint(*got) != fmt.Sprint(want) {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	if _, err := accounts.find("nobody-knows"); err == nil || !strings.Contains(err.Error(), "no such user") {
		t.Errorf("%v", err)
	}
	accounts = newAccounts(accounts.help)
	accounts.ownUID = 12345
	if _, err := accounts.find("ldapuser"); err == nil || !strings.Contains(err.Error(), "not as root") {
		t.Errorf("another user on a host that is not root: %v", err)
	}
	if own, err := accounts.find("12345"); err != nil || !own.own {
		t.Errorf("own user without a name: %v, %v", own, err)
	}
}

// known, against a plain model: what runs, and what ended and was not acknowledged, in order, and nothing twice.
func TestKnownModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, model, order := newKnown(), map[attemptKey]string{}, []attemptKey{}
		anyKey := rapid.Custom(func(t *rapid.T) attemptKey {
			return attemptKey{queue.ID{Job: rapid.Int64Range(1, 5).Draw(t, "job")}, rapid.Int32Range(1, 3).Draw(t, "attempt")}
		})
		t.Repeat(map[string]func(*rapid.T){
			"start": func(t *rapid.T) {
				key := anyKey.Draw(t, "key")
				if got, want := k.add(key), model[key] == ""; got != want {
					t.Fatalf("add %v: %v, it was %q", key, got, model[key])
				}
				if model[key] == "" {
					model[key] = "running"
					order = append(order, key)
				}
			},
			"end": func(t *rapid.T) {
				key := anyKey.Draw(t, "key")
				if got, want := k.ended(key, &wire.Ended{}), model[key] == "running"; got != want {
					t.Fatalf("end %v: %v, it was %q", key, got, model[key])
				}
				if model[key] == "running" {
					model[key] = "ended"
				}
			},
			"acknowledge": func(t *rapid.T) {
				key := anyKey.Draw(t, "key")
				k.forget(key)
				if model[key] == "ended" {
					model[key] = "gone"
				}
			},
			"": func(t *rapid.T) {
				var want []attemptKey
				running := 0
				for _, key := range order {
					switch model[key] {
					case "running":
						running++
						want = append(want, key)
					case "ended":
						want = append(want, key)
					}
				}
				if got := k.keys(); !slices.Equal(got, want) || k.running != running || k.unacknowledged() != len(want)-running {
					t.Fatalf("knows %v (%d running), want %v (%d)", got, k.running, want, running)
				}
			},
		})
	})
}

// A process that has lost its parent since the table was read is counted once.
func TestTreeHasEachProcessOnce(t *testing.T) {
	table := processes{all: map[int]process{}, children: map[int][]int{10: {11, 12}, 11: {13}}}
	for _, pid := range []int{10, 11, 12, 13, 20} {
		table.all[pid] = process{pid: pid, rssKiB: 1}
	}
	for _, roots := range [][]int{{10}, {10, 11}, {13, 10, 11, 12}, {10, 99}} {
		if tree := table.tree(roots); len(tree) != 4 {
			t.Errorf("of %v: %+v", roots, tree)
		}
	}
}

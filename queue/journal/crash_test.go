package journal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sluice/queue"
)

// thorough says that tests have the time to try everything.
var thorough = true

// TestCutAtEveryByte cuts the write-ahead log, as a power loss may, and opens what is left: it must hold a prefix of the
// transactions, with all that was acknowledged when the log was that long.
func TestCutAtEveryByte(t *testing.T) {
	dir := memoryDir(t)
	path := filepath.Join(dir, "journal.db")
	j := open(t, path, Options{pageSize: 512})
	var events []queue.Event
	type point struct {
		size   int // of the log
		events int // acknowledged by then
	}
	points := []point{{}}
	for i := range int64(4) {
		batch := []queue.Event{submitted(2*i+1, "X=1"), about(queue.JobFinished, 2*i+1, 0)}[:1+i%2]
		if err := j.Append(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
		events = append(events, batch...)
		points = append(points, point{len(read(t, path+"-wal")), len(events)})
	}
	database, log := read(t, path), read(t, path+"-wal")
	if points[1].size == 0 || points[4].size <= points[1].size {
		t.Fatalf("the log does not grow: %v", points)
	}
	cut := filepath.Join(dir, "cut.db")
	step := 1
	if testing.Short() || !thorough {
		step = 17
	}
	for size := 0; size <= len(log); size += step {
		write(t, cut, database)
		write(t, cut+"-wal", log[:size])
		acknowledged := 0
		for _, p := range points {
			if p.size <= size {
				acknowledged = p.events
			}
		}
		c, err := Open(cut, Options{pageSize: 512})
		if err != nil {
			t.Fatalf("cut at %d: %v", size, err)
		}
		got := replay(t, c)
		if len(got) < acknowledged || len(got) > len(events) || text(t, got) != text(t, events[:len(got)]) {
			t.Fatalf("cut at %d: %d events, %d were acknowledged:\n%s", size, len(got), acknowledged, text(t, got))
		}
		if whole := len(got) == 0; !whole {
			for _, p := range points {
				whole = whole || p.events == len(got)
			}
			if !whole {
				t.Fatalf("cut at %d: half a transaction: %d events", size, len(got))
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

const childEnv = "SLUICE_TEST_JOURNAL_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		appendForever(path)
	}
	os.Exit(m.Run())
}

// appendForever appends jobs of ascending numbers and prints each number once it is acknowledged.
func appendForever(path string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	j, err := Open(path, Options{})
	if err != nil {
		fail(err)
	}
	next := int64(1)
	err = j.Replay(context.Background(), func(e queue.Event) error {
		next = e.Job.Job + 1
		return nil
	})
	if err != nil {
		fail(err)
	}
	for ; ; next++ {
		if err := j.Append(context.Background(), []queue.Event{submitted(next, "N="+strconv.FormatInt(next/3, 10))}); err != nil {
			fail(err)
		}
		fmt.Println(next)
	}
}

// TestKilled kills a process that appends, again and again: all that it said was acknowledged must be there.
func TestKilled(t *testing.T) {
	path := filepath.Join(memoryDir(t), "journal.db")
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	last := int64(0)
	for round := range rounds {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+path)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if last, err = strconv.ParseInt(strings.TrimSpace(lines.Text()), 10, 64); err != nil {
				t.Fatal(err)
			}
			if n == 20+13*round {
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := child.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		j := open(t, path, Options{})
		events := replay(t, j)
		if int64(len(events)) < last {
			t.Fatalf("round %d: %d events are there, %d were acknowledged", round, len(events), last)
		}
		for i, e := range events {
			if want := submitted(int64(i+1), "N="+strconv.Itoa((i+1)/3)); text(t, []queue.Event{e}) != text(t, []queue.Event{want}) {
				t.Fatalf("event %d is %s", i, text(t, []queue.Event{e}))
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

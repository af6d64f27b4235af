package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/queue"
)

func open(t testing.TB, path string, o Options) *Journal {
	t.Helper()
	j, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func replay(t testing.TB, j *Journal) []queue.Event {
	t.Helper()
	var events []queue.Event
	err := j.Replay(context.Background(), func(e queue.Event) error {
		events = append(events, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// text is events as JSON, to compare and to print.
func text(t testing.TB, events []queue.Event) string {
	t.Helper()
	var b strings.Builder
	for _, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(data, '\n'))
	}
	return b.String()
}

func submitted(job int64, env ...string) queue.Event {
	return queue.Event{
		Kind: queue.JobSubmitted, At: time.Unix(job, 5).UTC(), Job: queue.ID{Job: job},
		Spec: &queue.Spec{Command: "sleep 1", User: "ada", MinSlots: 1, MaxSlots: 1, Env: queue.NewEnv(env)},
	}
}

func about(kind queue.EventKind, job int64, index int) queue.Event {
	return queue.Event{Kind: kind, At: time.Unix(job, 7).UTC(), Job: queue.ID{Job: job, Index: index}}
}

func TestReplayGivesWhatWasAppended(t *testing.T) {
	dir := memoryDir(t)
	path, n := "", 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path = filepath.Join(dir, fmt.Sprintf("%d.db", n))
		j, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var want []queue.Event
		for range rapid.IntRange(1, 6).Draw(t, "appends") {
			events := rapid.SliceOfN(rapid.Custom(drawEvent), 0, 5).Draw(t, "events")
			if err := j.Append(context.Background(), events); err != nil {
				t.Fatal(err)
			}
			want = append(want, events...)
			if rapid.Bool().Draw(t, "reopen") {
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				if j, err = Open(path, Options{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		var got []queue.Event
		err = j.Replay(context.Background(), func(e queue.Event) error {
			got = append(got, e)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		marshal := func(events []queue.Event) string {
			data, err := json.Marshal(events)
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
		if marshal(got) != marshal(want) {
			t.Fatalf("replayed\n%s\nappended\n%s", marshal(got), marshal(want))
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func drawEvent(t *rapid.T) queue.Event {
	e := queue.Event{
		Kind:    rapid.SampledFrom([]queue.EventKind{queue.JobSubmitted, queue.JobStarted, queue.JobFinished, queue.HostJoined}).Draw(t, "kind"),
		At:      time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
		Attempt: rapid.IntRange(0, 5).Draw(t, "attempt"),
	}
	switch e.Kind {
	case queue.JobSubmitted:
		e.Job.Job = rapid.Int64Range(1, 1<<40).Draw(t, "job")
		env := rapid.SliceOfN(rapid.SampledFrom([]string{"A=1", "B=two words", "C=\xff\n", "D=é"}), 0, 3).Draw(t, "env")
		for i, v := range env {
			env[i] = strings.ToValidUTF8(v, "?")
		}
		e.Spec = &queue.Spec{Command: rapid.String().Draw(t, "command"), User: "ada", MinSlots: 1, MaxSlots: 2, Env: queue.NewEnv(env)}
		if rapid.Bool().Draw(t, "array") {
			e.Spec.Array = &queue.Array{Ranges: []queue.Range{{First: 1, Last: 1_000_000, Step: 3}}, Limit: 7}
		}
	case queue.JobStarted:
		e.Job = queue.ID{Job: 3, Index: rapid.IntRange(0, 9).Draw(t, "index")}
		e.Placement = []queue.Placement{{Host: "h1", Slots: 2}}
	case queue.JobFinished:
		e.Job = queue.ID{Job: 3}
		e.ExitCode, e.Usage = 130, queue.Usage{CPU: time.Second, MaxRSSMiB: 12}
	default:
		e.HostName, e.SessionHash = "h1", rapid.StringMatching("[0-9a-f]{8}").Draw(t, "hash")
	}
	return e
}

func TestEnvironmentIsStoredOnce(t *testing.T) {
	j := open(t, filepath.Join(memoryDir(t), "journal.db"), Options{})
	for job := range int64(20) {
		if err := j.Append(context.Background(), []queue.Event{submitted(job+1, "HOME=/home/ada", "X=1"), submitted(job+100, "X=2")}); err != nil {
			t.Fatal(err)
		}
	}
	envs, err := j.numbers(context.Background(), "SELECT id FROM envs")
	if err != nil || len(envs) != 2 {
		t.Fatalf("%d environments are stored, want 2 (%v)", len(envs), err)
	}
}

func TestBuckets(t *testing.T) {
	path := filepath.Join(memoryDir(t), "with space?&#%41.db")
	j := open(t, path, Options{})
	ctx := context.Background()
	put := func(bucket string, changes map[string][]byte) {
		t.Helper()
		if err := j.Put(ctx, bucket, changes); err != nil {
			t.Fatal(err)
		}
	}
	put("fleet", map[string][]byte{"a": []byte("1"), "b": {0, 255}, "empty": {}})
	put("fleet", map[string][]byte{"a": []byte("2"), "b": nil, "never": nil})
	put("other", map[string][]byte{"a": []byte("3")})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	j = open(t, path, Options{})
	for bucket, want := range map[string]string{"fleet": "map[a:2 empty:]", "other": "map[a:3]", "none": "map[]"} {
		all, err := j.All(ctx, bucket)
		if err != nil {
			t.Fatal(err)
		}
		printable := make(map[string]string)
		for k, v := range all {
			printable[k] = string(v)
		}
		if got := fmt.Sprint(printable); got != want {
			t.Errorf("bucket %s is %s, want %s", bucket, got, want)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Put(ctx, "fleet", nil); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("Put on a closed journal: %v", err)
	}
}

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(memoryDir(t), "journal.db")
	j := open(t, path, Options{})
	if err := j.Append(context.Background(), []queue.Event{submitted(1)}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 2 {
		t.Fatalf("files %v, want the database and its log (%v)", files, err)
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

// memoryDir is a directory in memory where there is such a file system: tests that open thousands of files need not wait for
// a disk. None of them cuts the power.
func memoryDir(t testing.TB) string {
	t.Helper()
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		t.Setenv("TMPDIR", "/dev/shm")
	}
	return t.TempDir()
}

package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sluice/queue"
)

// fill appends until it fails, and gives what was acknowledged and the error.
func fill(t *testing.T, j *Journal, first int64) (acknowledged []queue.Event, err error) {
	t.Helper()
	for job := first; job < first+10_000; job++ {
		batch := []queue.Event{submitted(job, "N="+strings.Repeat("x", 500), fmt.Sprint(job)), about(queue.JobFinished, job, 0)}
		if err := j.Append(context.Background(), batch); err != nil {
			return acknowledged, err
		}
		acknowledged = append(acknowledged, batch...)
	}
	t.Fatal("nothing fails")
	return nil, nil
}

func TestFullFile(t *testing.T) {
	path := filepath.Join(memoryDir(t), "journal.db")
	j := open(t, path, Options{MaxBytes: 100 << 10})
	acknowledged, err := fill(t, j, 1)
	if len(acknowledged) == 0 || !strings.Contains(err.Error(), "no space is left") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("after %d events: %v", len(acknowledged), err)
	}
	if got := replay(t, j); text(t, got) != text(t, acknowledged) {
		t.Fatalf("%d events are there, %d were acknowledged", len(got), len(acknowledged))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, path, Options{})
	if err := j.Append(context.Background(), []queue.Event{submitted(9999)}); err != nil {
		t.Fatal(err)
	}
	if got := replay(t, j); text(t, got) != text(t, append(acknowledged, submitted(9999))) {
		t.Fatalf("%d events are there after space was made, want %d", len(got), len(acknowledged)+1)
	}
}

func TestFullDisk(t *testing.T) {
	dir := memoryDir(t)
	if err := syscall.Mount("sluice-test", dir, "tmpfs", 0, "size=600k"); err != nil {
		t.Logf("not run on a real file system, which only root can make: %v", err) // TestFullFile is always run
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	write(t, ballast, make([]byte, 200<<10))
	j := open(t, filepath.Join(dir, "journal.db"), Options{})
	acknowledged, err := fill(t, j, 1)
	if !strings.Contains(err.Error(), "no space is left") {
		t.Fatal(err)
	}
	if got := replay(t, j); text(t, got) != text(t, acknowledged) {
		t.Fatalf("%d events are there, %d were acknowledged", len(got), len(acknowledged))
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(context.Background(), []queue.Event{submitted(9999)}); err != nil {
		t.Fatalf("space was made, but: %v", err)
	}
	acknowledged = append(acknowledged, submitted(9999))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, filepath.Join(dir, "journal.db"), Options{})
	if got := replay(t, j); text(t, got) != text(t, acknowledged) {
		t.Fatalf("%d events are there after it was opened anew, %d were acknowledged", len(got), len(acknowledged))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAppendIsAllOrNothing(t *testing.T) {
	j := open(t, filepath.Join(memoryDir(t), "journal.db"), Options{MaxBytes: 64 << 10})
	good := []queue.Event{submitted(1, "X=1")}
	if err := j.Append(context.Background(), good); err != nil {
		t.Fatal(err)
	}
	var many []queue.Event
	for job := range int64(500) {
		many = append(many, submitted(job+2, fmt.Sprintf("Y=%d", job)))
	}
	if err := j.Append(context.Background(), many); err == nil {
		t.Fatal("too many events were taken")
	}
	if err := j.Append(context.Background(), []queue.Event{submitted(2, "Y=0")}); err != nil {
		t.Fatal(err)
	}
	want := []queue.Event{good[0], submitted(2, "Y=0")}
	if got := replay(t, j); text(t, got) != text(t, want) {
		t.Fatalf("replayed\n%s\nwant\n%s", text(t, got), text(t, want))
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := j.Append(cancelled, good); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled Append: %v", err)
	}
}

func TestRefusedFiles(t *testing.T) {
	with := func(change func(*Journal) error) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			j, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(change(j), j.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	execute := func(statement string) func(*Journal) error {
		return func(j *Journal) error {
			_, err := j.conn.ExecContext(context.Background(), statement)
			return err
		}
	}
	tests := []struct {
		name, want string
		prepare    func(t *testing.T, path string)
	}{
		{"newer", "newer version", with(execute("PRAGMA user_version = 99"))},
		{"foreign", "another program's", with(execute("PRAGMA application_id = 5"))},
		{"foreign without id", "another program's", with(execute("PRAGMA application_id = 0; PRAGMA user_version = 0"))},
		{"no database", "damaged", func(t *testing.T, path string) {
			write(t, path, []byte(strings.Repeat("this is not a database ", 100)))
		}},
		{"directory", "open journal", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"open elsewhere", "another process", func(t *testing.T, path string) {
			open(t, path, Options{})
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(memoryDir(t), "journal.db")
			test.prepare(t, path)
			j, err := Open(path, Options{})
			if err == nil {
				t.Fatal(errors.Join(errors.New("it was opened"), j.Close()))
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %q, want %q and the path", err, test.want)
			}
		})
	}
}

func TestDamageIsSaid(t *testing.T) {
	path := filepath.Join(memoryDir(t), "journal.db")
	j := open(t, path, Options{pageSize: 512})
	for job := range int64(50) {
		if err := j.Append(context.Background(), []queue.Event{submitted(job + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	data := read(t, path)
	for i := 512; i < len(data); i++ {
		data[i] ^= 0x55
	}
	write(t, path, data)
	j, err := Open(path, Options{pageSize: 512})
	if err == nil {
		err = errors.Join(j.Replay(context.Background(), func(queue.Event) error { return nil }), j.Close())
	}
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Fatalf("error is %v", err)
	}
}

func TestLock(t *testing.T) {
	dir := filepath.Join(memoryDir(t), "a", "state")
	release, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("second lock: %v", err)
	}
	if flock, err := exec.LookPath("flock"); err == nil {
		if err := exec.Command(flock, "-n", filepath.Join(dir, "lock"), "true").Run(); err == nil {
			t.Error("another process gets the lock")
		}
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if release, err = Lock(dir); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
}

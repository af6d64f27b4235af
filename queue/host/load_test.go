package host

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/queue/wire"
)

// machine is files as a machine has them.
func machine(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestLoadIsMeasured(t *testing.T) {
	files := map[string]string{
		"proc/loadavg": "2.50 1.25 0.75 5/120 4711\n",
		"proc/meminfo": "MemTotal: 100000 kB\nMemFree: 1 kB\nMemAvailable:   2097152 kB\nSwapFree: 1048576 kB\n",
		"proc/stat":    "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3 4\n",
		"proc/vmstat":  "pgpgin 1000\npgpgout 0\npswpin 5\npswpout 5\n",
		"dev/pts/0":    "",
	}
	root := machine(t, files)
	user := make([]byte, 3*utmpSize)
	user[0], user[utmpSize] = utmpUser, 2
	if err := os.MkdirAll(filepath.Join(root, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/run/utmp", user, 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	touched := now.Add(-10 * time.Minute)
	if err := os.Chtimes(root+"/dev/pts/0", touched, touched); err != nil {
		t.Fatal(err)
	}
	m := loadMeter{root: root}
	first, err := m.measure(now)
	if err != nil {
		t.Fatal(err)
	}
	want := wire.HostLoad{R15S: 2.5, R1M: 2.5, R15M: 0.75, SwapMib: 1024, MemMib: 2048, Logins: 1, IdleNs: first.IdleNs, TmpMib: first.TmpMib}
	if first.String() != want.String() || math.Abs(float64(first.IdleNs)-float64(10*time.Minute)) > float64(time.Second) {
		t.Errorf("first %v, want %v", first, &want)
	}
	files["proc/stat"] = "cpu  160 0 130 800 110 0 0 0 0 0\n" // 90 of 200 ticks are busy
	files["proc/vmstat"] = "pgpgin 2000\npgpgout 500\npswpin 35\npswpout 35\n"
	m.root = machine(t, files)
	second, err := m.measure(now.Add(15 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	r15s := 2.5/math.E + 4*(1-1/math.E)
	if math.Abs(second.R15S-r15s) > 1e-9 || second.Ut != 0.45 || second.Pages != 4 || second.IoKib != 100 || second.Logins != 0 {
		t.Errorf("second %v, want r15s %v", second, r15s)
	}
	if err := os.Remove(m.root + "/dev/pts/0"); err != nil {
		t.Fatal(err)
	}
	files["proc/vmstat"] = ""
	if third, err := m.measure(now.Add(16 * time.Second)); err != nil || third.IdleNs != -1 {
		t.Errorf("without a terminal: %v, %v", third, err)
	}
}

// Whatever the files hold, what is told is a number, and a file that is not there is an error.
func TestLoadOfStrangeMachines(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"nothing": {},
		"empty":   {"proc/loadavg": "", "proc/meminfo": "", "proc/stat": "", "proc/vmstat": ""},
	} {
		m := loadMeter{root: machine(t, files)}
		if load, err := m.measure(time.Now()); err == nil {
			t.Errorf("%s: %v", name, load)
		}
	}
	m := loadMeter{root: machine(t, map[string]string{
		"proc/loadavg": "NaN Inf -x y\n", "proc/meminfo": "MemAvailable: x kB\nSwapFree:\n", "proc/stat": "cpu 1 2\n", "proc/vmstat": "pswpin\n",
	})}
	for range 2 {
		load, err := m.measure(time.Now())
		if err != nil || load.R1M != 0 || load.R15S != 0 || load.Ut != 0 || load.MemMib != 0 {
			t.Errorf("%v, %v", load, err)
		}
	}
}

// The daemon is told at once, if it wants to know.
func TestLoadIsTold(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.set(func(d *daemon) { d.welcome.Loads = true })
	startHost(t, d)
	d.await("load", func() bool { return d.load != nil })
	if d.load.MemMib <= 0 || d.load.TmpMib < 0 {
		t.Errorf("it says %v", d.load)
	}
	silent := newDaemon(t)
	startHost(t, silent)
	silent.run(newStart("true"))
	if silent.load != nil {
		t.Error("an older daemon is told")
	}
}

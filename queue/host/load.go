package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sluice/queue/wire"
)

const (
	// loadEvery is how often the machine's load is measured and told, as LSF's load information managers do.
	loadEvery = 15 * time.Second
	// maxLoadFile is how much is read of a file about the load.
	maxLoadFile = 256 << 10
	// Of the records of utmp(5): their size, the type of those of users, and the bytes that say it.
	utmpSize, utmpUser, utmpType = 384, 7, 2
)

// loadMeter measures how busy the machine is, with all that runs on it: what it says of rates is since it measured before.
type loadMeter struct {
	root   string // directory in which the files are looked for; "" = the system's own
	before counters
	run15s float64
}

// counters grow as long as the machine runs.
type counters struct {
	at          time.Time // zero: nothing was measured yet
	busy, total float64   // of the processors' time
	pages, kib  float64
}

// tellLoad measures and tells the daemon, when it is time to and the daemon wants to know.
func (s *session) tellLoad(now time.Time) {
	if c := s.conn; c == nil || !c.welcomed || !c.loads || now.Before(s.loadAt) {
		return
	}
	s.loadAt = now.Add(loadEvery)
	load, err := s.load.measure(now)
	if err != nil {
		s.log.WithError(err).Debug("the machine's load is not known")
		return
	}
	s.tell(&wire.HostMessage{Body: &wire.HostMessage_Load{Load: load}})
}

// measure reads what there is. An error is of what every Linux has.
func (m *loadMeter) measure(now time.Time) (*wire.HostLoad, error) {
	average, err1 := m.words("proc/loadavg")
	memory, err2 := m.table("proc/meminfo")
	counted, err3 := m.counters(now)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	if len(average) < 4 {
		return nil, errors.New("read /proc/loadavg: fewer words than it has")
	}
	load := &wire.HostLoad{
		R1M: number(average[0]), R15M: number(average[2]), SwapMib: int64(memory["SwapFree:"]) >> 10,
		MemMib: int64(memory["MemAvailable:"]) >> 10, Logins: m.logins(),
	}
	running, _, _ := strings.Cut(average[3], "/")
	now15s := max(number(running)-1, 0) // it counts who reads
	if seconds := counted.at.Sub(m.before.at).Seconds(); m.before.at.IsZero() || seconds <= 0 {
		m.run15s = load.R1M
	} else {
		keep := math.Exp(-seconds / 15)
		m.run15s = keep*m.run15s + (1-keep)*now15s
		if total := counted.total - m.before.total; total > 0 {
			load.Ut = min(max((counted.busy-m.before.busy)/total, 0), 1)
		}
		load.Pages = max(counted.pages-m.before.pages, 0) / seconds
		load.IoKib = max(counted.kib-m.before.kib, 0) / seconds
	}
	load.R15S, m.before = m.run15s, counted
	load.IdleNs = int64(m.idle(now))
	var fs unix.Statfs_t
	if err := unix.Statfs(m.root+os.TempDir(), &fs); err == nil { // it may not be there
		load.TmpMib = int64(fs.Bavail) * fs.Bsize >> 20
	}
	return load, nil
}

func (m *loadMeter) counters(now time.Time) (c counters, err error) {
	stat, err := m.words("proc/stat") // it begins with all processors' times: user, nice, system, idle, iowait, …
	if err != nil {
		return c, err
	}
	vm, err := m.table("proc/vmstat")
	if err != nil {
		return c, err
	}
	for i, word := range stat[min(1, len(stat)):min(9, len(stat))] {
		c.total += number(word)
		if i != 3 && i != 4 {
			c.busy += number(word)
		}
	}
	c.at, c.pages, c.kib = now, vm["pswpin"]+vm["pswpout"], vm["pgpgin"]+vm["pgpgout"]
	return c, nil
}

// logins is how many users are logged in, as far as that is noted.
func (m *loadMeter) logins() (n int32) {
	data, err := m.read("run/utmp")
	if err != nil {
		return 0
	}
	for len(data) >= utmpSize {
		if binary.NativeEndian.Uint16(data[:utmpType]) == utmpUser {
			n++
		}
		data = data[utmpSize:]
	}
	return n
}

// idle is since when nobody has typed at a terminal; negative where there is none.
func (m *loadMeter) idle(now time.Time) time.Duration {
	terminals, err := filepath.Glob(m.root + "/dev/pts/[0-9]*")
	if err != nil {
		return -1
	}
	least := time.Duration(-1)
	for _, path := range terminals {
		var stat unix.Stat_t
		if unix.Stat(path, &stat) != nil {
			continue // it was closed meanwhile
		}
		if since := max(now.Sub(time.Unix(stat.Atim.Unix())), 0); least < 0 || since < least {
			least = since
		}
	}
	return least
}

func (m *loadMeter) read(path string) ([]byte, error) {
	return readUpTo(m.root+"/"+path, maxLoadFile)
}

// words are those of the first line of a file.
func (m *loadMeter) words(path string) ([]string, error) {
	data, err := m.read(path)
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return strings.Fields(string(line)), err
}

// table is the numbers of a file with a name and a number on each line.
func (m *loadMeter) table(path string) (map[string]float64, error) {
	data, err := m.read(path)
	table := make(map[string]float64)
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) >= 2 {
			table[f[0]] = number(f[1])
		}
	}
	return table, err
}

// number is 0 for what is none.
func number(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0
	}
	return n
}

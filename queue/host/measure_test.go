package host

import (
	"testing"
	"time"

	"sluice/internal/testneed"
)

// What running jobs use is told while they run, and again to a daemon that comes back.
func TestUsageIsTold(t *testing.T) {
	t.Parallel()
	testneed.Need(t, "python3")
	d := newDaemon(t)
	d.set(func(d *daemon) { d.welcome.Usages = true })
	startHost(t, d, func(c *Config) { c.SampleEvery = 20 * time.Millisecond })
	key := d.begin(newStart(`python3 -c 'import threading, time
x = bytearray(100 << 20)
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
while time.process_time() < 1.02: pass
time.sleep(1000)'`))
	told := func() bool {
		u := d.usages[key]
		return u != nil && u.RssMib >= 100 && u.MaxRssMib >= u.RssMib && u.AvgRssMib <= u.MaxRssMib && u.SwapMib > u.RssMib && u.Threads == 3 &&
			u.CpuNs >= int64(time.Second) && len(u.Pids) == 2
	}
	d.await("readings", told)
	d.set(func(d *daemon) { d.usages[key] = nil })
	d.drop()
	d.await("readings again", told)
	d.signal(key, 9, 0, "")
	if ended := d.end(key); ended.MaxRssMib < 100 || ended.AvgRssMib < 1 || ended.MaxSwapMib < 100 || ended.Threads != 3 {
		t.Errorf("%v", ended)
	}
}

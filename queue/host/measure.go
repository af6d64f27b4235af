package host

import (
	"slices"
	"time"

	"sluice/queue/wire"
)

const (
	// maxPIDs is how many processes of a job are named.
	maxPIDs = 64
	// usagesPerMessage bounds a message about what jobs use.
	usagesPerMessage = 256
)

// measured is what readings of a job's processes have shown so far.
type measured struct {
	maxRSSMiB, maxSwapMiB int64
	processes, threads    int // the most
	rssSum, readings      int64
	told                  *wire.Usage // what the daemon was told last
}

// read notes one reading of the job's processes.
func (m *measured) read(u use) {
	m.maxRSSMiB = max(m.maxRSSMiB, inMiB(u.rssKiB))
	m.maxSwapMiB = max(m.maxSwapMiB, inMiB(u.swapKiB))
	m.processes, m.threads = max(m.processes, u.processes), max(m.threads, u.threads)
	m.rssSum += inMiB(u.rssKiB)
	m.readings++
}

// avgRSSMiB is the mean of the readings; without any, the most is all that is known.
func (m *measured) avgRSSMiB() int64 {
	if m.readings == 0 {
		return m.maxRSSMiB
	}
	return m.rssSum / m.readings
}

func inMiB(kib int64) int64 { return (kib + 1023) / 1024 }

// usage is what a running job uses by its newest reading; nil when that has nothing new to say.
func (j *job) usage(tree []process, u use, now time.Time) *wire.Usage {
	m := &wire.Usage{
		Attempt: j.key.wire(), AtUnixNs: now.UnixNano(), CpuNs: int64(u.cpu.Truncate(time.Second)), RssMib: inMiB(u.rssKiB),
		MaxRssMib: j.maxRSSMiB, AvgRssMib: j.avgRSSMiB(), SwapMib: inMiB(u.swapKiB), Threads: int32(u.threads),
	}
	for _, p := range tree[:min(len(tree), maxPIDs)] {
		m.Pids = append(m.Pids, int32(p.pid))
	}
	slices.Sort(m.Pids)
	if old := j.told; old != nil && old.CpuNs == m.CpuNs && old.RssMib == m.RssMib && old.SwapMib == m.SwapMib && old.Threads == m.Threads &&
		old.MaxRssMib == m.MaxRssMib && slices.Equal(old.Pids, m.Pids) {
		return nil
	}
	j.told = m
	return m
}

// sampled notes a reading of all processes, tells what it shows, and ends jobs that use more than they may.
func (k *keeper) sampled(s sample) {
	if err := s.err; err != nil {
		k.warn("measure jobs: %v", err)
		return
	}
	if err := k.adopt(); err != nil {
		k.warn("measure jobs: %v", err)
		return
	}
	now := time.Now()
	var news []*wire.Usage
	for _, j := range k.mains {
		if j.stage != stageMain {
			continue
		}
		tree := s.table.tree(k.rootsOf(j))
		u := j.useOf(tree)
		if len(tree) > 0 {
			j.read(u)
			if m := j.usage(tree, u, now); m != nil {
				news = append(news, m)
			}
		}
		k.watch(j, u)
	}
	for part := range slices.Chunk(news, usagesPerMessage) {
		k.out.send(&frame{kind: frameUsages, body: &wire.Usages{Usages: part}})
	}
}

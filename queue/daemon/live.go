package daemon

import (
	"math"
	"time"

	"sluice/queue"
	"sluice/queue/wire"
)

// maxLive is of how many jobs of one host it is remembered what they use.
const maxLive = 16_384

// measured notes what running jobs use. It is told for those who look, and is lost with the connection: the host tells it
// again.
func (s *session) measured(m *wire.Usages) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range m.GetUsages() {
		a := attemptOf(u.GetAttempt())
		if s.live[a] == nil && len(s.live) >= maxLive {
			continue
		}
		l := &queue.Live{
			At: time.Unix(0, u.GetAtUnixNs()).UTC(), CPU: max(0, time.Duration(u.GetCpuNs())), RSSMiB: int(max(0, u.GetRssMib())),
			MaxRSSMiB: int(max(0, u.GetMaxRssMib())), AvgRSSMiB: int(max(0, u.GetAvgRssMib())), SwapMiB: int(max(0, u.GetSwapMib())),
			Threads: int(max(0, u.GetThreads())),
		}
		for _, pid := range u.GetPids()[:min(len(u.GetPids()), maxPIDs)] {
			l.PIDs = append(l.PIDs, int(pid))
		}
		s.live[a] = l
	}
}

// loaded notes how busy the host's machine is, likewise.
func (s *session) loaded(m *wire.HostLoad) {
	sane := func(x float64) float64 {
		if math.IsNaN(x) || x < 0 || x > maxRate {
			return 0
		}
		return x
	}
	load := &queue.MachineLoad{
		Run15s: sane(m.GetR15S()), Run1m: sane(m.GetR1M()), Run15m: sane(m.GetR15M()), CPU: min(sane(m.GetUt()), 1),
		Pages: sane(m.GetPages()), DiskKiB: sane(m.GetIoKib()), TmpMiB: max(m.GetTmpMib(), 0), SwapMiB: max(m.GetSwapMib(), 0),
		MemMiB: max(m.GetMemMib(), 0), Logins: int(max(m.GetLogins(), 0)), Idle: time.Duration(m.GetIdleNs()),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.machine = load
}

// maxRate is more than any machine has or does of something in a second.
const maxRate = 1e12

// addMachines fills in how busy the hosts' machines are. It is for the owner.
func (d *Daemon) addMachines(hosts []queue.Host) {
	for i := range hosts {
		if s := d.sessions[hosts[i].Name]; s != nil {
			s.mu.Lock()
			hosts[i].Machine = s.machine // never changed once it is there
			s.mu.Unlock()
		}
	}
}

// maxPIDs is how many processes of a job are shown.
const maxPIDs = 64

// forget drops what is known of an attempt that ended.
func (s *session) forget(a queue.Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, a)
	delete(s.terminals, a)
}

// addLive fills in what running jobs use. It is for the owner.
func (d *Daemon) addLive(jobs []queue.Job) {
	for i := range jobs {
		job := &jobs[i]
		if !job.State.Placed() || len(job.Placement) == 0 {
			continue
		}
		if s := d.sessions[job.Placement[0].Host]; s != nil {
			s.mu.Lock()
			job.Live = s.live[queue.Attempt{ID: job.ID, Attempt: job.Attempt}] // never changed once it is there
			s.mu.Unlock()
		}
	}
}

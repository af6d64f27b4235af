package daemon

import (
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

package daemon

import "sluice/queue"

// Notifier tells people what became of their jobs (bsub -B, -N). Notify is called by the owner of the queue: it must not block, and may
// drop what is too much.
type Notifier interface {
	Notify(notice Notice)
}

// Notice is one thing to tell about a job: that it began, or how it ended.
type Notice struct {
	To      string    // whom: a user or an address, as submitted
	Job     queue.Job // as it is now; not to be changed
	Cluster string    // name of the batch cluster
}

// notify passes on what the submitter of a job wants to hear.
func (d *Daemon) notify(e *queue.Event) {
	if d.cfg.Notifier == nil {
		return
	}
	job, ok := d.q.Job(e.Job)
	if !ok {
		return
	}
	wanted := job.Spec.NotifyEnd
	if e.Kind == queue.JobStarted {
		wanted = job.Spec.NotifyBegin
	}
	if !wanted {
		return
	}
	to := job.Spec.MailUser
	if to == "" {
		to = job.Spec.User
	}
	d.cfg.Notifier.Notify(Notice{To: to, Job: job, Cluster: d.settings.Load().Cluster})
}

// notes are what a submitter should know about what the daemon will not do.
func (d *Daemon) notes(spec *queue.Spec) []string {
	if d.cfg.Notifier == nil && (spec.NotifyBegin || spec.NotifyEnd) {
		return []string{"no mail will be sent: the daemon has no --notifier"}
	}
	return nil
}

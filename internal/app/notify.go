package app

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"sluice/lsfbridge"
	"sluice/queue"
	"sluice/queue/daemon"
)

const (
	maxNotices   = 1000             // that wait for the program; more are dropped
	noticeTime   = 30 * time.Second // for one
	closingTime  = 10 * time.Second // for those that wait when the system ends
	maxComplaint = 1 << 10          // bytes of the program's standard error that are logged
)

// mailer has a program send mail about jobs, one after the other. The program gets the recipient as its only argument and the mail,
// with its headers, on standard input, as sendmail does. What a notice says is lost with the daemon: mail is a courtesy, the truth
// is in bjobs and bhist.
type mailer struct {
	program string
	log     logrus.FieldLogger
	notices chan daemon.Notice
	ended   chan struct{}
	stop    context.CancelFunc
	close   sync.Once
	dropped bool // the last notice was; of Notify's caller
}

var _ daemon.Notifier = (*mailer)(nil)

func newMailer(program string, log logrus.FieldLogger) *mailer {
	ctx, stop := context.WithCancel(context.Background())
	m := &mailer{program: program, log: log, notices: make(chan daemon.Notice, maxNotices), ended: make(chan struct{}), stop: stop}
	go m.run(ctx)
	return m
}

// Notify is as in daemon.Notifier.
func (m *mailer) Notify(notice daemon.Notice) {
	select {
	case m.notices <- notice:
		m.dropped = false
	default:
		if !m.dropped {
			m.log.WithField("program", m.program).Warnf("notifier: more than %d mails wait, dropping some", maxNotices)
		}
		m.dropped = true
	}
}

// Close sends what waits, if that is soon done. Notify is not called again.
func (m *mailer) Close() error {
	m.close.Do(func() { close(m.notices) })
	defer m.stop()
	select {
	case <-m.ended:
	case <-time.After(closingTime):
		m.log.WithField("program", m.program).Warnf("notifier: %d mails are not sent", len(m.notices))
	}
	m.stop()
	<-m.ended
	return nil
}

func (m *mailer) run(ctx context.Context) {
	defer close(m.ended)
	for notice := range m.notices {
		if ctx.Err() != nil {
			return
		}
		if err := m.send(ctx, &notice); err != nil {
			m.log.WithField("job", notice.Job.ID).Warnf("notify %s: %v", notice.To, err)
		}
	}
}

func (m *mailer) send(ctx context.Context, notice *daemon.Notice) error {
	ctx, cancel := context.WithTimeout(ctx, noticeTime)
	defer cancel()
	run := exec.CommandContext(ctx, m.program, notice.To)
	run.Stdin = strings.NewReader(mail(notice))
	complaint := &shortBuffer{}
	run.Stderr = complaint
	run.Dir = "/"
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	run.Cancel = func() error { return syscall.Kill(-run.Process.Pid, syscall.SIGKILL) }
	run.WaitDelay = time.Second
	if err := run.Run(); err != nil {
		return fmt.Errorf("run %s: %w: %s", m.program, err, strings.TrimSpace(complaint.String()))
	}
	return nil
}

// shortBuffer keeps the beginning of what is written to it.
type shortBuffer struct{ bytes.Buffer }

// Write is as in io.Writer.
func (b *shortBuffer) Write(p []byte) (int, error) {
	if room := maxComplaint - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// mail is the message about a job, in the words of LSF's report.
func mail(notice *daemon.Notice) string {
	job := &notice.Job
	spec := job.Spec
	name := oneLine(lsfbridge.ShownName(job))
	verdict := "started"
	if job.State.Final() {
		verdict = map[bool]string{true: "Done", false: "Exited"}[job.State == queue.Done]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "To: %s\nFrom: LSF <%s>\nSubject: %s\n", notice.To, oneLine(spec.User),
		mime.QEncoding.Encode("utf-8", fmt.Sprintf("Job %s: <%s> in cluster <%s> %s", job.ID, name, oneLine(notice.Cluster), verdict)))
	b.WriteString("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n")
	fmt.Fprintf(&b, "Job <%s> was submitted from host <%s> by user <%s>.\n", name, spec.SubmitHost, spec.User)
	if len(job.Placement) > 0 {
		hosts := make([]string, len(job.Placement))
		for i, p := range job.Placement {
			hosts[i] = fmt.Sprintf("%d*%s", p.Slots, p.Host)
		}
		fmt.Fprintf(&b, "Its host(s): <%s>, in queue <%s>.\n", strings.Join(hosts, "> <"), spec.Queue)
	}
	fmt.Fprintf(&b, "<%s> was used as the working directory.\n", spec.Cwd)
	if !job.StartedAt.IsZero() {
		fmt.Fprintf(&b, "Started at %s\n", job.StartedAt.Format(time.ANSIC))
	}
	if job.State.Final() {
		b.WriteString(ending(job))
	}
	return b.String()
}

func ending(job *queue.Job) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Ended at %s\n\n", job.EndedAt.Format(time.ANSIC))
	switch {
	case job.State == queue.Done:
		b.WriteString("Successfully completed.\n")
	case job.StartedAt.IsZero():
		b.WriteString("Exited without having started.\n")
	default:
		fmt.Fprintf(&b, "Exited with exit code %d.\n", job.ExitCode)
	}
	if job.Reason != "" {
		b.WriteString(oneLine(job.Reason) + "\n")
	}
	fmt.Fprintf(&b, "\nResource usage summary:\n\n    CPU time   : %9.2f sec.\n    Max Memory : %9d MB\n    Max Processes  : %9d\n\n",
		job.Usage.CPU.Seconds(), job.Usage.MaxRSSMiB, job.Usage.Processes)
	out := job.Spec.Stdout
	if out == "" {
		out = fmt.Sprintf("kept for: sluice logs '%s'", job.ID)
	}
	fmt.Fprintf(&b, "Its output: %s\n", out)
	return b.String()
}

// oneLine keeps what users wrote out of the headers.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

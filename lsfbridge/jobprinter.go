package lsfbridge

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"sluice/queue"
)

// JobPrinter writes the jobs of one bjobs command as they come. Nothing is written before the first job.
type JobPrinter struct {
	query   *JobQuery
	now     time.Time
	out     *bufio.Writer
	line    []byte
	records []byte // of FormJSON, whose count stands before them
	printed int
}

// NewJobPrinter makes a JobPrinter of query's form. now is the time up to which running jobs have run; times are shown in its
// location.
func NewJobPrinter(w io.Writer, query *JobQuery, now time.Time) *JobPrinter {
	return &JobPrinter{query: query, now: now, out: bufio.NewWriterSize(w, 64<<10)}
}

// Printed is the number of jobs so far.
func (p *JobPrinter) Printed() int { return p.printed }

// Print writes one job. The first one goes out at once, so that a reader sees that there are some.
func (p *JobPrinter) Print(job *queue.Job) error {
	job = jobIn(job, p.now.Location())
	p.line = p.line[:0]
	q := p.query
	if p.printed == 0 && !q.NoHeader {
		p.line = append(p.line, p.header()...)
	}
	switch q.Form {
	case FormLong:
		if p.printed > 0 {
			p.line = append(p.line, LongRule...)
		}
		l := LongOf(job, q.ShortHost)
		if q.Unformatted {
			p.line = l.AppendUnformatted(p.line)
		} else {
			p.line = l.AppendTo(p.line)
		}
	case FormFields:
		p.line = AppendFields(p.line, job, q.Fields, q.Delimiter, p.now)
	case FormJSON:
		if p.printed > 0 {
			p.records = append(p.records, ",\n"...)
		}
		p.records = AppendRecord(p.records, job, q.Fields, p.now)
	default:
		p.line = p.appendLine(job)
	}
	p.printed++
	if _, err := p.out.Write(p.line); err != nil {
		return err
	}
	if p.printed == 1 {
		return p.out.Flush()
	}
	return nil
}

// jobIn is a job with its times in a location.
func jobIn(job *queue.Job, location *time.Location) *queue.Job {
	here := *job
	for _, t := range []*time.Time{&here.SubmittedAt, &here.StartedAt, &here.EndedAt} {
		if !t.IsZero() {
			*t = t.In(location)
		}
	}
	if !job.Spec.BeginAt.IsZero() || !job.Spec.EndBy.IsZero() {
		spec := *job.Spec
		if !spec.BeginAt.IsZero() {
			spec.BeginAt = spec.BeginAt.In(location)
		}
		if !spec.EndBy.IsZero() {
			spec.EndBy = spec.EndBy.In(location)
		}
		here.Spec = &spec
	}
	return &here
}

func (p *JobPrinter) header() string {
	switch q := p.query; {
	case q.Form == FormFields:
		return FieldHeader(q.Fields, q.Delimiter)
	case q.Form == FormLong || q.Form == FormJSON:
		return ""
	case q.Pending:
		return pendingHeader
	default:
		return tableHeader
	}
}

func (p *JobPrinter) appendLine(job *queue.Job) []byte {
	q := p.query
	l := LineOf(job, q.ShortHost)
	suspended := job.State == queue.UserSuspended || job.State == queue.SysSuspended
	if q.Pending || q.Suspended && suspended {
		l.Reasons = reasonLines(job.Reason)
	}
	return l.AppendTo(p.line, q.Form == FormWide, q.Pending)
}

// Close writes what stands below the last job and flushes.
func (p *JobPrinter) Close() error {
	var err error
	switch {
	case p.query.Form == FormJSON:
		end := ""
		if p.printed > 0 {
			end = "\n"
		}
		_, err = fmt.Fprintf(p.out, "{\n  \"COMMAND\":\"bjobs\",\n  \"JOBS\":%d,\n  \"RECORDS\":[\n%s%s  ]\n}\n", p.printed, p.records, end)
	case p.query.Form == FormLong && p.printed > 0:
		_, err = p.out.WriteString("\n")
	}
	if err != nil {
		return err
	}
	return p.out.Flush()
}

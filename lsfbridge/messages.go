package lsfbridge

import (
	"errors"
	"io/fs"

	"sluice/queue"
)

// lsfText is LSF's text for each code of a refused command; named says that LSF puts the subject before it.
var lsfText = map[queue.Code]struct {
	text  string
	named bool
}{
	queue.NoSuchQueue:      {"No such queue", true},
	queue.NoSuchApp:        {"No such application profile", true},
	queue.QueueClosed:      {"Queue has been closed", true},
	queue.QueueDenied:      {"User cannot use the queue", true},
	queue.NoSuchJob:        {"No matching job found", true},
	queue.NoSuchHost:       {"Bad host name, host group name or cluster name", true},
	queue.AlreadyFinished:  {"Job has already finished", true},
	queue.NotYours:         {"User permission denied", false},
	queue.TooManySlots:     {"Too many processors requested", false},
	queue.TooFewSlots:      {"Too few processors requested", false},
	queue.ArrayTooLarge:    {"Job array index too large", false},
	queue.TooManyJobs:      {"Pending job threshold reached", false},
	queue.EmptyCommand:     {"Empty job", false},
	queue.BadDependency:    {"No matching job found", true},
	queue.RunLimitTooLarge: {"RUNLIMIT: Cannot exceed queue's hard limit(s)", false},
	queue.LimitTooLarge:    {"Cannot exceed queue's hard limit(s)", true},
	queue.ExclusiveDenied:  {"Queue does not accept EXCLUSIVE jobs", false},
	queue.HostNotUsed:      {"Host or host group is not used by the queue", false},
	queue.WrongState:       {"Job has not started yet", true},
	queue.NoSuchGroup:      {"Job group does not exist", true},
	queue.GroupExists:      {"Job group exists already", true},
	queue.GroupBusy:        {"The job group is not empty", true},
	queue.GroupDenied:      {"User permission denied", false},
	queue.NoRoom:           {"Not enough hosts to run the job", false},
	queue.BadGroup:         {"Bad job group name", true},
}

// Explain is LSF's text for err where LSF has one, without the name it is about and without the final full stop; else the
// error's own text, which is one line.
func Explain(err error) string {
	e, ok := errors.AsType[*queue.Error](err)
	if !ok {
		return printable(err.Error())
	}
	if known, ok := known(e); ok {
		return known
	}
	return printable(e.Text)
}

// known is LSF's text for an error that LSF has too.
func known(e *queue.Error) (text string, ok bool) {
	if e.Code == queue.BadDependency && e.Kind == queue.KindInvalid {
		return "", false // no job is missing, the condition makes no sense
	}
	entry, ok := lsfText[e.Code]
	return entry.text, ok
}

// CannotKeep refuses a job of whose input file (bsub -is) no copy can be made.
func CannotKeep(path string, cause error) Refusal {
	if opening, ok := errors.AsType[*fs.PathError](cause); ok {
		cause = opening.Err
	}
	return notSubmitted(printable(path) + ": " + cause.Error())
}

// ExplainSubmission is the line with which bsub refuses a job.
func ExplainSubmission(err error) string {
	e, ok := errors.AsType[*queue.Error](err)
	if !ok {
		return Explain(err) + ". Job not submitted."
	}
	if text, ok := known(e); ok && lsfText[e.Code].named && e.Subject != "" {
		return printable(e.Subject) + ": " + text + ". Job not submitted."
	}
	return Explain(err) + ". Job not submitted."
}

// ExplainName is the line with which a command refuses a queue's or host's name.
func ExplainName(name string, code queue.Code) string {
	return printable(name) + ": " + lsfText[code].text
}

package queue

import "errors"

// Kind classes an error for its answer: each maps to one HTTP status and one exit code.
type Kind uint8

// The kinds of error. KindInternal is the zero value, so that an error nobody classed is a bug report.
const (
	KindInternal Kind = iota
	KindInvalid
	KindNotFound
	KindConflict
	KindDenied
	KindUnavailable
)

// Code says precisely what was wrong, for a front end that has its own words for it.
type Code string

// The codes of refused commands.
const (
	NoSuchQueue       Code = "no_such_queue"
	QueueClosed       Code = "queue_closed"
	QueueDenied       Code = "queue_denied"
	NoSuchJob         Code = "no_such_job"
	NoSuchHost        Code = "no_such_host"
	AlreadyFinished   Code = "already_finished"
	NotYours          Code = "not_yours"
	TooManySlots      Code = "too_many_slots"
	TooFewSlots       Code = "too_few_slots"
	ArrayTooLarge     Code = "array_too_large"
	TooManyJobs       Code = "too_many_jobs"
	EmptyCommand      Code = "empty_command"
	BadSpec           Code = "bad_spec"
	BadDependency     Code = "bad_dependency"
	RunLimitTooLarge  Code = "run_limit_too_large"
	LimitTooLarge     Code = "limit_too_large"
	ExclusiveDenied   Code = "exclusive_denied"
	HostNotUsed       Code = "host_not_used"
	HostExists        Code = "host_exists"
	HostBusy          Code = "host_busy"
	WrongState        Code = "wrong_state"
	StaleAttempt      Code = "stale_attempt"
	JournalUnwritable Code = "journal_unwritable"
)

// Error is a refused command. Subject is the name it is about (a queue, a job id, a host); Text is one line that says what
// is wrong and what to do.
type Error struct {
	Kind    Kind
	Code    Code
	Subject string
	Text    string
}

func (e *Error) Error() string { return e.Text }

// Is makes errors.Is(err, &Error{Code: c}) match any error of that code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && (other.Code == "" || other.Code == e.Code) && (other.Kind == KindInternal || other.Kind == e.Kind)
}

// KindOf is the kind of the first *Error in err's chain, KindInternal without one.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindInternal
}

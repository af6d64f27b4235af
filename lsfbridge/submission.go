package lsfbridge

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/queue"
)

// Limits of one submission.
const (
	maxSlots    = 1 << 20
	maxPriority = 1 << 30
	maxQueues   = 64
	maxText     = 4096 // of a path, a project or a user
)

// submitGrammar knows options that are refused too, so that those are not taken for a wrong command line.
var submitGrammar = newGrammar("bsub", `x H r rn K J: q: n: o: oo: e: eo: i: is: w: P: W: M: m: R: b: t: sp: cwd: env:
	N B u: I Ip Is IS ISp ISs IX Q: E: Ep: L: c: F: D: S: C: T: v: p: k: a: f: g: G: U: app: sla: ext: jsdl: ti tty Zs hl ul gpu: pack:
	Jd: Lp: data: wt: wa: rnc: notify:`, true)

// A SubmitPlace is where bsub was called.
type SubmitPlace struct {
	Environ []string // NAME=value
	Cwd     string   // absolute
	Host    string
	Umask   int
	Now     time.Time
	// Script is standard input. It is read only when the command line has no command.
	Script io.Reader
	// ScriptFile gives the text of the file that a command of one word names, if it is to be read as a script; nil = none is.
	ScriptFile func(name string) (text string, ok bool, err error)

	shared queue.Env // that Environ makes, where it is known already
}

func (p SubmitPlace) env(name string) string {
	for _, v := range p.Environ {
		if len(v) > len(name) && v[len(name)] == '=' && v[:len(name)] == name {
			return v[len(name)+1:]
		}
	}
	return ""
}

// Submission is a parsed bsub command line. Spec is complete but for its queue when Queues has several, and for the user,
// whom the daemon knows.
type Submission struct {
	Spec   queue.Spec
	Queues []string // in the order of preference; nil = the default queue
	Wait   bool     // -K
	// KeepInput is the file of -is, of which a copy is to be made for Spec.Input before the job is submitted; "" = none.
	KeepInput string
	// Notes are lines for standard error after the job was submitted.
	Notes []string
}

// ParseSubmission reads a bsub command line and, without a command in it, the script on standard input with its #BSUB
// lines, or a script file that the command is. Errors are ErrVersion, *UsageError, a Refusal (a whole line) or an error of reading the script.
func ParseSubmission(args []string, place SubmitPlace) (*Submission, error) {
	options, words, err := submitGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	command, isScript, err := commandOf(words, place)
	if err != nil {
		return nil, err
	}
	if isScript {
		embedded, _, err := submitGrammar.parse(ScriptOptions(command))
		if err != nil {
			return nil, err
		}
		options = overriding(embedded, options)
	}
	b := submissionBuilder{place: place, Submission: Submission{Spec: queue.Spec{
		Command: command, SubmitHost: place.Host, Cwd: place.Cwd, Umask: place.Umask,
		Queue: place.env("LSB_DEFAULTQUEUE"), Project: place.env("LSB_DEFAULTPROJECT"), Group: groupPath(place.env("LSB_DEFAULT_JOBGROUP")), MinSlots: 1, MaxSlots: 1,
	}}}
	b.environ = place.Environ
	if err := b.apply(options); err != nil {
		return nil, err
	}
	if b.Spec.Interactive != "" {
		if err := b.checkInteractive(); err != nil {
			return nil, err
		}
	}
	switch {
	case isScript && !hasCommand(command):
		return nil, notSubmitted("No command is specified")
	case strings.TrimSpace(command) == "":
		return nil, notSubmitted("Empty job")
	case len(command) > maxCommandBytes:
		return nil, notSubmitted(fmt.Sprintf("Command of more than %d bytes", maxCommandBytes))
	case !utf8.ValidString(command) || strings.IndexByte(command, 0) >= 0:
		return nil, notSubmitted("Command is not text in UTF-8")
	}
	if b.Spec.Env = place.shared; place.shared == (queue.Env{}) || !sameSlice(b.environ, place.Environ) {
		b.Spec.Env = queue.NewEnv(b.environ)
	}
	b.Spec.Project = orDefault(b.Spec.Project)
	if !slices.ContainsFunc(options, func(o given) bool { return o.name == "n" }) {
		b.Spec.MinSlots, b.Spec.MaxSlots = 0, 0 // as many as the queue gives those that do not say
	}
	return &b.Submission, nil
}

// commandOf gives the command, and whether it is a script, in which there may be options.
func commandOf(words []string, place SubmitPlace) (command string, isScript bool, err error) {
	switch {
	case len(words) == 0:
		command, err = readScript(place.Script)
		return command, true, err
	case len(words) == 1 && place.ScriptFile != nil:
		if command, isScript, err = place.ScriptFile(words[0]); isScript || err != nil {
			return command, isScript, err
		}
	}
	return JoinCommand(words), false, nil
}

// sameSlice reports whether two slices are one and the same.
func sameSlice(a, b []string) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// notSubmitted is a refusal of bsub.
func notSubmitted(text string) Refusal { return Refusal(text + ". Job not submitted.") }

func readScript(script io.Reader) (string, error) {
	if script == nil {
		return "", nil
	}
	data, err := io.ReadAll(io.LimitReader(script, maxCommandBytes+1))
	if err != nil {
		return "", fmt.Errorf("read script: %w", err)
	}
	return string(data), nil
}

// overriding lets an option of the command line hide those of the script that are about the same.
func overriding(embedded, options []given) []given {
	kept := slices.DeleteFunc(embedded, func(e given) bool {
		return slices.ContainsFunc(options, func(o given) bool { return sameSubject(o.name, e.name) })
	})
	return append(kept, options...)
}

// subjects groups options that are about the same thing.
var subjects = map[string]string{"oo": "o", "eo": "e", "is": "i", "rn": "r"}

func sameSubject(a, b string) bool {
	subject := func(name string) string {
		if s, ok := subjects[name]; ok {
			return s
		}
		return name
	}
	return subject(a) == subject(b)
}

// submissionBuilder applies options in order. Resource requirements come last, because they are per slot.
type submissionBuilder struct {
	Submission
	place   SubmitPlace
	environ []string
	resReqs []string
	gpus    gpuRequest
}

func (b *submissionBuilder) apply(options []given) error {
	for _, o := range options {
		if !utf8.ValidString(o.value) || strings.IndexByte(o.value, 0) >= 0 {
			return notSubmitted(fmt.Sprintf("-%s: argument is not text in UTF-8", o.name))
		}
		if err := b.option(o); err != nil {
			return asNotSubmitted(err)
		}
	}
	b.requestGPUs()
	for _, text := range b.resReqs {
		need, err := ParseResReq(text, b.Spec.MinSlots, b.Spec.MaxSlots, b.Spec.Need)
		if err != nil {
			return asNotSubmitted(err)
		}
		b.Spec.Need = need
	}
	b.Spec.ResReq = strings.Join(b.resReqs, " ")
	// A memory limit is of the whole job. Without a reservation it is one: a job may use what it may use.
	if limit := b.Spec.Limits.MemKiB; limit > 0 && b.Spec.Need.MemMiB == 0 {
		b.Spec.Need.MemMiB = shareOf(int((limit+1023)/1024), b.Spec.MinSlots)
	}
	return nil
}

func asNotSubmitted(err error) error {
	if r, ok := errors.AsType[Refusal](err); ok {
		return notSubmitted(string(r))
	}
	return err
}

func (b *submissionBuilder) option(o given) (err error) {
	spec := &b.Spec
	switch o.name {
	case "x":
		spec.Need.Exclusive = true
	case "H":
		spec.Hold = true
	case "r", "rn":
		spec.Rerunnable, spec.NotRerunnable = o.name == "r", o.name == "rn"
	case "K":
		b.Wait = true
	case "J":
		spec.Name, spec.Array, err = ParseJobName(o.value)
	case "q":
		err = b.queues(o.value)
	case "n":
		err = b.slots(o.value)
	case "P":
		spec.Project, err = shortText(o)
	case "g":
		spec.Group, err = jobGroup(o.value)
	case "w":
		err = b.dependency(o.value)
	case "W":
		spec.RunLimit, err = parseHoursMinutes(o.value, "RUNLIMIT")
	case "m":
		spec.Need.Hosts, err = parseHosts(o.value)
	case "R":
		b.resReqs = append(b.resReqs, o.value)
	case "gpu":
		b.gpus, err = parseGPUs(o.value)
	case "c", "M", "v", "F", "D", "S", "C", "p", "T":
		err = limitOption(o, &spec.Limits)
	case "b":
		err = b.time(o.value, &spec.BeginAt, "Job will be scheduled after ")
	case "t":
		err = b.time(o.value, &spec.EndBy, "Job will be terminated by ")
	case "sp":
		err = b.priority(o.value)
	case "env":
		b.environ, err = applyEnv(o.value, b.place.Environ)
	default:
		return b.fileOption(o)
	}
	return err
}

// checkInteractive refuses what an interactive job cannot be beside.
func (b *submissionBuilder) checkInteractive() error {
	s, option := &b.Spec, string(b.Spec.Interactive)
	switch {
	case b.Wait:
		return &UsageError{Command: "bsub"}
	case s.Array != nil:
		return notSubmitted("A job array cannot be interactive")
	case s.Stdin != "":
		return notSubmitted("-" + option + ": An interactive job reads what is typed, not a file")
	case s.Rerunnable:
		return notSubmitted("-" + option + ": An interactive job cannot be rerun")
	}
	return nil
}

func (b *submissionBuilder) fileOption(o given) (err error) {
	spec := &b.Spec
	switch o.name {
	case "o", "oo":
		spec.Stdout, err = shortText(o)
		spec.TruncateStdout = o.name == "oo"
	case "e", "eo":
		spec.Stderr, err = shortText(o)
		spec.TruncateStderr = o.name == "eo"
	case "i", "is":
		err = b.input(o)
	case "cwd":
		spec.Cwd, err = shortText(o)
		if err == nil && !filepath.IsAbs(spec.Cwd) {
			spec.Cwd = filepath.Join(b.place.Cwd, spec.Cwd)
		}
	case "app":
		spec.App, err = shortText(o)
	case "Q":
		if spec.RequeueExit, err = queue.ParseExitSet(o.value); err != nil {
			err = Refusal("Bad argument for option -Q: " + err.Error())
		}
	case "E":
		spec.PreExec, err = aroundCommand(o)
	case "Ep":
		spec.PostExec, err = aroundCommand(o)
	case "L":
		if spec.LoginShell, err = shortText(o); err == nil && !filepath.IsAbs(spec.LoginShell) {
			err = Refusal(printable(o.value) + ": The login shell must be an absolute path")
		}
	case "ti":
		spec.EndOrphan = true
	case "N":
		spec.NotifyEnd = true
	case "B":
		spec.NotifyBegin = true
	case "u":
		if spec.MailUser, err = shortText(o); err == nil && !isMailUser(o.value) {
			err = Refusal(printable(o.value) + ": Bad mail address")
		}
	case "I", "Ip", "Is":
		spec.Interactive = queue.Interactive(o.name)
	default:
		return Refusal("-" + o.name + ": Option is not supported")
	}
	return err
}

// input is the file that the job reads.
func (b *submissionBuilder) input(o given) (err error) {
	if b.Spec.Stdin != "" && (b.KeepInput != "") != (o.name == "is") {
		return Refusal("-" + o.name + ": Only one input file can be specified")
	}
	if b.Spec.Stdin, err = shortText(o); err != nil || o.name == "i" {
		return err
	}
	if b.Spec.Stdin == "" {
		return Refusal("Bad argument for option -is")
	}
	b.KeepInput = b.Spec.Stdin
	return nil
}

// isMailUser says whether a text can be the recipient of a mail, and nothing else to the program that sends it.
func isMailUser(text string) bool {
	return text != "" && len(text) <= 254 && !strings.HasPrefix(text, "-") && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"'`$;&|<>(){}\\", r)
	})
}

// aroundCommand is a command to run before or after the job.
func aroundCommand(o given) (string, error) {
	if strings.TrimSpace(o.value) == "" || len(o.value) > maxText {
		return "", Refusal("Bad argument for option -" + o.name)
	}
	return o.value, nil
}

func shortText(o given) (string, error) {
	if len(o.value) > maxText || isBroken(o.value) {
		return "", Refusal("Bad argument for option -" + o.name)
	}
	return o.value, nil
}

func (b *submissionBuilder) queues(text string) error {
	names := strings.Fields(text)
	if len(names) == 0 || len(names) > maxQueues || isBroken(text) {
		return Refusal("Bad argument for option -q")
	}
	b.Queues, b.Spec.Queue = names, names[0]
	return nil
}

func (b *submissionBuilder) slots(text string) error {
	low, high, isRange := strings.Cut(text, ",")
	if !isRange {
		high = low
	}
	least, err1 := strconv.ParseInt(strings.TrimSpace(low), 10, 64)
	most, err2 := strconv.ParseInt(strings.TrimSpace(high), 10, 64)
	switch {
	case err1 != nil || err2 != nil || most < least:
		return Refusal("Bad argument for option -n")
	case least < 1:
		return Refusal("The number of processors must be a positive integer")
	case most > maxSlots:
		return Refusal("Too many processors requested")
	}
	b.Spec.MinSlots, b.Spec.MaxSlots = int(least), int(most)
	return nil
}

func (b *submissionBuilder) dependency(text string) (err error) {
	b.Spec.After = nil
	if strings.TrimSpace(text) == "" {
		return nil
	}
	if b.Spec.After, err = ParseCondition(text); err != nil {
		return Refusal(printable(text) + ": " + err.Error())
	}
	return nil
}

func (b *submissionBuilder) time(text string, to *time.Time, note string) (err error) {
	if *to, err = parseTimeSpec(text, b.place.Now); err != nil {
		return err
	}
	b.Notes = slices.DeleteFunc(b.Notes, func(n string) bool { return strings.HasPrefix(n, note) })
	b.Notes = append(b.Notes, note+to.Format(fullTime))
	return nil
}

func (b *submissionBuilder) priority(text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > maxPriority {
		return Refusal(printable(text) + ": Illegal job priority")
	}
	b.Spec.Priority = int(n)
	return nil
}

// applyEnv reads bsub's -env: "none", "all" with changes (~NAME, NAME=value), or a list of variables to take along.
func applyEnv(text string, environ []string) ([]string, error) {
	var result []string
	for i, item := range splitEnvList(text) {
		name, value, assigned := strings.Cut(strings.TrimLeft(item, " "), "=")
		name = strings.TrimRight(name, " ")
		dropped, drop := strings.CutPrefix(name, "~")
		switch {
		case i == 0 && name == "none" && !assigned:
			continue
		case i == 0 && name == "all" && !assigned:
			result = slices.Clone(environ)
			continue
		case drop && !assigned && dropped != "":
			result = without(result, dropped)
		case drop || name == "":
			return nil, Refusal("Bad argument for option -env")
		case assigned:
			result = append(without(result, name), name+"="+value)
		default:
			for _, v := range environ {
				if strings.HasPrefix(v, name+"=") {
					result = append(without(result, name), v)
				}
			}
		}
	}
	return result, nil
}

func without(environ []string, name string) []string {
	return slices.DeleteFunc(environ, func(v string) bool { return strings.HasPrefix(v, name+"=") })
}

// splitEnvList splits at commas outside single quotes, which it removes.
func splitEnvList(text string) []string {
	var items []string
	var item strings.Builder
	quoted := false
	for _, c := range []byte(text) {
		switch {
		case c == '\'':
			quoted = !quoted
		case c == ',' && !quoted:
			items = append(items, item.String())
			item.Reset()
		default:
			item.WriteByte(c)
		}
	}
	return append(items, item.String())
}

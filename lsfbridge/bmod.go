package lsfbridge

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/queue"
)

// Modification is a parsed bmod command line.
type Modification struct {
	IDs []queue.ID
	// Options are those of bsub that were given, each once: the parts of Spec that they set are to be taken over. An option
	// with "n" at its end (bmod -Wn) is listed without it, and Spec has the default.
	Options []string
	Spec    queue.Spec
	Notes   []string // for standard error
	// KeepInput is the file of -is, of which a copy is to be made for Spec.Input first; "" = none.
	KeepInput string
	// PerJob says that Spec.Need may depend on the job's slots, and these were not given.
	PerJob bool
}

// modGrammar knows options that are refused too.
var modGrammar = newGrammar("bmod", `x xn r rn J: Jn q: qn n: nn o: oo: on e: eo: en i: is: in isn w: wn P: Pn W: Wn m: mn R: Rn b: bn
	t: tn Q: Qn sp: spn Z: Zs: Zsn M: Mn H Hn N Nn B Bn u: un c: cn F: Fn D: Dn S: Sn C: Cn T: Tn v: vn p: pn k: kn L: Ln E: En Ep: Epn f: fn
	a: an g: gn G: Gn app: appn sla: slan ti tin env: cwd: cwdn`, false)

// modOptions are the options that are here, by themselves and with "n" at the end.
var modOptions = strings.Fields("x r J q n o oo e eo i is w P W m R b t sp Z c M v F D S C p T Q B N u E Ep L g app")

// ParseModification reads a bmod command line. slots are those of the job as it is, for resources of the whole job; 1 when that is not
// known. Errors are ErrVersion, *UsageError or a Refusal.
func ParseModification(args []string, now time.Time, slots int) (*Modification, error) {
	options, words, err := modGrammar.parse(args)
	if err != nil {
		return nil, err
	}
	selectors, zero, err := parseSelectors(words)
	switch {
	case err != nil:
		return nil, err
	case zero || len(selectors) != 1:
		return nil, &UsageError{Command: "bmod"}
	case len(options) == 0:
		return nil, notModified("No option is specified")
	case selectors[0].Ranges != nil:
		return nil, notModified("Elements of a job array change only together")
	}
	b := submissionBuilder{place: SubmitPlace{Now: now}, Submission: Submission{Spec: queue.Spec{MinSlots: slots, MaxSlots: slots, Command: "x"}}}
	m := &Modification{IDs: []queue.ID{{Job: selectors[0].Job}}}
	resets := false
	for _, o := range options {
		if err := m.option(&b, o); err != nil {
			return nil, err
		}
		resets = o.name == "nn" || resets && o.name != "n"
	}
	for _, text := range b.resReqs {
		if b.Spec.Need, err = ParseResReq(text, b.Spec.MinSlots, b.Spec.MaxSlots, b.Spec.Need); err != nil {
			return nil, asNotModified(err)
		}
		m.PerJob = m.PerJob || !slices.Contains(m.Options, "n")
	}
	b.Spec.ResReq = strings.Join(b.resReqs, " ")
	if b.Spec.Array != nil {
		return nil, notModified("The elements of a job array cannot be changed")
	}
	m.Spec, m.Notes, m.KeepInput = b.Spec, b.Notes, b.KeepInput
	if resets {
		m.Spec.MinSlots, m.Spec.MaxSlots = 0, 0 // as many as the queue gives those that do not say
	}
	return m, nil
}

func (m *Modification) option(b *submissionBuilder, o given) error {
	name, reset := o.name, false
	if !slices.Contains(modOptions, name) {
		name, reset = strings.CutSuffix(name, "n")
	}
	if !slices.Contains(modOptions, name) || name == "q" && reset {
		return notModified("-" + o.name + ": Option is not supported")
	}
	if !utf8.ValidString(o.value) || strings.IndexByte(o.value, 0) >= 0 {
		return notModified("-" + o.name + ": argument is not text in UTF-8")
	}
	m.Options = append(m.Options, name)
	switch {
	case reset:
		return nil
	case name == "Z":
		if strings.TrimSpace(o.value) == "" || len(o.value) > maxCommandBytes {
			return notModified("Bad argument for option -Z")
		}
		b.Spec.Command = o.value
		return nil
	}
	return asNotModified(b.option(given{name, o.value}))
}

func notModified(text string) Refusal { return Refusal(text + ". Job not modified.") }

func asNotModified(err error) error {
	if r, ok := errors.AsType[Refusal](err); ok {
		return notModified(string(r))
	}
	return err
}

// NotKept is a refusal of CannotKeep in bmod's words; other errors stay as they are.
func (m *Modification) NotKept(err error) error {
	if r, ok := errors.AsType[Refusal](err); ok {
		return notModified(strings.TrimSuffix(string(r), ". Job not submitted."))
	}
	return err
}

// Done is the line that says that a job was modified.
func (m *Modification) Done(id queue.ID) string {
	return "Parameters of job <" + id.String() + "> are being changed"
}

// Refused is the line that says why not.
func (m *Modification) Refused(id queue.ID, err error) string {
	e, _ := errors.AsType[*queue.Error](err)
	if e != nil && e.Code == queue.WrongState {
		return "Job <" + id.String() + ">: Job has already started. Job not modified."
	}
	if e != nil && e.Code == queue.AlreadyFinished { // LSF does not name it
		return "Job has already finished. Job not modified."
	}
	return strings.TrimSuffix(ExplainSubmission(err), ". Job not submitted.") + ". Job not modified."
}

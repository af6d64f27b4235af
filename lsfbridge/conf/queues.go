package conf

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/lsfbridge"
	"sluice/queue"
)

const (
	maxQueueName = 59 // LSF's
	maxPriority  = 1_000_000
)

// reservedQueues are names that mean something else.
var reservedQueues = []string{"all", "lost_and_found"}

var queueKeywords = join(map[string]keyword[queue.QueueSpec]{
	"QUEUE_NAME":          queueName,
	"PRIORITY":            number(1, maxPriority, func(q *queue.QueueSpec) *int { return &q.Priority }),
	"QJOB_LIMIT":          number(1, maxNumber, func(q *queue.QueueSpec) *int { return &q.MaxSlots }),
	"UJOB_LIMIT":          number(1, maxNumber, func(q *queue.QueueSpec) *int { return &q.UserSlots }),
	"HJOB_LIMIT":          number(1, maxNumber, func(q *queue.QueueSpec) *int { return &q.HostSlots }),
	"PJOB_LIMIT":          queueProcessorLimit,
	"USERS":               func(p *parser, v value, q *queue.QueueSpec) { q.Users = p.userList(v) },
	"HOSTS":               func(p *parser, v value, q *queue.QueueSpec) { q.Hosts = p.hostList(v) },
	"RUNLIMIT":            queueRunLimit,
	"EXCLUSIVE":           func(p *parser, v value, q *queue.QueueSpec) { q.NoExclusive = !p.yes(v) },
	"CPULIMIT":            queueLimit,
	"MEMLIMIT":            queueLimit,
	"SWAPLIMIT":           queueLimit,
	"PROCESSLIMIT":        queueLimit,
	"THREADLIMIT":         queueLimit,
	"FILELIMIT":           queueLimit,
	"DATALIMIT":           queueLimit,
	"STACKLIMIT":          queueLimit,
	"CORELIMIT":           queueLimit,
	"JOB_ACCEPT_INTERVAL": noEffect[queue.QueueSpec]("0"),
	"NEW_JOB_SCHED_DELAY": noEffect[queue.QueueSpec]("0"),
}, within(termKeywords, func(q *queue.QueueSpec) *queue.Terms { return &q.Terms }))

// otherQueueKeywords are those of LSF 10.1 and OpenLava that have no effect here, the thresholds of load indices among them.
var otherQueueKeywords = words(`
	ADMINISTRATORS APS_PRIORITY BACKFILL CHKPNT CHUNK_JOB_SIZE COMMITTED_RUN_TIME_FACTOR COMPUTE_UNIT CONTAINER CPU_FREQUENCY
	CPU_TIME_FACTOR CSM_REQ CSM_VALID DATA_TRANSFER DEFAULT_EXTSCHED DEFAULT_HOST_SPEC DISPATCH_BY_QUEUE DISPATCH_ORDER
	DISPATCH_WINDOW ELIGIBLE_PEND_TIME_LIMIT ENABLE_GPU_HIST_RUN_TIME ENABLE_HIST_RUN_TIME ESTIMATED_RUNTIME EXEC_DRIVER
	EXTENDABLE_RUNLIMIT FAIRSHARE FAIRSHARE_ADJUSTMENT_FACTOR FAIRSHARE_QUEUES FWD_JOB_FACTOR FWD_USERS GLOBAL_FAIRSHARE GPU_REQ
	GPU_RUN_TIME_FACTOR HIST_HOURS HOSTLIMIT_PER_JOB HOST_POST_EXEC HOST_PRE_EXEC IGNORE_DEADLINE IMPT_JOBBKLG
	IMPT_JOBLIMIT IMPT_SLOTBKLG IMPT_TASKBKLG IMPT_TASKLIMIT INTERACTIVE INTERRUPTIBLE_BACKFILL JOB_ACTION_WARNING_TIME JOB_CONTROLS
	JOB_INCLUDE_POSTPROC JOB_OVERRUN JOB_POSTPROC_TIMEOUT JOB_PREPROC_TIMEOUT JOB_SIZE_LIST JOB_UNDERRUN
	JOB_WARNING_ACTION LOCAL_MAX_PREEXEC_RETRY LOCAL_MAX_PREEXEC_RETRY_ACTION MANDATORY_EXTSCHED MAX_JOB_PREEMPT MAX_JOB_REQUEUE
	MAX_PREEXEC_RETRY MAX_PROTOCOL_INSTANCES MAX_RSCHED_TIME MAX_SLOTS_IN_POOL MAX_TOTAL_TIME_PREEMPT MIG NETWORK_REQ
	NO_PREEMPT_FINISH_TIME NO_PREEMPT_INTERVAL NO_PREEMPT_RUN_TIME NQS_QUEUES OVERLAP_MXJ PEND_TIME_LIMIT PLAN
	PREEMPTION PREEMPT_DELAY PREEMPT_FOR PRE_POST_EXEC_USER QUEUE_GROUP RCVJOBS_FROM RELAX_JOB_DISPATCH_ORDER
	REMOTE_MAX_PREEXEC_RETRY RESIZABLE_JOBS RESOURCE_RESERVE RESRSV_LIMIT RESUME_COND RUN_JOB_FACTOR RUN_TIME_DECAY
	RUN_TIME_FACTOR RUN_WINDOW SLA_GUARANTEES_IGNORE SLOT_POOL SLOT_RESERVE SLOT_SHARE SNDJOBS_TO STOP_COND
	SUCCESS_EXIT_VALUES TERMINATE_WHEN USE_PAM_CREDS USE_PRIORITY_IN_POOL
	R15S R1M R15M UT PG IO LS IT TMP SWP MEM`)

func (p *parser) queues() {
	sections, ok := p.sections(fileQueues)
	if !ok {
		return
	}
	lines := map[string]int{}
	for _, e := range p.entriesOf(sections, "Queue", "a queue without a QUEUE_NAME") {
		spec := queue.QueueSpec{Priority: 1, NoExclusive: true}
		take(p, e, queueKeywords, otherQueueKeywords, &spec)
		if p.isNew(e, "QUEUE_NAME", spec.Name, "a queue", lines) {
			p.config.Queues = append(p.config.Queues, spec)
		}
	}
	if len(p.config.Queues) == 0 && len(p.problems) == 0 {
		p.refuse(place{file: fileQueues}, "no queue: want Begin Queue … End Queue, or no such file for the built-in queues")
	}
}

// entriesOf gives the entries of the sections of a name. Others get a warning, and one without an entry is refused in these words.
func (p *parser) entriesOf(sections []section, name, empty string) (entries []entry) {
	for _, s := range sections {
		switch {
		case !strings.EqualFold(s.name, name):
			p.warn(s.at, "section %s: unknown, it has no effect", s.name)
		case len(s.entries) == 0:
			p.refuse(s.at, "%s", empty)
		default:
			entries = append(entries, s.entries...)
		}
	}
	return entries
}

// isNew checks what an entry is about, a queue for one: that its name is there, and was in no line before.
func (p *parser) isNew(e entry, key, name, what string, lines map[string]int) bool {
	named := slices.IndexFunc(e.values, func(v value) bool { return v.key == key })
	switch {
	case named < 0 || e.values[named].text == "":
		p.refuse(e.at, "%s without a %s", what, key)
	case lines[name] != 0:
		p.refuse(e.values[named].at, "%s = %s: there is such %s in line %d already", key, show(name), what, lines[name])
	case name != "": // else refused
		lines[name] = e.values[named].at.line
		return true
	}
	return false
}

// isName says whether a word can be the name of a queue or an application.
func isName(text string, most int) bool {
	return len(text) <= most && !strings.ContainsAny(text, " \t\"'<>()") && !strings.HasPrefix(text, "-") && !strings.ContainsFunc(text, isControl)
}

func queueName(p *parser, v value, q *queue.QueueSpec) {
	switch {
	case !isName(v.text, maxQueueName):
		p.refuse(v.at, "QUEUE_NAME = %s: want a word of at most %d bytes, without quotes or brackets", show(v.text), maxQueueName)
	case slices.Contains(reservedQueues, v.text):
		p.refuse(v.at, "QUEUE_NAME = %s: the name is reserved", v.text)
	default:
		q.Name = v.text
	}
}

// queueProcessorLimit reads PJOB_LIMIT. A slot is a processor here, so a limit of one slot of each, or more, holds by itself.
func queueProcessorLimit(p *parser, v value, _ *queue.QueueSpec) {
	switch n, err := strconv.ParseFloat(v.text, 64); {
	case err != nil || !(n >= 0 && n <= maxNumber):
		p.refuse(v.at, "PJOB_LIMIT = %s: want a number from 0 to %d", show(v.text), maxNumber)
	case n < 1:
		p.warn(v.at, "PJOB_LIMIT = %s: not supported by Sluice, where every slot is a processor, it has no effect", show(v.text))
	}
}

// queueRunLimit reads RUNLIMIT = [default] maximum.
func queueRunLimit(p *parser, v value, q *queue.QueueSpec) {
	var limits []time.Duration
	for word := range strings.FieldsSeq(v.text) {
		limit, err := lsfbridge.ParseRunLimit(word)
		if err != nil || limit == 0 {
			limits = nil
			break
		}
		limits = append(limits, limit)
	}
	if len(limits) == 0 || len(limits) > 2 || limits[0] > limits[len(limits)-1] {
		p.refuse(v.at, "RUNLIMIT = %s: want [DEFAULT] MAXIMUM, each [HOURS:]MINUTES of at least one minute", show(v.text))
		return
	}
	q.RunLimit = limits[len(limits)-1]
	if len(limits) == 2 {
		q.RunDefault = limits[0]
	}
}

// queueLimit reads a limit that jobs may set, too: [default] maximum.
func queueLimit(p *parser, v value, q *queue.QueueSpec) {
	texts := strings.Fields(v.text)
	to := []*queue.Limits{&q.Limits, &q.DefaultLimits}
	ok := len(texts) <= len(to)
	slices.Reverse(texts)
	for i, text := range texts {
		var alone queue.Limits
		ok = ok && lsfbridge.ParseLimit(v.key, text, &alone) == nil && alone != (queue.Limits{}) &&
			lsfbridge.ParseLimit(v.key, text, to[i]) == nil
	}
	if !ok || q.Limits.Exceeded(&q.DefaultLimits) == v.key {
		p.refuse(v.at, "%s = %s: want [DEFAULT] MAXIMUM, %s", v.key, show(v.text), limitForm(v.key))
	}
}

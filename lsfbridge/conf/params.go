package conf

import (
	"slices"
	"strings"
	"time"

	"sluice/queue"
)

var paramKeywords = map[string]keyword[Config]{
	"DEFAULT_QUEUE":            defaultQueues,
	"DEFAULT_PROJECT":          defaultProject,
	"DEFAULT_APPLICATION":      defaultApp,
	"CLEAN_PERIOD":             seconds(1, func(c *Config) *time.Duration { return &c.CleanPeriod }),
	"MAX_JOB_ARRAY_SIZE":       number(1, maxNumber, func(c *Config) *int { return &c.MaxArray }),
	"JOB_TERMINATE_INTERVAL":   seconds(1, func(c *Config) *time.Duration { return &c.KillGrace }),
	"MAX_PREEXEC_RETRY":        preExecRetries,
	"LOCAL_MAX_PREEXEC_RETRY":  preExecRetries,
	"REMOTE_MAX_PREEXEC_RETRY": preExecRetries,
	"MAX_PEND_JOBS":            number(1, maxNumber, func(c *Config) *int { return &c.MaxPending }),
	"JOB_INCLUDE_POSTPROC":     noEffect[Config]("Y"),
	"JOB_ACCEPT_INTERVAL":      noEffect[Config]("0"),
	// Sluice sees what happens when it happens: intervals of LSF's daemons would only be slower.
	"MBD_SLEEP_TIME": ignored[Config],
	"SBD_SLEEP_TIME": ignored[Config],
}

// ignored is a keyword that no Sluice needs, whatever it says.
func ignored[T any](*parser, value, *T) {}

// otherParamKeywords are those of LSF 10.1 and OpenLava that have no effect here.
var otherParamKeywords = words(`
	ABS_RUNLIMIT ACCT_ARCHIVE_AGE ACCT_ARCHIVE_SIZE ACCT_ARCHIVE_TIME ADVRSV_USER_LIMIT BJOBS_RES_REQ_DISPLAY
	BLOCK_JOB_UNKNOWN_HOST_TIME BSWITCH_MODIFY_RUSAGE CHUNK_JOB_DURATION CLEAN_PERIOD_DONE COMMITTED_RUN_TIME_FACTOR
	COMPUTE_UNIT_TYPES CONDENSE_PENDING_REASONS CPU_TIME_FACTOR DEFAULT_BSUB_UNIT DEFAULT_HOST_SPEC
	DEFAULT_JOBGROUP DEFAULT_JOB_CWD DEFAULT_JOB_OUTDIR DEFAULT_LIMIT_IGNORE_USER_GROUP DEFAULT_RC_ACCOUNT_PER_PROJECT
	DEFAULT_RESREQ_ORDER DEFAULT_RUNLIMIT DEFAULT_SLA_VELOCITY DEFAULT_USER_GROUP DETECT_IDLE_JOB_AFTER
	DISABLE_UACCT_MAP DISPLAY_LICENSE ESTIMATED_RUNTIME EADMIN_TRIGGER_DURATION ENABLE_DEFAULT_EGO_SLA ENABLE_DIAGNOSE
	ENABLE_EVENT_STREAM ENABLE_EXIT_RATE_PER_SLOT ENABLE_HIST_RUN_TIME ENABLE_HOST_INTERSECTION ENABLE_USER_RESUME
	ENFORCE_ONE_UG_LIMITS ENFORCE_UG_TREE EVALUATE_JOB_DEPENDENCY EVALUATE_JOB_DEPENDENCY_TIMEOUT EVENT_STREAM_FILE EVENT_UPDATE_INTERVAL EXIT_RATE_TYPE
	EXTEND_JOB_EXCEPTION_NOTIFY FAIRSHARE_ADJUSTMENT_FACTOR FAIRSHARE_JOB_COUNT FWD_JOB_FACTOR GLOBAL_EXIT_RATE GPU_REQ_MERGE
	GPU_RUN_TIME_FACTOR GROUP_PEND_JOBS_BY HIST_HOURS INCLUDE_DETAIL_REASONS INEXACT_REASONS JOB_ATTA_DIR
	JOB_CWD_TTL JOB_DEP_LAST_SUB JOB_DISTRIBUTE_ON_HOST JOB_EXIT_RATE_DURATION JOB_GROUP_CLEAN JOB_POSITION_CONTROL_BY_ADMIN
	JOB_POSTPROC_TIMEOUT JOB_PREPROC_TIMEOUT JOB_PRIORITY_OVER_TIME JOB_RUNLIMIT_RATIO JOB_SCHEDULING_INTERVAL JOB_SIZE_LIST
	JOB_SPOOL_DIR JOB_SWITCH2_EVENT LOCAL_MAX_PREEXEC_RETRY_ACTION MAX_ACCT_ARCHIVE_FILE MAX_CONCURRENT_QUERY
	MAX_EVENT_STREAM_FILE_NUMBER MAX_EVENT_STREAM_SIZE MAX_INFO_DIRS MAX_JOBID MAX_JOBINFO_QUERY_PERIOD MAX_JOB_MSG_NUM
	MAX_JOB_NUM MAX_JOB_PREEMPT MAX_JOB_REQUEUE MAX_PEND_SLOTS MAX_SBD_CONNS MAX_SBD_FAIL MAX_USER_PRIORITY MBD_EGO_CONNECT_TIMEOUT
	MBD_EGO_READ_TIMEOUT MBD_QUERY_CPUS MBD_REFRESH_TIME MBD_USE_EGO_MXJ MC_PENDING_REASON_PKG_SIZE MC_PENDING_REASON_UPDATE_INTERVAL
	MC_PLUGIN_SCHEDULE_ENHANCE MC_RECLAIM_DELAY MC_RESOURCE_MATCHING_CRITERIA MC_RUSAGE_UPDATE_INTERVAL MIN_REFRESH_TIME
	MIN_SWITCH_PERIOD NEWJOB_REFRESH NEW_JOB_SCHED_DELAY NO_PREEMPT_FINISH_TIME NO_PREEMPT_INTERVAL NO_PREEMPT_RUN_TIME
	NQS_QUEUES_FLAGS NQS_REQUESTS_FLAGS ORPHAN_JOB_TERM_GRACE_PERIOD OVERRUN_JOB_BY PARALLEL_SCHED_BY_SLOT
	PEND_REASON_MAX_JOBS PEND_REASON_UPDATE_INTERVAL PG_SUSP_IT PLAN PREEMPTABLE_RESOURCES PREEMPTION_WAIT_TIME PREEMPT_DELAY PREEMPT_FOR
	PREEMPT_JOBTYPE PRIVILEGED_USER_FORCE_BKILL QUERY_ENHANCE_LEVEL RELAX_JOB_DISPATCH_ORDER REMOVE_HUNG_JOBS_FOR RESOURCE_RESERVE_PER_TASK
	RESOURCE_RESERVE_PER_SLOT RUN_JOB_FACTOR RUN_TIME_DECAY RUN_TIME_FACTOR SCHEDULER_THREADS SCHED_METRIC_ENABLE
	SCHED_METRIC_SAMPLE_PERIOD SCHED_PER_JOB_SORT SECURE_INFODIR_USER_ACCESS SECURE_JOB_INFO_LEVEL SHARED_RESOURCE_UPDATE_FACTOR
	SIMPLIFIED_GUARANTEE SLA_TIMER SSCHED_ACCT_DIR SSCHED_MAX_RUNLIMIT SSCHED_MAX_TASKS STRICT_UG_CONTROL
	STRIPING_WITH_MINIMUM_NETWORK SUB_TRY_INTERVAL SYSTEM_MAPPING_ACCOUNT TRACK_ELIGIBLE_PENDINFO TRUNCATE_HOSTNAME UNDERRUN_JOB_BY
	USE_SUSP_SLOTS`)

func (p *parser) params() {
	sections, _ := p.sections(fileParams)
	first := 0
	for _, s := range sections {
		switch {
		case !strings.EqualFold(s.name, "Parameters"):
			p.warn(s.at, "section %s: unknown, it has no effect", s.name)
		case first != 0:
			p.refuse(s.at, "section Parameters: there is one in line %d already", first)
		default:
			first = s.at.line
			for _, e := range s.entries {
				take(p, e, paramKeywords, otherParamKeywords, &p.config)
			}
		}
	}
	if len(p.config.DefaultQueues) == 0 && len(p.config.Queues) > 0 {
		p.presetQueue()
	}
}

// presetQueue chooses the default queue where no DEFAULT_QUEUE does.
func (p *parser) presetQueue() {
	for _, name := range []string{"default", "normal"} {
		if p.hasQueue(name) {
			p.config.DefaultQueues = []string{name}
			return
		}
	}
	p.warn(place{file: fileQueues}, "no default queue: jobs must name theirs, until DEFAULT_QUEUE in %s does", fileParams)
}

func (p *parser) hasQueue(name string) bool {
	queues := p.config.Queues
	if queues == nil {
		queues = queue.DefaultQueues()
	}
	return slices.ContainsFunc(queues, func(q queue.QueueSpec) bool { return q.Name == name })
}

func defaultQueues(p *parser, v value, c *Config) {
	for name := range strings.FieldsSeq(v.text) {
		switch {
		case !p.hasQueue(name):
			p.refuse(v.at, "DEFAULT_QUEUE = %s: there is no queue %s", show(v.text), show(name))
		case !slices.Contains(c.DefaultQueues, name):
			c.DefaultQueues = append(c.DefaultQueues, name)
		}
	}
}

const maxProject = 511 // LSF's

func defaultProject(p *parser, v value, c *Config) {
	if len(v.text) > maxProject || strings.ContainsFunc(v.text, isControl) {
		p.refuse(v.at, "DEFAULT_PROJECT = %s: want a name of at most %d bytes, without control characters", show(v.text), maxProject)
		return
	}
	c.Project = v.text
}

func preExecRetries(p *parser, v value, c *Config) {
	if n, ok := p.integer(v, 1, maxNumber); ok {
		c.PreExecRetries = n
	}
}

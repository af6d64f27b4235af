package conf

import (
	"slices"
	"strings"
	"time"

	"sluice/lsfbridge"
	"sluice/queue"
)

const maxAppName = 59 // LSF's

var appKeywords = join(map[string]keyword[queue.AppSpec]{
	"NAME":         appName,
	"RUNLIMIT":     appRunLimit,
	"CPULIMIT":     appLimit,
	"MEMLIMIT":     appLimit,
	"SWAPLIMIT":    appLimit,
	"PROCESSLIMIT": appLimit,
	"THREADLIMIT":  appLimit,
	"FILELIMIT":    appLimit,
	"DATALIMIT":    appLimit,
	"STACKLIMIT":   appLimit,
	"CORELIMIT":    appLimit,
	// As everywhere, limits are not normalised by the speed of hosts, and a job includes what is run after it.
	"ABS_RUNLIMIT":         noEffect[queue.AppSpec]("Y"),
	"JOB_INCLUDE_POSTPROC": noEffect[queue.AppSpec]("Y"),
	"RERUNNABLE":           appRerunnable,
}, within(termKeywords, func(a *queue.AppSpec) *queue.Terms { return &a.Terms }))

// otherAppKeywords are those of LSF 10.1 that have no effect here.
var otherAppKeywords = words(`
	APS_PRIORITY BIND_JOB CHKPNT_DIR CHKPNT_INITPERIOD CHKPNT_METHOD CHKPNT_PERIOD CHUNK_JOB_SIZE CONTAINER CPU_FREQUENCY CSM_REQ
	DJOB_COMMFAIL_ACTION DJOB_DISABLED DJOB_ENV_SCRIPT DJOB_HB_INTERVAL DJOB_RESIZE_GRACE_PERIOD DJOB_RU_INTERVAL
	DJOB_TASK_BIND DOCKER_IMAGE_AFFINITY ELIGIBLE_PEND_TIME_LIMIT ENV_VARS ESTIMATED_RUNTIME EXEC_DRIVER FAIRSHARE_QUEUES GPU_REQ
	HOST_POST_EXEC HOST_PRE_EXEC JOB_CWD JOB_CWD_TTL JOB_POSTPROC_TIMEOUT JOB_PREPROC_TIMEOUT JOB_SIZE_LIST
	LOCAL_MAX_PREEXEC_RETRY LOCAL_MAX_PREEXEC_RETRY_ACTION MAX_JOB_PREEMPT MAX_JOB_REQUEUE MAX_PREEXEC_RETRY
	MAX_TOTAL_TIME_PREEMPT MEMLIMIT_TYPE MIG NETWORK_REQ NO_PREEMPT_FINISH_TIME NO_PREEMPT_INTERVAL NO_PREEMPT_RUN_TIME PEND_TIME_LIMIT
	PERSISTENT_HOST_ORDER PLAN PRIORITY REMOTE_MAX_PREEXEC_RETRY RESIZABLE_JOBS RESIZE_NOTIFY_CMD RESUME_CONTROL RTASK_GONE_ACTION
	SUCCESS_EXIT_VALUES SUSPEND_CONTROL TERMINATE_CONTROL USE_PAM_CREDS WATCHDOG`)

// apps reads lsb.applications. Limits of an application are what its jobs get that do not say, up to those of their queue.
func (p *parser) apps() {
	sections, _ := p.sections(fileApps)
	lines := map[string]int{}
	for _, e := range p.entriesOf(sections, "Application", "an application without a NAME") {
		var spec queue.AppSpec
		take(p, e, appKeywords, otherAppKeywords, &spec)
		if p.isNew(e, "NAME", spec.Name, "an application", lines) {
			p.config.Apps = append(p.config.Apps, spec)
		}
	}
}

func appName(p *parser, v value, a *queue.AppSpec) {
	if !isName(v.text, maxAppName) {
		p.refuse(v.at, "NAME = %s: want a word of at most %d bytes, without quotes or brackets", show(v.text), maxAppName)
		return
	}
	a.Name = v.text
}

func appRerunnable(p *parser, v value, a *queue.AppSpec) {
	a.Rerunnable = p.yes(v)
	a.NotRerunnable = !a.Rerunnable
}

func appRunLimit(p *parser, v value, a *queue.AppSpec) {
	limit, err := lsfbridge.ParseRunLimit(v.text)
	if err != nil || limit < time.Minute {
		p.refuse(v.at, "RUNLIMIT = %s: want [HOURS:]MINUTES of at least one minute", show(v.text))
		return
	}
	a.RunDefault = limit
}

func appLimit(p *parser, v value, a *queue.AppSpec) {
	var alone queue.Limits
	if lsfbridge.ParseLimit(v.key, v.text, &alone) != nil || alone == (queue.Limits{}) || lsfbridge.ParseLimit(v.key, v.text, &a.DefaultLimits) != nil {
		p.refuse(v.at, "%s = %s: want %s", v.key, show(v.text), strings.TrimPrefix(limitForm(v.key), "each "))
	}
}

func defaultApp(p *parser, v value, c *Config) {
	if !slices.ContainsFunc(c.Apps, func(a queue.AppSpec) bool { return a.Name == v.text }) {
		p.refuse(v.at, "DEFAULT_APPLICATION = %s: there is no such application in %s", show(v.text), fileApps)
		return
	}
	c.DefaultApp = v.text
}

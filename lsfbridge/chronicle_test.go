package lsfbridge

import (
	"strings"
	"testing"
	"time"

	"sluice/queue"
	"sluice/queue/history"
)

// recordedEvents are lines of OpenLava's bhist -t, without who did it, which is not kept here, and without the home directory.
const recordedEvents = `Fri Nov 20 22:48:11: Job <4> submitted from host <olmaster>, to Queue <normal>,
                     CWD <$HOME>, Job Name <arr[1-20]%5>, User <openlava>, Proj
                     ` + "e" + `ct <default>, Command <sleep 30>;
Fri Nov 20 22:48:11: Job <51> submitted from host <olmaster> with hold, to Queu
                     e <excl>, Specified Start Time <Fri Nov 20 23:59:00>, CWD 
                     <$HOME>, Input File </etc/hostname>, Output File <out.%J>,
                     Error File <err.%J>, User <openlava>, Project <default>, M
                     ail <someone@example.com>, Command <sleep 600>, Exclusive 
                     Execution, 2 Processors Requested, Login Shell </bin/sh>, 
                     Pre-execute Command </bin/true>;
Fri Nov 20 22:48:11:Job <4[1]>, the batch job command is started on <olmaster>;
                     
Fri Nov 20 22:48:11:Job <4[1]>, starting (Pid 11687);
Fri Nov 20 22:48:11: Job <4[1]> running with Execution CWD </home/openlava>, Ex
                     ecution Pid <11687>, Execution user name <openlava>;
Fri Nov 20 22:48:11: Job <4[1]> suspended by the user or administrator
Fri Nov 20 22:48:11: Job <4[1]> running
Fri Nov 20 22:48:11: Job <4[2]> suspended by the user or administrator while pe
                     nding
Fri Nov 20 22:48:11: Job <4[2]> pending: Waiting for scheduling after resumed b
                     y user;
Fri Nov 20 22:48:11: Job <4> switched to Queue <short> by user or administrator
                     ;
Fri Nov 20 22:48:11: Job <4[1]>, signal <KILL> requested by user or administrat
                     or;
Fri Nov 20 22:48:11: Job <4[1]> exited
Fri Nov 20 22:48:11:Job <4[1]> pending: Job has been requeued;
Fri Nov 20 22:48:11: Job <9> done successfully
Fri Nov 20 22:48:11: Queue <batchonly> closed by user or administrator.
Fri Nov 20 22:48:11: Queue <batchonly> opened by user or administrator.
Fri Nov 20 22:48:11: Queue <batchonly> inactivated by user or administrator.
Fri Nov 20 22:48:11: Queue <batchonly> activated by user or administrator.
Fri Nov 20 22:48:11: Host <node2> joined the cluster.
Fri Nov 20 22:48:11: Host <node2> closed by administrator.
Fri Nov 20 22:48:11: Host <node2> opened by administrator.
Fri Nov 20 22:48:11: Host <node2> closed.
Fri Nov 20 22:48:11: Host <node2> unavailable.
Fri Nov 20 22:48:11: Host <node2> removed from the cluster: it died.
`

func TestChronicle(t *testing.T) {
	at := time.Date(2026, 11, 20, 22, 48, 11, 0, time.UTC)
	plain := &queue.Spec{Command: "sleep 600", User: "openlava", SubmitHost: "olmaster", Cwd: "/home/openlava", Env: queue.NewEnv([]string{"HOME=/home/openlava"}), MinSlots: 1, MaxSlots: 1}
	array, full := *plain, *plain
	array.Name, array.Command, array.Array = "arr", "sleep 30", &queue.Array{Ranges: []queue.Range{{First: 1, Last: 20, Step: 1}}, Limit: 5}
	full.Hold, full.Stdin, full.Stdout, full.Stderr, full.MailUser = true, "/etc/hostname", "out.%J", "err.%J", "someone@example.com"
	full.BeginAt, full.Need.Exclusive, full.MinSlots, full.MaxSlots = at.Add(time.Hour+10*time.Minute+49*time.Second), true, 2, 2
	full.LoginShell, full.PreExec = "/bin/sh", "/bin/true"
	first, second := queue.ID{Job: 4, Index: 1}, queue.ID{Job: 4, Index: 2}
	var out []byte
	c := NewChronicle(time.UTC)
	for _, h := range []history.Happening{
		{Spec: &array, Event: queue.Event{Kind: queue.JobSubmitted, Job: queue.ID{Job: 4}, QueueName: "normal"}},
		{Spec: &full, Event: queue.Event{Kind: queue.JobSubmitted, Job: queue.ID{Job: 51}, QueueName: "excl"}},
		{Spec: &array, Event: queue.Event{Kind: queue.JobStarted, Job: first, Attempt: 1, Placement: []queue.Placement{{Host: "olmaster", Slots: 1}}}},
		{Spec: &array, Event: queue.Event{Kind: queue.JobExecuting, Job: first, Attempt: 1, PID: 11687}},
		{Spec: &array, Event: queue.Event{Kind: queue.JobStopAsked, Job: first, Attempt: 1}},
		{Spec: &array, Event: queue.Event{Kind: queue.JobStopped, Job: first, Attempt: 1}},
		{Spec: &array, Event: queue.Event{Kind: queue.JobResumed, Job: first, Attempt: 1}},
		{Spec: &array, Event: queue.Event{Kind: queue.JobStopped, Job: second}},
		{Spec: &array, Event: queue.Event{Kind: queue.JobResumed, Job: second}},
		{Spec: &array, Event: queue.Event{Kind: queue.JobQueueMoved, Job: queue.ID{Job: 4}, QueueName: "short"}},
		{Spec: &array, Event: queue.Event{Kind: queue.JobKillAsked, Job: first, Attempt: 1, ExitCode: 130}},
		{Spec: &array, Event: queue.Event{Kind: queue.JobFinished, Job: first, Attempt: 1, ExitCode: 130}},
		{Spec: &array, Event: queue.Event{Kind: queue.JobRequeued, Job: first, Attempt: 1}},
		{Spec: plain, Event: queue.Event{Kind: queue.JobFinished, Job: queue.ID{Job: 9}, Attempt: 1}}, // it began earlier
		{Event: queue.Event{Kind: queue.QueueSwitched, QueueName: "batchonly", Active: true}},
		{Event: queue.Event{Kind: queue.QueueSwitched, QueueName: "batchonly", Active: true, Open: true}},
		{Event: queue.Event{Kind: queue.QueueSwitched, QueueName: "batchonly", Open: true}},
		{Event: queue.Event{Kind: queue.QueueSwitched, QueueName: "batchonly", Active: true, Open: true}},
		{Event: queue.Event{Kind: queue.HostJoined, HostName: "node2"}},
		{Event: queue.Event{Kind: queue.HostClosed, HostName: "node2", Closed: queue.ClosedAdmin}},
		{Event: queue.Event{Kind: queue.HostOpened, HostName: "node2", Closed: queue.ClosedAdmin}},
		{Event: queue.Event{Kind: queue.HostClosed, HostName: "node2", Closed: queue.ClosedDrain}},
		{Event: queue.Event{Kind: queue.HostLost, HostName: "node2"}},
		{Event: queue.Event{Kind: queue.HostRemoved, HostName: "node2", Reason: "it died"}},
	} {
		h.At = at
		out = c.AppendTo(out, &h)
	}
	same(t, string(out), recordedEvents)
	limited := *plain
	limited.RunLimit = 90 * time.Minute
	shown := string(c.AppendTo(nil, &history.Happening{Spec: &limited, Event: queue.Event{Kind: queue.JobSubmitted, At: at, Job: queue.ID{Job: 28}}}))
	if !strings.HasSuffix(shown, ";\n\n RUNLIMIT                \n 90.0 min                \n") {
		t.Errorf("limits are shown as %q", shown)
	}
}

func TestChronicleSpan(t *testing.T) {
	now := time.Date(2026, 11, 20, 22, 48, 11, 0, time.UTC)
	q, err := ParsePastQuery([]string{"-t"}, now)
	if err != nil || !q.Chronicle {
		t.Fatal(err)
	}
	for hours, want := range map[string]time.Duration{"": 7 * 24 * time.Hour, "x": 7 * 24 * time.Hour, "-1": 7 * 24 * time.Hour, "2": 2 * time.Hour} {
		if got := q.SpanAt(now, hours); got != (history.Span{From: now.Add(-want)}) {
			t.Errorf("%q hours: %v", hours, got)
		}
	}
	if q, err = ParsePastQuery([]string{"-t", "-T", "11/19,."}, now); err != nil {
		t.Fatal(err)
	}
	if got := q.SpanAt(now, "5"); got != (history.Span{From: time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC), To: now}) {
		t.Errorf("with -T: %v", got)
	}
}

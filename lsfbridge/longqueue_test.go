package lsfbridge

import (
	"strings"
	"testing"

	"sluice/queue"
)

// What a queue gives jobs that do not say, and which it takes, stands in bqueues -l.
func TestPrintQueueDefaults(t *testing.T) {
	q := queue.QueueSpec{
		Name:  "all",
		Terms: queue.Terms{LeastJob: 1, SlotsDefault: 2, JobSlots: 64, NeedDefault: queue.Need{HostGPUs: 1, OneHost: true}, MemDefault: 200},
	}
	long := string(PrintLongQueues([]queue.QueueInfo{{QueueSpec: q}}))
	for _, want := range []string{
		"\n 1 2 64\n", "\nSCHEDULING POLICIES:  EXCLUSIVE\n", "\nRES_REQ:  rusage[mem=200:ngpus_physical=1] span[hosts=1]\n",
	} {
		if !strings.Contains(long, want) {
			t.Errorf("no %q in\n%s", want, long)
		}
	}
	plain := string(PrintLongQueues([]queue.QueueInfo{{QueueSpec: queue.QueueSpec{Name: "plain", NoExclusive: true, Terms: queue.Terms{MemDefault: 5}}}}))
	if strings.Contains(plain, "POLICIES") || !strings.Contains(plain, "\nRES_REQ:  rusage[mem=5]\n") {
		t.Errorf("a queue without exclusive jobs, and with memory:\n%s", plain)
	}
}

// What a queue runs around its jobs, and on which hosts, too.
func TestPrintQueueCommands(t *testing.T) {
	q := queue.QueueInfo{QueueSpec: queue.QueueSpec{
		Name: "a", HostSlots: 3, Hosts: []string{"node1", "node2"}, NoExclusive: true,
		Terms: queue.Terms{PreExec: "check \x1b[2J", PostExec: "clean up", JobStarter: "nice %USRCMD", Rerunnable: true},
	}, Open: true, Active: true}
	long := string(PrintLongQueues([]queue.QueueInfo{q}))
	const want = "HOSTS:  node1 node2 \nPRE_EXEC:  check ?[2J\nPOST_EXEC:  clean up\nRERUNNABLE :  yes\nJOB_STARTER:  nice %USRCMD\n"
	if !strings.Contains(long, want) || !strings.Contains(long, "  0    0  Open:Active       -    -    -    3 ") {
		t.Errorf("no %q in\n%s", want, long)
	}
	q.Hosts = []string{"~node1"}
	if long := string(PrintLongQueues([]queue.QueueInfo{q})); !strings.Contains(long, "HOSTS:  all ~node1 \n") {
		t.Error(long)
	}
	queues := []queue.QueueInfo{q, {QueueSpec: queue.QueueSpec{Name: "b"}}}
	for host, want := range map[string]int{"node1": 1, "node2": 2, "host-1": 1} {
		query, err := ParseQueueQuery([]string{"-m", host})
		if err != nil {
			t.Fatal(err)
		}
		shown, err := query.Select(queues, map[string]string{"host-1": "node1.site"}[host])
		if err != nil || len(shown) != want {
			t.Errorf("queues of %s: %d, %v; want %d", host, len(shown), err, want)
		}
	}
}

func TestUserLimitsShown(t *testing.T) {
	users := []queue.UserInfo{
		{Name: "ann", MaxSlots: 4, Run: 3}, {Name: "default", Default: true, MaxSlots: 10}, {Name: "lab", Group: true, Run: 3},
	}
	all, err := ParseUserQuery([]string{"all"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, string(PrintUsers(all.Select(users, "ann"))), userHeader+
		"ann                    -      4      3      0      3      0      0      0\n"+
		"default                -     10      -      -      -      -      -      - \n"+
		"lab                    -      -      3      0      3      0      0      0\n")
	one, err := ParseUserQuery([]string{"zoe"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, string(PrintUsers(one.Select(users, "ann"))), userHeader+"zoe                    -     10      0      0      0      0      0      0\n")
}

package lsfbridge

import (
	"strings"
	"testing"

	"sluice/queue"
)

// What a queue gives jobs that do not say, and which it takes, stands in bqueues -l.
func TestPrintQueueDefaults(t *testing.T) {
	q := queue.QueueSpec{
		Name: "all", LeastJob: 1, SlotsDefault: 2, JobSlots: 64, NeedDefault: queue.Need{GPUs: 1, OneHost: true}, MemDefault: 200,
	}
	long := string(PrintLongQueues([]queue.QueueInfo{{QueueSpec: q}}))
	for _, want := range []string{
		"\n 1 2 64\n", "\nSCHEDULING POLICIES:  EXCLUSIVE\n", "\nRES_REQ:  rusage[mem=200:ngpus_physical=1] span[hosts=1]\n",
	} {
		if !strings.Contains(long, want) {
			t.Errorf("no %q in\n%s", want, long)
		}
	}
	plain := string(PrintLongQueues([]queue.QueueInfo{{QueueSpec: queue.QueueSpec{Name: "plain", NoExclusive: true, MemDefault: 5}}}))
	if strings.Contains(plain, "POLICIES") || !strings.Contains(plain, "\nRES_REQ:  rusage[mem=5]\n") {
		t.Errorf("a queue without exclusive jobs, and with memory:\n%s", plain)
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

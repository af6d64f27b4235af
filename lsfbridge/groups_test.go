package lsfbridge

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/queue"
)

// groupTable is the example of IBM's LSF 10.1 reference of bjgroup -s.
const groupTable = `GROUP_NAME         NJOBS   PEND    RUN    SSUSP  USUSP  FINISH  SLA   JLIMIT  OWNER
/A                 0       0       0      0      0      0       ()      0/10  user1
/A/B               0       0       0      0      0      0       ()       0/5  user1
/X                 0       0       0      0      0      0       ()       0/-  user2
/X/Y               0       0       0      0      0      0       ()       0/5  user2
`

func TestGroupsAsInTheReference(t *testing.T) {
	ten, five := 10, 5
	groups := []queue.GroupInfo{
		{Name: "/A", Owner: "user1", Limit: &ten},
		{Name: "/A/B", Owner: "user1", Limit: &five},
		{Name: "/X", Owner: "user2"},
		{Name: "/X/Y", Owner: "user2", Limit: &five},
	}
	show := func(args ...string) string {
		q, err := ParseGroupQuery(args)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := q.Select(groups)
		if err != nil {
			t.Fatal(err)
		}
		return string(PrintGroups(lines))
	}
	same(t, show("-s"), groupTable)
	table := strings.SplitAfter(groupTable, "\n")
	same(t, show(), table[0]+table[1]+table[3]+table[2]+table[4])
	same(t, show("-s", "/X"), table[0]+table[3]+table[4])
	same(t, show("-s", "/X/"), table[0]+table[3])
	same(t, show("-s", "/"), groupTable)
}

func TestGroupsPrintedAndParsed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.Bool().Draw(t, "slots")
		n := func(name string) int {
			return rapid.SampledFrom([]int{0, 1, 99999, 1234567, 123456789012}).Draw(t, name)
		}
		lines := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) GroupLine {
			l := GroupLine{
				Name: rapid.StringMatching(`(/[a-z0-9_.-]{1,20}){1,4}`).Draw(t, "name"), Slots: slots, Total: n("total"), Pend: n("pend"),
				Run: n("run"), SSusp: n("ssusp"), USusp: n("ususp"), Limit: -1, Owner: text(wordChars, 1, 30).Draw(t, "owner"),
			}
			if !slots {
				l.Finish, l.Started, l.Limit = n("finish"), n("started"), rapid.SampledFrom([]int{-1, 0, 1<<31 - 1}).Draw(t, "limit")
			}
			return l
		}), 1, 5).Draw(t, "lines")
		printed := string(PrintGroups(lines))
		got, err := ParseGroups(printed)
		if err != nil {
			t.Fatalf("%v:\n%s", err, printed)
		}
		if diff := cmp.Diff(lines, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzParseGroups(f *testing.F) {
	f.Add(groupTable)
	f.Add("GROUP_NAME         NSLOTS  PEND    RUN    SSUSP  USUSP  RSV     SLA   OWNER\n/A 7 7 0 0 0 0 () u\n")
	f.Add("GROUP_NAME")
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := ParseGroups(text)
		if err != nil || len(lines) == 0 {
			return
		}
		again, err := ParseGroups(string(PrintGroups(lines)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(lines, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestJobGroupInLongForm(t *testing.T) {
	job := &queue.Job{
		ID: queue.ID{Job: 101}, State: queue.Running,
		Spec: &queue.Spec{User: "user1", Group: "/risk_group", Queue: "normal", Command: "myjob", MinSlots: 1, MaxSlots: 1},
	}
	long := LongOf(job, false)
	const want = "Job <101>, User <user1>, Project <default>, Job Group </risk_group>, Status <RUN>, Queue <normal>, Command <myjob>"
	if got := long.head(); got != want {
		t.Errorf("head %q, want %q", got, want)
	}
}

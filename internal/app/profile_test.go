package app

import (
	"strings"
	"testing"

	"sluice/queue"
)

// Queues get the names of the profiles that are given for them; other configurations that share the queues keep theirs.
func TestProfile(t *testing.T) {
	cfg := DefaultConfig()
	if _, err := cfg.Framework.AddProfile("priority:slot-mem=1024"); err != nil {
		t.Fatal(err)
	}
	shared := queue.DefaultQueues()
	q := queue.Config{Queues: shared}
	if err := cfg.profile(&q); err != nil {
		t.Fatal(err)
	}
	for i, spec := range q.Queues {
		want := ""
		if spec.Name == "priority" {
			want = "priority"
		}
		if spec.Profile != want || shared[i].Profile != "" {
			t.Errorf("queue %s: profile %q, in the shared list %q", spec.Name, spec.Profile, shared[i].Profile)
		}
	}
	empty := queue.Config{}
	if err := cfg.profile(&empty); err != nil || len(empty.Queues) != len(shared) {
		t.Errorf("of the default queues: %v, %+v", err, empty.Queues)
	}
	if _, err := cfg.Framework.AddProfile("nosuch:slot-mem=1024"); err != nil {
		t.Fatal(err)
	}
	if err := cfg.profile(&q); err == nil || !strings.Contains(err.Error(), `no queue "nosuch", want one of priority, short, normal, idle`) {
		t.Error(err)
	}
}

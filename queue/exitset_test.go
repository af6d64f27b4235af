package queue_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"sluice/queue"
)

func TestExitSet(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "99": "99", " 3 3 1 ": "1 3", "all": "all", "all ~1 ~2": "all ~1 ~2", "~5 5 6": "6", "~1": "",
	} {
		if got, err := queue.ParseExitSet(text); err != nil || got.String() != want {
			t.Errorf("%q became %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "256", "-1", "x", "~", "~0", "1,2", "EXCLUDE(3)"} {
		if got, err := queue.ParseExitSet(text); err == nil {
			t.Errorf("%q became %q, want an error", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var want queue.ExitSet
		for i := range want {
			want[i] = rapid.Uint64().Draw(t, "codes")
		}
		want[0] &^= 1
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got queue.ExitSet
		if err := json.Unmarshal(text, &got); err != nil || got != want {
			t.Fatalf("%s became %v, %v", text, got, err)
		}
	})
}

package queue_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/queue"
)

// TestEnvSurvivesJSON holds for any bytes, as environments may hold any.
func TestEnvSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []string
		for _, v := range rapid.SliceOf(rapid.SliceOf(rapid.ByteRange(1, 255))).Draw(t, "variables") {
			want = append(want, string(v))
		}
		env := queue.NewEnv(want)
		data, err := json.Marshal(env)
		if err != nil {
			t.Fatal(err)
		}
		var read queue.Env
		if err := json.Unmarshal(data, &read); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, read.Strings()); diff != "" || read != env {
			t.Errorf("%s (-want +got):\n%s", data, diff)
		}
	})
}

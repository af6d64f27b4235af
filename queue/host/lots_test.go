package host

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/queue/wire"
)

func TestParsePorts(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "31000-31002": "31000 31001 31002", "9-9,65535-65535": "9 65535",
	} {
		if got, err := ParsePorts(text); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"31000", "2-1", "1-70000", "a-b", "1-2,", "-", "0-65535,0-65535"} {
		if got, err := ParsePorts(text); err == nil {
			t.Errorf("%q: %d ports, want an error", text, len(got))
		}
	}
}

// TestLots: whatever is taken and given back, no two jobs have the same thing, and the first free ones are taken.
func TestLots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		named := rapid.Bool().Draw(t, "named")
		var gpus []string
		if named {
			gpus = []string{"GPU-a", "GPU-b", "GPU-c", "GPU-d"}
		}
		l := newLots(gpus, []string{"31000", "31001", "31005"})
		var jobs []holding
		for range rapid.IntRange(1, 30).Draw(t, "acts") {
			if len(jobs) > 0 && rapid.Bool().Draw(t, "give") {
				i := rapid.IntRange(0, len(jobs)-1).Draw(t, "which")
				l.takeBack(jobs[i])
				jobs = slices.Delete(jobs, i, i+1)
				continue
			}
			var usedGPUs, usedPorts []string
			for _, j := range jobs {
				usedGPUs, usedPorts = append(usedGPUs, j.gpus...), append(usedPorts, j.ports...)
			}
			s := &wire.Start{Gpus: int32(rapid.IntRange(0, 3).Draw(t, "gpus")), Ports: int32(rapid.IntRange(0, 2).Draw(t, "ports"))}
			h, env, err := l.takeFor(s)
			fits := (!named || len(usedGPUs)+int(s.Gpus) <= 4) && len(usedPorts)+int(s.Ports) <= 3
			if (err == nil) != fits {
				t.Fatalf("%d GPUs and %d ports beside %v and %v: %v", s.Gpus, s.Ports, usedGPUs, usedPorts, err)
			}
			if err != nil {
				continue
			}
			jobs = append(jobs, h)
			if len(h.gpus) != int(s.Gpus) || len(h.ports) != int(s.Ports) || len(env) != min(len(h.gpus), 1)+min(len(h.ports), 1) {
				t.Fatalf("asked for %d and %d: %+v, %v", s.Gpus, s.Ports, h, env)
			}
			for _, name := range append(slices.Clone(h.gpus), h.ports...) {
				if slices.Contains(usedGPUs, name) || slices.Contains(usedPorts, name) {
					t.Fatalf("%s is another job's", name)
				}
			}
		}
		for _, j := range jobs {
			l.takeBack(j)
		}
		if n := l.gpus.used() + l.ports.used(); n != 0 {
			t.Fatalf("%d are left when all have been given back", n)
		}
	})
}

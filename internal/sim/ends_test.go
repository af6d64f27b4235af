package sim

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What a heap gives is what sorting gives, whatever was added between, and after ends were taken out of its middle.
func TestEndHeap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h endHeap
		var all []jobEnd
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				end := jobEnd{time.Duration(rapid.IntRange(0, 20).Draw(t, "at")), next}
				next++
				h.add(end)
				all = append(all, end)
			},
			"take": func(t *rapid.T) {
				if len(all) == 0 {
					t.Skip("empty")
				}
				slices.SortFunc(all, func(a, b jobEnd) int {
					if a.before(b) {
						return -1
					}
					return 1
				})
				if got := h.take(); got != all[0] {
					t.Fatalf("took %v, want %v", got, all[0])
				}
				all = all[1:]
			},
			"evict": func(t *rapid.T) {
				odd := func(end jobEnd) bool { return end.job%3 == 1 }
				h, all = slices.DeleteFunc(h, odd), slices.DeleteFunc(all, odd)
				h.init()
			},
		})
	})
}

package queue

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l line[int]
		var all []int
		most := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				l.push(len(all))
				all = append(all, len(all))
				most = max(most, len(all))
			},
			"pop": func(t *rapid.T) {
				if len(all) == 0 {
					t.Skip("empty")
				}
				if first, got := l.first(), l.pop(); first != all[0] || got != all[0] {
					t.Fatalf("first is %d, took %d, want %d", first, got, all[0])
				}
				all = all[1:]
			},
			"": func(t *rapid.T) {
				if l.len() != len(all) || !slices.Equal(l.items[l.gone:], all) {
					t.Fatalf("holds %v, want %v", l.items[l.gone:], all)
				}
				if cap(l.items) > 4*most+8 {
					t.Fatalf("memory for %d of at most %d", cap(l.items), most)
				}
			},
		})
	})
}

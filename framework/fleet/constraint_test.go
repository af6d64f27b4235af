package fleet

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/queue"
)

func mustConstraints(t interface{ Fatal(...any) }, texts ...string) []Constraint {
	var all []Constraint
	for _, text := range texts {
		c, err := ParseConstraint(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func TestConstraintAdmits(t *testing.T) {
	rack := func(v string) map[string]string { return map[string]string{"rack": v, "gen": "2", "@zone": "z1"} }
	for _, tt := range []struct {
		text string
		rack map[string]string
		want bool
	}{
		{"rack:IS:a", rack("a"), true},
		{"rack:IS:a", rack("b"), false},
		{"rack:is:a", rack("a"), true},
		{"rack:CLUSTER:a", rack("b"), false},
		{"rack:IN:a,b", rack("b"), true},
		{"rack:IN: a , b ", rack("b"), true},
		{"rack:IN:a,b", rack("c"), false},
		{"rack:IN:a", nil, false},
		{"rack:NOT IN:a,b", rack("b"), false},
		{"rack:not_in:a,b", rack("c"), true},
		{"rack:NOT IN:a,b", nil, true},
		{"rack:IS NOT:a", rack("a"), false},
		{"rack:LIKE:a.*", rack("abc"), true},
		{"rack:LIKE:a|b", rack("ab"), false},
		{"rack:LIKE:a", nil, false},
		{"rack:UNLIKE:a.*", rack("abc"), false},
		{"rack:UNLIKE:a.*", nil, true},
		{"gen:IS:2.0", rack("a"), true},
		{"gen:IS:2.1", rack("a"), false},
		{"hostname:LIKE:n[0-9]+\\.example", nil, true},
		{"@hostname:IS:n1.example", nil, true},
		{"@zone:IN:z1,z2", rack("a"), true},
		{"@region:IS:r1", rack("a"), false},
		{"rack:LIKE:a:b", rack("a:b"), true}, // a value may hold colons
	} {
		c := mustConstraints(t, tt.text)[0]
		value, has := c.of("n1.example", tt.rack)
		if got := c.admits(value, has); got != tt.want {
			t.Errorf("%s admits %v: %t", tt.text, tt.rack, got)
		}
	}
}

func TestParseConstraintRefuses(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "want FIELD:OPERATOR"},
		{"rack", "want FIELD:OPERATOR"},
		{":IN:a", "names no attribute"},
		{"rack:EQUALS:a", "IS, IS NOT, IN, NOT IN, LIKE, UNLIKE, CLUSTER, UNIQUE, GROUP_BY, MAX_PER"},
		{"rack:IN:", "wants a value"},
		{"rack:IN: , ", "wants a value"},
		{"rack:IS", "wants a value"},
		{"rack:LIKE", "wants a value"},
		{"rack:LIKE:(", "no regular expression"},
		{"rack:LIKE:" + strings.Repeat("a", 513), "longer than 512"},
		{strings.Repeat("a", 4097), "longer than 4096"},
		{"rack:UNIQUE:a", "takes no value"},
		{"rack:MAX_PER", "whole number"},
		{"rack:MAX_PER:0", "whole number"},
		{"rack:GROUP_BY:x", "whole number"},
	} {
		_, err := ParseConstraint(tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
	}
}

func FuzzParseConstraint(f *testing.F) {
	for _, text := range []string{"rack:IN:a,b", "rack:GROUP_BY:3", "h:LIKE:(a|b)+", "a:not_in:x", "::", "x:UNIQUE"} {
		f.Add(text, "a")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		c, err := ParseConstraint(text)
		if err != nil {
			return
		}
		if again, err := ParseConstraint(c.String()); err != nil || again.operator != c.operator || again.field != c.field {
			t.Fatalf("%q became %q: %v", text, c.String(), err)
		}
		c.admits(value, true)
		if c.admits("", false) && !strings.HasPrefix(c.operator, "UN") && !strings.Contains(c.operator, "NOT") {
			t.Fatalf("%q admits an agent without the field", text)
		}
	})
}

// spreading launches one-slot hosts on agents, rack by rack as often as given, one offer at a time or all together.
func spreading(t interface{ Fatal(...any) }, constraint string, together bool, racks ...string) (taken map[string]int) {
	f := New(Config{MaxHostSlots: 1, Constraints: mustConstraints(t, constraint)}, rand.New(rand.NewPCG(1, 1)), nil)
	now := time.Unix(1e9, 0)
	f.Step(now, Connection{Up: true})
	f.Step(now, Goal{Slots: 100, Snapshot: queue.Snapshot{At: now, Demand: []queue.Demand{{Slots: 1, Count: 100}}}})
	var offers Offers
	for i, rack := range racks {
		offers = append(offers, Offer{
			ID: fmt.Sprintf("O%d", i), Agent: fmt.Sprintf("S%d", i), Hostname: fmt.Sprintf("n%d", i), Free: Resources{CPUs: 2, MemMiB: 2048},
			Attributes: map[string]string{"rack": rack},
		})
	}
	taken = map[string]int{}
	step := func(offers Offers) {
		for _, e := range f.Step(now, offers).Effects {
			if l, ok := e.(Launch); ok {
				taken[l.Host.Spec.Attributes["rack"]]++
			}
		}
	}
	if together {
		step(offers)
		return taken
	}
	for i := range offers {
		step(offers[i : i+1])
	}
	return taken
}

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		constraint string
		together   bool
		racks      string
		want       string
	}{
		{"rack:UNIQUE", true, "aabbc", "map[a:1 b:1 c:1]"},
		{"rack:UNIQUE", false, "aabbc", "map[a:1 b:1 c:1]"},
		{"hostname:UNIQUE", true, "aab", "map[a:2 b:1]"},
		{"rack:CLUSTER", true, "abaab", "map[b:2]"},
		{"rack:CLUSTER", false, "babb", "map[b:3]"},
		{"rack:MAX_PER:2", true, "aaaab", "map[a:2 b:1]"},
		{"rack:MAX_PER:2", false, "aaaab", "map[a:2 b:1]"},
		{"rack:GROUP_BY", true, "aaaabbc", "map[a:2 b:2 c:1]"}, // c has no second agent
		{"rack:GROUP_BY", false, "aabb", "map[a:2 b:2]"},       // no other value has hosts when the second of a comes
		{"rack:GROUP_BY:2", false, "aabb", "map[a:1 b:2]"},     // not before two values have one
		{"rack:GROUP_BY:3", true, "aabb", "map[a:1 b:1]"},
	} {
		got := spreading(t, tt.constraint, tt.together, strings.Split(tt.racks, "")...)
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%s of %s, together %t: %v, want %s", tt.constraint, tt.racks, tt.together, got, tt.want)
		}
	}
}

// However offers come, no rack has more hosts than MAX_PER allows, nor two more than another that has any.
func TestSpreadHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		racks := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 20).Draw(t, "racks")
		together := rapid.Bool().Draw(t, "together")
		for rack, n := range spreading(t, "rack:MAX_PER:3", together, racks...) {
			if n > 3 {
				t.Fatalf("%d hosts on %s", n, rack)
			}
		}
		groups := spreading(t, "rack:GROUP_BY", together, racks...)
		if together {
			for rack, n := range groups {
				for other, m := range groups {
					if n > m+1 {
						t.Fatalf("%d hosts on %s, %d on %s", n, rack, m, other)
					}
				}
			}
		}
	})
}

// An offer that breaks a constraint is declined for as long as one that is of no use, and Declined tells of it.
func TestConstraintDeclined(t *testing.T) {
	f := New(Config{Constraints: mustConstraints(t, "rack:IN:b", "hostname:UNLIKE:x.*")}, rand.New(rand.NewPCG(1, 1)), nil)
	now := time.Unix(1e9, 0)
	f.Step(now, Connection{Up: true})
	free := Resources{CPUs: 2, MemMiB: 2048}
	offers := Offers{
		{ID: "O1", Agent: "S1", Hostname: "n1", Free: free, Attributes: map[string]string{"rack": "a"}},
		{ID: "O2", Agent: "S2", Hostname: "x1", Free: free, Attributes: map[string]string{"rack": "b"}},
	}
	f.Step(now, offers[:1])
	f.Step(now, Goal{Slots: 100, Snapshot: queue.Snapshot{At: now, Demand: []queue.Demand{{Slots: 1, Count: 100}}}})
	out := f.Step(now, offers)
	d, ok := out.Effects[0].(Decline)
	if !ok || len(d.Offers) != 2 || d.Refuse < 8*time.Minute {
		t.Fatalf("%+v", out.Effects)
	}
	want := "map[constraint hostname:UNLIKE:x.*:1 constraint rack:IN:b:1 nothing is wanted:1]"
	if got := fmt.Sprint(f.Declined()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func ExampleParseConstraint() {
	c, err := ParseConstraint("rack:in:a,b")
	fmt.Println(c, err)
	_, err = ParseConstraint("rack:EQUALS:a")
	fmt.Println(err)
	// Output:
	// rack:in:a,b <nil>
	// constraint "rack:EQUALS:a": unknown operator "EQUALS": want one of IS, IS NOT, IN, NOT IN, LIKE, UNLIKE, CLUSTER, UNIQUE, GROUP_BY, MAX_PER
}

package queue

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestHostsAllow(t *testing.T) {
	for _, c := range []struct {
		lists string
		names []string
		want  bool
	}{
		{"", []string{"a"}, true},
		{"a,b", []string{"b"}, true},
		{"a,b", []string{"c"}, false},
		{"a,b", []string{"host-1", "b.site"}, true},
		{"a.other", []string{"", "a.site"}, true},
		{"a,b", []string{"", ""}, false},
		{"~a,~b", []string{"c"}, true},
		{"~a,~b", []string{"c", "b.site"}, false},
		{"a,~a", []string{"a"}, false},
		{"a,b b,c", []string{"b"}, true},
		{"a,b b,c", []string{"a"}, false},
		{"a ~a", []string{"a"}, false},
		{"10.0.0.1", []string{"", "10.0.0.1"}, true},
		{"10.0.0.1", []string{"", "10.0.0.2"}, false},
	} {
		if got := HostsAllow(c.lists, c.names...); got != c.want {
			t.Errorf("%q allows %q: %v", c.lists, c.names, got)
		}
	}
}

// The prepared lists say what the texts say.
func TestHostListsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`~?[a-c0-9](\.[x1])?`)
		lists := make([]string, rapid.IntRange(0, 3).Draw(t, "lists"))
		for i := range lists {
			lists[i] = strings.Join(rapid.SliceOfN(name, 1, 4).Draw(t, "list"), ",")
		}
		host := HostSpec{Name: rapid.StringMatching(`[a-d0-9]`).Draw(t, "host"), Location: rapid.StringMatching(`([a-d0-9](\.[xy1])?)?`).Draw(t, "machine")}
		text := strings.Join(lists, " ")
		names := bareNamesOf(&host)
		if got, want := parseHostLists(text).admits(&names), HostsAllow(text, host.Name, host.Location); got != want {
			t.Fatalf("%q, host %+v: prepared %v, else %v", text, host, got, want)
		}
	})
}

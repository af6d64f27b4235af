package tune

import (
	"math"
	"testing"
)

// The rules, worked out by hand from the tables of their sources for a process
// and an ultimate point.
func TestRules(t *testing.T) {
	m, u := Model{K: 2, T: 10, L: 5}, Ultimate{Ku: 4, Pu: 12}
	for name, want := range map[string]struct{ kc, ti, td float64 }{
		"ZN step PI":      {0.9, 5 / 0.3, 0},
		"ZN step PID":     {1.2, 10, 2.5},
		"ZN ultimate PI":  {1.8, 10, 0},
		"ZN ultimate PID": {2.4, 6, 1.5},
		// With r = L/T = 0.5.
		"Cohen-Coon PI":  {(0.9 + 0.5/12), 5 * 31.5 / 19, 0},
		"Cohen-Coon PID": {(4.0/3 + 0.125), 5 * 35.0 / 17, 5 * 4.0 / 12},
		"SIMC PI":        {10.0 / (2 * 10), 10, 0},
		"AMIGO PI":       {(0.15 + (0.35-50.0/225)*2) / 2, 0.35*5 + 13*5*100/(100+600+175.0), 0},
		"AMIGO PID":      {(0.2 + 0.45*2) / 2, (0.4*5 + 0.8*10) / (5 + 1.0) * 5, 0.5 * 5 * 10 / (0.3*5 + 10)},
	} {
		rule := ruleOf(t, name)
		got := rule.Gains(m, u)
		within(t, name+" Kp", got.Kp, want.kc, 1e-9)
		within(t, name+" Ki", got.Ki, want.kc/want.ti, 1e-9)
		if math.Abs(got.Kd-want.kc*want.td) > 1e-9 {
			t.Errorf("%s Kd %v, want %v", name, got.Kd, want.kc*want.td)
		}
		if rule.Source == "" {
			t.Errorf("%s has no source", name)
		}
	}
	if len(Rules()) != 9 {
		t.Errorf("%d rules, want 9: add the new one here", len(Rules()))
	}
}

// Example of Åström and Hägglund (2006): K 1, T 1.04 and L 0.075 give K 6.44,
// Ti 0.361 and Td 0.0367.
func TestAMIGOExample(t *testing.T) {
	g := ruleOf(t, "AMIGO PID").Gains(Model{K: 1, T: 1.04, L: 0.075}, Ultimate{})
	within(t, "K", g.Kp, 6.44, 0.001)
	within(t, "Ti", g.Kp/g.Ki, 0.361, 0.002)
	within(t, "Td", g.Kd/g.Kp, 0.0367, 0.002)
}

func ruleOf(t *testing.T, name string) Rule {
	t.Helper()
	for _, r := range Rules() {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no rule %s", name)
	return Rule{}
}

package app

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"

	"sluice/controller"
	"sluice/queue"
)

// memory is a store that can be made to fail.
type memory struct {
	buckets map[string]map[string][]byte
	err     error
}

var _ store = (*memory)(nil)

func newMemory() *memory { return &memory{buckets: map[string]map[string][]byte{}} }

func (m *memory) Put(_ context.Context, bucket string, changes map[string][]byte) error {
	if m.err != nil {
		return m.err
	}
	if m.buckets[bucket] == nil {
		m.buckets[bucket] = map[string][]byte{}
	}
	maps.Copy(m.buckets[bucket], changes)
	maps.DeleteFunc(m.buckets[bucket], func(_ string, v []byte) bool { return v == nil })
	return nil
}

func (m *memory) All(_ context.Context, bucket string) (map[string][]byte, error) {
	return maps.Clone(m.buckets[bucket]), m.err
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// openLocal is a system on an embedded cluster with what its log said while it started.
func openLocal(t *testing.T, dir string, change func(*LocalConfig)) (*Local, string) {
	t.Helper()
	cfg := DefaultLocalConfig()
	cfg.StateDir, cfg.Agents, cfg.AgentCPUs = dir, 1, 1
	var said lockedBuffer
	log := logrus.New()
	log.SetOutput(&said)
	cfg.Log, cfg.Framework.Logger, cfg.Framework.User = log, silent(), "nobody"
	if change != nil {
		change(&cfg)
	}
	system, err := OpenLocal(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return system, said.String()
}

func silent() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(&bytes.Buffer{})
	return log
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sluice-test-") //nolint:usetesting // t.TempDir is too deep for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func apply(t *testing.T, system *Local, orders ...Control) {
	t.Helper()
	for _, c := range orders {
		if err := system.Apply(t.Context(), c); err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
	}
}

func end(t *testing.T, system *Local) {
	t.Helper()
	if err := system.Close(); err != nil {
		t.Fatal(err)
	}
}

// What is set live outlasts a restart with the same command line; a command line that says something new wins; a reset
// returns to the command line.
func TestLiveSettingsOutlastARestart(t *testing.T) {
	dir := shortDir(t)
	yes, ki, flex, target := true, 0.07, 5, 2.0
	system, said := openLocal(t, dir, nil)
	if !strings.Contains(said, "settings in force: the command line's") {
		t.Errorf("a first start said %q", said)
	}
	apply(t, system, Control{Target: &target, Intent: "wait<=10m"}, Control{Ki: &ki}, Control{Flex: &flex}, Control{Paused: &yes},
		Control{Weights: map[string]float64{"priority": 3}})
	set := system.Status()
	if set.Target != 2 || set.Intent != "wait<=10m" || set.Weights["priority"] != 3 {
		t.Fatalf("not in force: %+v", set)
	}
	end(t, system)

	system, said = openLocal(t, dir, nil)
	s := system.Status()
	if s.Target != 2 || s.Intent != "wait<=10m" || s.Ki != ki || !s.Paused || s.Weights["priority"] != 3 || s.Kp != set.Kp || s.TargetMax != 100 {
		t.Errorf("after a restart %+v", s)
	}
	if want := []string{"flex", "ki", "pause", "target", "weight of priority"}; !slices.Equal(s.Live, want) {
		t.Errorf("%q is set live, want %q", s.Live, want)
	}
	if !strings.Contains(said, "set live before and in force in place of the command line's: flex, ki, pause, target, weight of priority (sluice ctl set --reset") {
		t.Errorf("a restart said %q", said)
	}
	if cfg := system.loop.config(); cfg.MinSlots != 5 {
		t.Errorf("floor %d, want 5", cfg.MinSlots)
	}
	snapshot, err := system.daemon.Poll(t.Context())
	if err != nil || snapshot.Load.PendingWeight != 1 {
		t.Errorf("weight %v of nothing pending (%v), want 1", snapshot.Load.PendingWeight, err)
	}
	end(t, system)

	system, _ = openLocal(t, dir, func(c *LocalConfig) { c.Controller.Ki, c.Controller.Target = 0.001, 4 })
	if s := system.Status(); s.Ki != 0.001 || s.Target != 4 || s.Intent != "none" || !s.Paused {
		t.Errorf("new flags of ki and target, the old pause: %+v", s)
	}
	apply(t, system, Control{Reset: true})
	if s := system.Status(); s.Paused || len(s.Live) > 0 || len(s.Weights) > 0 || system.loop.config().MinSlots != 0 {
		t.Errorf("after a reset: %+v", s)
	}
	end(t, system)

	system, said = openLocal(t, dir, nil)
	if s := system.Status(); s.Target != 0.3 || s.Paused || !strings.Contains(said, "settings in force: the command line's") {
		t.Errorf("a restart after a reset: %+v, %q", s, said)
	}
	end(t, system)
}

// A live setting that the configuration has no room for any more is dropped with a word in the log.
func TestImpossibleLiveSettingIsDropped(t *testing.T) {
	dir := shortDir(t)
	system, _ := openLocal(t, dir, nil)
	flex := 50
	apply(t, system, Control{Flex: &flex})
	end(t, system)
	for _, want := range []string{"what was set live before cannot be any more", "settings in force: the command line's"} {
		system, said := openLocal(t, dir, func(c *LocalConfig) { c.Controller.MaxSlots = 10 })
		if !strings.Contains(said, want) || system.loop.config().MinSlots != 0 {
			t.Errorf("%d slots at least of 10 at most, said %q", system.loop.config().MinSlots, said)
		}
		end(t, system)
	}
}

// What cannot be kept is not done, and says so.
func TestUnkeptChangeIsNotMade(t *testing.T) {
	l, _ := newTestLoop(t, &fakeBatch{})
	m := newMemory()
	cfg := DefaultConfig()
	v, err := openSettings(t.Context(), m, flagsOf(&cfg))
	if err != nil {
		t.Fatal(err)
	}
	before := l.config()
	m.err = errors.New("disk full")
	target := 2.0
	c := Control{Target: &target}
	err = l.apply(c, func(aim Control, goal int) error { return v.keep(t.Context(), c, aim, goal) })
	if !errors.Is(err, m.err) || l.config() != before || len(v.names()) > 0 {
		t.Errorf("%v; target %v, live %q", err, l.config().Target, v.names())
	}
	if _, err := openSettings(t.Context(), m, flagsOf(&cfg)); !errors.Is(err, m.err) {
		t.Errorf("unreadable settings: %v", err)
	}
}

// A value that is the command line's is not live, and damaged records are forgotten.
func TestSettingsAreSaved(t *testing.T) {
	m, cfg := newMemory(), DefaultConfig()
	v, err := openSettings(t.Context(), m, flagsOf(&cfg))
	if err != nil {
		t.Fatal(err)
	}
	kp, same, no := 3.0, cfg.Controller.Kd, false
	if err := v.keep(t.Context(), Control{Kp: &kp, Kd: &same, Paused: &no}, Control{}, 0); err != nil {
		t.Fatal(err)
	}
	if got := v.names(); !slices.Equal(got, []string{"kp"}) {
		t.Errorf("live: %q, want kp only", got)
	}
	m.buckets[bucketSettings]["ki"] = []byte("{")
	m.buckets[bucketSettings]["mood"] = []byte("{}")
	if v, err = openSettings(t.Context(), m, flagsOf(&cfg)); err != nil || !slices.Equal(v.names(), []string{"kp"}) || len(m.buckets[bucketSettings]) != 1 {
		t.Errorf("live: %q, stored %q (%v)", v.names(), slices.Sorted(maps.Keys(m.buckets[bucketSettings])), err)
	}
}

// A restart goes on with what the intent had learnt, and not with what another one had.
func TestLessonOutlastsARestart(t *testing.T) {
	dir := shortDir(t)
	system, _ := openLocal(t, dir, func(c *LocalConfig) { c.Outer.Intent = controller.Intent{Slowdown: 2} })
	what, ok := system.loop.lesson()
	if !ok {
		t.Fatal("no intent")
	}
	what.Target, what.Mismatch = 1.75, 1.5
	if err := what.remember(t.Context(), system.store); err != nil {
		t.Fatal(err)
	}
	end(t, system)
	for slowdown, want := range map[float64]float64{2: 1.75, 3: 0.3} {
		system, _ := openLocal(t, dir, func(c *LocalConfig) { c.Outer.Intent = controller.Intent{Slowdown: slowdown} })
		if got := system.Status().Target; got != want {
			t.Errorf("intent slowdown<=%v begins at a target of %v, want %v", slowdown, got, want)
		}
		end(t, system)
	}
}

func TestPausedGoalOutlastsARestart(t *testing.T) {
	l, fleet := newTestLoop(t, &fakeBatch{load: queue.Load{Pending: 100, FirstNeed: 1}})
	yes := true
	l.hold(23)
	if err := l.apply(Control{Paused: &yes}, nil); err != nil {
		t.Fatal(err)
	}
	l.step(t.Context())
	if fleet.last() != 23 {
		t.Errorf("goal %d after a restart while paused, want the 23 that were held", fleet.last())
	}
}

func TestRefusedChanges(t *testing.T) {
	system, _ := openLocal(t, shortDir(t), nil)
	defer end(t, system)
	target, before := 1.0, system.Status()
	for _, c := range []Control{
		{Weights: map[string]float64{"nosuch": 2}, Target: &target},
		{Weights: map[string]float64{"normal": 0}, Target: &target},
		{Intent: "wait<=soon", Target: &target},
		{Drain: "nosuch", Target: &target},
	} {
		if err := system.Apply(t.Context(), c); queue.KindOf(err) != queue.KindInvalid && queue.KindOf(err) != queue.KindNotFound {
			t.Errorf("%+v: %v, want a refusal", c, err)
		}
		if s := system.Status(); s.Target != before.Target || len(s.Live) > 0 || len(s.Weights) > 0 {
			t.Errorf("%+v: half of it was made: %+v", c, s)
		}
	}
}

// A new intent begins where it is told to, within its limits; the same one again goes on with what it has learnt.
func TestIntentBeginsAtTheGivenTarget(t *testing.T) {
	l, _ := newTestLoop(t, &fakeBatch{})
	target := 5.0
	if err := l.apply(Control{Intent: "wait<=10m", Target: &target}, nil); err != nil {
		t.Fatal(err)
	}
	first := l.outer
	if first.Last().Target != 5 || l.config().Target != 5 {
		t.Errorf("begins at %v with %v in force, want 5", first.Last().Target, l.config().Target)
	}
	if err := l.apply(Control{Intent: "wait<=10m"}, nil); err != nil || l.outer != first {
		t.Errorf("the same intent again (%v) forgot what it had learnt", err)
	}
	target = 1000
	if err := l.apply(Control{Intent: "wait<=10m", Target: &target}, nil); err != nil || l.config().Target != 100 {
		t.Errorf("target %v (%v), want the limit 100", l.config().Target, err)
	}
	target = -1
	before := l.outer
	if err := l.apply(Control{Intent: "slowdown<=2", Target: &target}, nil); queue.KindOf(err) != queue.KindInvalid || l.outer != before {
		t.Errorf("a target of −1: %v, want a refusal", err)
	}
}

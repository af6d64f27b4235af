package tune

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"sluice/controller"
)

func logOf(tb testing.TB, records []controller.Record) string {
	tb.Helper()
	var b bytes.Buffer
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			tb.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

func respondingTo(tb testing.TB, m Model) []controller.Record {
	tb.Helper()
	cfg := controller.DefaultConfig()
	cfg.FeedForward, cfg.Ki = 0.5, 0.01
	records, err := Experiment{Model: m, Control: cfg, Loss: 0.1, Steps: 1200}.Run()
	if err != nil {
		tb.Fatal(err)
	}
	return records
}

// What a controller at work writes tells the process that it steers.
func TestIdentifyFromLog(t *testing.T) {
	m := Model{K: 1, T: 12, L: 20}
	records, err := ReadLog(strings.NewReader(logOf(t, respondingTo(t, m))))
	if err != nil {
		t.Fatal(err)
	}
	samples, err := Samples(records)
	if err != nil {
		t.Fatal(err)
	}
	fit, err := Identify(samples[:600]) // without the disturbance
	if err != nil {
		t.Fatal(err)
	}
	within(t, "T", fit.T, m.T, 0.15)
	within(t, "L", fit.L, m.L, 0.15)
}

func TestReadLogRefuses(t *testing.T) {
	good := logOf(t, respondingTo(t, Model{K: 1, T: 5, L: 5})[:3])
	for name, tc := range map[string]struct{ text, want string }{
		"empty":     {"", "--record"},
		"text":      {"hello\n" + good, "line 1"},
		"no time":   {good + "{\"running\":1}\n" + good, "line 4: no time"},
		"negative":  {`{"at":"2026-01-01T00:00:00Z","running":-1}` + "\n" + good, "line 1: -1 slots"},
		"not a num": {`{"at":"2026-01-01T00:00:00Z","y":NaN}` + "\n" + good, "line 1"},
		"long line": {strings.Repeat("x", maxLine+1), "line 1 is longer"},
	} {
		_, err := ReadLog(strings.NewReader(tc.text))
		if !errors.Is(err, ErrLog) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want an ErrLog of one line with %q", name, err, tc.want)
		}
	}
	// A crash cuts the last line.
	records, err := ReadLog(strings.NewReader(good + `{"at":"2026-01-`))
	if err != nil || len(records) != 3 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

func TestSamples(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	load := func(running, pending int) controller.Load { return controller.Load{Running: running, Pending: pending} }
	samples, err := Samples([]controller.Record{
		{At: at(0), Load: load(0, 10), Goal: 5},
		{At: at(1), Load: load(2, 8), Goal: 5, Saturation: controller.SaturationSupply},
		{At: at(1), Load: load(9, 1), Goal: 5}, // the clock stood still
		{At: at(2), Load: load(10, 0), Goal: 1},
		{At: at(99), Load: load(5, 5), Goal: 1},
	})
	if err != nil || len(samples) != 4 {
		t.Fatalf("%+v, %v", samples, err)
	}
	for i, want := range []Sample{{At: 0, U: 0.5}, {At: 1, U: 0.5, Y: 0.2, Masked: true}, {At: 2, U: 0.1, Y: 1, Masked: true}, {At: 99, U: 0.1, Y: 0.5, Restart: true}} {
		if samples[i] != want {
			t.Errorf("sample %d: %+v, want %+v", i, samples[i], want)
		}
	}
	if _, err := Samples([]controller.Record{{At: at(0)}}); !errors.Is(err, ErrExcitation) {
		t.Errorf("no jobs: %v", err)
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add(logOf(f, respondingTo(f, Model{K: 1, T: 5, L: 5})[:2]))
	f.Add(`{"at":"2026-01-01T00:00:00Z","running":1e99}`)
	f.Add("{}\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		records, err := ReadLog(strings.NewReader(text))
		if (err == nil) == (len(records) == 0) {
			t.Fatalf("%d records, %v", len(records), err)
		}
		samples, err := Samples(records)
		if err != nil {
			return
		}
		if fit, err := Identify(samples); err == nil && (fit.Validate() != nil || math.IsNaN(fit.R2)) {
			t.Errorf("%+v", fit)
		}
	})
}

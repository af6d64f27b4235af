package controller

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseIntent(t *testing.T) {
	for text, want := range map[string]Intent{
		"slowdown<=2":       {Slowdown: 2},
		" wait <= 10m ":     {Wait: 10 * time.Minute}, //nolint:gocritic // blanks are what is tested
		"wait.p95<=1h30m":   {Wait: 90 * time.Minute, Percentile: 95},
		"wait.p50<=1h0m1ms": {Wait: time.Hour + time.Millisecond, Percentile: 50},
		"none":              {},
	} {
		got, err := ParseIntent(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
		if back, err := ParseIntent(got.String()); err != nil || back != got {
			t.Errorf("%q printed as %q, read as %+v, %v", text, got.String(), back, err)
		}
	}
	for _, text := range []string{
		"", "slowdown", "slowdown<2", "slowdown<=1", "slowdown<=NaN", "slowdown<=Inf", "slowdown<=2m", "wait<=10", "wait<=0s", "wait<=-1m",
		"wait<=99999h", "wait.p95", "wait.p100<=1m", "wait.p49<=1m", "wait.p+9<=1m", "run<=1m", "none<=1", strings.Repeat("x\n", 99),
	} {
		if got, err := ParseIntent(text); !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %+v, %v, want a refusal of one line", text, got, err)
		}
	}
}

func FuzzParseIntent(f *testing.F) {
	for _, text := range []string{"slowdown<=2", "wait<=10m", "wait.p95<=30m", "none", "wait.p9x<=1m", "slowdown<=1e9"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		i, err := ParseIntent(text)
		if err != nil {
			if !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if back, err := ParseIntent(i.String()); err != nil || back != i {
			t.Fatalf("%q is %+v, printed %q, read %+v: %v", text, i, i.String(), back, err)
		}
	})
}

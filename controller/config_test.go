package controller

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tc := range []struct {
		field  string
		change func(*Config)
	}{
		{"target", func(c *Config) { c.Target = 0 }},
		{"target", func(c *Config) { c.Target = -0.3 }},
		{"target", func(c *Config) { c.Target = nan }},
		{"target", func(c *Config) { c.Target = inf }},
		{"kp", func(c *Config) { c.Kp = nan }},
		{"kp", func(c *Config) { c.Kp = -1 }},
		{"ki", func(c *Config) { c.Ki = inf }},
		{"kd", func(c *Config) { c.Kd = -inf }},
		{"feed-forward", func(c *Config) { c.FeedForward = 2.5 }},
		{"period", func(c *Config) { c.Period = 0 }},
		{"period", func(c *Config) { c.Period = -time.Second }},
		{"tracking-time", func(c *Config) { c.TrackingTime = 0 }},
		{"derivative-filter", func(c *Config) { c.DerivativeFilter = -1 }},
		{"scale-in-delay", func(c *Config) { c.ScaleInDelay = math.MaxInt64 }},
		{"min-slots", func(c *Config) { c.MinSlots = -1 }},
		{"max-slots", func(c *Config) { c.MaxSlots = -1 }},
		{"min-slots", func(c *Config) { c.MinSlots, c.MaxSlots = 5, 4 }},
		{"max-step", func(c *Config) { c.MaxStep = -1 }},
		{"deadband", func(c *Config) { c.Deadband = math.MaxInt }},
		{"quantum", func(c *Config) { c.Quantum = -1 }},
	} {
		cfg := DefaultConfig()
		tc.change(&cfg)
		err := cfg.Validate()
		if !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %+v accepted: %v", tc.field, cfg, err)
			continue
		}
		if text := err.Error(); !strings.HasPrefix(text, "invalid setting: "+tc.field+" ") || strings.Contains(text, "\n") {
			t.Errorf("%s: %q is not one line that begins with the setting", tc.field, text)
		}
		if _, err := New(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: New: %v", tc.field, err)
		}
		c := newController(t, nil)
		if err := c.Configure(epoch, cfg); !errors.Is(err, ErrConfig) || c.Config() != DefaultConfig() {
			t.Errorf("%s: Configure: %v", tc.field, err)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestTargetForSlowdown(t *testing.T) {
	for _, slowdown := range []float64{1.1, 2, 4.3, 100} {
		target, err := TargetForSlowdown(slowdown)
		if err != nil {
			t.Fatal(err)
		}
		if back := (Config{Target: target}).Slowdown(); math.Abs(back-slowdown) > 1e-9*slowdown {
			t.Errorf("slowdown %v became target %v, which promises %v", slowdown, target, back)
		}
	}
	for _, slowdown := range []float64{1, 0, -1, math.NaN(), math.Inf(1), 1 + 1e-12} {
		if target, err := TargetForSlowdown(slowdown); !errors.Is(err, ErrConfig) {
			t.Errorf("slowdown %v: target %v, error %v", slowdown, target, err)
		}
	}
}

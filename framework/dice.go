package framework

import (
	"math/rand/v2"
	"sync"
	"time"
)

// dice is the source of jitter of one part. The zero value draws from the program's random numbers.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

// retryAfter doubles, with half of it at random, up to lastRetry.
func (d *dice) retryAfter(failures int) time.Duration {
	pause := min(firstRetry<<min(failures, 10), lastRetry)
	return pause/2 + d.below(pause/2)
}

func (d *dice) below(limit time.Duration) time.Duration {
	if d.rng == nil {
		return rand.N(limit)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.rng.Int64N(int64(limit)))
}

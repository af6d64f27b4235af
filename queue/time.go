package queue

import "time"

// stamp is a time in nanoseconds of Unix time; 0 is none. Jobs hold stamps because a time.Time is three words, one of them a
// pointer for the garbage collector to follow in each of a million jobs.
type stamp int64

const never stamp = 1<<63 - 1

// stampOf is exact from the year 1678 to 2262, but for the Unix epoch itself, which is one nanosecond late so that it is not none.
func stampOf(t time.Time) stamp {
	if t.IsZero() {
		return 0
	}
	if n := t.UnixNano(); n != 0 {
		return stamp(n)
	}
	return 1
}

func (s stamp) time() time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(s)).UTC()
}

// after is s+d, never at the most.
func (s stamp) after(d time.Duration) stamp {
	if sum := s + stamp(d); sum >= s || d < 0 {
		return sum
	}
	return never
}

// wake turns the earliest of some stamps into the answer of NextWake.
func wake(at stamp) time.Time {
	if at == never {
		return time.Time{}
	}
	return at.time()
}

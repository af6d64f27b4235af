// Package controller turns the load of a batch system into a goal: the number
// of slots that should be held. It is a PID controller on the share of the
// slots in demand that run.
//
// It is not a client of anything: it knows load, goal and time, and neither
// Mesos nor jobs. It is pure: no clock, no goroutine, no I/O; time is an
// argument of Step.
//
// # The law
//
// All quantities are slots. R run, P are pending and eligible, N = R + P.
//
//	y  = R/N                                  measured value, in [0, 1]
//	y* = τ/(1+τ)                              set point for τ = running/pending
//	e  = y* − (R + min(in flight, P))/N       capacity that is joining counts as if it ran
//	u  = N·(Kp·e + I + Kd·d) + FF·N·y*        output
//
// The factor N makes the gains dimensionless: the same gains serve 10 jobs and
// 100,000. Little's law makes the target a promise: in steady state jobs wait
// 1/τ times their run time, so the slowdown is 1 + 1/τ (Config.Slowdown).
//
//   - I is the integral of Ki·e. It does not grow while Mesos has not granted
//     the goal (supply < goal) or a limit holds the goal down, and does not
//     shrink while hosts drain (supply or running > goal) or a limit holds the
//     goal up. What it gained beyond its steady value (1−FF)·y* before that is
//     bled off toward what is really achieved, with Config.TrackingTime.
//     Errors of less than one slot are quantisation and are not integrated.
//   - d is the derivative of the measurement, not of the error, low-pass filtered.
//   - A change of target or gains leaves u where it was: the set point moves to
//     the new target's with TrackingTime, and I takes up what other gains would
//     answer.
//   - N = 0 is idle: the goal is MinSlots, and I and d are zero.
//
// A weight w of the pending slots (Load.Weight, the mean over queues) makes them
// count w times: running = τ·w·pending, y* = τw/(1+τw). It scales the set point
// and not N, so that y stays a share, starting a job does not change N, and the
// goal never exceeds what the jobs could use nor falls below what the first one
// needs. While weights differ from 1 the promise is slowdown = 1 + 1/(τw).
//
// u is the slots that should be in use. Those in use on closed hosts are no part
// of the supply, so the goal is u − draining. Jobs on closed hosts may end at any
// moment, so draining is believed slowly (ten times TrackingTime) and let go at once:
// or else one long job after the other would close one host after the other. The
// goal is rounded up to whole slots or hosts (Quantum) and limited, in this order:
//
//	at most N − draining  never more than the jobs could use    (demand)
//	at least FirstNeed  while something is pending               (need)
//	MinSlots..MaxSlots                                           (min, max, starved)
//	up by ≤ MaxStep     a step, but need and min are not delayed (step)
//	down only           by the surplus that lasted ScaleInDelay and is more
//	                    than Deadband                            (scale-in)
//
// # Invariants
//
//   - The goal is within MinSlots..MaxSlots, always.
//   - While a job is pending the goal is at least min(FirstNeed, MaxSlots).
//   - A refused step (ErrLoad, ErrClock) and a Hold leave the goal as it was.
//   - A step does not allocate.
package controller

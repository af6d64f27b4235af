// Package tuning finds gains for a workload: it makes the tests of controller/tune on the simulator, lets the simulator judge
// what the rules propose, and searches on.
//
// Every gain is judged in the same way: the whole workload is simulated with the real queue, fleet and controller. The search
// sees the first half of the jobs only, so that what it found can be told from what it learned by heart.
//
//	workload ──> step test ──> K, T, L ──┐
//	         └─> relay test ─> Ku, Pu ───┼─> rules ──> simulated on all jobs ──> table
//	log ───────> samples ───> K, T, L ───┘     └─> search on the first half ───────^
//
// It is deterministic for the seed of the cluster, has no clock, no goroutine and does no I/O.
package tuning

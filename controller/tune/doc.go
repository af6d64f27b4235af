// Package tune finds gains for the controller: it identifies the process that
// the controller steers, applies the tuning rules of the literature to it, and
// searches for the gains of least cost.
//
// It is neither a simulator nor a client of anything: it works on samples that
// others took, and calls a cost function that others give. It is pure: no
// clock, no goroutine, no I/O but from a reader that it is given, and randomness
// only from a seed.
//
// The process is what the controller sees: in goes the goal, out comes what
// runs, both as shares of N, all slots of jobs. So the gain K is dimensionless
// and near 1 (the batch system runs what it is given), and so are Kp, and Ki
// and Kd but for seconds. The words are those of the field: a first-order lag
// with dead time (K, T, L),
//
//	Y(s)/U(s) = K·e^(−L·s) / (1 + T·s)
//
// and the ultimate point: the gain Ku with which a proportional controller makes
// the process oscillate for ever, and the period Pu with which it does.
//
//	samples ──Identify──> Model ─┐
//	                             ├──Rule.Gains──> Gains ──Response──> records of a step
//	process ──Relay──> Ultimate ─┘                  └────Search─────> the gains of least cost
//
// Invariants: K, T, L, Ku, Pu and gains are finite, and not negative; the same
// input gives the same output.
package tune

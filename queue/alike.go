package queue

// alike is some of the specs that were taken last. Users submit many equal jobs one after the other: those share one Spec, which is
// checked once.
type alike [alikePlaces]*Spec

const (
	alikeBits   = 6
	alikePlaces = 1 << alikeBits
	// alikeBytes bounds what is kept of jobs that may be gone: longer commands are seldom equal.
	alikeBytes = 16 << 10
)

// find gives a spec that equals s, perhaps s itself; nil = none is known.
func (a *alike) find(s *Spec) *Spec {
	if known := a[s.place()]; known != nil && (known == s || *known == *s) {
		return known
	}
	return nil
}

// keep makes a spec known that was checked. It must not change any more.
func (a *alike) keep(s *Spec) {
	if len(s.Command)+len(s.Need.Hosts) <= alikeBytes {
		a[s.place()] = s
	}
}

// place is the same for equal specs, and most often another one for those of jobs that come by turns.
func (s *Spec) place() uint64 {
	const golden = 0x9e3779b97f4a7c15 // 2^64 / φ: multiplicative hashing, its upper bits are the best ones
	return (uint64(s.RunLimit) ^ uint64(s.MinSlots)<<40 ^ uint64(len(s.Command))<<20 ^ uint64(len(s.Name))<<10) * golden >> (64 - alikeBits)
}

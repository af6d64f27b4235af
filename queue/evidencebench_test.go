package queue

import "testing"

// What a start and an end add to the evidence is lost in what they cost besides: at most 50 ns for both.
func BenchmarkEvidence(b *testing.B) {
	var v Evidence
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		at := stamp(i * 1_000_003)
		v.start(4, at-stamp(i%1_000_000_007)*1000, at)
		v.finish(4, at-stamp(i%1_000_000_009)*1000, at)
	}
}

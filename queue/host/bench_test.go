package host

import (
	"fmt"
	"testing"

	"sluice/queue/wire"
)

// BenchmarkTrue runs jobs of /bin/true, as many at a time as there are slots, each as soon as another has ended. One
// operation is one job.
func BenchmarkTrue(b *testing.B) {
	for _, slots := range []int{1, 8} {
		b.Run(fmt.Sprintf("slots=%d", slots), func(b *testing.B) {
			d := newDaemon(b)
			startHost(b, d)
			warmup := newStart("/bin/true")
			d.run(warmup)
			next := make(chan struct{}, slots)
			done := make(chan struct{})
			ended := 0
			d.set(func(d *daemon) {
				d.onEnded = func(*wire.Ended) {
					if ended++; ended == b.N {
						close(done)
					}
					next <- struct{}{}
				}
			})
			b.ResetTimer()
			for i := range b.N {
				if i >= slots {
					<-next
				}
				d.begin(newStart("/bin/true", func(s *wire.Start) { s.Stdout = "/dev/null" }))
			}
			<-done
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

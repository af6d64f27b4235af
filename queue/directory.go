package queue

import "fmt"

// directory finds jobs by number. Numbers are given in sequence and jobs leave roughly in that order, so it is a window of
// chunks over the numbers in use: no hashing, and in order.
type directory struct {
	chunks []*chunk
	base   int64 // number of the first chunk
	jobs   int
}

type chunk struct {
	used int
	jobs [chunkSize]*job
}

const (
	chunkSize = 256
	maxChunks = 1 << 24 // 4 billion numbers between the oldest and the newest job in memory
)

func (d *directory) get(number int64) *job {
	i := number/chunkSize - d.base
	if i < 0 || i >= int64(len(d.chunks)) || d.chunks[i] == nil {
		return nil
	}
	return d.chunks[i].jobs[number%chunkSize]
}

// fits reports whether a number is near enough to the others.
func (d *directory) fits(number int64) bool {
	return d.jobs == 0 || number/chunkSize-d.base < maxChunks
}

// put adds a job whose number is above all others'.
func (d *directory) put(j *job) error {
	if !d.fits(j.number) {
		return fmt.Errorf("add job %d: too far from the oldest job in memory", j.number)
	}
	if d.jobs == 0 {
		d.chunks, d.base = d.chunks[:0], j.number/chunkSize
	}
	i := j.number/chunkSize - d.base
	for int64(len(d.chunks)) <= i {
		d.chunks = append(d.chunks, nil)
	}
	if d.chunks[i] == nil {
		d.chunks[i] = new(chunk)
	}
	d.chunks[i].jobs[j.number%chunkSize] = j
	d.chunks[i].used++
	d.jobs++
	return nil
}

func (d *directory) remove(number int64) {
	i := number/chunkSize - d.base
	c := d.chunks[i]
	c.jobs[number%chunkSize] = nil
	c.used--
	d.jobs--
	if c.used > 0 {
		return
	}
	d.chunks[i] = nil
	first := 0
	for first < len(d.chunks) && d.chunks[first] == nil {
		first++
	}
	d.chunks = d.chunks[first:]
	d.base += int64(first)
}

// from calls f for each job from a number on, by number, until f is false.
func (d *directory) from(number int64, f func(*job) bool) {
	i := max(number/chunkSize-d.base, 0)
	for ; i < int64(len(d.chunks)); i++ {
		if d.chunks[i] == nil {
			continue
		}
		for _, j := range &d.chunks[i].jobs {
			if j != nil && j.number >= number && !f(j) {
				return
			}
		}
	}
}

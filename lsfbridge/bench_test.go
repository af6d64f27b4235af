package lsfbridge

import (
	"fmt"
	"io"
	"testing"

	"sluice/queue"
)

// benchmarkJobs prints 100,000 jobs in each round and reports lines per second.
func benchmarkJobs(b *testing.B, args ...string) {
	query, err := ParseJobQuery(args, false)
	if err != nil {
		b.Fatal(err)
	}
	const jobs = 100_000
	spec := &queue.Spec{
		Name: "sweep", Command: "sleep 600", User: "openlava", Queue: "normal", SubmitHost: "olmaster", Cwd: "/home/u",
		MinSlots: 1, MaxSlots: 1, Array: &queue.Array{Ranges: []queue.Range{{First: 1, Last: jobs, Step: 1}}},
	}
	job := queue.Job{
		Spec: spec, State: queue.Running, SubmittedAt: recordedAt, StartedAt: recordedAt, PID: 7,
		Placement: []queue.Placement{{Host: "compute-node-1", Slots: 1}},
	}
	b.ReportAllocs()
	for b.Loop() {
		p := NewJobPrinter(io.Discard, query, recordedAt)
		for i := range jobs {
			job.ID = queue.ID{Job: 12, Index: i + 1}
			if err := p.Print(&job); err != nil {
				b.Fatal(err)
			}
		}
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(jobs*float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

func BenchmarkJobTable(b *testing.B) { benchmarkJobs(b) }
func BenchmarkJobWide(b *testing.B)  { benchmarkJobs(b, "-w") }
func BenchmarkJobLong(b *testing.B)  { benchmarkJobs(b, "-l") }
func BenchmarkJobFields(b *testing.B) {
	benchmarkJobs(b, "-o", "jobid stat exec_host run_time delimiter=','")
}

func BenchmarkSubmission(b *testing.B) {
	args := []string{"-J", "a[1-500]%20", "-n", "2", "-R", "rusage[mem=500] span[hosts=1]", "-w", "done(1) && ended(x)", "./run", "a b"}
	for b.Loop() {
		if _, err := ParseSubmission(args, place("")); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleParseSubmission() {
	s, err := ParseSubmission([]string{"-J", "sweep[1-100:2]%10", "-n", "2", "-w", "done(7)", "./run", "my file"}, SubmitPlace{Cwd: "/tmp", Host: "h"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(FormatJobName(s.Spec.Name, s.Spec.Array), s.Spec.MinSlots, FormatCondition(s.Spec.After), s.Spec.Command)
	_, err = ParseSubmission([]string{"-J", "a[5-1]", "true"}, SubmitPlace{})
	fmt.Println(err)
	// Output:
	// sweep[1-99:2]%10 2 done(7) ./run "my file"
	// Bad job name. Job not submitted.
}

func ExampleParseJobTable() {
	lines, err := ParseJobTable("4       openlava RUN   normal     olmaster    node2       arr[3]     Nov 20 22:48\n", FormWide, recordedAt)
	fmt.Println(lines[0].Job, lines[0].State, lines[0].Hosts, lines[0].Name, err)
	// Output: 4 RUN [node2] arr[3] <nil>
}

package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"sluice/internal/sim"
	"sluice/internal/sim/plot"
)

// resultColumns are the columns of --csv, by the names of --json.
var resultColumns = []string{
	"policy", "target", "jobs", "mean_wait_s", "p95_wait_s", "mean_bounded_slowdown", "wait_per_run", "makespan_s", "used_slot_s",
	"allocated_slot_s", "over_allocation", "launches", "offers_accepted", "offers_declined", "iae", "overshoot", "settling_s",
	"reversals_per_hour",
}

func printJSON(out io.Writer, results []sim.Result) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false) // wait<=10m
	return encoder.Encode(results)
}

func printCSV(out io.Writer, results []sim.Result) error {
	w := csv.NewWriter(out)
	if err := w.Write(resultColumns); err != nil {
		return err
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	for i := range results {
		r := &results[i]
		if err := w.Write([]string{
			r.Policy, number(r.Target), strconv.Itoa(r.Jobs), number(r.MeanWait), number(r.P95Wait), number(r.MeanBoundedSlowdown),
			number(r.WaitPerRun), number(r.Makespan), number(r.UsedSlotSeconds), number(r.AllocatedSlotSeconds), number(r.OverAllocation),
			strconv.Itoa(r.Launches), strconv.Itoa(r.OffersAccepted), strconv.Itoa(r.OffersDeclined), number(r.IAE), number(r.Overshoot),
			number(r.Settling), number(r.ReversalsPerHour),
		}); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// outcomes are the points of a Pareto picture.
func outcomes(results []sim.Result) []plot.Outcome {
	points := make([]plot.Outcome, len(results))
	for i := range results {
		r := &results[i]
		name, _, _ := strings.Cut(r.Policy, ":")
		points[i] = plot.Outcome{Policy: name, Target: r.Target, Wait: r.MeanWait, Excess: r.OverAllocation, Launches: r.Launches}
	}
	return points
}

func printResults(out io.Writer, results []sim.Result) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "policy\ttarget\tjobs\twait s\tp95 s\tslowdown\twait/run\tmakespan s\tover-alloc\tlaunches\taccepted\tdeclined\tIAE\tovershoot\tsettled s\treversals/h\t")
	for i := range results {
		r := &results[i]
		fmt.Fprintf(w, "%s\t%.4g\t%d\t%.0f\t%.0f\t%.1f\t%.2f\t%.0f\t%.3f\t%d\t%d\t%d\t%.3f\t%.3f\t%.0f\t%.2f\t\n",
			r.Policy, r.Target, r.Jobs, r.MeanWait, r.P95Wait, r.MeanBoundedSlowdown, r.WaitPerRun, r.Makespan, r.OverAllocation,
			r.Launches, r.OffersAccepted, r.OffersDeclined, r.IAE, r.Overshoot, r.Settling, r.ReversalsPerHour)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range results {
		if r := &results[i]; r.Reruns > 0 {
			fmt.Fprintf(out, "%s: %d jobs ran again because their agent was lost, after %.0f slot-seconds in vain\n", r.Policy, r.Reruns, r.LostSlotSeconds)
		}
	}
	printPromises(out, results)
	return nil
}

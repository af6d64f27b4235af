package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sluice/controller"
	"sluice/controller/tune"
	"sluice/internal/app"
	"sluice/internal/sim"
	"sluice/internal/sim/tuning"
)

// tuneFlags is what the flags of tune say.
type tuneFlags struct {
	workloadFlags
	control controller.Config
	log     string
	budget  int
	churn   float64
	asJSON  bool
	picture string
}

func newTuneCommand() *cobra.Command {
	t := tuneFlags{workloadFlags: defaultWorkload(), control: app.DefaultConfig().Controller, budget: 60, churn: 0.5}
	cmd := &cobra.Command{
		Use:     "tune",
		GroupID: groupRun,
		Short:   "Find gains of the control loop for a workload",
		Long: `Identify the process that the controller steers (a step test and a relay test in the simulator, or --from-log), work out what the
tuning rules of Ziegler and Nichols, Cohen and Coon, Skogestad (SIMC), and Åström and Hägglund (AMIGO) make of it, judge each on
the workload, and search on from the best. The search sees the first half of the jobs; the table is of all.

The gains are shares of all slots of jobs, so that they serve ten jobs and a hundred thousand: the defaults need no tuning in
most clusters. See docs/tuning.md.

` + workloadHelp,
		Example: `  sluice tune --trace NASA-iPSC-1993-3.1-cln.swf.gz --to 500000 --slots 128
  sluice tune --workload poisson:jobs=5000,gap=3s,run=10m --slots 800 --join-delay 60s --plot response.svg
  sluice run --record steps.jsonl … ; sluice tune --from-log steps.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.run(cmd) },
	}
	f := cmd.Flags()
	controlFlags(f, &t.control)
	t.register(f)
	f.StringVar(&t.log, "from-log", "", "identify the process from a file of sluice run --record")
	f.IntVar(&t.budget, "budget", t.budget, "simulations that the search may take; 0 is no search")
	f.Float64Var(&t.churn, "churn", t.churn, "how much launches of hosts weigh beside the error")
	f.BoolVar(&t.asJSON, "json", false, "print JSON")
	f.StringVar(&t.picture, "plot", "", "write the step responses to this .svg or .png file")
	return cmd
}

// maxBudget bounds the search.
const maxBudget = 100_000

func (t *tuneFlags) run(cmd *cobra.Command) error {
	if err := t.check(); err != nil {
		return usageError{err}
	}
	setup := tuning.Setup{Evaluations: t.budget, Churn: t.churn}
	if err := t.load(cmd.ErrOrStderr(), &setup); err != nil {
		return err
	}
	setup.Control, setup.Cluster = t.control, t.cluster
	setup.Cluster.Stop = cmd.Context().Err
	line := newProgress(cmd.ErrOrStderr())
	setup.Progress = func(done, total int) {
		line.show(float64(done)/float64(total), fmt.Sprintf("%d of %d simulations", done, total))
	}
	report, err := tuning.Run(setup)
	line.end()
	switch {
	case err != nil && errors.Is(err, context.Canceled) && len(report.Rows) > 0: // what is known is shown
	case errors.Is(err, sim.ErrConfig) || errors.Is(err, controller.ErrConfig):
		return usageError{err}
	case err != nil:
		return err
	}
	return errors.Join(t.show(cmd.OutOrStdout(), &report), err)
}

func (t *tuneFlags) check() error {
	ext := filepath.Ext(t.picture)
	switch {
	case t.picture != "" && ext != ".svg" && ext != ".png":
		return fmt.Errorf("plot %s: want a name that ends in .svg or .png", t.picture)
	case t.budget < 0 || t.budget > maxBudget:
		return fmt.Errorf("budget %d: want 0 to %d", t.budget, maxBudget)
	case !(t.churn >= 0 && t.churn <= 1000):
		return fmt.Errorf("churn %v: want 0 to 1000", t.churn)
	}
	return t.control.Validate()
}

// load reads what there is: a log, a workload or both.
func (t *tuneFlags) load(notes io.Writer, setup *tuning.Setup) (err error) {
	if t.log != "" {
		if setup.Log, err = readLog(t.log); err != nil {
			return err
		}
		if t.trace == "" && t.workload == "" {
			return nil
		}
	}
	if setup.Jobs, err = t.jobs(notes); err != nil {
		return err
	}
	if err := t.build(&t.control); err != nil {
		return usageError{err}
	}
	return nil
}

func readLog(path string) (records []controller.Record, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if records, err = tune.ReadLog(file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return records, nil
}

func (t *tuneFlags) show(out io.Writer, r *tuning.Report) error {
	if t.picture != "" {
		draw := func(w io.Writer) error { return r.Picture(w, pictureFormat(t.picture), t.control) }
		if err := app.WriteWhole(t.picture, draw); err != nil {
			return err
		}
	}
	if t.asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	fmt.Fprintf(out, "process: gain %.3g, time constant %.3g s, dead time %.3g s (R² %.3f); ultimate gain %.3g, period %.3g s\n",
		r.Fit.K, r.Fit.T, r.Fit.L, r.Fit.R2, r.Ultimate.Ku, r.Ultimate.Pu)
	for _, note := range r.Notes {
		fmt.Fprintln(out, note)
	}
	fmt.Fprintln(out)
	if err := printRows(out, r.Rows); err != nil {
		return err
	}
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Reason != "" {
			fmt.Fprintf(out, "%s: %s\n", row.Rule, row.Reason)
		}
	}
	best := &r.Rows[r.Best]
	if r.Best == 0 {
		fmt.Fprintf(out, "\nNothing is clearly better than the present gains: keep\n")
	} else {
		fmt.Fprintf(out, "\n%s costs least, %.0f %% less than the present gains:\n", best.Rule, 100*(1-best.Cost/r.Rows[0].Cost))
	}
	fmt.Fprintf(out, "  --kp %g --ki %g --kd %g\n", best.Kp, best.Ki, best.Kd)
	return nil
}

func printRows(out io.Writer, rows []tuning.Row) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "rule\tKp\tKi 1/s\tKd s\tIAE\tITAE\tovershoot\tsettled s\tlaunches\twait s\tover-alloc\tcost\tfirst half\t")
	for i := range rows {
		r := &rows[i]
		if r.Reason != "" {
			fmt.Fprintf(w, "%s\t%g\t%g\t%g%s\n", r.Rule, r.Kp, r.Ki, r.Kd, strings.Repeat("\t-", 9)+"\t")
			continue
		}
		fmt.Fprintf(w, "%s\t%g\t%g\t%g\t%.3f\t%.2f\t%.3f\t%.0f\t", r.Rule, r.Kp, r.Ki, r.Kd, r.IAE, r.ITAE, r.Overshoot, r.Settling)
		if rows[0].Launches == 0 { // judged by the model's answer
			fmt.Fprintf(w, "-\t-\t-\t%.3f\t-\t\n", r.Cost)
			continue
		}
		fmt.Fprintf(w, "%d\t%.0f\t%.3f\t%.3f\t%.3f\t\n", r.Launches, r.MeanWait, r.OverAllocation, r.Cost, r.Half)
	}
	return w.Flush()
}

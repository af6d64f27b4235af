package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sluice/controller"
	"sluice/internal/app"
	"sluice/queue/wire"
)

func newCtlCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ctl",
		GroupID: groupRun,
		Short:   "Look at and steer a running system",
		Example: `  sluice ctl status
  sluice ctl set --target 1
  sluice ctl flex 20          # hold at least 20 slots, also without jobs
  sluice ctl pause            # hold the goal as it is, until resume
  sluice ctl drain sluice-7   # release a host as soon as its jobs have ended`,
	}
	cmd.AddCommand(newStatusCommand(), newSetCommand(), newFlexCommand(), newDrainCommand(),
		newPauseCommand("pause", "Hold the goal as it is", true), newPauseCommand("resume", "Let the controller decide again", false))
	return cmd
}

func newStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show load, goal, supply and the state of the framework",
		Example: "  sluice ctl status\n  sluice ctl status --json | jq .goal",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withClient(cmd, func(ctx context.Context, client *wire.Client) error {
				data, err := client.Status(ctx)
				if err != nil {
					return err
				}
				return printStatus(cmd.OutOrStdout(), data, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printStatus(out io.Writer, data json.RawMessage, asJSON bool) error {
	s, err := app.UnmarshalStatus(data)
	if err != nil {
		return fmt.Errorf("read status: %w", err)
	}
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false) // wait<=10m
		return encoder.Encode(s)
	}
	ratio := "-"
	if s.Pending > 0 {
		ratio = strconv.FormatFloat(s.Ratio, 'f', 3, 64)
	}
	var hosts []string
	for _, state := range slices.Sorted(maps.Keys(s.HostStates)) {
		hosts = append(hosts, fmt.Sprintf("%d %s", s.HostStates[state], state))
	}
	connection := "not connected"
	if s.Trouble != "" {
		connection += ": " + s.Trouble
	}
	if s.Connected {
		connection = "connected"
	}
	_, err = fmt.Fprintf(out, `master     %s (%s)
framework  %s%s
load       %d running, %d pending, %d waiting (slots)
intent     %s
ratio      %s, target %.4g%s (kp %g, ki %g, kd %g)
weights    %s
set live   %s
goal       %d slots: %s
supply     %d slots, %d of them in flight
hosts      %s
offers     %d accepted, %d declined%s; suppressed: %v
poll       %.1f s ago, %d errors so far
`, s.Master, connection, s.FrameworkID, electionLine(s.Election), s.Running, s.Pending, s.Waiting, intentLine(&s), ratio, s.Target, targetLimits(&s), s.Kp, s.Ki, s.Kd,
		weightsLine(&s), liveLine(&s), s.Goal, s.Reason,
		s.Supply, s.InFlight, strings.Join(append(hosts, fmt.Sprintf("%d joined", s.Hosts)), ", "),
		s.OffersAccepted, s.OffersDeclined, declinedLine(&s), s.Suppressed, s.PollAgeSeconds, s.Errors)
	return err
}

// declinedLine is why offers were declined, the most frequent reason first.
func declinedLine(s *app.Status) string {
	whys := slices.SortedFunc(maps.Keys(s.DeclinedBecause), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.DeclinedBecause[b], s.DeclinedBecause[a]), cmp.Compare(a, b))
	})
	for i, why := range whys {
		whys[i] = fmt.Sprintf("%d %s", s.DeclinedBecause[why], why)
	}
	if len(whys) == 0 {
		return ""
	}
	return " (" + strings.Join(whys, ", ") + ")"
}

// electionLine is how the instance stands in the election, as a line of its own, or nothing without one.
func electionLine(e *app.ElectionStatus) string {
	if e == nil {
		return ""
	}
	line := "\nelection   " + e.State
	if e.Trouble != "" {
		line += " (" + e.Trouble + ")"
	}
	if len(e.Behind) == 0 {
		return line + ", nobody waits to take over"
	}
	return line + ", waiting to take over: " + strings.Join(e.Behind, ", ")
}

// intentLine is the intent, whether its promise holds, what it has learnt, and why the target is what it is.
func intentLine(s *app.Status) string {
	if s.IntentReason == "" {
		return "none"
	}
	measured := "not measured yet"
	if s.IntentMeasured != nil && s.IntentHolds != nil {
		verdict := "exceeded"
		if *s.IntentHolds {
			verdict = "holds"
		}
		unit := ""
		if strings.HasPrefix(s.Intent, "wait") {
			unit = " s"
		}
		measured = fmt.Sprintf("%s: measured %.4g of %.4g%s", verdict, *s.IntentMeasured, s.IntentLimit, unit)
	}
	run := "run times not known yet"
	if s.RunSeconds > 0 {
		run = fmt.Sprintf("jobs run %.4g s", s.RunSeconds)
	}
	return fmt.Sprintf("%s %s, %s; target: %s", s.Intent, measured, run, s.IntentReason)
}

// targetLimits is how far an intent may move the target.
func targetLimits(s *app.Status) string {
	if s.IntentReason == "" {
		return ""
	}
	return fmt.Sprintf(" within %.4g to %.4g", s.TargetMin, s.TargetMax)
}

func weightsLine(s *app.Status) string {
	if len(s.Weights) == 0 {
		return "1 for all queues"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s.Weights)) {
		parts = append(parts, fmt.Sprintf("%s %g", name, s.Weights[name]))
	}
	return strings.Join(parts, ", ")
}

// liveLine is what is in force in place of the command line's settings.
func liveLine(s *app.Status) string {
	if len(s.Live) == 0 {
		return "nothing"
	}
	return strings.Join(s.Live, ", ") + " (ctl set --reset returns to the command line's)"
}

func newSetCommand() *cobra.Command {
	var target, kp, ki, kd float64
	var intent string
	var weights []string
	var reset bool
	cmd := &cobra.Command{
		Use:   "set",
		Short: "Change the target, the intent, the gains or weights, without a bump",
		Long: `Change the target, the intent, the gains or weights of queues of a running system, without a bump.

What is set live, also by flex and pause, outlasts a restart: the newest word wins. It is in force until it is set again, until
--reset, or until the system is started with another value of the same flag than when it was set. ctl status shows what is
set live, and the log of a start does.`,
		Example: `  sluice ctl set --target 1
  sluice ctl set --ki 0.05 --kd 0
  sluice ctl set --intent 'wait<=10m' --target 2     # begin at a target of 2
  sluice ctl set --intent none                       # back to the target that was set
  sluice ctl set --queue-weight priority=2
  sluice ctl set --reset                             # back to the flags of the start`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var order app.Control
			for name, v := range map[string]struct {
				value *float64
				to    **float64
			}{
				"target": {&target, &order.Target}, "kp": {&kp, &order.Kp}, "ki": {&ki, &order.Ki}, "kd": {&kd, &order.Kd},
			} {
				if cmd.Flags().Changed(name) {
					*v.to = v.value
				}
			}
			if cmd.Flags().Changed("intent") {
				i, err := controller.ParseIntent(intent)
				if err != nil {
					return usageError{err}
				}
				order.Intent = i.String()
			}
			for _, text := range weights {
				name, weight, err := parseWeight(text)
				if err != nil {
					return usageError{fmt.Errorf("queue-weight %q: %w", text, err)}
				}
				if order.Weights == nil {
					order.Weights = make(map[string]float64)
				}
				order.Weights[name] = weight
			}
			if order.Reset = reset; !reset && !changesLaw(cmd) {
				return usageError{errors.New("ctl set: want at least one of --target, --intent, --kp, --ki, --kd, --queue-weight, --reset")}
			}
			return sendControl(cmd, order)
		},
	}
	cmd.Flags().Float64Var(&target, "target", 0, "running per pending slots; with --intent, where it begins")
	cmd.Flags().StringVar(&intent, "intent", "", "move the target so that slowdown<=2, wait<=10m (mean) or wait.p95<=30m holds; none = fixed target")
	cmd.Flags().Float64Var(&kp, "kp", 0, "proportional gain")
	cmd.Flags().Float64Var(&ki, "ki", 0, "integral gain, 1/s")
	cmd.Flags().Float64Var(&kd, "kd", 0, "derivative gain, s")
	cmd.Flags().StringArrayVar(&weights, "queue-weight", nil, "QUEUE=WEIGHT: how much its pending slots count, 0.01 to 100; repeatable")
	cmd.Flags().BoolVar(&reset, "reset", false, "first back to what the flags of the start say: target, intent, gains, weights, flex and pause")
	return cmd
}

// changesLaw reports whether a flag of ctl set was given that changes something.
func changesLaw(cmd *cobra.Command) bool {
	return slices.ContainsFunc([]string{"target", "intent", "kp", "ki", "kd", "queue-weight"}, cmd.Flags().Changed)
}

func newFlexCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "flex SLOTS",
		Short:   "Hold at least so many slots, also without jobs; 0 ends that",
		Example: "  sluice ctl flex 20",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			slots, err := strconv.Atoi(args[0])
			if err != nil || slots < 0 {
				return usageError{fmt.Errorf("ctl flex %q: want a number of slots from 0", args[0])}
			}
			return sendControl(cmd, app.Control{Flex: &slots})
		},
	}
}

func newDrainCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "drain HOST",
		Short:   "Give a host no new job and release it when its jobs have ended",
		Example: "  sluice ctl drain sluice-7",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return sendControl(cmd, app.Control{Drain: args[0]})
		},
	}
}

func newPauseCommand(name, short string, paused bool) *cobra.Command {
	return &cobra.Command{
		Use:     name,
		Short:   short,
		Example: "  sluice ctl " + name,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sendControl(cmd, app.Control{Paused: &paused})
		},
	}
}

// sendControl sends an order and shows the status that it led to.
func sendControl(cmd *cobra.Command, order app.Control) error {
	return withClient(cmd, func(ctx context.Context, client *wire.Client) error {
		data, err := client.Control(ctx, order)
		if err != nil {
			return err
		}
		return printStatus(cmd.OutOrStdout(), data, false)
	})
}

// withClient calls f with a client of the daemon that --api or the environment names.
func withClient(cmd *cobra.Command, f func(context.Context, *wire.Client) error) error {
	api, err := cmd.Flags().GetString("api")
	if err != nil {
		return err
	}
	client, err := wire.NewClient(wire.Options{API: api})
	if err != nil {
		return err
	}
	defer client.Close()
	return f(cmd.Context(), client)
}

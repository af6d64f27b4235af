package main

import (
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
	if s.Connected {
		connection = "connected"
	}
	_, err = fmt.Fprintf(out, `master     %s (%s)
framework  %s%s
load       %d running, %d pending, %d waiting (slots)
intent     %s
ratio      %s, target %.4g (kp %g, ki %g, kd %g)
goal       %d slots: %s
supply     %d slots, %d of them in flight
hosts      %s
offers     %d accepted, %d declined; suppressed: %v
poll       %.1f s ago, %d errors so far
`, s.Master, connection, s.FrameworkID, electionLine(s.Election), s.Running, s.Pending, s.Waiting, intentLine(&s), ratio, s.Target, s.Kp, s.Ki, s.Kd, s.Goal, s.Reason,
		s.Supply, s.InFlight, strings.Join(append(hosts, fmt.Sprintf("%d joined", s.Hosts)), ", "),
		s.OffersAccepted, s.OffersDeclined, s.Suppressed, s.PollAgeSeconds, s.Errors)
	return err
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

// intentLine is the intent, how far it is met, and why the target is what it is.
func intentLine(s *app.Status) string {
	if s.IntentReason == "" {
		return "none"
	}
	measured := "not measured yet"
	if s.IntentMeasured != nil {
		measured = fmt.Sprintf("measured %.4g", *s.IntentMeasured)
		if strings.HasPrefix(s.Intent, "wait") {
			measured += " s"
		}
	}
	return fmt.Sprintf("%s, %s; target: %s", s.Intent, measured, s.IntentReason)
}

func newSetCommand() *cobra.Command {
	var target, kp, ki, kd float64
	var intent string
	cmd := &cobra.Command{
		Use:     "set",
		Short:   "Change the target or the gains, without a bump",
		Example: "  sluice ctl set --target 1\n  sluice ctl set --ki 0.05 --kd 0\n  sluice ctl set --intent 'wait<=10m'\n  sluice ctl set --intent none",
		Args:    cobra.NoArgs,
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
			if order == (app.Control{}) {
				return usageError{errors.New("ctl set: want at least one of --target, --intent, --kp, --ki, --kd")}
			}
			return sendControl(cmd, order)
		},
	}
	cmd.Flags().Float64Var(&target, "target", 0, "running per pending slots")
	cmd.Flags().StringVar(&intent, "intent", "", "move the target so that slowdown<=2, wait<=10m (mean) or wait.p95<=30m holds; none = fixed target")
	cmd.Flags().Float64Var(&kp, "kp", 0, "proportional gain")
	cmd.Flags().Float64Var(&ki, "ki", 0, "integral gain, 1/s")
	cmd.Flags().Float64Var(&kd, "kd", 0, "derivative gain, s")
	return cmd
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

package demo

import (
	"fmt"
	"strings"
	"time"

	"sluice/internal/app"
)

// showLine rewrites the live line.
func (d *demo) showLine(at time.Duration, s app.Status) {
	if !d.cfg.Live {
		return
	}
	ratio := "   -"
	if s.Pending > 0 {
		ratio = fmt.Sprintf("%4.2f", s.Ratio)
	}
	fmt.Fprintf(d.cfg.Out, "\r\033[K%6.1fs  running %3d  pending %4d  ratio %s/%.2f  goal %3d  supply %3d  hosts %2d  offers +%d -%d",
		at.Seconds(), s.Running, s.Pending+s.Waiting, ratio, s.Target, s.Goal, s.Supply, s.Hosts, s.OffersAccepted, s.OffersDeclined)
}

// clearLine takes the live line away, so that something else can be printed.
func (d *demo) clearLine() {
	if d.cfg.Live {
		fmt.Fprint(d.cfg.Out, "\r\033[K")
	}
}

// shellWords joins arguments as one would type them.
func shellWords(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		if strings.ContainsAny(a, " \t\n\"'$`\\*?[](){}<>|&;!#~") || a == "" {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		words[i] = a
	}
	return strings.Join(words, " ")
}

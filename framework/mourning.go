package framework

import (
	"fmt"
	"time"

	"sluice/framework/fleet"
)

// mournEvery is how often the same end of hosts is worth a line.
const mournEvery = 5 * time.Minute

// mourning is the last unwanted end of a host that was logged.
type mourning struct {
	text   string
	at     time.Time
	silent int // ends like it since
}

// mourn logs that a host ends which nobody of us wanted to end: once for many that end alike, as when an image is missing.
func (o *owner) mourn(u fleet.Update) {
	if !u.State.Unwanted() || !o.fleet.Serves(u.Task) {
		return
	}
	text, m := oneLine(fmt.Sprintf("%v %s", u.State, u.Reason)), &o.mourned
	if now := time.Now(); text != m.text || now.Sub(m.at) >= mournEvery {
		more := ""
		if m.silent > 0 {
			more = fmt.Sprintf("; %d more hosts had ended as the one before", m.silent)
		}
		o.log.WithField("host", u.Task).Warnf("a host has ended: %s%s", text, more)
		*m = mourning{text: text, at: now}
		return
	}
	m.silent++
}

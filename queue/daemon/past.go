package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"sluice/queue"
	"sluice/queue/history"
	"sluice/queue/wire"
)

// History is where the daemon keeps what became of jobs, for longer than the Queue remembers them. It reads the events of the
// daemon's Journal.
type History interface {
	// Follow returns when all events are in the history that the journal had when it was called.
	Follow(ctx context.Context) error
	Recall(ctx context.Context, f history.Filter, events bool, each func(*history.Past) error) error
	Summarize(ctx context.Context, f history.Filter) (history.Summary, error)
	// Maintain is called before the journal is compacted.
	Maintain(ctx context.Context, now time.Time) error
	Keep() time.Duration
}

// Chronicle tells what happened, in order, as far as the History has followed the Journal.
type Chronicle interface {
	Chronicle(ctx context.Context, span history.Span, each func(*history.Happening) error) error
}

// historyPause is how long a history rests after it read what was new, so that it reads much at once.
const historyPause = 500 * time.Millisecond

var errNoHistory = &queue.Error{Kind: queue.KindUnavailable, Text: "this daemon keeps no history"}

// news tells the historian, if there is one, that there are events to read.
func (d *Daemon) news() {
	select {
	case d.happened <- struct{}{}:
	default: // it has been told
	}
}

// historian has the history read the journal while there is something new.
func (d *Daemon) historian() {
	ctx, cancel := d.untilStop()
	defer cancel()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-d.happened:
		case <-ctx.Done():
			return
		}
		if err := d.cfg.History.Follow(ctx); err != nil && !errors.Is(err, context.Canceled) {
			d.log.WithError(err).Warn("cannot keep the history; trying again")
			d.news()
		}
		pause.Reset(historyPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

// untilStop is a context that Stop cancels.
func (d *Daemon) untilStop() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-d.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// recalling reads a request about the past and brings the history up to date. On false it has answered; else the caller
// leaves d.streaming.
func (d *Daemon) recalling(w http.ResponseWriter, r *http.Request, ask any) bool {
	if d.cfg.History == nil {
		wire.WriteError(w, errNoHistory)
		return false
	}
	if !d.begin(w, r, ask) {
		return false
	}
	if err := d.cfg.History.Follow(r.Context()); err != nil {
		d.streaming.leave()
		wire.WriteError(w, err)
		return false
	}
	return true
}

func (d *Daemon) queryPast(w http.ResponseWriter, r *http.Request) {
	var ask wire.PastRequest
	if !d.recalling(w, r, &ask) {
		return
	}
	defer d.streaming.leave()
	out := newStream(w)
	var specs specWriter
	sent := 0
	err := d.cfg.History.Recall(r.Context(), ask.Filter, ask.Events, func(p *history.Past) error {
		spec, err := specs.encode(p.Spec)
		if err != nil {
			return err
		}
		out.item(pastLine{*p, spec})
		if sent++; sent == firstPage {
			out.page()
		}
		return out.err
	})
	if out.err == nil {
		out.end(err)
	}
}

// pastLine is a Past with its spec already encoded.
type pastLine struct {
	history.Past
	Spec json.RawMessage `json:"spec"`
}

func (d *Daemon) queryEvents(w http.ResponseWriter, r *http.Request) {
	if d.cfg.Chronicle == nil {
		wire.WriteError(w, errNoHistory)
		return
	}
	var ask wire.EventsRequest
	if !d.recalling(w, r, &ask) {
		return
	}
	defer d.streaming.leave()
	out := newStream(w)
	var specs specWriter
	sent := 0
	err := d.cfg.Chronicle.Chronicle(r.Context(), ask.Span, func(one *history.Happening) error {
		line := happeningLine{Happening: *one}
		if one.Spec != nil {
			var err error
			if line.Spec, err = specs.encode(one.Spec); err != nil {
				return err
			}
		}
		out.item(line)
		if sent++; sent%laterPages == 0 {
			out.page()
		}
		return out.err
	})
	if out.err == nil {
		out.end(err)
	}
}

// happeningLine is a Happening with its spec already encoded.
type happeningLine struct {
	history.Happening
	Spec json.RawMessage `json:"spec,omitempty"`
}

func (d *Daemon) summarizePast(w http.ResponseWriter, r *http.Request) {
	var ask wire.PastRequest
	if !d.recalling(w, r, &ask) {
		return
	}
	defer d.streaming.leave()
	summary, err := d.cfg.History.Summarize(r.Context(), ask.Filter)
	finish(w, summary, err)
}

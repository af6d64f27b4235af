package tune

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"sluice/controller"
)

// Limits of a log.
const (
	maxLine    = 16 << 10
	maxRecords = 4_000_000
)

// ReadLog reads controller records, one JSON object a line. A last line that
// was cut short, as by a crash, is left out. The error is an ErrLog that names
// the line, or the reader's.
func ReadLog(r io.Reader) ([]controller.Record, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, maxLine), maxLine)
	var records []controller.Record
	var bad error
	line := 0
	for scanner.Scan() {
		line++
		if bad != nil {
			return nil, bad
		}
		text := bytes.TrimSpace(scanner.Bytes())
		if len(text) == 0 {
			continue
		}
		if len(records) == maxRecords {
			return nil, fmt.Errorf("%w: more than %d records: cut it to the hours that matter", ErrLog, maxRecords)
		}
		record, err := parseRecord(text)
		if err != nil {
			bad = fmt.Errorf("%w: line %d: %w", ErrLog, line, err)
			continue
		}
		records = append(records, record)
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("%w: line %d is longer than %d bytes", ErrLog, line+1, maxLine)
	case err != nil:
		return nil, fmt.Errorf("read log: %w", err)
	case len(records) == 0 && bad != nil:
		return nil, bad
	case len(records) == 0:
		return nil, fmt.Errorf("%w: no records: make one with sluice run --record FILE", ErrLog)
	}
	return records, nil
}

func parseRecord(text []byte) (controller.Record, error) {
	var record controller.Record
	if err := json.Unmarshal(text, &record); err != nil {
		return record, err
	}
	if record.At.IsZero() {
		return record, errors.New("no time: not a record of sluice run --record")
	}
	for _, n := range []int{record.Running, record.Pending, record.Supply, record.InFlight, record.Draining, record.Goal} {
		if n < 0 || n > math.MaxInt32 {
			return record, fmt.Errorf("%d slots", n)
		}
	}
	return record, nil
}

// gap is how many times the usual time between records may pass before the
// process counts as started anew.
const gap = 10

// Samples makes samples of a run's records: the goal and the running slots, as
// shares of the mean of all slots of jobs. Masked is where something else than
// the goal decides what runs: nothing is pending, the poll failed, or Mesos has not
// granted the goal. Records whose time does not advance are left out. The error is
// an ErrExcitation.
func Samples(records []controller.Record) ([]Sample, error) {
	mean, busy := 0.0, 0
	for i := range records {
		if n := records[i].Running + records[i].Pending; n > 0 {
			busy++
			mean += (float64(n) - mean) / float64(busy)
		}
	}
	if busy == 0 {
		return nil, fmt.Errorf("%w: no record has jobs: record under load", ErrExcitation)
	}
	samples := make([]Sample, 0, len(records))
	for i := range records {
		r := &records[i]
		at := r.At.Sub(records[0].At).Seconds()
		if n := len(samples); n > 0 && at <= samples[n-1].At {
			continue
		}
		samples = append(samples, Sample{At: at, U: float64(r.Goal) / mean, Y: float64(r.Running) / mean, Masked: masked(r)})
	}
	limit := gap * medianStep(samples)
	for i := 1; i < len(samples); i++ {
		samples[i].Restart = samples[i].At-samples[i-1].At > limit
	}
	return slices.Clip(samples), nil
}

func masked(r *controller.Record) bool {
	switch r.Saturation {
	case controller.SaturationHold, controller.SaturationIdle, controller.SaturationSupply:
		return true
	default:
		return r.Pending == 0
	}
}

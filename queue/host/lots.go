package host

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sluice/queue"
	"sluice/queue/wire"
)

// GPUVariable tells a job which GPUs it may use, and a host, which ones its jobs may.
const GPUVariable = "CUDA_VISIBLE_DEVICES"

// portsVariable tells a job its ports, with blanks between.
const portsVariable = "SLUICE_PORTS"

// maxHostPorts is all that a machine has.
const maxHostPorts = 1 << 16

// lots hands out what jobs of one machine must not share: its GPUs by number or name, its ports. The keeper's loop owns it.
type lots struct {
	gpus, ports lot
}

// holding is what one job has.
type holding struct{ gpus, ports []string }

// lot is things that are free or taken, in order.
type lot struct {
	names []string
	taken []bool
	open  bool // more are numbered when they are needed: how many there are is for the batch system to watch
}

func newLots(gpus, ports []string) lots {
	return lots{
		gpus:  lot{names: gpus, taken: make([]bool, len(gpus)), open: len(gpus) == 0},
		ports: lot{names: ports, taken: make([]bool, len(ports))},
	}
}

// ParsePorts reads the ports of a host, as in 31000-31001,31005-31005 (queue.EnvHostPorts).
func ParsePorts(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var ports []string
	for part := range strings.SplitSeq(text, ",") {
		from, to, _ := strings.Cut(part, "-")
		first, err := strconv.ParseUint(from, 10, 16)
		last, err2 := strconv.ParseUint(to, 10, 16)
		if err := errors.Join(err, err2); err != nil || first > last || len(ports) >= maxHostPorts {
			return nil, fmt.Errorf("%s is %.80q: want ranges of ports, as in 31000-31001,31005-31005", queue.EnvHostPorts, text)
		}
		for p := first; p <= last; p++ {
			ports = append(ports, strconv.FormatUint(p, 10))
		}
	}
	return ports, nil
}

// takeFor takes what a job needs, and gives the variables that tell it.
func (l *lots) takeFor(s *wire.Start) (h holding, env []string, err error) {
	if h.gpus, err = l.gpus.take(int(s.GetGpus())); err != nil {
		return holding{}, nil, fmt.Errorf("find %d GPUs: %w", s.GetGpus(), err)
	}
	if h.ports, err = l.ports.take(int(s.GetPorts())); err != nil {
		l.gpus.give(h.gpus)
		return holding{}, nil, fmt.Errorf("find %d ports: %w", s.GetPorts(), err)
	}
	if len(h.gpus) > 0 {
		env = append(env, GPUVariable+"="+strings.Join(h.gpus, ","))
	}
	if len(h.ports) > 0 {
		env = append(env, portsVariable+"="+strings.Join(h.ports, " "))
	}
	return h, env, nil
}

// takeBack ends what takeFor began.
func (l *lots) takeBack(h holding) {
	l.gpus.give(h.gpus)
	l.ports.give(h.ports)
}

// take gives n that are free, the first ones.
func (l *lot) take(n int) ([]string, error) {
	var got []string
	for i := 0; len(got) < n; i++ {
		if i == len(l.taken) {
			if !l.open {
				l.give(got)
				return nil, fmt.Errorf("%d of %d are left", len(l.taken)-l.used(), len(l.taken))
			}
			l.names, l.taken = append(l.names, strconv.Itoa(i)), append(l.taken, false)
		}
		if !l.taken[i] {
			l.taken[i] = true
			got = append(got, l.names[i])
		}
	}
	return got, nil
}

func (l *lot) used() (n int) {
	for _, taken := range l.taken {
		if taken {
			n++
		}
	}
	return n
}

// give takes back what was taken.
func (l *lot) give(names []string) {
	for _, name := range names {
		l.taken[slices.Index(l.names, name)] = false
	}
}

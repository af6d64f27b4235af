package queue

import (
	"math"
	"time"
)

// Limits bound what a job's processes may use; zero fields are no limit. The first five are of all processes of a job
// together: its host watches them and ends a job that passes one (TERM_MEMLIMIT and the like). The others the system
// enforces on each process by itself.
type Limits struct {
	MemKiB    int64         `json:"memKiB,omitempty"`    // resident memory
	SwapKiB   int64         `json:"swapKiB,omitempty"`   // virtual memory
	CPU       time.Duration `json:"cpu,omitempty"`       // user + system
	Processes int           `json:"processes,omitempty"` //
	Threads   int           `json:"threads,omitempty"`   //

	FileKiB  int64 `json:"fileKiB,omitempty"`  // of a file that is written
	DataKiB  int64 `json:"dataKiB,omitempty"`  // data segment
	StackKiB int64 `json:"stackKiB,omitempty"` // stack segment
	CoreKiB  int64 `json:"coreKiB,omitempty"`  // core file; NoCore = none is written
}

// NoCore as Limits.CoreKiB keeps processes from writing core files.
const NoCore = -1

// maxLimitKiB keeps a size in bytes within an int64.
const maxLimitKiB = math.MaxInt64 >> 10

func (l *Limits) valid() bool {
	for _, n := range []int64{l.MemKiB, l.SwapKiB, l.FileKiB, l.DataKiB, l.StackKiB, max(l.CoreKiB, 0)} {
		if n < 0 || n > maxLimitKiB {
			return false
		}
	}
	return l.CoreKiB >= NoCore && l.CPU >= 0 && l.Processes >= 0 && l.Threads >= 0 &&
		l.Processes <= math.MaxInt32 && l.Threads <= math.MaxInt32
}

// amounts are the limits by LSF's names.
func (l *Limits) amounts() [9]struct {
	name   string
	amount int64
} {
	return [...]struct {
		name   string
		amount int64
	}{
		{"CPULIMIT", int64(l.CPU)},
		{"MEMLIMIT", l.MemKiB},
		{"SWAPLIMIT", l.SwapKiB},
		{"PROCESSLIMIT", int64(l.Processes)},
		{"THREADLIMIT", int64(l.Threads)},
		{"FILELIMIT", l.FileKiB},
		{"DATALIMIT", l.DataKiB},
		{"STACKLIMIT", l.StackKiB},
		{"CORELIMIT", l.CoreKiB},
	}
}

// Exceeded is LSF's name of the first of l that other goes beyond (MEMLIMIT …); "" = none.
func (l *Limits) Exceeded(other *Limits) string {
	if *l == (Limits{}) {
		return ""
	}
	asked := other.amounts()
	for i, most := range l.amounts() {
		if asked[i].amount != 0 && most.amount != 0 && asked[i].amount > most.amount {
			return most.name
		}
	}
	return ""
}

// within are limits of a job that has such terms.
func (l Limits) within(s *Terms) Limits {
	preset, most := &s.DefaultLimits, &s.Limits
	return Limits{
		MemKiB:    within(l.MemKiB, preset.MemKiB, most.MemKiB),
		SwapKiB:   within(l.SwapKiB, preset.SwapKiB, most.SwapKiB),
		CPU:       within(l.CPU, preset.CPU, most.CPU),
		Processes: within(l.Processes, preset.Processes, most.Processes),
		Threads:   within(l.Threads, preset.Threads, most.Threads),
		FileKiB:   within(l.FileKiB, preset.FileKiB, most.FileKiB),
		DataKiB:   within(l.DataKiB, preset.DataKiB, most.DataKiB),
		StackKiB:  within(l.StackKiB, preset.StackKiB, most.StackKiB),
		CoreKiB:   within(l.CoreKiB, preset.CoreKiB, most.CoreKiB),
	}
}

// within is a limit, the preset where it is 0, but at most so much; 0 = none.
func within[T int | int64 | time.Duration](limit, preset, most T) T {
	if limit == 0 {
		limit = preset
	}
	if limit == 0 || most != 0 && limit > most {
		return most
	}
	return limit
}

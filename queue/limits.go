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

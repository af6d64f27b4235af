package lsfbridge

import (
	"fmt"
	"strconv"
	"strings"
)

// gpuRequest is what bsub -gpu asks for: so many for each slot, or on each host.
type gpuRequest struct {
	number  int // 0 = the option was not given
	perSlot bool
}

const badGPUs = Refusal("Bad argument for option -gpu")

// parseGPUs reads num=N[/task|/host] and the settings that change nothing here, because a GPU is given to one job at a time; "-" stands
// for num=1.
func parseGPUs(text string) (gpuRequest, error) {
	request := gpuRequest{number: 1}
	if strings.TrimSpace(text) == "-" {
		return request, nil
	}
	for part := range strings.SplitSeq(text, ":") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch strings.TrimSpace(key) + "=" + strings.TrimSpace(value) {
		case "mode=shared", "mode=exclusive_process", "mps=no", "j_exclusive=yes", "j_exclusive=no", "gvendor=nvidia",
			"aff=yes", "aff=no", "block=yes", "block=no", "gpack=yes", "gpack=no":
			continue
		}
		if strings.TrimSpace(key) != "num" {
			return request, Refusal(fmt.Sprintf("-gpu: %s is not supported", printable(strings.TrimSpace(part))))
		}
		amount, suffix, _ := strings.Cut(strings.TrimSpace(value), "/")
		n, err := strconv.ParseUint(amount, 10, 31)
		if err != nil || n < 1 || n > maxGPUs || suffix != "" && suffix != "task" && suffix != "host" {
			return request, badGPUs
		}
		request = gpuRequest{number: int(n), perSlot: suffix == "task"}
	}
	return request, nil
}

// requestGPUs makes -gpu a resource requirement.
func (b *submissionBuilder) requestGPUs() {
	if b.gpus.number == 0 {
		return
	}
	suffix := ""
	if b.gpus.perSlot {
		suffix = "/task"
	}
	b.resReqs = append(b.resReqs, fmt.Sprintf("rusage[ngpus=%d%s]", b.gpus.number, suffix))
}

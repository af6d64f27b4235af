package lsfbridge

import (
	"errors"
	"strings"
	"testing"
)

func TestGPUOption(t *testing.T) {
	for _, tt := range []struct {
		args          string // with blanks between
		slot, perHost int
	}{
		{"-gpu -", 0, 1},
		{"-gpu num=2", 0, 2},
		{"-gpu num=2:mode=exclusive_process:j_exclusive=yes:mps=no", 0, 2},
		{"-n 4 -gpu num=1/task", 1, 0},
		{"-n 2,8 -gpu num=3", 0, 3},
		{"-gpu num=4/host -R span[hosts=1] -n 2", 0, 4},
		{"-gpu mode=shared", 0, 1},
	} {
		s, err := ParseSubmission(append(strings.Fields(tt.args), "true"), SubmitPlace{Cwd: "/"})
		if err != nil || s.Spec.Need.GPUs != tt.slot || s.Spec.Need.HostGPUs != tt.perHost || !strings.Contains(s.Spec.ResReq, "ngpus=") {
			t.Errorf("%s: %+v, %v", tt.args, s, err)
		}
	}
	for args, want := range map[string]string{
		"-gpu num=0":                         "Bad argument for option -gpu. ",
		"-gpu num=1/core":                    "Bad argument for option -gpu. ",
		"-gpu num=x":                         "Bad argument for option -gpu. ",
		"-gpu gmem=4G":                       "-gpu: gmem=4G is not supported. ",
		"-gpu num=1:mps=yes":                 "-gpu: mps=yes is not supported. ",
		"-gpu num=1 -R rusage[ngpus=1/task]": "Bad resource requirement syntax. ",
	} {
		_, err := ParseSubmission(append(strings.Fields(args), "true"), SubmitPlace{Cwd: "/"})
		refusal, ok := errors.AsType[Refusal](err)
		if !ok || !strings.HasPrefix(string(refusal), want) || !strings.HasSuffix(string(refusal), "Job not submitted.") {
			t.Errorf("%s: %v", args, err)
		}
	}
}

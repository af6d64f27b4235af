package lsfbridge

import (
	"errors"
	"io"
	"strings"
	"testing"

	"sluice/queue"
)

func TestPackNamesLines(t *testing.T) {
	p := NewPack(strings.NewReader("# a\n\n -n 2 true\n-n x true\r\n-env B=2 true\n"+strings.Repeat("x", maxPackLine+1)), SubmitPlace{Environ: []string{"A=1"}})
	s, err := p.Next()
	if err != nil || p.Line() != 3 || s.Spec.MinSlots != 2 || s.Spec.Env != queue.NewEnv([]string{"A=1"}) || s.Spec.Command != "true" {
		t.Errorf("line %d: %+v, %v", p.Line(), s, err)
	}
	if _, err := p.Next(); !errors.As(err, new(Refusal)) || p.Line() != 4 {
		t.Errorf("line %d: %v", p.Line(), err)
	}
	if s, err = p.Next(); err != nil || p.Line() != 5 || s.Spec.Command != "true" || s.Spec.Env != queue.NewEnv([]string{"B=2"}) {
		t.Errorf("line %d: %+v, %v", p.Line(), s, err)
	}
	if _, err := p.Next(); err == nil || errors.As(err, new(Refusal)) || errors.Is(err, io.EOF) || p.Line() != 6 {
		t.Errorf("a line that is too long: line %d: %v", p.Line(), err)
	}
	p = NewPack(strings.NewReader(""), SubmitPlace{})
	if _, err := p.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("an empty file: %v", err)
	}
}

// FuzzPack looks whether each line of a pack means what the same words mean to bsub.
func FuzzPack(f *testing.F) {
	f.Add("-q \"a b\" -n 2 ./x 'two words' # c\n-J arr[1-3] true\n")
	f.Add("-K true\n-h\n-Ip true\n-pack x\n\\\n'\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		p := NewPack(strings.NewReader(text), SubmitPlace{Environ: []string{"A=1"}})
		for {
			s, err := p.Next()
			if err != nil && !errors.As(err, new(Refusal)) {
				return
			}
			if err != nil {
				continue
			}
			words := splitWords(strings.TrimSpace(lines[p.Line()-1]))
			alone, err := ParseSubmission(words, SubmitPlace{Environ: []string{"A=1"}})
			if err != nil || alone.Spec.Command != s.Spec.Command || alone.Spec.MinSlots != s.Spec.MinSlots || alone.Spec.Env != s.Spec.Env {
				t.Fatalf("line %d is %+v in a pack, alone %+v (%v)", p.Line(), s, alone, err)
			}
		}
	})
}

package queue

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// ExitSet is a set of exit codes, 1 to 255. The zero value is empty.
type ExitSet [4]uint64

// ParseExitSet reads codes in LSF's words: "3 99", or "all ~1 ~2" for all but some.
func ParseExitSet(text string) (ExitSet, error) {
	var some, without ExitSet
	for word := range strings.FieldsSeq(text) {
		if word == "all" {
			some = allExits
			continue
		}
		set := &some
		digits, excluded := strings.CutPrefix(word, "~")
		if excluded {
			set = &without
		}
		code, err := strconv.ParseUint(digits, 10, 8)
		if err != nil || code == 0 {
			return ExitSet{}, fmt.Errorf("exit code %q: want 1 to 255, all, or ~ before a code that is not meant", word)
		}
		set[code/64] |= 1 << (code % 64)
	}
	for i := range some {
		some[i] &^= without[i]
	}
	return some, nil
}

var allExits = ExitSet{^uint64(1), ^uint64(0), ^uint64(0), ^uint64(0)}

// Has reports whether a code is in the set.
func (s ExitSet) Has(code int) bool {
	return code > 0 && code < 256 && s[code/64]>>(code%64)&1 != 0
}

// String is what ParseExitSet reads.
func (s ExitSet) String() string {
	size := 0
	for _, word := range s {
		size += bits.OnesCount64(word)
	}
	most := size > 127
	var words []string
	if most {
		words = append(words, "all")
	}
	for code := 1; code < 256; code++ {
		switch {
		case most && !s.Has(code):
			words = append(words, "~"+strconv.Itoa(code))
		case !most && s.Has(code):
			words = append(words, strconv.Itoa(code))
		}
	}
	return strings.Join(words, " ")
}

// MarshalText is String.
func (s ExitSet) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseExitSet.
func (s *ExitSet) UnmarshalText(text []byte) (err error) {
	*s, err = ParseExitSet(string(text))
	return err
}

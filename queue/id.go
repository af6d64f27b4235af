package queue

import (
	"fmt"
	"strconv"
	"strings"
)

// ID names a job (Index 0) or one element of a job array (Index ≥ 1). The zero ID names nothing.
type ID struct {
	Job   int64
	Index int
}

// String is LSF's form: "12" or "12[3]".
func (id ID) String() string {
	if id.Index == 0 {
		return strconv.FormatInt(id.Job, 10)
	}
	return strconv.FormatInt(id.Job, 10) + "[" + strconv.Itoa(id.Index) + "]"
}

// ParseID reads what String prints.
func ParseID(s string) (ID, error) {
	number, index, isElement := strings.Cut(s, "[")
	job, err := strconv.ParseInt(number, 10, 64)
	if err != nil || job < 1 || number[0] == '+' {
		return ID{}, fmt.Errorf("parse job id %q: want a number from 1, or number[index]", s)
	}
	id := ID{Job: job}
	if !isElement {
		return id, nil
	}
	digits, closed := strings.CutSuffix(index, "]")
	id.Index, err = strconv.Atoi(digits)
	if err != nil || !closed || id.Index < 1 || digits[0] == '+' {
		return ID{}, fmt.Errorf("parse job id %q: want a number from 1, or number[index]", s)
	}
	return id, nil
}

// MarshalText makes an ID a string in JSON, also as a map key.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

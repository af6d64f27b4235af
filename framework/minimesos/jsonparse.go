package minimesos

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth bounds the nesting of a request body; Mesos messages nest less than 20 levels.
const maxJSONDepth = 100

// jsonNumber keeps both readings of a number, as integer fields of 64 bits do not fit a float64.
type jsonNumber struct {
	float   float64
	integer int64
	isInt   bool
}

// jsonSyntaxError is worded as the parser of a real master words it: the rest of the line where parsing stopped.
type jsonSyntaxError struct {
	line int
	near string
}

func (e *jsonSyntaxError) Error() string {
	return fmt.Sprintf("syntax error at line %d near: %s", e.line, e.near)
}

type jsonParser struct {
	data []byte
	pos  int
}

// parseJSON reads one JSON value: map[string]any, []any, string, jsonNumber, bool or nil. A standard decoder would do
// but for the error texts, which clients see.
func parseJSON(data []byte) (any, error) {
	p := &jsonParser{data: data}
	v, ok := p.value(0)
	if !ok {
		return nil, p.failure()
	}
	rest := string(data[p.pos:])
	if strings.Trim(rest, " \t\r\n") != "" {
		return nil, wiref("Parsed JSON included non-whitespace trailing characters: %s", rest)
	}
	return v, nil
}

func (p *jsonParser) failure() error {
	line := 1 + strings.Count(string(p.data[:min(p.pos, len(p.data))]), "\n")
	var near strings.Builder
	for _, c := range p.data[min(p.pos, len(p.data)):] {
		if c == '\n' {
			break
		}
		if c >= ' ' {
			near.WriteByte(c)
		}
	}
	return &jsonSyntaxError{line: line, near: near.String()}
}

func (p *jsonParser) space() {
	for p.pos < len(p.data) && strings.IndexByte(" \t\r\n", p.data[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *jsonParser) expect(c byte) bool {
	p.space()
	if p.pos < len(p.data) && p.data[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *jsonParser) literal(word string) bool {
	for i := 0; i < len(word); i++ {
		if p.pos >= len(p.data) || p.data[p.pos] != word[i] {
			return false
		}
		p.pos++
	}
	return true
}

func (p *jsonParser) value(depth int) (any, bool) {
	p.space()
	if p.pos >= len(p.data) || depth > maxJSONDepth {
		return nil, false
	}
	switch c := p.data[p.pos]; {
	case c == '{':
		p.pos++
		return p.object(depth)
	case c == '[':
		p.pos++
		return p.array(depth)
	case c == '"':
		p.pos++
		return p.str()
	case c == 't':
		return true, p.literal("true")
	case c == 'f':
		return false, p.literal("false")
	case c == 'n':
		return nil, p.literal("null")
	case c == '-' || (c >= '0' && c <= '9'):
		return p.number()
	}
	return nil, false
}

func (p *jsonParser) object(depth int) (any, bool) {
	obj := map[string]any{}
	if p.expect('}') {
		return obj, true
	}
	for {
		if !p.expect('"') {
			return nil, false
		}
		key, ok := p.str()
		if !ok || !p.expect(':') {
			return nil, false
		}
		v, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		obj[key] = v
		if !p.expect(',') {
			return obj, p.expect('}')
		}
	}
}

func (p *jsonParser) array(depth int) (any, bool) {
	list := []any{}
	if p.expect(']') {
		return list, true
	}
	for {
		v, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		list = append(list, v)
		if !p.expect(',') {
			return list, p.expect(']')
		}
	}
}

func (p *jsonParser) number() (any, bool) {
	start := p.pos
	for p.pos < len(p.data) && strings.IndexByte("0123456789+-eE.", p.data[p.pos]) >= 0 {
		p.pos++
	}
	text := string(p.data[start:p.pos])
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return jsonNumber{float: float64(i), integer: i, isInt: true}, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, false
	}
	return jsonNumber{float: f, integer: clampInt64(f)}, true
}

func clampInt64(f float64) int64 {
	switch {
	case f >= 1<<63-1:
		return 1<<63 - 1
	case f <= -1<<63:
		return -1 << 63
	}
	return int64(f)
}

// str reads the rest of a string whose opening quote has been consumed.
func (p *jsonParser) str() (string, bool) {
	var b strings.Builder
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		switch {
		case c < ' ':
			return "", false
		case c == '"':
			p.pos++
			return b.String(), true
		case c == '\\':
			p.pos++
			if !p.escape(&b) {
				return "", false
			}
		default:
			b.WriteByte(c)
			p.pos++
		}
	}
	return "", false
}

func (p *jsonParser) escape(b *strings.Builder) bool {
	if p.pos >= len(p.data) {
		return false
	}
	c := p.data[p.pos]
	p.pos++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		b.WriteByte("\"\\/\b\f\n\r\t"[i])
		return true
	}
	if c != 'u' {
		return false
	}
	r, ok := p.hex4()
	if !ok {
		return false
	}
	if utf16.IsSurrogate(r) {
		if !p.literal(`\u`) {
			return false
		}
		low, ok := p.hex4()
		r = utf16.DecodeRune(r, low)
		if !ok || r == utf8.RuneError {
			return false
		}
	}
	b.WriteRune(r)
	return true
}

func (p *jsonParser) hex4() (rune, bool) {
	if p.pos+4 > len(p.data) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.data[p.pos:p.pos+4]), 16, 16)
	if err != nil {
		return 0, false
	}
	p.pos += 4
	return rune(n), true
}

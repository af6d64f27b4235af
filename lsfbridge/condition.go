package lsfbridge

import (
	"strconv"
	"strings"

	"sluice/queue"
)

// Limits of dependency conditions.
const (
	maxConditionBytes = 4096
	maxConditionDepth = 64
	maxConditionNodes = 256
)

// conditionSyntax is what is wrong with a condition; bsub puts the condition before it.
const conditionSyntax = Refusal("Dependency condition syntax error")

// jobTests are the tests by name and whether they count elements.
var jobTests = map[string]struct {
	op     queue.ConditionOp
	counts bool
}{
	"done": {queue.OpDone, false}, "exit": {queue.OpExit, false}, "ended": {queue.OpEnded, false},
	"started": {queue.OpStarted, false}, "numdone": {queue.OpNumDone, true}, "numended": {queue.OpNumEnded, true},
	"numexit": {queue.OpNumExit, true}, "numrun": {queue.OpNumRun, true}, "numpend": {queue.OpNumPend, true},
	"numstart": {queue.OpNumStart, true},
}

// ParseCondition reads a dependency condition (bsub -w). ! binds tighter than &&, that tighter than ||; a job alone means
// done(job). Groups in parentheses stay groups, so that FormatCondition gives the same text back. Every error is LSF's
// "Dependency condition syntax error".
func ParseCondition(text string) (*queue.Condition, error) {
	if len(text) > maxConditionBytes {
		return nil, conditionSyntax
	}
	p := &conditionParser{rest: text}
	c := p.either(0)
	p.blanks()
	if p.failed || p.rest != "" {
		return nil, conditionSyntax
	}
	return c, nil
}

// conditionParser is a recursive descent; after a failure each step returns nil at once.
type conditionParser struct {
	rest   string
	nodes  int
	failed bool
}

func (p *conditionParser) fail() *queue.Condition {
	p.failed = true
	return nil
}

func (p *conditionParser) blanks() { p.rest = strings.TrimLeft(p.rest, " \t\n") }

func (p *conditionParser) take(token string) bool {
	p.blanks()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *conditionParser) node(c queue.Condition) *queue.Condition {
	if p.nodes++; p.nodes > maxConditionNodes {
		return p.fail()
	}
	return &c
}

func (p *conditionParser) either(depth int) *queue.Condition {
	return p.chain("||", queue.OpOr, depth, p.both)
}

func (p *conditionParser) both(depth int) *queue.Condition {
	return p.chain("&&", queue.OpAnd, depth, p.unary)
}

// chain reads operands of one operator; a single operand stands for itself.
func (p *conditionParser) chain(token string, op queue.ConditionOp, depth int, operand func(int) *queue.Condition) *queue.Condition {
	args := []*queue.Condition{operand(depth)}
	for !p.failed && p.take(token) {
		args = append(args, operand(depth))
	}
	if p.failed || len(args) == 1 {
		return args[0]
	}
	return p.node(queue.Condition{Op: op, Args: args})
}

func (p *conditionParser) unary(depth int) *queue.Condition {
	switch {
	case p.failed || depth > maxConditionDepth:
		return p.fail()
	case p.take("!"):
		return p.node(queue.Condition{Op: queue.OpNot, Args: []*queue.Condition{p.unary(depth + 1)}})
	case p.take("("):
		c := p.either(depth + 1)
		if !p.take(")") {
			return p.fail()
		}
		return c
	default:
		return p.test()
	}
}

// test reads name(job), name(job, comparison) or a job alone.
func (p *conditionParser) test() *queue.Condition {
	word, quoted := p.word()
	if p.failed {
		return nil
	}
	test, known := jobTests[word]
	if quoted || !known || !p.take("(") {
		c := p.node(queue.Condition{Op: queue.OpDone})
		return p.about(c, word, quoted)
	}
	c := p.node(queue.Condition{Op: test.op})
	job, quoted := p.word()
	if c = p.about(c, job, quoted); c == nil {
		return nil
	}
	compared := p.take(",")
	switch {
	case compared && (test.counts || test.op == queue.OpExit):
		p.comparison(c, test.counts)
	case compared || test.counts:
		return p.fail()
	}
	if !p.take(")") {
		return p.fail()
	}
	return c
}

// about sets the job that a test is about: digits name a job or an element, everything else is a job name.
func (p *conditionParser) about(c *queue.Condition, word string, quoted bool) *queue.Condition {
	if c == nil || p.failed || strings.ContainsFunc(word, isBreak) {
		return p.fail()
	}
	if word, c.Each = strings.CutSuffix(word, eachMark); word == "" {
		return p.fail()
	}
	if quoted || word[0] < '0' || word[0] > '9' {
		c.Name = word
		return c
	}
	id, err := queue.ParseID(word)
	if err != nil {
		if strings.Trim(word, "0123456789") == "" {
			return p.fail()
		}
		c.Name = word
		return c
	}
	c.Job = id
	return c
}

// word reads a quoted or bare job name or number, with an optional [index].
func (p *conditionParser) word() (word string, quoted bool) {
	p.blanks()
	if p.rest == "" {
		p.fail()
		return "", false
	}
	if q := p.rest[0]; q == '"' || q == '\'' {
		end := strings.IndexByte(p.rest[1:], q)
		if end < 0 {
			p.fail()
			return "", true
		}
		word, p.rest = p.rest[1:1+end], p.rest[2+end:]
		return word, true
	}
	end := strings.IndexAny(p.rest, bareEnds)
	if end < 0 {
		end = len(p.rest)
	}
	if end == 0 {
		p.fail()
	}
	word, p.rest = p.rest[:end], p.rest[end:]
	return word, false
}

// eachMark after an array makes each element wait for the element of the same index.
const eachMark = "[*]"

// bareEnds end a job name that is not quoted.
const bareEnds = " \t\n()&|!,\"'"

// comparison reads ">= 5", "3" (equal) or, for counting tests, "*" (all elements).
func (p *conditionParser) comparison(c *queue.Condition, counts bool) {
	if counts && p.take("*") {
		c.Compare = "*"
		return
	}
	c.Compare = "=="
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if p.take(op) {
			c.Compare = op
			break
		}
	}
	p.blanks()
	digits := p.rest[:len(p.rest)-len(strings.TrimLeft(p.rest, "0123456789"))]
	value, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		p.fail()
		return
	}
	c.Value, p.rest = int(value), p.rest[len(digits):]
}

// FormatCondition is a text that ParseCondition reads as c.
func FormatCondition(c *queue.Condition) string {
	if c == nil {
		return ""
	}
	return string(appendCondition(nil, c, false))
}

func appendCondition(b []byte, c *queue.Condition, nested bool) []byte {
	switch c.Op {
	case queue.OpNot:
		return appendCondition(append(b, '!'), c.Args[0], true)
	case queue.OpAnd, queue.OpOr:
		if nested {
			b = append(b, '(')
		}
		for i, arg := range c.Args {
			if i > 0 {
				b = append(append(append(b, ' '), c.Op...), ' ')
			}
			// && binds tighter than ||, so it needs no parentheses inside it.
			b = appendCondition(b, arg, c.Op == queue.OpAnd || arg.Op == queue.OpOr)
		}
		if nested {
			b = append(b, ')')
		}
		return b
	default:
		return appendTest(b, c)
	}
}

func appendTest(b []byte, c *queue.Condition) []byte {
	b = append(append(b, c.Op...), '(')
	each := ""
	if c.Each {
		each = eachMark
	}
	if c.Job != (queue.ID{}) {
		b = append(append(b, c.Job.String()...), each...)
	} else {
		b = append(b, quoteName(c.Name+each)...)
	}
	switch c.Compare {
	case "":
	case "*":
		b = append(b, ", *"...)
	case "==":
		b = strconv.AppendInt(append(b, ", "...), int64(c.Value), 10)
	default:
		b = strconv.AppendInt(append(append(b, ", "...), c.Compare+" "...), int64(c.Value), 10)
	}
	return append(b, ')')
}

// quoteName quotes a job name that would read as something else.
func quoteName(name string) string {
	switch {
	case strings.Contains(name, `"`):
		return "'" + name + "'"
	case strings.ContainsAny(name, bareEnds) || name == "" || name[0] >= '0' && name[0] <= '9':
		return `"` + name + `"`
	default:
		return name
	}
}

package fleet

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Names of what a constraint can look at beside an agent's own attributes.
const (
	fieldHostname = "hostname"
	fieldRegion   = "@region" // of the agent's fault domain
	fieldZone     = "@zone"
)

// What a constraint can do with a field, as users of Marathon and Aurora know it.
const (
	opIs      = "IS"
	opIsNot   = "IS NOT"
	opIn      = "IN"
	opNotIn   = "NOT IN"
	opLike    = "LIKE"
	opUnlike  = "UNLIKE"
	opCluster = "CLUSTER"
	opUnique  = "UNIQUE"
	opGroupBy = "GROUP_BY"
	opMaxPer  = "MAX_PER"
)

const operators = "IS, IS NOT, IN, NOT IN, LIKE, UNLIKE, CLUSTER, UNIQUE, GROUP_BY, MAX_PER"

const (
	maxConstraint  = 4096 // characters
	maxPattern     = 512  // of a regular expression
	maxConstraints = 64
	maxPer         = 1 << 20
)

// Constraint is a condition on the agents that hosts may live on: a field, an operator and mostly a value. The field is the
// name of an attribute, or hostname, @region or @zone. It is immutable; ParseConstraint makes one.
//
//	IS:v, CLUSTER:v     the field is v                        IS NOT:v       it is not
//	IN:v,w              it is one of these                    NOT IN:v,w     it is none of these
//	LIKE:regexp         all of it matches (RE2)               UNLIKE:regexp  it does not
//	CLUSTER             all hosts have the same value         UNIQUE         each has another one
//	MAX_PER:n           at most n hosts have the same value
//	GROUP_BY[:n]        no value gets a host while another that has hosts has fewer; n: and none a second one before n values
//	                    have one
//
// An agent without the field meets only the three that negate.
type Constraint struct {
	field, operator string
	values          []string
	number          int // of GROUP_BY and MAX_PER
	pattern         *regexp.Regexp
	text            string
}

// ParseConstraint reads FIELD:OPERATOR[:VALUE]. Operators may be in lower case, and may have _ for a blank.
func ParseConstraint(text string) (Constraint, error) {
	c, err := parseConstraint(text)
	if err != nil {
		return Constraint{}, fmt.Errorf("constraint %.80q: %w", text, err)
	}
	return c, nil
}

func parseConstraint(text string) (Constraint, error) {
	parts := strings.SplitN(text, ":", 3)
	if len(text) > maxConstraint {
		return Constraint{}, fmt.Errorf("it is longer than %d characters", maxConstraint)
	}
	if len(parts) < 2 {
		return Constraint{}, errors.New("want FIELD:OPERATOR[:VALUE], as in rack:IN:a,b")
	}
	c := Constraint{field: strings.TrimSpace(parts[0]), operator: operatorOf(parts[1]), text: text}
	value := ""
	if len(parts) == 3 {
		value = strings.TrimSpace(parts[2])
	}
	if c.field == "" {
		return Constraint{}, errors.New("it names no attribute: want FIELD:OPERATOR[:VALUE], as in rack:IN:a,b")
	}
	if c.field == "@hostname" {
		c.field = fieldHostname
	}
	err := c.setValue(value)
	return c, err
}

func operatorOf(text string) string {
	name := strings.ToUpper(strings.TrimSpace(text))
	switch name {
	case "NOT_IN", "IS_NOT":
		return strings.ReplaceAll(name, "_", " ")
	case "GROUP BY", "MAX PER":
		return strings.ReplaceAll(name, " ", "_")
	}
	return name
}

func (c *Constraint) setValue(value string) (err error) {
	needed := fmt.Errorf("%s wants a value: %s:%s:VALUE", c.operator, c.field, c.operator)
	switch c.operator {
	case opIs, opIsNot:
		if value == "" {
			return needed
		}
		c.values = []string{value}
	case opCluster:
		if value != "" {
			c.operator, c.values = opIs, []string{value}
		}
	case opIn, opNotIn:
		for v := range strings.SplitSeq(value, ",") {
			if v = strings.TrimSpace(v); v != "" {
				c.values = append(c.values, v)
			}
		}
		if len(c.values) == 0 {
			return needed
		}
	case opLike, opUnlike:
		if value == "" {
			return needed
		}
		if len(value) > maxPattern {
			return fmt.Errorf("its regular expression is longer than %d characters", maxPattern)
		}
		if c.pattern, err = regexp.Compile(`^(?:` + value + `)$`); err != nil {
			return fmt.Errorf("%q is no regular expression: %w", value, err)
		}
	case opUnique:
		if value != "" {
			return errors.New("UNIQUE takes no value")
		}
	case opGroupBy, opMaxPer:
		if c.operator == opGroupBy && value == "" {
			return nil
		}
		c.number, err = strconv.Atoi(value)
		if err != nil || c.number < 1 || c.number > maxPer {
			return fmt.Errorf("%s wants a whole number from 1 to %d: %s:%s:2", c.operator, maxPer, c.field, c.operator)
		}
	default:
		return fmt.Errorf("unknown operator %q: want one of %s", c.operator, operators)
	}
	return nil
}

// Constrain adds a constraint, as ParseConstraint reads it.
func (c *Config) Constrain(text string) error {
	k, err := ParseConstraint(text)
	if err == nil {
		c.Constraints = append(c.Constraints, k)
	}
	return err
}

// String is the constraint as it was given.
func (c Constraint) String() string { return c.text }

// spreads says whether the constraint looks at what other hosts have.
func (c *Constraint) spreads() bool {
	switch c.operator {
	case opCluster, opUnique, opGroupBy, opMaxPer:
		return true
	default:
		return false
	}
}

// of gives the field of an agent.
func (c *Constraint) of(hostname string, attributes map[string]string) (value string, has bool) {
	if c.field == fieldHostname {
		return hostname, hostname != ""
	}
	value, has = attributes[c.field]
	return value, has
}

// admits says whether an agent with the value may be used, as far as other hosts do not matter.
func (c *Constraint) admits(value string, has bool) bool {
	is := func(v string) bool { return sameValue(v, value) }
	switch c.operator {
	case opIs, opIn:
		return has && slices.ContainsFunc(c.values, is)
	case opIsNot, opNotIn:
		return !has || !slices.ContainsFunc(c.values, is)
	case opLike:
		return has && c.pattern.MatchString(value)
	case opUnlike:
		return !has || !c.pattern.MatchString(value)
	default:
		return has
	}
}

// sameValue compares as text, or as numbers with Mesos's three decimals.
func sameValue(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && math.Abs(x-y) < leastDifference
}

const leastDifference = 0.0005

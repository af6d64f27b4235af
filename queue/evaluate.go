package queue

// Outcome is what a condition comes to at one time.
type Outcome struct {
	Met   bool `json:"met,omitempty"`
	Never bool `json:"never,omitempty"` // it can be met no more
}

// Evaluate says what a condition comes to now; names are those of a user's jobs. Tests of each element have no meaning here and
// are refused.
func (q *Queue) Evaluate(user string, c *Condition) (Outcome, error) {
	d, err := q.bind(&Spec{User: user, After: c})
	if err != nil {
		return Outcome{}, err
	}
	if d == nil {
		return Outcome{Met: true}, nil
	}
	var asker job
	for _, l := range d.leaves {
		asker.listen(l)
		l.judge()
	}
	v := d.root.eval(0)
	return Outcome{Met: v == isTrue, Never: v == isNever}, nil
}

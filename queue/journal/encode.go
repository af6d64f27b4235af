package journal

import (
	"context"
	"encoding/json"
	"fmt"

	"sluice/queue"
)

// row is an event as it is stored. The environment of a submitted job is stored apart and once, because users submit many
// jobs from one shell.
type row struct {
	env  queue.Env
	data string
}

func encode(e *queue.Event) (row, error) {
	stored := *e
	var r row
	if e.Spec != nil {
		spec := *e.Spec
		r.env, spec.Env = spec.Env, queue.Env{}
		stored.Spec = &spec
	}
	data, err := json.Marshal(&stored)
	if err != nil {
		return row{}, fmt.Errorf("encode event %s of job %v: %w", e.Kind, e.Job, err)
	}
	r.data = string(data)
	return r, nil
}

// maxCachedEnvs is how many environments are known by their number at once; one more is stored anew.
const maxCachedEnvs = 1024

// envCache knows the numbers of stored environments. What an open transaction stored becomes known when it commits.
type envCache struct {
	known map[queue.Env]int64
	fresh map[queue.Env]int64
}

func (c *envCache) number(e queue.Env) (int64, bool) {
	n, ok := c.known[e]
	if !ok {
		n, ok = c.fresh[e]
	}
	return n, ok
}

func (c *envCache) add(e queue.Env, n int64) {
	if c.fresh == nil {
		c.fresh = make(map[queue.Env]int64)
	}
	c.fresh[e] = n
}

func (c *envCache) commit() {
	if len(c.fresh) == 0 {
		return
	}
	if len(c.known)+len(c.fresh) > maxCachedEnvs {
		c.known = nil
	}
	if c.known == nil {
		c.known = make(map[queue.Env]int64)
	}
	for e, n := range c.fresh {
		if len(c.known) < maxCachedEnvs {
			c.known[e] = n
		}
	}
	c.fresh = nil
}

func (c *envCache) rollback() { c.fresh = nil }

// storeEnv gives the number of an environment, storing it where it is not known; nil for the empty one.
func (j *Journal) storeEnv(ctx context.Context, e queue.Env) (any, error) {
	if e == (queue.Env{}) {
		return nil, nil //nolint:nilnil // NULL in the database
	}
	if n, ok := j.envs.number(e); ok {
		return n, nil
	}
	data, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	result, err := j.conn.ExecContext(ctx, "INSERT INTO envs(data) VALUES(?)", string(data))
	if err != nil {
		return nil, err
	}
	n, err := result.LastInsertId()
	if err != nil {
		return nil, err
	}
	j.envs.add(e, n)
	return n, nil
}

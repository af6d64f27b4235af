package minimesos

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// member is one member of a JSON object; objects keep their order here.
type member struct {
	key   string
	value any
}

// ordered reads JSON into []member, []any, string, json.Number, bool and nil.
func ordered(dec *json.Decoder) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	d, ok := tok.(json.Delim)
	if !ok {
		return tok, nil
	}
	members, items := []member{}, []any{}
	for dec.More() {
		var key string
		if d == '{' {
			k, err := dec.Token()
			if err != nil {
				return nil, err
			}
			key = fmt.Sprint(k)
		}
		v, err := ordered(dec)
		if err != nil {
			return nil, err
		}
		members, items = append(members, member{key, v}), append(items, v)
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if d == '{' {
		return members, nil
	}
	return items, nil
}

func parseOrdered(b []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return ordered(dec)
}

// compare checks a live event against the recorded one. Random ids are learned, times ignored.
func (r *replayer) compare(want, got []byte) {
	w, err1 := parseOrdered(want)
	g, err2 := parseOrdered(got)
	if err := errors.Join(err1, err2); err != nil {
		r.t.Error(err)
		return
	}
	if diff := r.diff("", canonical(w), canonical(g)); diff != "" {
		r.t.Errorf("%s\ngot      %s\nrecorded %s", diff, got, want)
	}
}

// canonical sorts what a real master sends in any order: offers, and the resources in them.
func canonical(v any) any {
	switch v := v.(type) {
	case []member:
		for i := range v {
			v[i].value = canonical(v[i].value)
			if items, ok := v[i].value.([]any); ok && slices.Contains([]string{"resources", "offers", "attributes"}, v[i].key) {
				slices.SortFunc(items, func(a, b any) int { return strings.Compare(sortText(a), sortText(b)) })
			}
		}
	case []any:
		for i := range v {
			v[i] = canonical(v[i])
		}
	}
	return v
}

// sortText orders offers by agent and resources by name.
func sortText(v any) string {
	members, _ := v.([]member)
	for _, key := range []string{"agent_id", "name"} {
		for _, m := range members {
			if m.key == key {
				return fmt.Sprint(m.value, len(members))
			}
		}
	}
	return ""
}

var containerDir = regexp.MustCompile(`for container '[0-9a-f-]+'`)

// diff returns the first difference, or "".
func (r *replayer) diff(path string, want, got any) string {
	switch key := path[strings.LastIndexByte(path, '.')+1:]; key {
	case "timestamp", "executor_pid", "url", "nanoseconds":
		return ""
	case "uuid":
		return r.learn(path, want, got)
	case "value":
		// Offers of one tick may be numbered in another order.
		if strings.HasSuffix(path, "container_id.value") || strings.HasSuffix(path, "].id.value") {
			return r.learn(path, want, got)
		}
	}
	switch want := want.(type) {
	case []member:
		g, ok := got.([]member)
		if !ok || len(g) != len(want) {
			return fmt.Sprintf("%s: %v, recorded %v", path, got, want)
		}
		for i := range want {
			if want[i].key != g[i].key {
				return fmt.Sprintf("%s: member %q, recorded %q", path, g[i].key, want[i].key)
			}
			if d := r.diff(path+"."+want[i].key, want[i].value, g[i].value); d != "" {
				return d
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(want) {
			return fmt.Sprintf("%s: %v, recorded %v", path, got, want)
		}
		for i := range want {
			if d := r.diff(fmt.Sprintf("%s[%d]", path, i), want[i], g[i]); d != "" {
				return d
			}
		}
		return ""
	case string:
		if g, ok := got.(string); ok && sameText(r.translate(want)) == sameText(g) {
			return ""
		}
	}
	if want != got {
		return fmt.Sprintf("%s: %v, recorded %v", path, got, want)
	}
	return ""
}

// sameText takes from a text what may differ: a container's id, and the order of the resources of an agent.
func sameText(text string) string {
	text = containerDir.ReplaceAllString(text, "")
	const mark = " is more than available "
	if before, after, ok := strings.Cut(text, mark); ok {
		parts := strings.Split(after, "; ")
		slices.Sort(parts)
		text = before + mark + strings.Join(parts, "; ")
	}
	return text
}

// learn binds a recorded random id to the live one; a bound id must come again as itself.
func (r *replayer) learn(path string, want, got any) string {
	w, ok1 := want.(string)
	g, ok2 := got.(string)
	if !ok1 || !ok2 || len(w) != len(g) {
		return fmt.Sprintf("%s: %v, recorded %v", path, got, want)
	}
	if bound, known := r.known[w]; known && bound != g {
		return fmt.Sprintf("%s: %v, bound to %v before", path, got, bound)
	}
	r.known[w] = g
	// In a protobuf request the bytes stand bare.
	raw, err1 := base64.StdEncoding.DecodeString(w)
	live, err2 := base64.StdEncoding.DecodeString(g)
	if err1 == nil && err2 == nil && len(raw) == 16 {
		r.known[string(raw)] = string(live)
	}
	return ""
}

// dial connects to a listener in memory, as virtual time wants it.
func dial(l *portListener) (net.Conn, error) {
	client, server := net.Pipe()
	if !l.give(server) {
		return nil, net.ErrClosed
	}
	return client, nil
}

// nowhere is the address of a listener in memory.
type nowhere struct{ net.Listener }

func (nowhere) Addr() net.Addr { return &net.TCPAddr{} }

// fakeRunner runs the few commands of the recordings in virtual time.
type fakeRunner struct{}

var sleepCommand = regexp.MustCompile(`^(?:echo [^;]*; )?sleep ([0-9.]+)(?:; exit (\d+))?$`)

func (fakeRunner) provision(ctx context.Context, c *container) error {
	return wait(ctx, 0)
}

func (fakeRunner) sweep(left []taskProcess, _ string) {
	for _, p := range left {
		p.killAll()
	}
}

func (fakeRunner) start(c *container) (taskProcess, error) {
	p := &fakeProcess{end: make(chan exit, 1)}
	command := c.info.Command.GetValue()
	switch found := sleepCommand.FindStringSubmatch(command); {
	case found != nil:
		seconds, _ := strconv.ParseFloat(found[1], 64)
		status := cmp.Or(found[2], "0")
		p.finishAfter(seconds, exit{status == "0", "Command exited with status " + status})
	case strings.Contains(command, "trap 'exit 5' TERM"):
		p.onTerm = &exit{message: "Command exited with status 5"}
	case strings.Contains(command, "trap '"):
		p.onTerm = &exit{} // ignores it
	case command == "true":
		p.finishAfter(0, exit{true, "Command exited with status 0"})
	default:
		return nil, fmt.Errorf("cannot play %q", command)
	}
	return p, nil
}

type fakeProcess struct {
	end    chan exit
	once   sync.Once
	onTerm *exit // instead of the signal; without a message it is ignored
}

func (p *fakeProcess) finishAfter(seconds float64, e exit) {
	const reaping = 0.09 // until a real executor notices
	time.AfterFunc(time.Duration((seconds+reaping)*float64(time.Second)), func() { p.finish(e) })
}

func (p *fakeProcess) finish(e exit) { p.once.Do(func() { p.end <- e }) }
func (p *fakeProcess) id() int       { return 4711 }
func (p *fakeProcess) wait() exit    { return <-p.end }
func (p *fakeProcess) killAll()      { p.finish(exit{message: "Command terminated with signal Killed"}) }
func (p *fakeProcess) killGroup()    { p.killAll() }
func (p *fakeProcess) terminateTree() {
	switch {
	case p.onTerm == nil:
		p.finish(exit{message: "Command terminated with signal Terminated"})
	case p.onTerm.message != "":
		p.finish(*p.onTerm)
	}
}

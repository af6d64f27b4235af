package minimesos

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// jsonField describes one field of a generated message, as read from its protobuf struct tag.
type jsonField struct {
	index    int    // of the Go struct field
	name     string // as in the .proto file, which is its JSON name for Mesos
	number   int
	required bool
	enum     string // full name of the enum type, or empty
	def      string // default value, as text
	hasDef   bool
}

type jsonMessage struct {
	fields []*jsonField // in the order of the .proto file
	byName map[string]*jsonField
}

var jsonMessages sync.Map // reflect.Type -> *jsonMessage

// describe returns the fields of the message type t.
func describe(t reflect.Type) *jsonMessage {
	if m, ok := jsonMessages.Load(t); ok {
		return m.(*jsonMessage) //nolint:errcheck // nothing else is stored
	}
	m := &jsonMessage{byName: map[string]*jsonField{}}
	for i := 0; i < t.NumField(); i++ {
		tag := t.Field(i).Tag.Get("protobuf")
		if tag == "" {
			continue
		}
		f := &jsonField{index: i}
		for n, part := range strings.Split(tag, ",") {
			switch {
			case n == 1:
				f.number, _ = strconv.Atoi(part) // written by the generator
			case part == "req":
				f.required = true
			case strings.HasPrefix(part, "name="):
				f.name = part[len("name="):]
			case strings.HasPrefix(part, "enum="):
				f.enum = part[len("enum="):]
			case strings.HasPrefix(part, "def="):
				f.def, f.hasDef = part[len("def="):], true
			}
		}
		// Deprecated fields are not printed for the sake of their default.
		if f.name == "role" {
			f.hasDef = false
		}
		m.fields = append(m.fields, f)
		m.byName[f.name] = f
	}
	jsonMessages.Store(t, m)
	return m
}

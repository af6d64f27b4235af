package minimesos

import (
	"encoding/base64"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/gogo/protobuf/proto"
)

// fromJSON fills the message msg (a pointer to a generated struct) from a JSON text the way a real master does:
// unknown fields are ignored, unknown enum values are as if absent, numbers may stand in strings. The errors carry the
// texts of a real master.
func fromJSON(data []byte, msg any) error {
	v, err := parseJSON(data)
	if err != nil {
		return wiref("Failed to parse body into JSON: %v", err)
	}
	obj, ok := v.(map[string]any)
	if !ok {
		return convertError("Expecting a JSON object")
	}
	missing, err := decodeMessage(reflect.ValueOf(msg).Elem(), obj)
	if err != nil {
		return convertError(err.Error())
	}
	if len(missing) > 0 {
		return convertError("Missing required fields: " + strings.Join(missing, ", "))
	}
	return nil
}

func convertError(text string) error {
	return wiref("Failed to convert JSON into Call protobuf: %s", text)
}

// missingFields collects the paths of required fields that are absent, by the number of the field they are below.
type missingFields map[int][]string

// decodeMessage sets the fields of the struct v and returns the paths of missing required fields: those of the message
// itself first, then those of its parts in the order of field numbers, as the C++ library lists them.
func decodeMessage(v reflect.Value, obj map[string]any) ([]string, error) {
	m := describe(v.Type())
	below := missingFields{}
	for _, key := range slices.Sorted(maps.Keys(obj)) {
		f := m.byName[key]
		if f == nil {
			continue
		}
		if err := decodeField(v.Field(f.index), f, obj[key], below); err != nil {
			return nil, err
		}
	}
	var missing []string
	for _, f := range m.fields {
		if _, present := obj[f.name]; f.required && !present {
			missing = append(missing, f.name)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(below)) {
		missing = append(missing, below[n]...)
	}
	return missing, nil
}

func decodeField(v reflect.Value, f *jsonField, val any, below missingFields) error {
	t := v.Type()
	if t.Kind() == reflect.Map {
		return decodeMap(v, f, val, below)
	}
	repeated := t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8
	list, isList := val.([]any)
	if isList && !repeated {
		return wiref("Not expecting a JSON array for field '%s'", f.name)
	}
	if !repeated {
		return decodeSingle(v, f, val, f.name, below)
	}
	if !isList { // a lone value is added to a repeated field
		list = []any{val}
	}
	for _, item := range list {
		elem := reflect.New(t.Elem()).Elem()
		path := fmt.Sprintf("%s[%d]", f.name, v.Len())
		if err := decodeSingle(elem, f, item, path, below); err != nil {
			return err
		}
		v.Set(reflect.Append(v, elem))
	}
	return nil
}

func decodeMap(v reflect.Value, f *jsonField, val any, below missingFields) error {
	obj, ok := val.(map[string]any)
	if !ok {
		return unexpected(val, f)
	}
	v.Set(reflect.MakeMap(v.Type()))
	for key, item := range obj {
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := decodeSingle(elem, &jsonField{name: f.name, number: f.number}, item, f.name, below); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key), elem)
	}
	return nil
}

// decodeSingle sets one value that is not a list. Pointers are made as needed.
func decodeSingle(v reflect.Value, f *jsonField, val any, path string, below missingFields) error {
	target := v
	if v.Kind() == reflect.Pointer {
		target = reflect.New(v.Type().Elem()).Elem()
	}
	set, err := decodeValue(target, f, val, path, below)
	if err == nil && set && v.Kind() == reflect.Pointer {
		v.Set(target.Addr())
	}
	return err
}

func decodeValue(v reflect.Value, f *jsonField, val any, path string, below missingFields) (bool, error) {
	switch val := val.(type) {
	case map[string]any:
		if v.Kind() != reflect.Struct {
			return false, unexpected(val, f)
		}
		missing, err := decodeMessage(v, val)
		for _, m := range missing {
			below[f.number] = append(below[f.number], path+"."+m)
		}
		return true, err
	case string:
		return decodeString(v, f, val)
	case jsonNumber:
		return true, decodeNumber(v, f, val)
	case bool:
		if v.Kind() != reflect.Bool {
			return false, unexpected(val, f)
		}
		v.SetBool(val)
		return true, nil
	}
	return false, unexpected(val, f)
}

func decodeString(v reflect.Value, f *jsonField, s string) (bool, error) {
	switch {
	case f.enum != "":
		n, known := proto.EnumValueMap(f.enum)[s]
		if !known && f.required {
			return false, wiref("Failed to find enum for '%s'", s)
		}
		if known {
			v.SetInt(int64(n))
		}
		return known, nil
	case v.Kind() == reflect.String:
		v.SetString(s)
		return true, nil
	case v.Kind() == reflect.Slice:
		b, err := decodeBase64(s)
		if err != nil {
			return false, wiref("Failed to base64 decode bytes field '%s': %v", f.name, err)
		}
		v.SetBytes(b)
		return true, nil
	case v.Kind() == reflect.Struct:
		return false, unexpected(s, f)
	}
	kind := "number"
	if v.Kind() == reflect.Bool {
		kind = "boolean"
	}
	inner, err := parseJSON([]byte(s))
	if err == nil {
		switch inner := inner.(type) {
		case jsonNumber:
			if kind == "number" {
				return true, decodeNumber(v, f, inner)
			}
		case bool:
			if kind == "boolean" {
				v.SetBool(inner)
				return true, nil
			}
		}
		err = wiref("Unexpected JSON type parsed")
	}
	return false, wiref("Failed to parse '%s' as a JSON %s for field '%s': %v", s, kind, f.name, err)
}

func decodeNumber(v reflect.Value, f *jsonField, n jsonNumber) error {
	switch v.Kind() {
	case reflect.Float64, reflect.Float32:
		v.SetFloat(n.float)
	case reflect.Int32, reflect.Int64:
		if f.enum != "" {
			return unexpected(n, f)
		}
		v.SetInt(n.integer)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(n.integer))
	default:
		return unexpected(n, f)
	}
	return nil
}

func unexpected(val any, f *jsonField) error {
	kind := "null"
	switch val.(type) {
	case map[string]any:
		kind = "object"
	case string:
		kind = "string"
	case jsonNumber:
		kind = "number"
	case bool:
		kind = "boolean"
	case nil:
		return wiref("Not expecting a JSON null")
	}
	return wiref("Not expecting a JSON %s for field '%s'", kind, f.name)
}

// decodeBase64 accepts padded and unpadded text and names the first character outside of the alphabet.
func decodeBase64(s string) ([]byte, error) {
	trimmed := strings.TrimRight(s, "=")
	for _, c := range []byte(trimmed) {
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && c != '+' && c != '/' {
			return nil, wiref("Invalid character '%c'", c)
		}
	}
	return base64.RawStdEncoding.DecodeString(trimmed)
}

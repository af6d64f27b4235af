package minimesos

import (
	"encoding/base64"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gogo/protobuf/proto"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// toJSON prints a message (a pointer to a generated struct) as a real master prints it: fields in the order of the
// .proto file, unset ones left out, scalar defaults of optional fields printed, bytes in base64, enums by name.
func toJSON(msg any) []byte {
	return appendMessage(nil, reflect.ValueOf(msg).Elem())
}

func appendMessage(b []byte, v reflect.Value) []byte {
	b = append(b, '{')
	empty := true
	for _, f := range describe(v.Type()).fields {
		value, ok := printable(v.Field(f.index), f)
		if !ok {
			continue
		}
		if !empty {
			b = append(b, ',')
		}
		empty = false
		b = appendString(b, f.name)
		b = append(b, ':')
		b = appendValue(b, value, f)
	}
	return append(b, '}')
}

// printable tells whether a field is printed and with which value.
func printable(v reflect.Value, f *jsonField) (reflect.Value, bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return v.Elem(), true
		}
		if !f.hasDef {
			return v, false
		}
		return defaultValue(v.Type().Elem(), f), true
	case reflect.Slice, reflect.Map:
		// A required bytes field is never empty in what a master sends.
		return v, v.Len() > 0
	case reflect.Int32:
		// Optional enums that the generator made plain have UNKNOWN as their zero value.
		return v, f.required || v.Int() != 0
	}
	return v, true
}

func defaultValue(t reflect.Type, f *jsonField) reflect.Value {
	v := reflect.New(t).Elem()
	// The defaults are written by the generator: they parse.
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(f.def == "1")
	case reflect.Float64:
		n, _ := strconv.ParseFloat(f.def, 64)
		v.SetFloat(n)
	case reflect.Int32, reflect.Int64:
		n, _ := strconv.ParseInt(f.def, 10, 64)
		v.SetInt(n)
	case reflect.Uint32, reflect.Uint64:
		n, _ := strconv.ParseUint(f.def, 10, 64)
		v.SetUint(n)
	case reflect.String:
		v.SetString(f.def)
	}
	return v
}

func appendValue(b []byte, v reflect.Value, f *jsonField) []byte {
	switch v.Kind() {
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return appendString(b, base64.StdEncoding.EncodeToString(v.Bytes()))
		}
		b = append(b, '[')
		for i := 0; i < v.Len(); i++ {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, v.Index(i), f)
		}
		return append(b, ']')
	case reflect.Map:
		return appendMap(b, v, f)
	case reflect.Struct:
		return appendMessage(b, v)
	case reflect.String:
		return appendString(b, v.String())
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case reflect.Float64, reflect.Float32:
		return appendFloat(b, v.Float())
	case reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(b, v.Uint(), 10)
	case reflect.Int32, reflect.Int64:
		if f.enum != "" {
			return appendString(b, enumName(f.enum, int32(v.Int())))
		}
		return strconv.AppendInt(b, v.Int(), 10)
	}
	panic("minimesos: no JSON form for " + v.Type().String())
}

func appendMap(b []byte, v reflect.Value, f *jsonField) []byte {
	entries := map[string]reflect.Value{}
	for _, key := range v.MapKeys() {
		entries[key.String()] = v.MapIndex(key)
	}
	b = append(b, '{')
	for i, key := range slices.Sorted(maps.Keys(entries)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, key), ':')
		b = appendValue(b, entries[key], f)
	}
	return append(b, '}')
}

// capabilityQuotaV2 is younger than the generated messages.
const capabilityQuotaV2 mesos.MasterInfo_Capability_Type = 3

func enumName(enum string, n int32) string {
	if enum == "mesos.MasterInfo_Capability_Type" && n == int32(capabilityQuotaV2) {
		return "QUOTA_V2"
	}
	for name, value := range proto.EnumValueMap(enum) {
		if value == n {
			return name
		}
	}
	return strconv.Itoa(int(n))
}

// appendFloat prints the shortest decimal that reads back as f, always with a fraction or an exponent.
func appendFloat(b []byte, f float64) []byte {
	if f == 0 {
		return append(b, "0.0"...)
	}
	if abs := math.Abs(f); abs >= 1e21 || abs < 1e-6 {
		text := strconv.FormatFloat(f, 'e', -1, 64)
		mantissa, exp, _ := strings.Cut(text, "e")
		n, _ := strconv.Atoi(exp) // FormatFloat printed it
		return append(b, mantissa+"e"+strconv.Itoa(n)...)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'f', -1, 64)
	if !slices.Contains(b[start:], '.') {
		b = append(b, ".0"...)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	const hexDigits = "0123456789ABCDEF"
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		if n := strings.IndexByte("\"\\\b\f\n\r\t", c); n >= 0 {
			b = append(b, '\\', `"\bfnrt`[n])
			continue
		}
		if c < ' ' {
			b = append(b, `\u00`...)
			b = append(b, hexDigits[c>>4], hexDigits[c&15])
			continue
		}
		b = append(b, c)
	}
	return append(b, '"')
}

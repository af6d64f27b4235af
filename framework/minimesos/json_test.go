package minimesos

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/gogo/protobuf/proto"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

func TestFromJSONErrors(t *testing.T) {
	for in, want := range map[string]string{
		``:                                "Failed to parse body into JSON: syntax error at line 1 near: ",
		"{\"type\":\n tru}":               "Failed to parse body into JSON: syntax error at line 2 near: }",
		`{} x`:                            "Failed to parse body into JSON: Parsed JSON included non-whitespace trailing characters:  x",
		`7`:                               "Failed to convert JSON into Call protobuf: Expecting a JSON object",
		`{"type":null}`:                   "Failed to convert JSON into Call protobuf: Not expecting a JSON null",
		`{"type":["KILL"]}`:               "Failed to convert JSON into Call protobuf: Not expecting a JSON array for field 'type'",
		`{"framework_id":{"value":true}}`: "Failed to convert JSON into Call protobuf: Not expecting a JSON boolean for field 'value'",
		`{"kill":{},"acknowledge":{}}`:    "Failed to convert JSON into Call protobuf: Missing required fields: kill.task_id, acknowledge.agent_id, acknowledge.task_id, acknowledge.uuid",
		`{"accept":{"operations":[{},{"launch":{"task_infos":[{"name":"n","agent_id":{"value":"a"},"task_id":{}}]}}]}}`: "Failed to convert JSON into Call protobuf: Missing required fields: accept.operations[1].launch.task_infos[0].task_id.value",
	} {
		err := fromJSON([]byte(in), &scheduler.Call{})
		if err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", in, err, want)
		}
	}
}

func TestFromJSONAccepts(t *testing.T) {
	const in = `{"type":"DECLINE","unknown":{"a":[1]},"decline":{"offer_ids":[{"value":"O\u00e4\ud83d\ude00"}],
		"filters":{"refuse_seconds":"1e2"}},"subscribe":{"framework_info":{"user":"u","name":"n","checkpoint":"true",
		"capabilities":[{"type":"TELEPORT"}],"offer_filters":{"r":{}}}}}`
	c := &scheduler.Call{}
	if err := fromJSON([]byte(in), c); err != nil {
		t.Fatal(err)
	}
	if c.Decline.Filters.GetRefuseSeconds() != 100 || c.Decline.OfferIDs[0].Value != "Oä😀" {
		t.Errorf("%v", c.Decline)
	}
	info := c.Subscribe.FrameworkInfo
	if !info.GetCheckpoint() || len(info.Capabilities) != 1 || len(info.OfferFilters) != 1 {
		t.Errorf("%v", info)
	}
}

func TestNumbersInJSON(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.0", 15: "15.0", 0.1: "0.1", -2.5: "-2.5", 1795214275.7094452: "1795214275.7094452", 1e300: "1e300",
		1e-7: "1e-7", 123456789012345680000: "123456789012345680000.0", 1e21: "1e21", 0.001: "0.001",
	} {
		if got := string(appendFloat(nil, f)); got != want {
			t.Errorf("%v: %s, want %s", f, got, want)
		}
	}
}

// FuzzFromJSON: no input makes the decoder fail but by an error, and what it accepts prints as JSON that it reads again
// as the same message.
func FuzzFromJSON(f *testing.F) {
	f.Add([]byte(`{"type":"SUBSCRIBE","subscribe":{"framework_info":` + defaultInfo + `}}`))
	f.Add([]byte(`{"framework_id":{"value":"x"},"type":"ACKNOWLEDGE","acknowledge":{"agent_id":{"value":"a"},"task_id":{"value":"t"},"uuid":"AAAA"}}`))
	f.Add([]byte(`{"type":"DECLINE","decline":{"filters":{"refuse_seconds":"-1.5e3"}}}`))
	f.Add([]byte(`{"a":"\ud800\udc00\n\u0000","b":[[[{}]]]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var first, second scheduler.Call
		if fromJSON(in, &first) != nil {
			return
		}
		out := toJSON(&first)
		if bytes.ContainsRune(out, 0xfffd) || !bytes.Equal(out, bytes.ToValidUTF8(out, nil)) {
			return // the standard parser is stricter about text
		}
		if !json.Valid(out) {
			t.Fatalf("not JSON: %s", out)
		}
		if err := fromJSON(out, &second); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if !bytes.Equal(out, toJSON(&second)) {
			t.Fatalf("changed:\n%s\n%s", out, toJSON(&second))
		}
	})
}

// FuzzCallCheck: whatever a client sends in protobuf, checking it does not panic.
func FuzzCallCheck(f *testing.F) {
	f.Add([]byte{0x10, 0x05})
	f.Fuzz(func(t *testing.T, in []byte) {
		var c scheduler.Call
		if proto.Unmarshal(in, &c) == nil {
			_ = validateCall(&c)
		}
	})
}

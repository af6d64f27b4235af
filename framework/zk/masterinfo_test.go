package zk

import "testing"

// recorded is what a master 1.12 registered.
const recorded = `{"address":{"hostname":"127.0.0.1","ip":"127.0.0.1","port":16050},"capabilities":[{"type":"AGENT_UPDATE"},` +
	`{"type":"AGENT_DRAINING"},{"type":"QUOTA_V2"}],"hostname":"127.0.0.1","id":"0bcbed6a-adf8-4ed9-a21a-d5f3fdb3191b",` +
	`"ip":16777343,"pid":"master@127.0.0.1:16050","port":16050,"version":"1.12.0"}`

func TestMasterURL(t *testing.T) {
	for _, test := range []struct {
		data   string
		secure bool
		want   string
	}{
		{recorded, false, "http://127.0.0.1:16050"},
		{`{"address":{"hostname":"m1.example","ip":"10.0.0.1","port":5050}}`, false, "http://10.0.0.1:5050"},
		{`{"address":{"hostname":"m1.example","ip":"10.0.0.1","port":5050}}`, true, "https://m1.example:5050"},
		{`{"address":{"hostname":"m1.example","port":5050}}`, false, "http://m1.example:5050"},
		{`{"address":{"ip":"fe80::1","port":5050}}`, true, "https://[fe80::1]:5050"},
		{`{"hostname":"m1","pid":"master@10.0.0.1:5050"}`, false, "http://10.0.0.1:5050"},
		{`{"hostname":"m1","pid":"master@10.0.0.1:5050"}`, true, "https://m1:5050"},
		{`{"address":{"ip":"10.0.0.1"}}`, false, ""},
		{`{"address":{"ip":"10.0.0.1/x","port":1}}`, false, ""},
		{`{"address":{"ip":"10.0.0.1","port":70000}}`, false, ""},
		{`{}`, false, ""},
		{`{"pid":"master"}`, false, ""},
		{"\x0a\x24garbage", false, ""},
		{"", false, ""},
	} {
		url, err := masterURL([]byte(test.data), test.secure)
		if url != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: %s, %v, want %s", test.data, url, err, test.want)
		}
	}
}

func TestLeading(t *testing.T) {
	for _, test := range []struct {
		children []string
		want     string
		old      bool
	}{
		{nil, "", false},
		{[]string{"json.info_0000000012", "json.info_0000000003", "log_replicas"}, "json.info_0000000003", false},
		{[]string{"json.info_9999999999", "json.info_10000000000"}, "json.info_9999999999", false},
		{[]string{"info_0000000001", "json.info_0000000002"}, "info_0000000001", true},
		{[]string{"info_0000000003", "json.info_0000000002"}, "json.info_0000000002", false},
		{[]string{"json.info_", "json.info_x", "json.info_12", "info_000000000x", "agent"}, "", false},
	} {
		if name, old := leading(test.children); name != test.want || old != test.old {
			t.Errorf("%v: %s, %t", test.children, name, old)
		}
	}
}

func FuzzMasterURL(f *testing.F) {
	f.Add([]byte(recorded), false)
	f.Add([]byte(`{"hostname":"m1","pid":"master@10.0.0.1:5050"}`), true)
	f.Add([]byte("\x0a\x24garbage"), false)
	f.Fuzz(func(t *testing.T, data []byte, secure bool) {
		if url, err := masterURL(data, secure); (url == "") == (err == nil) {
			t.Fatalf("%q: %q, %v", data, url, err)
		}
	})
}
